from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

from agents.errors import CallError, InputError
from agents.events import FirstToken, Log, Retried, StepStarted
from agents.models.names import parse_model
from agents.requests import ModelRef, Params, Priority
from agents.settings import Defaults, Endpoint, Price, Timeouts
from storage.cache import CacheTotals, ResponseCache
from storage.store import Store
from tests.agents.models.lab import Lab
from tests.servers.faults import TEXT, FaultServer
from tests.servers.paced import PacedServer, vector, words


def _endpoint(server: PacedServer | FaultServer, **fields: object) -> Endpoint:
    return Endpoint(base_url=server.base_url, **fields)  # type: ignore[arg-type]  # the caller names fields as they are


async def test_an_answer_streams_into_the_step_and_ends_with_what_the_server_counted(tmp_path: Path) -> None:
    async with PacedServer() as server, Lab(tmp_path, {"lab": _endpoint(server, price=Price(input=1.0, output=2.0))}) as lab:
        asked = await lab.ask("lab/paced-20-500")
        sent = server.requests[0].json()
    ended = asked.ended
    assert (ended.outcome, ended.finish, ended.attempts, ended.cached, ended.joined) == ("done", "stop", 1, False, False)
    assert asked.text == "".join(words(20))
    assert ended.usage is not None
    assert (ended.usage.output, ended.usage.estimated) == (20, False)
    assert ended.cost == pytest.approx((ended.usage.input * 1.0 + 20 * 2.0) / 1e6)
    assert ended.timings.ttft is not None
    assert ended.timings.itl_mean is not None
    assert [type(event) for event in asked.events if isinstance(event, StepStarted | FirstToken)] == [StepStarted, FirstToken]
    assert sent["max_tokens"] == Defaults().max_tokens
    assert sent["stream_options"] == {"include_usage": True}
    assert "temperature" not in sent


async def test_parameters_of_the_name_go_to_the_server(tmp_path: Path) -> None:
    async with PacedServer() as server, Lab(tmp_path, {"lab": _endpoint(server)}) as lab:
        await lab.ask("lab/paced-1-0,temperature=0.5,top_p=0.9,max_tokens=7,seed=3")
        sent = server.requests[0].json()
    assert (sent["temperature"], sent["top_p"], sent["max_tokens"], sent["seed"]) == (0.5, 0.9, 7, 3)


async def test_half_a_character_in_a_prompt_is_replaced_before_it_is_sent(tmp_path: Path) -> None:
    async with PacedServer() as server, Lab(tmp_path, {"lab": _endpoint(server)}) as lab:
        asked = await lab.ask("lab/paced-1-0", "a\ud83db")
        sent = server.requests[0].json()
    assert asked.ended.outcome == "done"
    assert sent["messages"] == [{"role": "user", "content": "a\ufffdb"}]


@pytest.mark.parametrize("model", ["paced-1000-50", "paced-1000-50-60000", "delay-600"])
async def test_cancelling_closes_the_connection_upstream_at_once(model: str, tmp_path: Path) -> None:
    async with PacedServer() as server, Lab(tmp_path, {"lab": _endpoint(server)}) as lab:
        asked = lab.submit(f"lab/{model}")
        await server.until(lambda: server.counts.in_flight == 1)
        asked.run.cancel()
        await asked.over()
        async with asyncio.timeout(5):
            await server.until(lambda: server.counts.dropped == 1)
        assert asked.ended.outcome == "cancelled"
        assert server.counts.open == 0
        assert lab.models.load()[0].in_flight == 0


async def test_leaving_the_models_closes_every_connection(tmp_path: Path) -> None:
    async with PacedServer() as server:
        async with Lab(tmp_path, {"lab": _endpoint(server)}) as lab:
            await lab.ask("lab/paced-3-0")
            lab.submit("lab/paced-1000-50")
            await server.until(lambda: server.counts.in_flight == 1)
        async with asyncio.timeout(5):
            await server.until(lambda: server.counts.open == 0)


async def test_calls_one_after_another_share_one_connection(tmp_path: Path) -> None:
    async with PacedServer() as server, Lab(tmp_path, {"lab": _endpoint(server)}) as lab:
        for number in range(5):
            await lab.ask("lab/paced-3-0", f"Question {number}")
        assert (server.counts.requests, server.counts.connections) == (5, 1)


