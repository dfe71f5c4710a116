from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import pytest

from agents.engine import Engine
from agents.events import AnyEvent, Found, Hit, Log, Place, RunEnded, RunStarted, Saved, StepEnded, StepStarted, Text, Usage
from agents.journal import HELD_EVENTS, Journal
from agents.requests import Ask, Chat, Index, Lane, Message, ModelRef, Request, Research
from storage.history import RunHistory
from storage.store import Store, StoreError

if TYPE_CHECKING:
    from agents.runs import Run

MODEL = ModelRef("lab", "m0")
CHAT = Chat(lanes=(Lane(model=MODEL, messages=(Message("user", "first"), Message("user", "why is ice slippery?"))),))


class Bench:
    """An engine whose one handler is the test's, and its journal."""

    def __init__(self, engine: Engine, store: Store, path: Path, journal: asyncio.Task[None]) -> None:
        self.engine, self.store, self.path, self.journal = engine, store, path, journal
        self.history = RunHistory(store)
        self.reader = engine.subscribe()

    async def saved(self, run: Run, *, error: bool = False) -> list[Saved]:
        """Return what the journal said until it spoke of the run's end."""
        said: list[Saved] = []
        async for event in self.reader:
            if isinstance(event, Saved) and event.run == run.id:
                said.append(event)
                if event.step is None and (event.error is not None) == error:
                    break
        return said

    async def fill_disk(self) -> None:
        (pages,) = await self.store.read(lambda raw: raw.execute("PRAGMA page_count").fetchone())
        await self.store.write(lambda raw: raw.execute(f"PRAGMA max_page_count={pages + 4}").fetchone())

    async def free_disk(self) -> None:
        for _ in range(20):
            # It may share its group with something that does not fit yet.
            with suppress(StoreError):
                await self.store.write(lambda raw: raw.execute("PRAGMA max_page_count=1000000").fetchone())

    async def told(self, run: str) -> list[AnyEvent]:
        return [msgspec.json.decode(row.body, type=AnyEvent) for row in await self.history.events(run, limit=100_000)]


@asynccontextmanager
async def bench(tmp_path: Path, handler: Callable[[Run], Awaitable[None]]) -> AsyncIterator[Bench]:
    path = tmp_path / "stretto.db"
    kinds: tuple[type[Request], ...] = (Chat, Ask, Research, Index)
    async with Store(path) as store, asyncio.TaskGroup() as group, Engine(dict.fromkeys(kinds, handler)) as engine:
        journal = Journal(engine.stream, store, engine.subscribe())
        yield Bench(engine, store, path, group.create_task(journal.run()))


async def answer(run: Run) -> None:
    with run.step("model", "m0", lane="lab/m0") as step:
        step.start()
        for number in range(50):
            step.write(f"word{number} ")
            if number % 10 == 0:
                await asyncio.sleep(0)
        step.finish(finish="stop", usage=Usage(input=3, output=50), cost=0.25, cached=True, joined=True)


async def long_answer(run: Run) -> None:
    with run.step("model", "m0") as step:
        step.write("x" * 200_000)


WORDS = "".join(f"word{number} " for number in range(50))


async def test_a_run_its_steps_and_its_text_are_kept(tmp_path: Path) -> None:
    async with bench(tmp_path, answer) as b:
        run = b.engine.submit(CHAT)
        said = await b.saved(run)
        assert [event.step for event in said] == [f"{run.id}.1", None]
        (row,) = await b.history.list()
        assert (row.id, row.kind, row.prompt, row.outcome, row.error) == (run.id, "chat", "why is ice slippery?", "done", None)
        assert msgspec.json.decode(row.request, type=Request) == CHAT
        assert row.wall is not None
        assert row.busy is not None
        (step,) = await b.history.steps(run.id)
        assert (step.text, step.outcome, step.finish, step.lane, step.cost) == (WORDS, "done", "stop", "lab/m0", 0.25)
        assert (step.cached, step.joined, step.attempts) == (True, True, 1)
        assert msgspec.json.decode(step.usage or "", type=Usage) == Usage(input=3, output=50)
        assert msgspec.json.decode(step.timings or "")["first"] >= row.at


