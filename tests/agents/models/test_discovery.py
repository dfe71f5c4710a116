from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import msgspec
import pytest

from agents.models.discovery import HOSTED, Target, answers, preferred, targets
from agents.models.presets import PRESETS, ollama_url
from agents.settings import Endpoint, Settings
from tests.agents.models.lab import Lab
from tests.servers.http import Connection, LoopbackServer, Request
from tests.servers.paced import PacedServer

if TYPE_CHECKING:
    from pathlib import Path

NOTHING = Settings()


LOCAL = ["ollama", "vllm", "llamacpp"]


def test_without_configuration_there_are_servers_of_ones_own_perhaps_and_the_embedded_model() -> None:
    known = targets(NOTHING, {})
    assert list(known) == [*LOCAL, "embedded"]
    assert [known[name].probed for name in known] == [True, True, True, False]
    assert [known[name].base_url for name in LOCAL] == [f"http://127.0.0.1:{port}/v1" for port in (11434, 8000, 8080)]


def test_a_key_in_the_environment_makes_openai_known_after_servers_of_ones_own() -> None:
    known = targets(NOTHING, {"OPENAI_API_KEY": " sk-1 ", "OPENAI_BASE_URL": "http://127.0.0.1:1/v1"})
    assert list(known) == [*LOCAL, "openai", "embedded"]
    target = known["openai"]
    assert (target.base_url, target.key, target.found) == ("http://127.0.0.1:1/v1", "sk-1", "OPENAI_API_KEY")
    assert "sk-1" not in repr(target)
    assert targets(NOTHING, {"OPENAI_API_KEY": "sk-1"})["openai"].base_url == "https://api.openai.com/v1"
    assert "openai" not in targets(NOTHING, {"OPENAI_API_KEY": " "})


def test_every_service_is_known_by_its_key_and_none_comes_before_a_server_of_ones_own() -> None:
    keys = {PRESETS[kind].key or "": f"sk-{kind}" for kind in HOSTED}
    known = targets(NOTHING, keys)
    assert list(known) == [*LOCAL, "openai", "openrouter", "nanogpt", "anthropic", "embedded"]
    assert [name for name, target in known.items() if target.paid] == list(HOSTED)
    assert known["anthropic"].base_url == "https://api.anthropic.com/v1"
    assert known["openrouter"].key_name == "OPENROUTER_API_KEY"
    assert known["nanogpt"].key == "sk-nanogpt"


def test_a_configured_endpoint_comes_first_and_takes_the_place_of_a_found_one() -> None:
    settings = Settings(
        endpoints={"lab": Endpoint(base_url="http://a/v1", api_key_env="K"), "ollama": Endpoint(base_url="http://b/v1")}
    )
    known = targets(settings, {"K": "secret"})
    assert list(known) == ["lab", "ollama", "vllm", "llamacpp", "embedded"]
    assert (known["lab"].key, known["lab"].key_name) == ("secret", "K")
    assert (known["ollama"].base_url, known["ollama"].found) == ("http://b/v1", "configuration")


def test_what_is_configured_at_an_address_is_not_found_there_again() -> None:
    settings = Settings(endpoints={"gpu": Endpoint(base_url="http://localhost:8000/v1/")})
    assert list(targets(settings, {})) == ["gpu", "ollama", "llamacpp", "embedded"]


def of_kind(name: str, endpoint: Endpoint, **environ: str) -> Target:
    return targets(Settings(endpoints={name: endpoint}), environ)[name]


def test_a_kind_says_where_an_endpoint_is_and_which_key_it_takes() -> None:
    target = of_kind("mine", Endpoint(kind="openrouter"), OPENROUTER_API_KEY="sk-or")
    assert (target.base_url, target.key, target.paid) == ("https://openrouter.ai/api/v1", "sk-or", True)
    assert of_kind("openrouter", Endpoint(kind="openrouter")).key_name == "OPENROUTER_API_KEY"
    assert of_kind("openai", Endpoint(), OPENAI_BASE_URL="http://127.0.0.1:1/v1").base_url == "http://127.0.0.1:1/v1"
    assert of_kind("box", Endpoint(kind="ollama"), OLLAMA_HOST="box.lan").base_url == "http://box.lan:11434/v1"
    assert of_kind("gpu1", Endpoint(kind="vllm", base_url="http://10.0.0.7:8000/v1")).base_url == "http://10.0.0.7:8000/v1"