async def test_no_more_calls_are_in_flight_than_the_cap_and_interactive_ones_go_first(tmp_path: Path) -> None:
    async with PacedServer() as server, Lab(tmp_path, {"lab": _endpoint(server, concurrency=2)}) as lab:
        batch = [lab.submit("lab/paced-10-200", f"Batch {number}", priority=Priority.BATCH) for number in range(6)]
        await server.until(lambda: server.counts.in_flight == 2)
        urgent = lab.submit("lab/paced-10-200", "Urgent")
        await server.until(lambda: server.counts.requests >= 3)
        assert b"Urgent" in server.requests[2].body
        assert lab.models.load()[0].depth >= 1
        for asked in [*batch, urgent]:
            assert (await asked.over()).ended.outcome == "done"
        assert server.counts.peak_in_flight == 2
        load = lab.models.load()[0]
    assert (load.endpoint, load.depth, load.in_flight, load.cap, load.oldest_wait) == ("lab", 0, 0, 2, 0.0)


def test_nothing_heavy_is_imported_before_the_first_call() -> None:
    code = "import sys, agents.models.service; print(*{'openai', 'httpx2', 'numpy', 'xllamacpp', 'psutil'} & set(sys.modules))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=Path(__file__).parents[3])
    assert found.stdout.strip() == ""


# ---- single flight ----


async def test_equal_calls_in_flight_share_one_stream_and_each_sees_all_of_it(tmp_path: Path) -> None:
    async with PacedServer() as server, Lab(tmp_path, {"lab": _endpoint(server, price=Price(output=1.0))}) as lab:
        first = lab.submit("lab/paced-60-200")
        await server.until(lambda: server.counts.in_flight == 1)
        reader = lab.engine.subscribe()
        await anext(event async for event in reader if isinstance(event, FirstToken))
        others = [lab.submit("lab/paced-60-200") for _ in range(3)]
        calls = [await asked.over() for asked in (first, *others)]
        assert server.counts.requests == 1
    assert {asked.text for asked in calls} == {"".join(words(60))}
    assert [asked.ended.joined for asked in calls] == [False, True, True, True]
    assert [bool(asked.ended.cost) for asked in calls] == [True, False, False, False]
    assert all(len(asked.of(StepStarted)) == 1 for asked in calls)


async def test_what_a_call_used_is_told_once_by_the_one_that_follows_it_longest(tmp_path: Path) -> None:
    async with PacedServer() as server, Lab(tmp_path, {"lab": _endpoint(server, price=Price(output=1.0))}) as lab:
        first, second, third = (lab.submit("lab/paced-60-200") for _ in range(3))
        await lab.until(lambda: sum(step.pieces for asked in (first, second, third) for step in asked.run.steps.values()) >= 6)
        first.run.cancel()
        ends = [(await asked.over()).ended for asked in (first, second, third)]
        assert server.counts.requests == 1
    assert [(end.outcome, end.joined, bool(end.cost)) for end in ends] == [
        ("cancelled", True, False),
        ("done", False, True),
        ("done", True, False),
    ]
    assert [end.usage.output for end in ends if end.usage is not None and not end.joined] == [60]


async def test_a_cancelled_joiner_hurts_no_other_and_the_last_one_stops_the_call(tmp_path: Path) -> None:
    async with PacedServer() as server, Lab(tmp_path, {"lab": _endpoint(server)}) as lab:
        first, second, third = (lab.submit("lab/paced-1000-100") for _ in range(3))
        await server.until(lambda: server.counts.in_flight == 1)
        first.run.cancel()
        assert (await first.over()).ended.outcome == "cancelled"
        third.run.cancel()
        await third.over()
        assert (server.counts.in_flight, server.counts.dropped) == (1, 0)
        second.run.cancel()
        await second.over()
        async with asyncio.timeout(5):
            await server.until(lambda: server.counts.dropped == 1)
        assert server.counts.requests == 1


