from __future__ import annotations

import asyncio
import stat
from contextlib import suppress
from typing import TYPE_CHECKING, Self

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.models.client import EndpointClient
from agents.models.discovery import Target, targets
from agents.models.listed import FRESH, USABLE, forget_old, path_of, recall
from agents.models.listing import EndpointModels, Listing
from agents.models.stated import ModelFacts, facts_of, with_tags
from agents.models.turns import Turn
from agents.requests import ModelRef
from agents.settings import Endpoint, Price, Route, Settings
from tests.agents.models.lab import Lab
from tests.servers.http import Connection, LoopbackServer, Request

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from types import TracebackType

OPENROUTER = {
    "data": [
        {
            "id": "openai/gpt-4",
            "name": "GPT-4",
            "context_length": 8192,
            "pricing": {"prompt": "0.00003", "completion": "0.00006", "request": "0"},
        },
        {"id": "x/free:free", "context_length": 131072, "pricing": {"prompt": "0", "completion": "0"}},
        {"id": "openrouter/auto", "context_length": 2000000, "pricing": {"prompt": "-1", "completion": "-1"}},
    ]
}
ANTHROPIC = {
    "data": [
        {"type": "model", "id": "claude-sonnet-9", "display_name": "Claude Sonnet 9", "created_at": "2026-02-19T00:00:00Z"},
        {"type": "model", "id": "claude-haiku-9", "display_name": "Claude Haiku 9", "max_input_tokens": 200000},
    ],
    "has_more": False,
    "first_id": "claude-sonnet-9",
    "last_id": "claude-haiku-9",
}
TAGS = {
    "models": [{"name": "qwen3:0.6b", "size": 522653767, "details": {"parameter_size": "751.63M", "quantization_level": "Q4_K_M"}}]
}
OLLAMA = {"object": "list", "data": [{"id": "qwen3:0.6b", "owned_by": "library"}, {"id": "new:latest", "owned_by": "library"}]}


class Server(LoopbackServer):
    """Answers each path with a JSON document, and with 404 where there is none."""

    def __init__(self, pages: Mapping[str, object]) -> None:
        super().__init__(self._answer)
        self.pages = dict(pages)
        self.status = 200

    def _answer(self, connection: Connection, request: Request) -> None:
        page = self.pages.get(request.path)
        connection.respond(404 if page is None else self.status, msgspec.json.encode(page))

    @property
    def paths(self) -> list[str]:
        """What was asked for."""
        return [request.path for request in self.requests]


class Desk:
    """A listing over real clients, under a clock that is set."""

    def __init__(
        self, folder: Path, endpoints: Mapping[str, Endpoint], environ: Mapping[str, str] | None = None, **routes: Route
    ) -> None:
        known = targets(Settings(endpoints=dict(endpoints)), environ or {})
        self.targets = {name: target for name, target in known.items() if name in endpoints or name == "embedded"}
        self.folder = folder
        self.now = 1_795_262_181.0
        self._routes = routes
        self._clients: dict[str, EndpointClient] = {}
        self.listing: Listing

    async def __aenter__(self) -> Self:
        self._group = await asyncio.TaskGroup().__aenter__()
        self.listing = Listing(self.targets, self._routes, self.folder, self._client, self._group, lambda: self.now)
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.listing.stop()
        await self._group.__aexit__(None, None, None)
        for client in self._clients.values():
            await client.close()

    async def _client(self, name: str) -> EndpointClient:
        if name not in self._clients:
            self._clients[name] = EndpointClient(self.targets[name], Turn())
        return self._clients[name]

    async def offer(self, name: str, *, refresh: bool = False) -> EndpointModels:
        offer = await self.listing.offer(self.targets[name], refresh=refresh)
        assert offer is not None
        return offer


async def settled() -> None:
    """Wait for what is asked in the background."""
    await asyncio.wait([task for task in asyncio.all_tasks() if task.get_name().startswith("models of ")])


def router(server: Server) -> Endpoint:
    return Endpoint(kind="openrouter", base_url=server.base_url, api_key_env="KEY")


