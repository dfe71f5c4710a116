from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.errors import CallError, StrettoError
from agents.models.batching import BOUND, Batcher, Load
from agents.models.health import IN_A_ROW
from agents.models.names import parse_model
from agents.requests import Priority
from agents.settings import Defaults, Endpoint, Price
from tests.agents.models.lab import Lab
from tests.agents.virtual import in_no_time
from tests.servers.http import Connection, LoopbackServer, Request
from tests.servers.paced import PacedServer, _embeddings, vector
from tests.servers.scripted import ScriptedServer, after, status

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

PATH = "/v1/embeddings"


class Sent:
    """A server of batches: doubles numbers, takes its time, and remembers what came when."""

    def __init__(self, seconds: float = 0.0, *, fail: Callable[[int], bool] = lambda number: False) -> None:
        self.seconds = seconds
        self.fail = fail
        self.batches: list[list[int]] = []
        self.waits: list[float] = []
        self.came: dict[int, float] = {}
        self.stopped = 0

    async def __call__(self, items: list[int]) -> list[int | StrettoError]:
        now = asyncio.get_running_loop().time()
        self.batches.append(items)
        self.waits += [now - self.came[item] for item in items if item in self.came]
        try:
            await asyncio.sleep(self.seconds)
        except asyncio.CancelledError:
            self.stopped += 1
            raise
        if any(map(self.fail, items)):
            raise CallError("server", "the batch failed")
        return [2 * item for item in items]

    @property
    def items(self) -> list[int]:
        return [item for batch in self.batches for item in batch]


@given(
    gaps=st.lists(st.sampled_from([0.0, 0.0, 0.0, 0.001, 0.03, 0.14, 0.2, 0.7]), min_size=1, max_size=150),
    seconds=st.sampled_from([0.0, 0.01, 0.1, 0.5, 3.0]),
    load=st.sampled_from(["quiet", "usual", "pressed"]),
)
def test_whatever_comes_when_nothing_is_lost_doubled_mixed_up_or_late(gaps: list[float], seconds: float, load: Load) -> None:
    sent = Sent(seconds)

    async def work() -> tuple[list[int], int, int]:
        loop = asyncio.get_running_loop()
        async with asyncio.TaskGroup() as group:
            batcher = Batcher(sent, group, lambda: load)
            tasks: list[asyncio.Task[int]] = []
            for number, gap in enumerate(gaps):
                await asyncio.sleep(gap)
                sent.came[number] = loop.time()
                tasks.append(group.create_task(batcher.add(number)))
            results = [await task for task in tasks]
        figures = batcher.figures()
        return results, figures.late, figures.waiting

    results, late, waiting = in_no_time(work)
    assert results == [2 * number for number in range(len(gaps))]
    assert sent.items == list(range(len(gaps)))  # each once, in the order they came
    assert max(map(len, sent.batches)) <= {"quiet": 32, "usual": 16, "pressed": 4}[load]
    assert max(sent.waits) <= BOUND
    assert (late, waiting) == (0, 0)


@given(cancelled=st.sets(st.integers(0, 39)), when=st.sampled_from([0.0, 0.05, 0.4]))
def test_who_is_cancelled_leaves_the_others_untouched(cancelled: set[int], when: float) -> None:
    sent = Sent(0.3)

    async def work() -> list[int | None]:
        async with asyncio.TaskGroup() as group:
            batcher = Batcher(sent, group)
            first = group.create_task(batcher.add(1000))
            await asyncio.sleep(0.01)
            tasks = [group.create_task(batcher.add(number)) for number in range(40)]
            await asyncio.sleep(when)
            for number in cancelled:
                tasks[number].cancel()
            done = [None if await _cancelled(task) else task.result() for task in tasks]
            assert await first == 2000
            figures = batcher.figures()
            assert (figures.waiting, figures.in_flight) == (0, 0)
            return done

    results = in_no_time(work)
    for number, result in enumerate(results):
        assert result == 2 * number or (result is None and number in cancelled)
    assert len(sent.items) == len(set(sent.items))


async def _cancelled(task: asyncio.Task[int]) -> bool:
    await asyncio.wait([task])
    return task.cancelled()


def test_a_single_item_goes_at_once_and_those_of_one_turn_go_together() -> None:
    sent = Sent(1.0)

    async def work() -> None:
        loop = asyncio.get_running_loop()
        async with asyncio.TaskGroup() as group:
            batcher = Batcher(sent, group)
            assert await batcher.add(1) == 2
            assert loop.time() == pytest.approx(1.0)
            for number in (2, 3, 4):
                group.create_task(batcher.add(number))
        assert sent.batches == [[1], [2, 3, 4]]

    in_no_time(work)


