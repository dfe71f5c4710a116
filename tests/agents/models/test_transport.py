from __future__ import annotations

import asyncio
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from agents.errors import CallError
from agents.models import client as client_module
from agents.models.client import EndpointClient
from agents.models.discovery import Target
from agents.models.names import parse_model
from agents.models.transport import proxied
from agents.models.turns import Turn
from agents.requests import Message, ModelCall
from agents.settings import Endpoint, Timeouts
from tests.agents.models.lab import Lab
from tests.servers import dead
from tests.servers.faults import CHUNKED, DONE, END, STOP, FaultServer, said
from tests.servers.http import Connection, LoopbackServer, Request
from tests.servers.paced import PacedServer, chunk

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

GOOD = CHUNKED + chunk(said() + STOP + DONE) + END


def _endpoint(base_url: str, connect: float = 5.0, api_key_env: str | None = None) -> Endpoint:
    return Endpoint(base_url=base_url, max_retries=0, timeout=Timeouts(connect=connect), api_key_env=api_key_env)


def _client(base_url: str, connect: float = 5.0) -> EndpointClient:
    return EndpointClient(Target(name="lab", endpoint=_endpoint(base_url, connect), base_url=base_url), Turn())


def _call(model: str) -> ModelCall:
    return ModelCall(model=parse_model(f"lab/{model}"), messages=(Message("user", "Hello"),))


async def test_calls_one_after_the_other_share_a_connection(tmp_path: Path) -> None:
    async with PacedServer() as server, Lab(tmp_path, {"lab": _endpoint(server.base_url)}) as lab:
        for number in range(20):
            asked = await lab.ask("lab/paced-3-0", f"Call {number}")
            assert asked.ended.outcome == "done"
        assert (server.counts.requests, server.counts.connections) == (20, 1)


async def test_calls_at_once_have_connections_of_their_own_that_are_kept(tmp_path: Path) -> None:
    async with PacedServer() as server, Lab(tmp_path, {"lab": _endpoint(server.base_url)}) as lab:
        for _ in range(3):
            asked = [lab.submit("lab/paced-3-0-50", f"Call {number}", use_cache=False) for number in range(8)]
            for one in asked:
                await one.over()
        assert server.counts.requests == 24
        assert server.counts.connections == 8


async def test_a_connection_the_server_closed_meanwhile_is_not_used_again(tmp_path: Path) -> None:
    open_: list[Connection] = []

    def answer(connection: Connection, request: Request) -> None:
        open_.append(connection)
        connection.transport.write(GOOD)
        connection.done()

    async with LoopbackServer(answer) as server, Lab(tmp_path, {"lab": _endpoint(server.base_url)}) as lab:
        for number in range(5):
            assert (await lab.ask("lab/x", f"Call {number}")).ended.outcome == "done"
            open_.pop().transport.close()
            await server.until(lambda: server.counts.open == 0)
            for _ in range(5):  # turns of the loop until the client's side is told, which takes two
                await asyncio.sleep(0)
        assert server.counts.connections == 5


async def test_text_that_came_before_the_connection_broke_is_kept_to_the_last_piece(tmp_path: Path) -> None:
    def answer(connection: Connection, request: Request) -> None:
        connection.transport.write(CHUNKED + b"".join(chunk(said(f"{number} ")) for number in range(3000)))
        connection.done()
        connection.transport.close()

    async with LoopbackServer(answer) as server, Lab(tmp_path, {"lab": _endpoint(server.base_url)}) as lab:
        asked = await lab.ask("lab/x")
    assert asked.ended.outcome == "cut"
    assert asked.text == "".join(f"{number} " for number in range(3000))


async def test_what_is_not_http_in_the_middle_ends_the_call_at_once_and_not_at_a_time_limit(tmp_path: Path) -> None:
    async with FaultServer() as server, Lab(tmp_path, {"lab": _endpoint(server.base_url)}) as lab:
        asked = await lab.ask("lab/bad-chunk")
    assert asked.ended.outcome == "cut"
    assert "(what it sent is not HTTP)" in str(asked.ended.error)