async def test_a_service_states_context_and_prices_which_cost_is_counted_by(tmp_path: Path) -> None:
    async with Server({"/v1/models": OPENROUTER}) as server, Desk(tmp_path, {"pool": router(server)}, {"KEY": "sk-1"}) as desk:
        assert desk.listing.price(ModelRef("pool", "openai/gpt-4")) is None
        offer = await desk.offer("pool")
        assert offer.models == ("openai/gpt-4", "x/free:free", "openrouter/auto")
        assert [(facts.context, facts.price) for facts in offer.details] == [
            (8192, Price(input=30.0, output=60.0)),
            (131072, Price()),
            (2000000, None),
        ]
        quote = desk.listing.price(ModelRef("pool", "openai/gpt-4"))
        assert quote is not None
        assert (quote.price, quote.source) == (Price(input=30.0, output=60.0), "OpenRouter's list of models")
        assert desk.listing.price(ModelRef("pool", "openrouter/auto")) is None
        assert desk.listing.price(ModelRef("nowhere", "m")) is None
        assert server.requests[0].headers["authorization"] == "Bearer sk-1"


async def test_a_configured_price_counts_before_a_stated_one(tmp_path: Path) -> None:
    async with Server({"/v1/models": OPENROUTER}) as server:
        priced = msgspec.structs.replace(router(server), price=Price(input=1.0, output=2.0))
        async with Desk(tmp_path, {"pool": priced}, {"KEY": "sk-1"}) as desk:
            await desk.offer("pool")
            quote = desk.listing.price(ModelRef("pool", "openai/gpt-4"))
            assert quote is not None
            assert (quote.price.output, quote.source) == (2.0, "configuration")
            desk.listing.prime("pool")
        assert server.paths == ["/v1/models"]


async def test_prices_are_learnt_when_an_endpoint_is_first_used_even_where_its_models_are_configured(tmp_path: Path) -> None:
    async with Server({"/v1/models": OPENROUTER}) as server:
        fixed = msgspec.structs.replace(router(server), models=("openai/gpt-4",))
        async with asyncio.timeout(20), Desk(tmp_path, {"pool": fixed}, {"KEY": "sk-1"}) as desk:
            desk.listing.prime("pool")
            desk.listing.prime("pool")
            await settled()
            assert desk.listing.price(ModelRef("pool", "openai/gpt-4")) is not None
            assert (await desk.offer("pool")).models == ("openai/gpt-4",)
        assert server.paths == ["/v1/models"]


async def test_anthropic_lists_its_models_for_its_own_headers(tmp_path: Path) -> None:
    async with Server({"/v1/models?limit=1000": ANTHROPIC}) as server:
        endpoint = Endpoint(kind="anthropic", base_url=f"{server.base_url}/", api_key_env="KEY")
        async with Desk(tmp_path, {"claude": endpoint}, {"KEY": "sk-ant"}) as desk:
            offer = await desk.offer("claude")
        assert offer.models == ("claude-sonnet-9", "claude-haiku-9")
        assert [(facts.name, facts.context) for facts in offer.details] == [("claude-haiku-9", 200000)]
        headers = server.requests[0].headers
        assert (headers["x-api-key"], headers["anthropic-version"]) == ("sk-ant", "2023-06-01")
        assert "authorization" not in headers


async def test_ollama_tells_sizes_and_is_listed_without_them_too(tmp_path: Path) -> None:
    async with Server({"/v1/models": OLLAMA, "/api/tags": TAGS}) as server:
        endpoint = Endpoint(kind="ollama", base_url=server.base_url)
        async with Desk(tmp_path, {"box": endpoint}) as desk:
            offer = await desk.offer("box")
            assert offer.models == ("qwen3:0.6b", "new:latest")
            facts = ModelFacts(name="qwen3:0.6b", size=522653767, parameters="751.63M", quantization="Q4_K_M")
            assert offer.details == (facts,)
            del server.pages["/api/tags"]
            again = await desk.offer("box")
            assert (again.models, again.details, again.error) == (offer.models, (), None)