async def test_the_events_read_back_are_the_events_told_without_saved(tmp_path: Path) -> None:
    place = Place(uri="a [b]/c.md", line=3)
    hits = (Hit(chunk="c", title="t", place=place, text="x", score=0.5, ranks={"vector": 1}),)

    async def work(run: Run) -> None:
        with run.step("merge", "fusion") as step:
            step.start()
            step.found(hits)
            step.write("one ")
            step.write("two ")
            step.log("between", "warning")
            step.write("three")
            step.retried("again", 0.5)

    async with bench(tmp_path, work) as b:
        run = b.engine.submit(CHAT)
        other = b.engine.subscribe()
        await b.saved(run)
        live = [event for event in other.drain() if not isinstance(event, Saved)]
        kept = await b.told(run.id)
        assert kept[1:] == live
        assert [event.seq for event in kept] == sorted({event.seq for event in kept})
        assert [event.hits for event in kept if isinstance(event, Found)] == [hits]
        assert [event.text for event in kept if isinstance(event, Text)] == ["one two ", "three"]


async def test_a_request_is_stored_once_and_replayed_whole(tmp_path: Path) -> None:
    said = "a long conversation \0 \ud83d " * 50
    asked = Chat(lanes=(Lane(model=MODEL, messages=(Message("user", said),)),))
    async with bench(tmp_path, answer) as b:
        run = b.engine.submit(asked)
        await b.saved(run)
        stored = await b.store.read(lambda raw: raw.execute("SELECT body FROM events ORDER BY seq LIMIT 1").fetchone()[0])
        first = (await b.told(run.id))[0]
        (row,) = await b.history.list()
        assert msgspec.json.decode(stored)["request"] == ""
        assert isinstance(first, RunStarted)
        assert first.request == row.request
        assert msgspec.json.decode(first.request, type=Chat).lanes[0].messages[0].content == said.replace("\ud83d", "?")
        assert await b.history.events(run.id, after_seq=first.seq) == (await b.history.events(run.id))[1:]


async def test_saved_is_said_only_after_the_commit(tmp_path: Path) -> None:
    async def work(run: Run) -> None:
        async with asyncio.TaskGroup() as group:
            for _ in range(4):
                group.create_task(answer(run))

    async with bench(tmp_path, work) as b:
        other = sqlite3.connect(b.path)
        runs = [b.engine.submit(CHAT) for _ in range(10)]
        left = {run.id for run in runs}
        said = 0
        async for event in b.reader:
            if not isinstance(event, Saved):
                continue
            said += 1
            assert event.error is None
            table, name = ("runs", event.run) if event.step is None else ("steps", event.step)
            assert other.execute(f"SELECT outcome FROM {table} WHERE id = ?", (name,)).fetchone() == ("done",)
            left -= {event.run} if event.step is None else set()
            if not left:
                break
        assert said == 50
        other.close()


async def test_text_is_committed_while_it_streams_and_in_few_commits(tmp_path: Path) -> None:
    enough = asyncio.Event()

    async def work(run: Run) -> None:
        with run.step("model", "m0") as step:
            while not enough.is_set():
                step.write("token ")
                await asyncio.sleep(0.001)

    async with bench(tmp_path, work) as b:
        before = b.store.commits
        run = b.engine.submit(CHAT)
        other = sqlite3.connect(b.path)
        started = time.monotonic()
        while other.execute("SELECT count(*) FROM events WHERE kind = 'text'").fetchone()[0] < 4:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        spent = time.monotonic() - started
        assert b.store.commits - before <= spent * 10 + 2
        assert other.execute("SELECT outcome FROM runs").fetchone() == (None,)
        other.close()
        enough.set()
        await b.saved(run)
        (step,) = await b.history.steps(run.id)
        assert step.text == "".join(event.text for event in await b.told(run.id) if isinstance(event, Text))