@pytest.mark.parametrize(
    "base_url",
    ["http://127.0.0.1:9/v1", "https://proxy.example/api/v1", "http://openrouter.ai/api/v1", "https://openrouter.ai.evil/v1"],
)
def test_a_key_that_nobody_named_goes_to_no_other_host(base_url: str) -> None:
    moved = Endpoint(kind="openrouter", base_url=base_url)
    target = of_kind("openrouter", moved, OPENROUTER_API_KEY="sk-or")
    assert (target.key, target.key_name, target.paid) == (None, None, False)
    named = Endpoint(kind="openrouter", base_url=base_url, api_key_env="PROXY_KEY")
    assert of_kind("openrouter", named, OPENROUTER_API_KEY="sk-or", PROXY_KEY="p").key == "p"
    at_home = Endpoint(kind="openrouter", base_url="https://openrouter.ai/api/v1/")
    assert of_kind("openrouter", at_home, OPENROUTER_API_KEY="sk-or").key == "sk-or"


@pytest.mark.parametrize(
    ("given", "url"),
    [
        ("", "http://127.0.0.1:11434/v1"),
        ("127.0.0.1", "http://127.0.0.1:11434/v1"),
        ("127.0.0.1:9999", "http://127.0.0.1:9999/v1"),
        ("0.0.0.0", "http://127.0.0.1:11434/v1"),
        ("0.0.0.0:80", "http://127.0.0.1:80/v1"),
        (":8080", "http://127.0.0.1:8080/v1"),
        ("box.lan", "http://box.lan:11434/v1"),
        ("http://box.lan:1/", "http://box.lan:1/v1"),
        ("http://box.lan:1/v1", "http://box.lan:1/v1"),
        ("https://box.example", "https://box.example/v1"),
        ("[::1]:5", "http://[::1]:5/v1"),
        ("[::1]", "http://[::1]:11434/v1"),
    ],
)
def test_every_form_of_ollama_host_gives_an_address(given: str, url: str) -> None:
    assert ollama_url(given) == url


def test_a_paid_service_gives_one_model_and_ones_own_server_two_without_the_embedders() -> None:
    known = targets(NOTHING, {"OPENAI_API_KEY": "sk-1"})
    assert preferred(known["openai"], ("a", "gpt-4o-mini", "b")) == ("gpt-4o-mini",)
    assert preferred(known["openai"], ("a", "b")) == ("a",)
    assert preferred(known["ollama"], ("nomic-embed-text", "a", "b", "c")) == ("a", "b")
    assert preferred(known["ollama"], ()) == ()
    hosted = targets(NOTHING, {"OPENROUTER_API_KEY": "k", "ANTHROPIC_API_KEY": "k"})
    assert preferred(hosted["openrouter"], ("dear/huge", "x/y-mini", "openai/gpt-5-mini")) == ("openai/gpt-5-mini",)
    assert preferred(hosted["anthropic"], ("claude-opus-9", "claude-haiku-9", "claude-sonnet-9")) == ("claude-haiku-9",)
    assert preferred(hosted["openrouter"], ()) == ()


async def test_a_server_that_is_there_answers_and_one_that_is_not_does_not() -> None:
    async with PacedServer() as server:
        there = targets(NOTHING, {"OLLAMA_HOST": server.url})["ollama"]
        assert await answers(there)
    assert not await answers(there)


def listing(body: bytes, status: int = 200) -> LoopbackServer:
    def respond(connection: Connection, request: Request) -> None:
        assert request.headers["host"].startswith("127.0.0.1:")
        connection.respond(status, body)
        connection.transport.close()

    return LoopbackServer(respond)


OLLAMA = b'{"models": [{"name": "qwen3:0.6b", "size": 522653767}]}'
VLLM = b'{"object": "list", "data": [{"id": "m", "object": "model", "owned_by": "vllm", "max_model_len": 32768}]}'
LLAMACPP = b'{"models": [{"name": "m"}], "data": [{"id": "m", "owned_by": "llamacpp", "meta": {"n_ctx_train": 2048}}]}'