def test_what_comes_meanwhile_gathers_until_a_batch_ends_or_it_waited_long_enough() -> None:
    sent = Sent(0.1)

    async def work() -> None:
        async with asyncio.TaskGroup() as group:
            batcher = Batcher(sent, group)
            for number in range(8):
                group.create_task(batcher.add(number))
                await asyncio.sleep(0.03)
            sent.seconds = 5.0
        assert sent.batches == [[0], [1, 2, 3], [4, 5, 6], [7]]

    in_no_time(work)


def test_an_urgent_item_waits_for_nobody_and_takes_with_it_what_waits() -> None:
    sent = Sent(5.0)

    async def work() -> None:
        async with asyncio.TaskGroup() as group:
            batcher = Batcher(sent, group)
            for number in (1, 2):
                group.create_task(batcher.add(number))
                await asyncio.sleep(0.01)
            group.create_task(batcher.add(3, urgent=True))
            await asyncio.sleep(0.01)
            assert sent.batches == [[1], [2, 3]]

    in_no_time(work)


def test_a_batch_that_fails_fails_its_own_items_typed() -> None:
    sent = Sent(fail=lambda number: number == 20)

    async def work() -> list[int | BaseException]:
        async with asyncio.TaskGroup() as group:
            batcher = Batcher(sent, group)
            tasks = [group.create_task(_result(batcher, number)) for number in range(48)]
        return [task.result() for task in tasks]

    results = in_no_time(work)
    assert results[:16] == [2 * number for number in range(16)]
    assert all(isinstance(result, CallError) and result.kind == "server" for result in results[16:32])
    assert results[32:] == [2 * number for number in range(32, 48)]


async def _result(batcher: Batcher[int, int], number: int) -> int | BaseException:
    try:
        return await batcher.add(number)
    except StrettoError as error:
        return error


@pytest.mark.parametrize("wrong", [[], [1, 2, 3], None])
def test_a_sender_that_breaks_its_word_is_told_typed(wrong: list[int] | None) -> None:
    async def send(items: list[int]) -> list[int | StrettoError]:
        if wrong is None:
            raise ZeroDivisionError("oh")
        return list(wrong)

    async def work() -> None:
        async with asyncio.TaskGroup() as group:
            batcher: Batcher[int, int] = Batcher(send, group)
            with pytest.raises(CallError) as caught:
                await batcher.add_all([1, 2])
            assert caught.value.kind == "protocol"

    in_no_time(work)


def test_an_error_in_a_results_place_is_that_items_alone() -> None:
    async def send(items: list[int]) -> list[int | StrettoError]:
        return [StrettoError("not three") if item == 3 else item for item in items]

    async def work() -> list[int | BaseException]:
        async with asyncio.TaskGroup() as group:
            batcher: Batcher[int, int] = Batcher(send, group)
            tasks = [group.create_task(_result(batcher, number)) for number in range(5)]
        return [task.result() for task in tasks]

    results = in_no_time(work)
    assert [result for result in results if isinstance(result, int)] == [0, 1, 2, 4]
    assert str(results[3]) == "not three"


def test_a_batch_nobody_waits_for_any_more_is_stopped() -> None:
    sent = Sent(60.0)

    async def work() -> float:
        async with asyncio.TaskGroup() as group:
            batcher = Batcher(sent, group)
            tasks = [group.create_task(batcher.add(number)) for number in range(3)]
            await asyncio.sleep(1.0)
            for task in tasks:
                task.cancel()
        return asyncio.get_running_loop().time()

    assert in_no_time(work) == pytest.approx(1.0)
    assert sent.stopped == 1


def test_items_that_come_when_all_is_over_are_told_so() -> None:
    sent = Sent()

    async def work() -> None:
        async with asyncio.TaskGroup() as group:
            batcher = Batcher(sent, group)
        for many in (1, 40_000):
            with pytest.raises(CallError, match="closing"):
                await batcher.add_all(list(range(many)))
        assert (batcher.figures().waiting, batcher.figures().in_flight) == (0, 0)

    in_no_time(work)
    assert sent.batches == []