async def test_a_slow_disk_delays_saved_and_loses_no_text(tmp_path: Path) -> None:
    written = 0
    enough = asyncio.Event()

    async def work(run: Run) -> None:
        nonlocal written
        with run.step("model", "m0") as step:
            while not enough.is_set():
                step.write(f"{written} ")
                written += 1
                await asyncio.sleep(0)

    async with bench(tmp_path, work) as b:
        other = sqlite3.connect(b.path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        run = b.engine.submit(CHAT)
        await asyncio.sleep(0.3)
        enough.set()
        ended = await run.wait()
        assert ended.outcome == "done"
        assert not [event for event in b.reader.drain() if isinstance(event, Saved)]
        assert other.execute("SELECT count(*) FROM runs").fetchone() == (0,)
        other.execute("ROLLBACK")
        other.close()
        await b.saved(run)
        (step,) = await b.history.steps(run.id)
        assert written > 100
        assert step.text == "".join(f"{number} " for number in range(written))
        assert step.text == "".join(event.text for event in await b.told(run.id) if isinstance(event, Text))


async def test_nothing_is_lost_when_the_engine_is_left_at_once(tmp_path: Path) -> None:
    async def work(run: Run) -> None:
        with run.step("model", "m0") as step:
            step.write("the last words")
            await asyncio.Event().wait()

    path = tmp_path / "stretto.db"
    async with Store(path) as store:
        async with asyncio.TaskGroup() as group, Engine({Chat: work}) as engine:
            group.create_task(Journal(engine.stream, store, engine.subscribe()).run())
            runs = [engine.submit(CHAT) for _ in range(20)]
            await asyncio.sleep(0)
            await asyncio.sleep(0)
        history = RunHistory(store)
        assert {run.id: run.outcome for run in await history.list()} == {run.id: "cancelled" for run in runs}
        for run in runs:
            (step,) = await history.steps(run.id)
            assert (step.text, step.outcome) == ("the last words", "cancelled")
            events = [msgspec.json.decode(row.body, type=AnyEvent) for row in await history.events(run.id)]
            assert isinstance(events[-1], RunEnded)


async def test_a_cancelled_journal_writes_what_has_happened_first(tmp_path: Path) -> None:
    async with bench(tmp_path, answer) as b:
        run = b.engine.submit(CHAT)
        await run.wait()
        b.journal.cancel()
        await asyncio.wait([b.journal])
        assert b.journal.cancelled()
        (row,) = await b.history.list()
        assert row.outcome == "done"
        assert (await b.history.steps(run.id))[0].text == WORDS


async def test_a_full_disk_is_told_and_what_was_held_is_written_when_there_is_room(tmp_path: Path) -> None:
    async with bench(tmp_path, long_answer) as b:
        await b.fill_disk()
        run = b.engine.submit(CHAT)
        failed = await b.saved(run, error=True)
        assert [event.step for event in failed] == [f"{run.id}.1", None]
        assert all(event.error is not None and "disk is full" in event.error for event in failed)
        assert [row.outcome for row in await b.history.list() if row.outcome] == []
        second = b.engine.submit(CHAT)
        await b.saved(second, error=True)
        await b.free_disk()
        assert [event.error for event in await b.saved(run)][-2:] == [None, None]
        assert {row.id: row.outcome for row in await b.history.list()} == {run.id: "done", second.id: "done"}
        assert [len(step.text) for step in await b.history.steps(run.id)] == [200_000]
        assert len([event for event in await b.told(run.id) if isinstance(event, StepEnded)]) == 1


async def test_what_is_held_for_a_full_disk_is_bounded_and_ends_are_kept(tmp_path: Path) -> None:
    async def work(run: Run) -> None:
        with run.step("tool", "chatty") as step:
            for number in range(HELD_EVENTS + 500):
                step.log(f"line {number}")
                if number % 500 == 0:
                    await asyncio.sleep(0)

    async with bench(tmp_path, work) as b:
        await b.fill_disk()
        run = b.engine.submit(CHAT)
        await b.saved(run, error=True)
        await b.free_disk()
        await b.saved(run)
        events = await b.told(run.id)
        assert HELD_EVENTS <= len(events) < HELD_EVENTS + 500
        assert isinstance(events[-1], RunEnded)
        assert (await b.history.list())[0].outcome == "done"


async def test_a_disk_that_stays_full_does_not_keep_the_journal_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agents.journal.RETRY", 0.01)
    async with bench(tmp_path, long_answer) as b:
        await b.fill_disk()
        run = b.engine.submit(CHAT)
        await b.saved(run, error=True)
    assert b.journal.done()


async def test_half_surrogate_pairs_are_kept_as_question_marks(tmp_path: Path) -> None:
    async def work(run: Run) -> None:
        with run.step("tool", "a\udc80b") as step:
            step.write("before \ud83d")
            step.log("log \ud83d")
            step.write(" after 👋")
            raise ValueError("bad \udcff")

    async with bench(tmp_path, work) as b:
        run = b.engine.submit(CHAT)
        assert [event.error for event in await b.saved(run)] == [None, None]
        (step,) = await b.history.steps(run.id)
        assert (step.name, step.text, step.error) == ("a?b", "before ? after 👋", "ValueError: bad ?")
        assert [event.message for event in await b.told(run.id) if isinstance(event, Log)] == ["log ?"]


@pytest.mark.parametrize(
    ("request_", "prompt"),
    [
        (CHAT, "why is ice slippery?"),
        (Ask(question="what is " + "long " * 100, model=MODEL), "what is " + "long " * 100),
        (Research(task="compare", model=MODEL, places=("a.md",)), "compare"),
        (Index(places=("a", "b")), "a\nb"),
    ],
)
async def test_the_prompt_is_kept_in_full(tmp_path: Path, request_: Request, prompt: str) -> None:
    async def nothing(run: Run) -> None:
        pass

    async with bench(tmp_path, nothing) as b:
        await b.saved(b.engine.submit(request_))
        (row,) = await b.history.list()
        assert row.prompt == prompt
        assert [hit.run for hit in await b.history.search(prompt.split(maxsplit=1)[0])] == [row.id]


async def test_a_step_that_was_never_begun_ends_with_its_run(tmp_path: Path) -> None:
    async def work(run: Run) -> None:
        run.step("model", "queued for nothing")

    async with bench(tmp_path, work) as b:
        run = b.engine.submit(CHAT)
        await b.saved(run)
        assert [step.outcome for step in await b.history.steps(run.id)] == ["cancelled"]


async def test_a_journal_that_came_late_keeps_what_it_saw(tmp_path: Path) -> None:
    began, go = asyncio.Event(), asyncio.Event()

    async def work(run: Run) -> None:
        with run.step("model", "m0") as step:
            step.start()
            began.set()
            await go.wait()
            step.write("seen")

    async with Store(tmp_path / "stretto.db") as store:
        async with asyncio.TaskGroup() as group, Engine({Chat: work}) as engine:
            run = engine.submit(CHAT)
            await began.wait()
            group.create_task(Journal(engine.stream, store, engine.subscribe()).run())
            go.set()
            await run.wait()
        (step,) = await RunHistory(store).steps(run.id)
        assert (step.text, step.outcome) == ("seen", "done")
        kinds = [row.kind for row in await RunHistory(store).events(run.id)]
        assert kinds == ["first_token", "text", "step_ended", "run_ended"]
        assert StepStarted.__struct_config__.tag not in kinds