async def test_a_call_after_an_abandoned_one_is_a_new_call(tmp_path: Path) -> None:
    async with PacedServer() as server, Lab(tmp_path, {"lab": _endpoint(server)}) as lab:
        abandoned = lab.submit("lab/paced-30-200")
        await server.until(lambda: server.counts.in_flight == 1)
        abandoned.run.cancel()
        await abandoned.over()
        assert (await lab.ask("lab/paced-30-200")).ended.outcome == "done"
        assert server.counts.requests == 2


async def test_calls_that_differ_in_anything_are_not_shared(tmp_path: Path) -> None:
    async with PacedServer() as server, Lab(tmp_path, {"lab": _endpoint(server), "twin": _endpoint(server)}) as lab:
        asked = [
            lab.submit("lab/paced-5-0"),
            lab.submit("lab/paced-5-0", "Other"),
            lab.submit("lab/paced-5-0,temperature=1"),
            lab.submit("lab/paced-6-0"),
            lab.submit("lab/paced-5-0", use_cache=False),
        ]
        for one in asked:
            await one.over()
        assert server.counts.requests == len(asked)


async def test_a_failure_reaches_every_joiner(tmp_path: Path) -> None:
    async with FaultServer() as server, Lab(tmp_path, {"faults": _endpoint(server, max_retries=0)}) as lab:
        asked = [lab.submit("faults/fin-mid-chunked") for _ in range(3)]
        ends = [(await one.over()).ended for one in asked]
        assert server.counts.requests == 1
    assert {(ended.outcome, ended.error_kind) for ended in ends} == {("cut", "cut")}


# ---- cache ----


async def test_a_whole_answer_is_kept_and_given_again_without_a_call(tmp_path: Path) -> None:
    async with PacedServer() as server, Store(tmp_path / "s.db") as store:
        for expected in (False, True):
            # A new set of models each time: the answer must come from the disk.
            async with Lab(tmp_path, {"lab": _endpoint(server, price=Price(output=1.0))}, cache=ResponseCache(store)) as lab:
                asked = await lab.ask("lab/paced-20-0")
            assert asked.text == "".join(words(20))
            assert (asked.ended.cached, asked.ended.finish, asked.ended.joined) == (expected, "stop", False)
            assert asked.ended.usage is not None
            assert asked.ended.usage.output == 20
            assert (asked.ended.cost == 0.0) == expected
        assert server.counts.requests == 1


async def test_the_cache_is_passed_by_when_asked_to(tmp_path: Path) -> None:
    async with PacedServer() as server, Store(tmp_path / "s.db") as store:
        async with Lab(tmp_path, {"lab": _endpoint(server)}, cache=ResponseCache(store)) as lab:
            for use_cache in (False, False, True, True):
                await lab.ask("lab/paced-5-0", use_cache=use_cache)
        assert server.counts.requests == 3


@pytest.mark.parametrize("fault", ["finish-length", "finish-filter", "finish-unknown", "fin-mid-chunked", "status-400", "html-200"])
async def test_nothing_but_a_whole_answer_is_kept(fault: str, tmp_path: Path) -> None:
    async with FaultServer() as server, Store(tmp_path / "s.db") as store:
        async with Lab(tmp_path, {"faults": _endpoint(server, max_retries=0)}, cache=ResponseCache(store)) as lab:
            for _ in range(2):
                assert not (await lab.ask(f"faults/{fault}")).ended.cached
        assert server.counts.requests == 2


async def test_an_answer_too_old_is_asked_for_again(tmp_path: Path) -> None:
    async with PacedServer() as server, Store(tmp_path / "s.db") as store:
        for _ in range(2):
            endpoints, short = {"lab": _endpoint(server)}, Defaults(cache_ttl=-1.0)
            async with Lab(tmp_path, endpoints, cache=ResponseCache(store), defaults=short) as lab:
                await lab.ask("lab/paced-5-0")
        assert server.counts.requests == 2