async def test_a_service_is_asked_once_an_hour_and_a_server_of_ones_own_each_time(tmp_path: Path) -> None:
    async with Server({"/v1/models": OPENROUTER}) as server:
        endpoints = {"pool": router(server), "own": Endpoint(kind="vllm", base_url=server.base_url)}

        async def asked(name: str, *, refresh: bool = False) -> int:
            before = len(server.requests)
            await desk.offer(name, refresh=refresh)
            return len(server.requests) - before

        async with Desk(tmp_path, endpoints, {"KEY": "sk-1"}) as desk:
            assert [await asked("pool"), await asked("pool"), await asked("own"), await asked("own")] == [1, 0, 1, 1]
        async with Desk(tmp_path, endpoints, {"KEY": "sk-1"}) as desk:
            desk.now += FRESH - 1
            assert (await desk.offer("pool")).age == FRESH - 1
            assert await asked("pool") == 0
            assert await asked("pool", refresh=True) == 1
            desk.now += FRESH + 1
            assert await asked("pool") == 1
        async with Desk(tmp_path, endpoints, {"KEY": "sk-2"}) as desk:
            assert await asked("pool") == 1, "another key may be offered other models"
            desk.now -= 3600
            assert await asked("pool") == 1, "the clock was set back: how old the list is, nobody knows"


async def test_what_an_endpoint_said_stands_in_for_seven_days_when_it_does_not_answer(tmp_path: Path) -> None:
    async with Server({"/v1/models": OPENROUTER}) as server, Desk(tmp_path, {"pool": router(server)}, {"KEY": "sk-1"}) as desk:
        await desk.offer("pool")
        server.status = 503
        desk.now += USABLE - 1
        offer = await desk.offer("pool")
        assert (len(offer.models), offer.age) == (3, USABLE - 1)
        assert offer.error == "pool: failed (HTTP 503)"
        assert await desk.listing.choose() != (ModelRef("pool", "openai/gpt-4"),), "one that fails is nobody's default"
        desk.now += 2
        offer = await desk.offer("pool")
        assert (offer.models, offer.error) == ((), "pool: failed (HTTP 503)")


async def test_what_is_remembered_is_told_at_once_and_refreshed_behind_it(tmp_path: Path) -> None:
    async with asyncio.timeout(20), Server({"/v1/models": OPENROUTER}) as server:
        async with Desk(tmp_path, {"pool": router(server)}, {"KEY": "sk-1"}) as desk:
            await desk.offer("pool")
        server.pages["/v1/models"] = {"data": [{"id": "newer"}]}
        async with Desk(tmp_path, {"pool": router(server)}, {"KEY": "sk-1"}) as desk:
            desk.now += 2 * FRESH
            first, embedded = await desk.listing.known()
            assert (len(first.models), first.age, embedded.name) == (3, 2 * FRESH, "embedded")
            await settled()
            assert (await desk.listing.known())[0].models == ("newer",)
        assert len(server.requests) == 2


async def test_the_files_of_lists_are_the_persons_alone_and_hold_no_key(tmp_path: Path) -> None:
    async with Server({"/v1/models": OPENROUTER}) as server, Desk(tmp_path, {"pool": router(server)}, {"KEY": "sk-CANARY"}) as desk:
        await desk.offer("pool")
        path = path_of(tmp_path / "models", desk.targets["pool"])
    assert [file.name for file in (tmp_path / "models").iterdir()] == [path.name]
    assert (stat.S_IMODE(path.stat().st_mode), stat.S_IMODE(path.parent.stat().st_mode)) == (0o600, 0o700)
    assert b"CANARY" not in path.read_bytes()
    forget_old(path.parent, path.stat().st_mtime + USABLE - 60)
    assert path.exists()
    forget_old(path.parent, path.stat().st_mtime + USABLE + 60)
    assert not path.exists()


