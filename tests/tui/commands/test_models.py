from __future__ import annotations

import asyncio
import re
import tomllib
from typing import TYPE_CHECKING, Any

import msgspec

from agents.config import load
from agents.models.discovery import targets
from agents.models.presets import PRESETS
from tests.servers.http import Connection, LoopbackServer, Request
from tui.commands.models_example import example

if TYPE_CHECKING:
    from pathlib import Path

    from tests.servers.paced import PacedServer
    from tests.tui.commands.process import Home


class Router(LoopbackServer):
    """Lists two models as OpenRouter does."""

    def __init__(self) -> None:
        super().__init__(self._list)

    def _list(self, connection: Connection, request: Request) -> None:
        price = {"prompt": "0.00000015", "completion": "0.0000006"}
        models = [{"id": "x/mini", "context_length": 131072, "pricing": price}, {"id": "evil\x1b[2Jname\nfake/row"}]
        connection.respond(200, msgspec.json.encode({"data": models}))


def in_toml(text: str) -> str:
    """Return the example as it is after its user removed the marks before what is TOML."""
    return re.sub(r"^# (?=\[|[a-z_]+ = )", "", text, flags=re.MULTILINE)


def test_the_example_is_a_configuration_of_every_kind(tmp_path: Path) -> None:
    assert tomllib.loads(example()) == {}, "nothing in it counts before it is chosen"
    path = tmp_path / "config.toml"
    path.write_text(in_toml(example()))
    settings, _ = load(environ={"STRETTO_CONFIG": str(path), "STRETTO_DATA_DIR": str(tmp_path)}, folder=tmp_path)
    assert {endpoint.kind for endpoint in settings.endpoints.values()} == set(PRESETS)
    assert settings.routes["gpu"].members == ("gpu1", "gpu2")
    assert settings.endpoints["lab"].concurrency == "adaptive"


def test_what_the_example_gives_is_what_would_be_used_without_it(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    environ = {"STRETTO_CONFIG": str(path), "STRETTO_DATA_DIR": str(tmp_path), **{p.key: "k" for p in PRESETS.values() if p.key}}

    def read(text: str) -> dict[str, Any]:
        path.write_text(text)
        known = targets(load(environ=environ, folder=tmp_path)[0], environ)
        return {name: msgspec.structs.astuple(target) for name, target in known.items() if name in PRESETS}

    assert read(in_toml(example())) == read("".join(f"[endpoints.{kind}]\n" for kind in PRESETS))


async def test_models_are_listed_with_what_is_known_of_them_and_routes_apart(home: Home, paced: PacedServer) -> None:
    async with Router() as router:
        home.endpoint(router.base_url, "pool", kind="openrouter")
        home.endpoint(paced.base_url, "two", models=["m"], image_model="flux", embedding_model="words")
        with home.config.open("a") as file:
            file.write('[routes.both]\nmembers = ["lab", "two"]\nfallbacks = ["pool/x/mini"]\n')

        async def listed(*line: str) -> str:
            done = await asyncio.to_thread(home.run, "models", *line)
            assert (done.returncode, done.stderr) == (0, "")
            return done.stdout

        lines = [line.split() for line in (await listed()).splitlines()]
        assert lines[0] == ["model", "kind", "context", "price", "in/out", "endpoint", "found", "by"]
        assert ["pool/x/mini", "openrouter", "131072", "0.15/0.6", router.base_url, "configuration"] in lines
        assert ["two/flux", "openai,", "images", paced.base_url, "configuration"] in lines
        assert ["two/words", "openai,", "embeddings", paced.base_url, "configuration"] in lines
        assert lines[-2:] == [["route", "members", "fallbacks"], ["both/MODEL", "lab", "two", "pool/x/mini"]]
        assert not any(line and line[0] == "fake/row" for line in lines), "a name with a line in it is no line of its own"

        offers = {offer["name"]: offer for offer in map(msgspec.json.decode, (await listed("--json")).splitlines())}
        assert offers["pool"]["details"] == [
            {"name": "x/mini", "context": 131072, "price": {"input": 0.15, "output": 0.6}},
        ]
        assert offers["both"]["kind"] == "route"
        assert router.counts.requests == 1, "what a service lists is kept for an hour"
        await listed("--refresh")
        assert router.counts.requests == 2


async def test_an_endpoint_that_is_gone_is_told_with_the_age_of_its_list(home: Home) -> None:
    async with Router() as router:
        home.endpoint(router.base_url, "pool", kind="openrouter")
        await asyncio.to_thread(home.run, "models")
    done = await asyncio.to_thread(home.run, "models", "--refresh")
    assert done.returncode == 1
    assert "pool/x/mini" in done.stdout
    assert done.stderr.count("\n") == 1
    assert "nothing listens at" in done.stderr
    assert "its models are as it named them just now" in done.stderr


def test_a_key_that_is_missing_is_one_line_and_no_question(home: Home) -> None:
    home.config.write_text("[endpoints.anthropic]\n")
    assert "anthropic: the variable ANTHROPIC_API_KEY is not set" in home.fault("models")


def test_the_example_needs_no_configuration_that_can_be_read(home: Home) -> None:
    home.config.write_text("[broken\n")
    done = home.run("models", "--example")
    assert (done.returncode, done.stderr, done.stdout) == (0, "", f"{example()}\n")