def test_sizes_and_waits_are_told() -> None:
    sent = Sent(0.1)

    async def work() -> None:
        async with asyncio.TaskGroup() as group:
            batcher = Batcher(sent, group)
            for number in range(17):
                group.create_task(batcher.add(number))
        figures = batcher.figures()
        assert (figures.items, figures.batches, figures.late, figures.in_flight) == (17, 2, 0, 0)
        assert (figures.size_p50, figures.size_max) == (1, 16)
        assert figures.wait_p50 == 0
        assert figures.wait_max == pytest.approx(0.1)

    in_no_time(work)


def _endpoint(server: LoopbackServer, **options: object) -> Endpoint:
    return Endpoint(base_url=server.base_url, models=("any",), **options)  # type: ignore[arg-type]


async def test_a_hundred_and_sixty_single_embeddings_make_few_requests(tmp_path: Path) -> None:
    ref = parse_model("lab/any")
    async with PacedServer() as server, Lab(tmp_path, {"lab": _endpoint(server)}) as lab:

        async def all_at_once() -> int:
            before = server.counts.by_path.get(PATH, 0)
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(lab.models.embed(ref, [f"text {number}"])) for number in range(160)]
            assert [task.result() for task in tasks] == [[pytest.approx(vector(f"text {number}"))] for number in range(160)]
            return server.counts.by_path[PATH] - before

        assert await all_at_once() == 5  # batches of 32: nothing else goes on there
        chat = lab.submit("lab/paced-400-1")
        await server.until(lambda: server.counts.in_flight == 1)
        assert await all_at_once() == 10  # batches of 16 beside an answer
        lab.models.embeddings.late = lambda: True
        assert await all_at_once() == 40  # batches of 4 while the loop is late
        chat.run.cancel()
        await chat.over()


async def test_documents_and_questions_share_batches(tmp_path: Path) -> None:
    ref = parse_model("lab/any")
    async with PacedServer() as server, Lab(tmp_path, {"lab": _endpoint(server)}) as lab:
        async with asyncio.TaskGroup() as group:
            documents = group.create_task(lab.models.embed(ref, ["one", "two", "three"], Priority.BATCH))
            question = group.create_task(lab.models.embed(ref, ["four"]))
        assert len(documents.result()) == 3
        assert question.result() == [pytest.approx(vector("four"))]
        assert server.counts.by_path[PATH] == 1


class Picky:
    """Takes at most ``most`` texts in a request, and never the text "bad"."""

    def __init__(self, most: int) -> None:
        self.most = most

    def __call__(self, connection: Connection, request: Request) -> None:
        texts = request.json()["input"]
        assert isinstance(texts, list)
        if len(texts) > self.most or "bad" in texts:
            connection.respond(400, b'{"error":{"message":"input is too long"}}')
        else:
            connection.respond(200, _embeddings(request.json()))


async def test_a_text_the_server_will_not_have_costs_the_others_nothing(tmp_path: Path) -> None:
    ref = parse_model("lab/any")
    async with LoopbackServer(Picky(5)) as server, Lab(tmp_path, {"lab": _endpoint(server)}) as lab:
        texts = [f"text {number}" for number in range(20)]
        async with asyncio.TaskGroup() as group:
            good = group.create_task(lab.models.embed(ref, texts))
            bad = group.create_task(_error(lab, "bad"))
        assert good.result() == [pytest.approx(vector(text)) for text in texts]
        assert bad.result().kind == "bad_request"


async def _error(lab: Lab, text: str) -> CallError:
    with pytest.raises(CallError) as caught:
        await lab.models.embed(parse_model("lab/any"), [text])
    return caught.value


class Overrun:
    """Refuses its first request as one too many."""

    def __init__(self) -> None:
        self.seen = 0

    def __call__(self, connection: Connection, request: Request) -> None:
        self.seen += 1
        if self.seen == 1:
            connection.transport.write(b"HTTP/1.1 429 Too Many Requests\r\nretry-after: 0\r\ncontent-length: 2\r\n\r\n{}")
            connection.done()
        else:
            connection.respond(200, _embeddings(request.json()))


async def test_embeddings_that_are_refused_are_tried_again(tmp_path: Path) -> None:
    behaviour = Overrun()
    async with LoopbackServer(behaviour) as server, Lab(tmp_path, {"lab": _endpoint(server)}) as lab:
        assert await lab.models.embed(parse_model("lab/any"), ["one"]) == [pytest.approx(vector("one"))]
        assert behaviour.seen == 2
        assert lab.models.figures().doors["lab"].rejected_ever == 1