async def test_a_broken_cache_slows_calls_but_fails_none(tmp_path: Path) -> None:
    class Broken(ResponseCache):
        def __init__(self) -> None:
            pass

        async def get(self, key: str, now: float) -> bytes | None:
            raise OSError("the disk is gone")

        async def put(self, key: str, body: bytes, **rest: object) -> tuple[CacheTotals, int]:
            raise OSError("the disk is gone")

    async with PacedServer() as server, Lab(tmp_path, {"lab": _endpoint(server)}, cache=Broken()) as lab:
        asked = await lab.ask("lab/paced-5-0")
    assert asked.ended.outcome == "done"
    (line,) = asked.of(Log)
    assert (line.level, line.message) == ("warning", "the answer cache could not be read, so the model is asked: the disk is gone")


async def test_the_first_answer_that_is_kept_removes_what_is_too_old(tmp_path: Path) -> None:
    async with PacedServer() as server, Store(tmp_path / "s.db") as store:
        cache = ResponseCache(store)
        for key in ("old", "older"):
            await cache.put(key, b"x", now=0.0, ttl=1.0)
        async with Lab(tmp_path, {"lab": _endpoint(server)}, cache=cache) as lab:
            await lab.ask("lab/paced-5-0")
        assert await store.read(lambda raw: raw.execute("SELECT count(*) FROM responses").fetchone()) == (1,)


# ---- attempts ----


@pytest.fixture
def no_wait(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, float | None]]:
    asked: list[tuple[int, float | None]] = []

    def backoff(attempt: int, retry_after: float | None, chance: object) -> float:
        asked.append((attempt, retry_after))
        return 0.0

    monkeypatch.setattr("agents.models.attempts.backoff", backoff)
    return asked


async def test_failures_before_any_text_are_tried_again_and_told(tmp_path: Path, no_wait: list[object]) -> None:
    async with FaultServer() as server, Lab(tmp_path, {"faults": _endpoint(server)}) as lab:
        asked = await lab.ask("faults/failing-2")
        assert server.counts.requests == 3
    assert (asked.ended.outcome, asked.ended.attempts, asked.text) == ("done", 3, TEXT)
    assert [event.attempt for event in asked.of(Retried)] == [1, 2]
    assert "503" in asked.of(Retried)[0].reason
    assert no_wait == [(1, None), (2, None)]


@pytest.mark.parametrize(
    ("fault", "requests"),
    [
        ("status-500", 3),
        ("status-429", 3),
        ("status-408", 3),
        ("fin-first", 3),
        ("reset-after-headers", 3),
        ("html-200", 1),
        ("status-400", 1),
        ("status-401", 1),
        ("status-404", 1),
        ("status-501", 1),
        ("quota-429", 1),
        ("retry-after-300", 1),
        ("redirect-307", 1),
        ("gzip", 1),
        ("reset-mid", 1),
        ("fin-mid-chunked", 1),
        ("no-finish", 1),
    ],
)
async def test_only_what_can_pass_and_came_before_text_is_tried_again(
    fault: str, requests: int, tmp_path: Path, no_wait: list[object]
) -> None:
    async with FaultServer() as server, Lab(tmp_path, {"faults": _endpoint(server)}) as lab:
        asked = await lab.ask(f"faults/{fault}")
        assert server.counts.requests == requests
    assert asked.ended.attempts == requests
    assert asked.ended.outcome in {"failed", "cut"}


async def test_a_call_waiting_for_its_next_attempt_holds_no_place_and_can_be_cancelled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agents.models.attempts.backoff", lambda *_: 600.0)
    async with FaultServer() as server, Lab(tmp_path, {"faults": _endpoint(server, concurrency=1)}) as lab:
        reader = lab.engine.subscribe()
        waiting = lab.submit("faults/status-503")
        await anext(event async for event in reader if isinstance(event, Retried))
        assert (await lab.ask("faults/no-done")).ended.outcome == "done"
        waiting.run.cancel()
        assert (await waiting.over()).ended.outcome == "cancelled"


# ---- what there is ----