@pytest.mark.parametrize("content", [b"", b"{}", b"[", b'{"endpoint": 1}', b"\xff", b"[" * 100_000])
async def test_a_damaged_file_is_as_good_as_none(tmp_path: Path, content: bytes) -> None:
    async with Server({"/v1/models": OPENROUTER}) as server, Desk(tmp_path, {"pool": router(server)}, {"KEY": "sk-1"}) as desk:
        path = path_of(tmp_path / "models", desk.targets["pool"])
        path.parent.mkdir()
        path.write_bytes(content)
        assert len((await desk.offer("pool")).models) == 3
        assert recall(path) is not None


async def test_a_folder_that_cannot_be_written_costs_nothing_but_the_memory(tmp_path: Path) -> None:
    (tmp_path / "models").write_text("a file")
    async with Server({"/v1/models": OPENROUTER}) as server, Desk(tmp_path, {"pool": router(server)}, {"KEY": "sk-1"}) as desk:
        assert len((await desk.offer("pool")).models) == 3


async def test_a_route_offers_what_all_its_members_have(tmp_path: Path) -> None:
    one, two = Endpoint(base_url="http://a/v1", models=("m", "n", "o")), Endpoint(base_url="http://b/v1", models=("o", "m"))
    pool = Route(members=("one", "two", "three/other"), fallbacks=("one/n",))
    async with Desk(tmp_path, {"one": one, "two": two}, pool=pool, alone=Route(members=("three/x",))) as desk:
        *_, offered, alone = await desk.listing.available()
    assert (offered.name, offered.kind, offered.models) == ("pool", "route", ("m", "o"))
    assert (offered.members, offered.fallbacks, alone.models) == (pool.members, pool.fallbacks, ())


async def test_two_that_ask_at_once_ask_a_service_once(tmp_path: Path) -> None:
    async with Server({"/v1/models": OPENROUTER}) as server, Desk(tmp_path, {"pool": router(server)}, {"KEY": "sk-1"}) as desk:
        async with asyncio.TaskGroup() as group:
            asked = [group.create_task(desk.listing.available()) for _ in range(5)]
        assert {len(task.result()[0].models) for task in asked} == {3}
        assert len(server.requests) == 1


def target(kind: str = "openrouter", key: str | None = None) -> Target:
    endpoint = msgspec.convert({"kind": kind, "base_url": "http://a/v1"}, Endpoint)
    return Target(name="a", endpoint=endpoint, base_url="http://a/v1", key=key)


def test_one_odd_entry_spoils_no_list_and_odd_numbers_are_left_out() -> None:
    entries = [
        {"id": "text", "context_length": "8192", "pricing": "free", "meta": "none"},
        {"id": "bool", "context_length": True, "pricing": {"prompt": True, "completion": "0"}},
        {"id": "nan", "context_length": -1, "pricing": {"prompt": "nan", "completion": "0"}},
        {"id": "huge", "context_length": 1e300, "pricing": {"prompt": "1e400", "completion": "0"}},
        {"id": "half", "pricing": {"prompt": "0.1"}},
        {"id": "n" * 201},
        {"id": ""},
        {"id": "sk-secret-model"},
    ]
    found = facts_of(msgspec.json.encode({"data": entries}), target(key="sk-secret"))
    assert found == tuple(ModelFacts(name=name) for name in ("text", "bool", "nan", "huge", "half"))


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"null", b'{"data": {}}', b'{"data": [1]}', b'{"models": []}', b"\xff", b"[" * 99_999]
)
def test_what_is_no_list_of_models_says_so(body: bytes) -> None:
    with pytest.raises(ValueError, match="its /models is not a list of models: does base_url end in /v1"):
        facts_of(body, target())


def test_a_list_that_is_too_long_says_so_and_what_to_do() -> None:
    entries = [{"id": f"vendor/model-{number}", "description": "word " * 30} for number in range(30_000)]
    with pytest.raises(ValueError, match=r"too long to be read \(over 4 MiB\): name those you use in endpoints.a.models"):
        facts_of(msgspec.json.encode({"data": entries}), target())


def test_a_number_that_is_none_costs_its_model_the_price_and_no_other_anything() -> None:
    odd = b"""{"data": [{"id": "NaN \\" -Infinity", "pricing": {"prompt": NaN, "completion": 0}, "context_length": -Infinity},
        {"id": "b", "context_length": 8192, "meta": [NaN,Infinity]}]}"""
    assert facts_of(odd, target()) == (ModelFacts(name='NaN " -Infinity'), ModelFacts(name="b", context=8192))