async def test_who_waits_at_the_door_is_held_by_a_refusal_of_embeddings(tmp_path: Path) -> None:
    go = asyncio.Event()
    scene = after(go, status(429, "retry-after: 60\r\n"))
    async with (
        ScriptedServer(scene) as server,
        Lab(tmp_path, {"lab": _endpoint(server, concurrency=1, max_retries=0)}) as lab,
    ):
        async with asyncio.TaskGroup() as group:
            refused = group.create_task(_error(lab, "one"))
            await lab.until(lambda: server.counts.requests == 1)
            waiting = lab.submit("lab/any")
            await lab.until(lambda: lab.models.figures().doors["lab"].depth[Priority.INTERACTIVE] == 1)
            go.set()
            assert (await refused).kind == "rate_limit"
        assert lab.models.figures().doors["lab"].held
        waiting.run.cancel()
        await waiting.over()
        assert server.counts.requests == 1


class Metered:
    """Answers with vectors and tells what is left of a limit on requests; ill for the first ``failures`` requests."""

    def __init__(self, failures: int = 0) -> None:
        self.failures = failures
        self.seen = 0

    def __call__(self, connection: Connection, request: Request) -> None:
        self.seen += 1
        limits = b"x-ratelimit-limit-requests: 70\r\nx-ratelimit-remaining-requests: 60\r\nx-ratelimit-reset-requests: 60s\r\n"
        status, body = (b"500 Oops", b"{}") if self.seen <= self.failures else (b"200 OK", _embeddings(request.json()))
        connection.transport.write(b"HTTP/1.1 %b\r\n%bcontent-length: %d\r\n\r\n%b" % (status, limits, len(body), body))
        connection.done()


@pytest.mark.parametrize("failures", [0, 1])
async def test_embeddings_teach_the_door_and_cost_what_the_server_counts(tmp_path: Path, failures: int) -> None:
    async with LoopbackServer(Metered(failures)) as server:
        endpoint = _endpoint(server, price=Price(input=1.0), max_retries=0, tokens_per_minute=1000)
        async with Lab(tmp_path, {"lab": endpoint}) as lab:
            if failures:
                assert (await _error(lab, "x" * 80)).kind == "server"
            else:
                await lab.models.embed(parse_model("lab/any"), ["x" * 80])
            figures = lab.models.figures()
    door, spend, health = figures.doors["lab"], figures.spend, figures.health["lab"]
    assert door.requests.learnt == 70
    assert (health.failed, health.answered) == (failures, 1 - failures)
    if failures:
        assert (spend.spent, spend.endpoints) == (0, {"lab": 0})
    else:
        assert door.tokens.used == 21
        assert spend.endpoints == {"lab": pytest.approx(21e-6)}
        assert spend.estimated == pytest.approx(0)


async def test_the_budget_bounds_embeddings(tmp_path: Path) -> None:
    behaviour = Metered()
    async with LoopbackServer(behaviour) as server:
        endpoint = _endpoint(server, price=Price(input=1.0))
        async with Lab(tmp_path, {"lab": endpoint}, defaults=Defaults(budget=10e-6)) as lab:
            assert (await _error(lab, "x" * 80)).kind == "budget"
            assert lab.models.figures().health["lab"].failed == 0
    assert behaviour.seen == 0


async def test_embeddings_for_an_index_wait_for_an_endpoint_that_is_ill_and_those_of_agents_are_told(tmp_path: Path) -> None:
    behaviour, ref = Metered(IN_A_ROW), parse_model("lab/any")
    async with LoopbackServer(behaviour) as server, Lab(tmp_path, {"lab": _endpoint(server, max_retries=0)}) as lab:
        for number in range(IN_A_ROW):
            assert (await _error(lab, f"text {number}")).kind == "server"
        with pytest.raises(CallError, match="not asked, it is tried again in"):
            await lab.models.embed(ref, ["one"], Priority.AGENT)
        assert behaviour.seen == IN_A_ROW
        assert await lab.models.embed(ref, ["two"], Priority.BATCH) == [pytest.approx(vector("two"))]
        assert lab.models.figures().health["lab"].state == "closed"


async def test_retries_of_embeddings_are_taken_from_the_endpoints_budget(tmp_path: Path) -> None:
    async with LoopbackServer(Metered(1)) as server, Lab(tmp_path, {"lab": _endpoint(server)}) as lab:
        lab.models.directory.gates["lab"].health.retries.left = 0.0
        assert (await _error(lab, "one")).kind == "server"