async def test_a_prompt_of_megabytes_arrives_whole(tmp_path: Path) -> None:
    prompt = "ä word " * 500_000
    async with PacedServer() as server, Lab(tmp_path, {"lab": _endpoint(server.base_url)}) as lab:
        asked = await lab.ask("lab/paced-3-0", prompt)
        assert asked.ended.outcome == "done"
        assert server.requests[0].json()["messages"] == [{"role": "user", "content": prompt}]
        assert "transfer-encoding" not in server.requests[0].headers


async def test_no_cookie_comes_back(tmp_path: Path) -> None:
    def answer(connection: Connection, request: Request) -> None:
        connection.transport.write(GOOD.replace(b"\r\n", b"\r\nset-cookie: session=1; path=/\r\n", 1))
        connection.done()

    async with LoopbackServer(answer) as server, Lab(tmp_path, {"lab": _endpoint(server.base_url)}) as lab:
        for number in range(2):
            assert (await lab.ask("lab/x", f"Call {number}")).ended.outcome == "done"
        assert all("cookie" not in request.headers for request in server.requests)


async def test_the_headers_of_every_response_are_heard_those_of_refusals_too() -> None:
    heard: list[Mapping[str, str]] = []

    def answer(connection: Connection, request: Request) -> None:
        if len(server.requests) == 1:
            head = b"HTTP/1.1 429 Slow\r\nX-RateLimit-Remaining-Requests: 0\r\nretry-after: 7\r\ncontent-length: 2\r\n\r\n{}"
            connection.transport.write(head)
        else:
            connection.transport.write(GOOD.replace(b"\r\n", b"\r\nx-ratelimit-remaining-requests: 9\r\n", 1))
        connection.done()

    async with LoopbackServer(answer) as server:
        client = _client(server.base_url)
        with pytest.raises(CallError) as caught:
            await client.answer(_call("x"), lambda piece: None, {}, heard=heard.append)
        reply = await client.answer(_call("x"), lambda piece: None, {}, heard=heard.append)
        await client.close()
    assert (caught.value.kind, caught.value.retry_after, reply.finish) == ("rate_limit", 7.0, "stop")
    assert [headers["x-ratelimit-remaining-requests"] for headers in heard] == ["0", "9"]


async def test_an_account_of_several_is_named_to_openai_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_ORG_ID", "org-1")
    monkeypatch.setenv("OPENAI_PROJECT_ID", "proj-1")
    monkeypatch.setattr(client_module, "_OPENAI", "localhost")
    async with PacedServer() as server:
        # What counts is where it is, not what it is called.
        for name, base_url in (("mine", server.base_url.replace("127.0.0.1", "localhost")), ("openai", server.base_url)):
            target = Target(name=name, endpoint=_endpoint(base_url), base_url=base_url, key="sk-1", key_name="KEY")
            client = EndpointClient(target, Turn())
            await client.answer(_call("paced-1-0"), lambda piece: None, {})
            await client.close()
        openai, lab = (request.headers for request in server.requests)
    assert (openai["openai-organization"], openai["openai-project"]) == ("org-1", "proj-1")
    assert not {"openai-organization", "openai-project"} & set(lab)
    assert lab["authorization"] == openai["authorization"] == "Bearer sk-1"
    assert lab["accept-encoding"] == "identity"


def test_a_chat_waits_for_no_sdk() -> None:
    code = "import sys, agents.models.client; print('aiohttp' in sys.modules, 'openai' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.split() == ["True", "False"]


# ---- connecting ahead ----


async def test_a_connection_opened_ahead_is_the_first_calls() -> None:
    async with PacedServer() as server:
        client = _client(server.base_url)
        await client.connect()
        await server.until(lambda: server.counts.connections == 1)
        assert server.counts.requests == 0
        await client.answer(_call("paced-3-0"), lambda piece: None, {})
        assert (server.counts.requests, server.counts.connections) == (1, 1)
        await client.close()
        await server.until(lambda: server.counts.open == 0)


