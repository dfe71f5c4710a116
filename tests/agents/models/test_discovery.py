from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from agents.models.discovery import answers, ollama_url, preferred, targets
from agents.settings import Endpoint, Settings
from tests.agents.models.lab import Lab
from tests.servers.paced import PacedServer

if TYPE_CHECKING:
    from pathlib import Path

NOTHING = Settings()


def test_without_configuration_there_are_ollama_perhaps_and_the_embedded_model() -> None:
    known = targets(NOTHING, {})
    assert list(known) == ["ollama", "embedded"]
    assert known["ollama"].probed
    assert not known["embedded"].probed


def test_a_key_in_the_environment_makes_openai_the_first() -> None:
    known = targets(NOTHING, {"OPENAI_API_KEY": " sk-1 ", "OPENAI_BASE_URL": "http://127.0.0.1:1/v1"})
    assert list(known) == ["openai", "ollama", "embedded"]
    target = known["openai"]
    assert (target.base_url, target.key, target.found) == ("http://127.0.0.1:1/v1", "sk-1", "OPENAI_API_KEY")
    assert "sk-1" not in repr(target)
    assert targets(NOTHING, {"OPENAI_API_KEY": "sk-1"})["openai"].base_url == "https://api.openai.com/v1"
    assert "openai" not in targets(NOTHING, {"OPENAI_API_KEY": " "})


def test_a_configured_endpoint_comes_first_and_takes_the_place_of_a_found_one() -> None:
    settings = Settings(
        endpoints={"lab": Endpoint(base_url="http://a/v1", api_key_env="K"), "ollama": Endpoint(base_url="http://b/v1")}
    )
    known = targets(settings, {"K": "secret"})
    assert list(known) == ["lab", "ollama", "embedded"]
    assert (known["lab"].key, known["lab"].key_name) == ("secret", "K")
    assert (known["ollama"].base_url, known["ollama"].found) == ("http://b/v1", "configuration")


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


async def test_a_server_that_is_there_answers_and_one_that_is_not_does_not() -> None:
    async with PacedServer() as server:
        there = targets(NOTHING, {"OLLAMA_HOST": server.url})["ollama"]
        assert await answers(there)
    assert not await answers(there)


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