@pytest.mark.parametrize(
    ("name", "body", "status", "itself"),
    [
        ("ollama", OLLAMA, 200, True),
        ("vllm", VLLM, 200, True),
        ("llamacpp", LLAMACPP, 200, True),
        ("ollama", VLLM, 200, False),
        ("vllm", LLAMACPP, 200, False),
        ("llamacpp", VLLM, 200, False),
        ("vllm", OLLAMA, 200, False),
        ("vllm", VLLM, 401, False),
        ("llamacpp", LLAMACPP, 503, False),
        ("vllm", b"<html>Jenkins</html>", 200, False),
        ("vllm", b"[1]", 200, False),
        ("vllm", b'{"data": {"owned_by": "vllm"}}', 200, False),
        ("vllm", b'{"data": ["vllm", null]}', 200, False),
        ("ollama", b"\xff\xfe", 200, False),
    ],
)
async def test_a_server_that_is_only_looked_for_must_be_what_it_should_be(
    name: str, body: bytes, status: int, itself: bool
) -> None:
    async with listing(body, status) as server:
        target = msgspec.structs.replace(targets(NOTHING, {})[name], base_url=server.base_url)
        assert await answers(target, 5.0) is itself
        assert server.requests[0].path == ("/api/tags" if name == "ollama" else "/v1/models")


@pytest.mark.parametrize("head", [b"content-length: %d\r\nkeep-alive: timeout=5", b"Content-Length:%d", b"connection: close"])
async def test_a_server_is_recognised_whether_it_closes_the_connection_or_not(head: bytes) -> None:
    async def respond(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        more = head % len(LLAMACPP) if b"%d" in head else head
        writer.write(b"HTTP/1.1 200 OK\r\n%b\r\n\r\n%b" % (more, LLAMACPP))
        if b"close" not in head:
            await reader.read()
        writer.close()
        await writer.wait_closed()
        over.set()

    over = asyncio.Event()
    async with await asyncio.start_server(respond, "127.0.0.1", 0) as server:
        base_url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
        target = msgspec.structs.replace(targets(NOTHING, {})["llamacpp"], base_url=base_url)
        assert await answers(target, 5.0)
        await over.wait()


async def test_a_server_that_says_nothing_is_not_there() -> None:
    async with LoopbackServer(lambda connection, request: None) as server:
        target = msgspec.structs.replace(targets(NOTHING, {})["vllm"], base_url=server.base_url)
        assert not await answers(target, 0.05)


async def test_ollama_is_used_by_default_when_it_answers(tmp_path: Path) -> None:
    async with PacedServer(models=("qwen3:0.6b",)) as server, Lab(tmp_path, {}, environ={"OLLAMA_HOST": server.url}) as lab:
        assert [ref.name for ref in await lab.models.defaults()] == ["ollama/qwen3:0.6b"]
        offers = await lab.models.available()
    assert [(offer.name, offer.found) for offer in offers] == [("ollama", "OLLAMA_HOST"), ("embedded", "built in")]


async def test_openai_is_asked_with_its_key_at_its_address(tmp_path: Path) -> None:
    async with PacedServer(models=("x", "gpt-4.1-mini")) as server:
        environ = {"OPENAI_API_KEY": "sk-1", "OPENAI_BASE_URL": server.base_url}
        async with Lab(tmp_path, {}, environ=environ) as lab:
            assert [ref.name for ref in await lab.models.defaults()] == ["openai/gpt-4.1-mini"]
        assert server.requests[0].headers["authorization"] == "Bearer sk-1"


async def test_all_endpoints_are_asked_at_once_and_the_first_in_order_is_chosen(tmp_path: Path) -> None:
    asked = 0
    everyone = asyncio.Event()
    closed = asyncio.Event()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal asked
        request = await reader.readuntil(b"\r\n\r\n")
        asked += 1
        if asked == 3:
            everyone.set()
        await everyone.wait()
        if b"/silent/" in request:
            await reader.read()
            closed.set()
        else:
            body = b'{"data":[]}' if b"/none/" in request else b'{"data":[{"id":"m0"}]}'
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body))
            await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        endpoints = {name: Endpoint(base_url=f"{url}/{name}/v1") for name in ("none", "some", "silent")}
        async with asyncio.timeout(20), Lab(tmp_path, endpoints) as lab:
            assert [ref.name for ref in await lab.models.defaults()] == ["some/m0"]
            await closed.wait()