def test_text_that_never_ends_is_looked_at_once() -> None:
    with pytest.raises(ValueError, match="not a list"):
        facts_of(b'{"data": NaN, "' + rb"\"" * 1_000_000, target())


def test_prices_per_million_count_only_with_their_unit() -> None:
    stated = {"prompt": 1.5, "completion": 4.5, "currency": "USD"}
    entries = [{"id": "a", "pricing": {**stated, "unit": "per_million_tokens"}}, {"id": "b", "pricing": stated}]
    found = facts_of(msgspec.json.encode({"data": entries}), target("nanogpt"))
    assert found == (ModelFacts(name="a", price=Price(input=1.5, output=4.5)), ModelFacts(name="b"))
    assert facts_of(msgspec.json.encode({"data": entries}), target("openai")) == (ModelFacts(name="a"), ModelFacts(name="b"))


def test_servers_of_ones_own_tell_context_and_size() -> None:
    vllm = b'{"data": [{"id": "m", "owned_by": "vllm", "max_model_len": 32768, "root": "m", "permission": []}]}'
    assert facts_of(vllm, target("vllm")) == (ModelFacts(name="m", context=32768),)
    llamacpp = b'{"data": [{"id": "m", "owned_by": "llamacpp", "meta": {"n_ctx_train": 2048, "n_params": 134515008, "size": 99}}]}'
    assert facts_of(llamacpp, target("llamacpp")) == (ModelFacts(name="m", context=2048, size=99, parameters="0.13B"),)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.floats() | st.text(),
        lambda inner: (
            st.lists(inner)
            | st.dictionaries(
                st.sampled_from(["id", "data", "models", "name", "pricing", "prompt", "completion", "meta", "details", "size"]),
                inner,
            )
        ),
    )
)
def test_whatever_a_server_sends_is_read_or_refused(value: object) -> None:
    body = msgspec.json.encode(value)
    for kind in ("openrouter", "nanogpt", "ollama"):
        found: tuple[ModelFacts, ...] = ()
        with suppress(ValueError):
            found = facts_of(body, target(kind))
        assert all(0 < len(model.name) <= 200 for model in found)
    assert with_tags((), body) == ()


async def test_anthropic_is_called_with_its_key_as_a_bearer_and_listed_with_it_as_its_own_header(tmp_path: Path) -> None:
    def answer(connection: Connection, request: Request) -> None:
        if request.path == "/v1/models?limit=1000" and request.headers.get("x-api-key") == "sk-ant":
            connection.respond(200, msgspec.json.encode(ANTHROPIC))
        elif request.path == "/v1/chat/completions" and request.headers.get("authorization") == "Bearer sk-ant":
            pieces: list[tuple[dict[str, str], str | None]] = [({"content": "Hello"}, None), ({}, "stop")]
            chunks = [{"id": "x", "choices": [{"index": 0, "delta": delta, "finish_reason": end}]} for delta, end in pieces]
            body = b"".join(b"data: %b\n\n" % msgspec.json.encode(chunk) for chunk in chunks)
            connection.respond(200, body + b"data: [DONE]\n\n", "text/event-stream")
        else:
            connection.respond(401, b'{"error": {"message": "x-api-key header is required"}}')

    async with LoopbackServer(answer) as server:
        endpoint = Endpoint(kind="anthropic", base_url=f"{server.base_url}/", api_key_env="KEY")
        async with Lab(tmp_path, {"claude": endpoint}, environ={"KEY": "sk-ant"}) as lab:
            offer = next(offer for offer in await lab.models.available() if offer.name == "claude")
            assert (offer.error, offer.models) == (None, ("claude-sonnet-9", "claude-haiku-9"))
            asked = await lab.ask("claude/claude-haiku-9,seed=1,temperature=0.5")
    assert (asked.ended.outcome, asked.text) == ("done", "Hello")