async def test_connecting_ahead_where_nothing_answers_is_quiet() -> None:
    with dead.unused() as unused, dead.full() as full, dead.mute() as mute:
        addresses = [f"http://127.0.0.1:{unused}/v1", f"http://127.0.0.1:{full}/v1", f"https://127.0.0.1:{mute}/v1"]
        for address in (*addresses, "http://nowhere.invalid/v1"):
            client = _client(address, connect=0.1)
            await client.connect()
            await client.close()


# ---- what no connection gets past ----


async def _told(tmp_path: Path, base_url: str) -> tuple[str | None, str]:
    async with Lab(tmp_path, {"lab": _endpoint(base_url, connect=0.2)}) as lab:
        ended = (await lab.ask("lab/x")).ended
    return ended.error_kind, str(ended.error)


async def test_connecting_that_takes_for_ever_ends_at_its_own_limit(tmp_path: Path) -> None:
    with dead.full() as port:
        told = await _told(tmp_path, f"http://127.0.0.1:{port}/v1")
    assert told == ("unreachable", f"lab: 127.0.0.1:{port} does not answer: is it up and reachable?")


async def test_a_handshake_that_takes_for_ever_is_part_of_connecting(tmp_path: Path) -> None:
    with dead.mute() as port:
        told = await _told(tmp_path, f"https://127.0.0.1:{port}/v1")
    assert told == ("unreachable", f"lab: 127.0.0.1:{port} does not answer: is it up and reachable?")


@pytest.mark.skipif(dead.OPENSSL is None, reason="there is no openssl to make a certificate with")
async def test_a_certificate_nobody_trusts_is_named_and_nothing_is_sent(tmp_path: Path) -> None:
    async with dead.untrusted() as port:
        kind, told = await _told(tmp_path, f"https://127.0.0.1:{port}/v1")
    assert kind == "unreachable"
    assert "is not trusted" in told


@pytest.mark.skipif(dead.OPENSSL is None, reason="there is no openssl to make a certificate with")
async def test_a_server_that_speaks_tls_hangs_up_on_plain_http(tmp_path: Path) -> None:
    async with dead.untrusted() as port:
        kind, told = await _told(tmp_path, f"http://127.0.0.1:{port}/v1")
        assert (kind, told) == ("protocol", f"lab: 127.0.0.1:{port} closed the connection without an answer")


# ---- proxies ----


def _without_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


def test_a_proxy_is_for_the_addresses_the_environment_names_and_never_for_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    _without_proxies(monkeypatch)
    assert not proxied("https://api.example.org/v1")
    monkeypatch.setenv("https_proxy", "http://proxy.example.org:3128")
    monkeypatch.setenv("no_proxy", "inside.example.org")
    assert proxied("https://api.example.org/v1")
    assert not proxied("http://api.example.org/v1")
    assert not proxied("https://inside.example.org/v1")
    monkeypatch.setenv("all_proxy", "http://proxy.example.org:3128")
    assert proxied("http://api.example.org/v1")
    for own in ("http://127.0.0.1:8000/v1", "http://localhost/v1", "http://[::1]:1/v1"):
        assert not proxied(own)


async def test_a_call_goes_through_the_proxy_that_is_named_for_its_host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _without_proxies(monkeypatch)
    async with PacedServer() as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        async with Lab(tmp_path, {"far": _endpoint("http://models.invalid/v1")}) as lab:
            asked = await lab.ask("far/paced-3-0")
        assert proxy.requests[0].path == "http://models.invalid/v1/chat/completions"
    assert asked.ended.outcome == "done", asked.ended.error


async def test_every_socket_is_closed_with_the_client() -> None:
    async with PacedServer() as server:
        client = _client(server.base_url)
        async with asyncio.TaskGroup() as group:
            for _ in range(5):
                group.create_task(client.answer(_call("paced-3-0-50"), lambda piece: None, {}))
        assert server.counts.open == 5
        await client.close()
        await server.until(lambda: server.counts.open == 0)
