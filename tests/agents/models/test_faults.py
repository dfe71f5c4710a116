from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from agents.settings import Endpoint, Timeouts
from tests.agents.models.lab import Lab
from tests.servers.faults import SCENARIOS, FaultServer
from tests.servers.outcomes import ENDLESS, EXPECTED
from tests.servers.paced import PacedServer

if TYPE_CHECKING:
    from pathlib import Path

TIMEOUT = Timeouts(connect=2.0, first_token=0.6, idle=0.6, total=1.5)


@pytest.mark.parametrize("fault", EXPECTED)
async def test_every_fault_ends_typed_and_only_a_finish_reason_makes_a_step_done(fault: str, tmp_path: Path) -> None:
    async with FaultServer() as server:
        endpoint = Endpoint(base_url=server.base_url, timeout=TIMEOUT, max_retries=0, api_key_env="FAULT_KEY")
        async with Lab(tmp_path, {"faults": endpoint}, environ={"FAULT_KEY": "sk-CANARY-0123456789"}) as lab:
            asked = await lab.ask(f"faults/{fault}")
    ended = asked.ended
    outcome, kind, text = EXPECTED[fault]
    assert (ended.outcome, ended.error_kind) == (outcome, kind), ended.error
    assert asked.text.startswith(text) if fault in ENDLESS else asked.text == text
    assert (ended.finish is not None) == (ended.outcome == "done")
    if ended.error is not None:
        assert ended.error.startswith("faults: ")
        assert ended.error.isprintable()
        assert "CANARY" not in ended.error
        assert "456789" not in ended.error


def test_every_scenario_of_the_fault_server_has_its_expectation() -> None:
    assert set(SCENARIOS) <= set(EXPECTED)


async def test_an_endless_trickle_ends_at_the_total_limit_and_keeps_its_text(tmp_path: Path) -> None:
    async with FaultServer() as server:
        endpoint = Endpoint(base_url=server.base_url, timeout=TIMEOUT, max_retries=0)
        async with Lab(tmp_path, {"faults": endpoint}) as lab:
            asked = await lab.ask("faults/trickle-forever")
            await server.until(lambda: server.counts.dropped == 1)
    assert asked.ended.outcome == "cut"
    assert set(asked.text) == {"a"}
    assert asked.ended.usage is not None
    assert asked.ended.usage.estimated
    assert asked.ended.usage.output == len(asked.text)
    assert "timeout.total" in str(asked.ended.error)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_named_and_nothing_is_sent_to_its_target(status: int, tmp_path: Path) -> None:
    async with PacedServer() as target, FaultServer(elsewhere=target.base_url) as server:
        endpoint = Endpoint(base_url=server.base_url, timeout=TIMEOUT)
        async with Lab(tmp_path, {"faults": endpoint}) as lab:
            asked = await lab.ask(f"faults/redirect-{status}")
        assert target.counts.connections == 0
    assert "redirect" in str(asked.ended.error)
    assert asked.ended.attempts == 1


@pytest.mark.parametrize(
    ("base_url", "kind", "words"),
    [
        ("http://127.0.0.1:9/v1", "unreachable", "nothing listens at 127.0.0.1:9"),
        ("http://127.0.0.1:99999/v1", "bad_request", "base_url"),
        ("http://127.0.0.1:x/v1", "bad_request", "base_url"),
        ("ftp://127.0.0.1/v1", "bad_request", "base_url"),
        ("127.0.0.1:8000", "bad_request", "base_url"),
        ("", "bad_request", "base_url"),
        ("http://me:hunter2@127.0.0.1:9/v1", "bad_request", "no name or password"),
        ("http://nowhere.invalid/v1", "unreachable", "cannot be found"),
    ],
)
async def test_a_wrong_address_is_named_in_one_line(base_url: str, kind: str, words: str, tmp_path: Path) -> None:
    async with Lab(tmp_path, {"bad": Endpoint(base_url=base_url, max_retries=0)}) as lab:
        ended = (await lab.ask("bad/x")).ended
        shown = repr(await lab.models.available())
    assert (ended.outcome, ended.error_kind) == ("failed", kind)
    assert words in str(ended.error)
    assert "hunter2" not in f"{ended.error}{shown}"


async def test_https_to_a_plain_server_says_so(tmp_path: Path) -> None:
    async with PacedServer() as server:
        endpoint = Endpoint(base_url=server.base_url.replace("http:", "https:"), max_retries=0, timeout=Timeouts(connect=0.5))
        async with Lab(tmp_path, {"bad": endpoint}) as lab:
            ended = (await lab.ask("bad/x")).ended
    assert ended.error_kind in {"unreachable", "protocol"}


@pytest.mark.parametrize("key", ["", "  ", "sk-new\nline", "sk-ünicode", "two words"])
async def test_a_key_that_cannot_be_one_is_named_by_its_variable_and_never_shown(key: str, tmp_path: Path) -> None:
    async with PacedServer() as server:
        endpoint = Endpoint(base_url=server.base_url, api_key_env="LAB_KEY")
        async with Lab(tmp_path, {"lab": endpoint}, environ={"LAB_KEY": key}) as lab:
            ended = (await lab.ask("lab/paced-1-0")).ended
        assert server.counts.requests == 0
    assert ended.error_kind == "auth"
    assert "LAB_KEY" in str(ended.error)
    assert not key.strip() or key not in str(ended.error)


async def test_a_key_is_stripped_and_sent_only_where_one_is_configured(tmp_path: Path) -> None:
    async with PacedServer() as server:
        endpoints = {
            "with": Endpoint(base_url=server.base_url, api_key_env="LAB_KEY"),
            "without": Endpoint(base_url=server.base_url),
        }
        async with Lab(tmp_path, endpoints, environ={"LAB_KEY": " sk-1 \n"}) as lab:
            await lab.ask("with/paced-1-0")
            await lab.ask("without/paced-1-0", "Other")
        headers = [request.headers for request in server.requests]
    assert headers[0]["authorization"] == "Bearer sk-1"
    assert "authorization" not in headers[1]
    assert {header["accept-encoding"] for header in headers} == {"identity"}


async def test_loopback_never_goes_through_a_proxy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with PacedServer() as proxy, PacedServer() as server:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, proxy.url)
        monkeypatch.setenv("OPENAI_ORG_ID", "org-secret")
        async with Lab(tmp_path, {"lab": Endpoint(base_url=server.base_url)}) as lab:
            asked = await lab.ask("lab/paced-3-0")
        assert asked.ended.outcome == "done"
        assert proxy.counts.connections == 0
        assert "openai-organization" not in server.requests[0].headers