async def test_endpoints_tell_what_they_offer_or_why_not(tmp_path: Path) -> None:
    async with PacedServer(models=("one", "two")) as server, FaultServer() as faults:
        endpoints = {
            "lab": _endpoint(server),
            "fixed": Endpoint(base_url="http://127.0.0.1:9/v1", models=("m",)),
            "dead": Endpoint(base_url="http://127.0.0.1:9/v1"),
            "odd": Endpoint(base_url=f"{faults.url}/v1"),
        }
        async with Lab(tmp_path, endpoints) as lab:
            offers = {offer.name: offer for offer in await lab.models.available()}
    assert offers["lab"].models == ("one", "two")
    assert (offers["fixed"].models, offers["fixed"].error) == (("m",), None)
    assert "nothing listens" in str(offers["dead"].error)
    assert offers["odd"].error is not None
    assert offers["embedded"].models == ("smollm2-135m",)
    assert (offers["lab"].found, offers["embedded"].found) == ("configuration", "built in")


async def test_an_unknown_endpoint_names_those_there_are(tmp_path: Path) -> None:
    async with Lab(tmp_path, {"lab": Endpoint(base_url="http://127.0.0.1:9/v1")}) as lab:
        ended = (await lab.ask("lob/x")).ended
    assert ended.error_kind == "not_found"
    assert "lab" in str(ended.error)


async def test_default_models_come_from_the_settings_then_endpoints_then_the_embedded_one(tmp_path: Path) -> None:
    async with PacedServer(models=("one", "text-embedder", "two", "three")) as server:
        async with Lab(tmp_path, {"lab": _endpoint(server)}, defaults=Defaults(models=("lab/x,temperature=1",))) as lab:
            assert await lab.models.defaults() == (ModelRef("lab", "x", Params(temperature=1.0)),)
        async with Lab(tmp_path, {"lab": _endpoint(server)}) as lab:
            assert await lab.models.defaults() == (ModelRef("lab", "one"), ModelRef("lab", "two"))
    async with Lab(tmp_path, {"ollama": Endpoint(base_url="http://127.0.0.1:9/v1")}) as lab:
        sober, inventive = await lab.models.defaults()
    assert (sober.name, inventive.name) == ("embedded/smollm2-135m", "embedded/smollm2-135m")
    assert sober.params != inventive.params


async def test_a_default_model_on_no_endpoint_is_an_input_error(tmp_path: Path) -> None:
    async with Lab(tmp_path, {}, defaults=Defaults(models=("nowhere/x",))) as lab:
        with pytest.raises(InputError, match="nowhere"):
            await lab.models.defaults()


async def test_embeddings_come_in_the_order_of_the_texts(tmp_path: Path) -> None:
    async with PacedServer() as server, Lab(tmp_path, {"lab": _endpoint(server)}) as lab:
        vectors = await lab.models.embed(parse_model("lab/any"), ["one", "two", "one"])
    assert vectors == [pytest.approx(vector(text)) for text in ("one", "two", "one")]


async def test_embeddings_that_fail_are_call_errors(tmp_path: Path) -> None:
    async with Lab(tmp_path, {"dead": Endpoint(base_url="http://127.0.0.1:9/v1")}) as lab:
        with pytest.raises(CallError, match="nothing listens"):
            await lab.models.embed(parse_model("dead/any"), ["one"])
        with pytest.raises(CallError, match="embedded"):
            await lab.models.embed(parse_model("embedded/any"), ["one"])


async def test_a_hundred_faulted_and_cancelled_calls_leave_nothing_open(tmp_path: Path) -> None:
    faults = ["no-done", "reset-mid", "stall-mid", "html-200", "ping-forever", "fin-first", "status-500", "done-then-hang"]
    short = Timeouts(first_token=0.2, idle=0.2, total=1.0)
    async with FaultServer() as server:
        async with Lab(tmp_path, {"faults": _endpoint(server, max_retries=0, concurrency=25, timeout=short)}) as lab:
            asked = [lab.submit(f"faults/{faults[n % len(faults)]}", f"Call {n}") for n in range(100)]
            await server.until(lambda: server.counts.requests >= 40)
            for one in asked[::2]:
                one.run.cancel()
            for one in asked:
                await one.over()
            assert {(load.depth, load.in_flight) for load in lab.models.load()} == {(0, 0)}
        async with asyncio.timeout(5):
            await server.until(lambda: server.counts.open == 0)
    assert {one.ended.outcome for one in asked} == {"done", "cut", "failed", "cancelled"}
