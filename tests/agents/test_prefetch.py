from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING, cast

import msgspec
import pytest

from agents.errors import CallError, InputError
from agents.events import Hit, Place
from agents.prefetch import DEPTH, Prefetch
from agents.requests import Ask, Index, ModelRef
from tests.agents.retrieval.stage import MODEL, stage
from tests.agents.virtual import in_no_time

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from agents.models.service import Models
    from agents.retrieval.library import Library
    from agents.retrieval.sources import Source, Tell

QUESTION = "When is the rent due?"


def question(text: str = QUESTION, **fields: object) -> Ask:
    return msgspec.structs.replace(Ask(question=text, model=MODEL, sources=("keyword", "files")), **fields)


class Slow:
    """A source with a delay; counts what is asked of it."""

    def __init__(self, shelf: Shelf, name: str, tell: Tell) -> None:
        self.name = name
        self._shelf, self._tell = shelf, tell

    async def search(self, query: str, limit: int) -> Sequence[Hit]:
        self._shelf.asked.append((self.name, query))
        try:
            await asyncio.sleep(self._shelf.seconds)
        except asyncio.CancelledError:
            self._shelf.stopped[self.name] += 1
            raise
        self._shelf.answered[self.name] += 1
        if self._shelf.broken:
            raise InputError("broken")
        self._tell(f"{self.name} looked")
        return [Hit(chunk=self.name, title=query, place=Place(uri=self.name), text=query, score=1.0)]


class Shelf:
    """Stands in for a library whose sources take an exact time."""

    def __init__(self, seconds: float = 0.5) -> None:
        self.seconds = seconds
        self.broken = False
        self.embedding_model: ModelRef | None = None
        self.asked: list[tuple[str, str]] = []
        self.stopped: Counter[str] = Counter()
        self.answered: Counter[str] = Counter()

    def source(self, which: str, name: str, paths: Sequence[str], tell: Tell, seconds: float) -> Source:
        return Slow(self, which, tell)


class Endpoints:
    """Stands in for the models: counts who is made ready."""

    def __init__(self) -> None:
        self.warmed: list[str] = []
        self.connected: list[str] = []
        self.fail = False

    async def warm(self, ref: ModelRef, progress: Callable[[str], None]) -> None:
        self.warmed.append(ref.endpoint)
        if self.fail:
            raise CallError("unreachable", "nothing listens")

    async def connect(self, ref: ModelRef) -> None:
        self.connected.append(ref.endpoint)


def prefetch(shelf: Shelf, endpoints: Endpoints | None = None) -> Prefetch:
    models = cast("Models", endpoints or Endpoints())
    return Prefetch(cast("Library", shelf), models, lambda: asyncio.get_running_loop().time())


def test_what_is_typed_is_searched_once_no_key_was_pressed_for_a_moment() -> None:
    shelf = Shelf()

    async def work() -> None:
        async with prefetch(shelf) as ahead:
            for end in range(1, len(QUESTION) + 1):
                ahead.typed(question(QUESTION[:end]))
                await asyncio.sleep(0.05)
            assert shelf.asked == []
            await asyncio.sleep(0.3)
            assert shelf.asked == [("keyword", QUESTION), ("files", QUESTION)]

    in_no_time(work)


@pytest.mark.parametrize("asked", [QUESTION, "  When is   the rent due ", "When is the rent due??", "When is the rent\ndue?\n"])
def test_a_question_asked_as_it_was_searched_for_has_its_passages_at_once(asked: str) -> None:
    shelf = Shelf()

    async def work() -> None:
        told: list[str] = []
        async with prefetch(shelf) as ahead:
            ahead.typed(question())
            await asyncio.sleep(1.0)
            ahead.typed(None)  # the prompt is empty once it was sent
            ahead.claim(question(asked))
            ahead.typed(None)
            await asyncio.sleep(1.0)
            found = ahead.take(question(asked))
            assert found is not None
            assert ahead.take(question(asked)) is None
            loop = asyncio.get_running_loop()
            before = loop.time()
            hits = await found.source(Slow(shelf, "files", told.append), told.append, loop.time()).search(asked, DEPTH)
            assert loop.time() == before
            assert [hit.text for hit in hits] == [QUESTION]
            assert told == ["files looked", "searched ahead by 1.8 s"]
            assert ahead.figures().used == 1
            assert ahead.figures().wasted == 0
        assert len(shelf.asked) == 2

    in_no_time(work)


def test_a_search_that_still_runs_is_waited_for_and_not_begun_again() -> None:
    shelf = Shelf(2.0)

    async def work() -> None:
        async with prefetch(shelf) as ahead:
            ahead.typed(question())
            await asyncio.sleep(1.25)
            ahead.claim(question())
            found = ahead.take(question())
            assert found is not None
            loop = asyncio.get_running_loop()
            own = Slow(shelf, "files", lambda line: None)
            await found.source(own, lambda line: None, loop.time()).search(QUESTION, DEPTH)
            assert loop.time() == pytest.approx(2.25)
        assert shelf.answered == {"keyword": 1, "files": 1}

    in_no_time(work)


def test_another_question_throws_away_what_was_found() -> None:
    shelf = Shelf(0.1)

    async def work() -> None:
        async with prefetch(shelf) as ahead:
            ahead.typed(question())
            await asyncio.sleep(1.0)
            other = question("When is the rent overdue?")
            ahead.claim(other)
            assert ahead.take(other) is None
            ahead.typed(question())
            await asyncio.sleep(1.0)
            ahead.claim(question(library="work"))
            assert ahead.take(question(library="work")) is None
            assert (ahead.figures().searched, ahead.figures().used, ahead.figures().wasted) == (2, 0, 2)

    in_no_time(work)


def test_a_text_that_changes_a_lot_stops_the_search_and_one_that_grows_does_not() -> None:
    shelf = Shelf(60.0)

    async def work() -> None:
        async with prefetch(shelf) as ahead:
            ahead.typed(question("When is the rent due"))
            await asyncio.sleep(0.3)
            ahead.typed(question("When is the rent due in May"))
            await asyncio.sleep(0.1)
            assert not shelf.stopped
            await asyncio.sleep(0.3)  # the newer search takes the place of the older one
            assert shelf.stopped == {"keyword": 1, "files": 1}
            ahead.typed(question("Who feeds the cats tonight"))
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            assert shelf.stopped == {"keyword": 2, "files": 2}
            assert len(shelf.asked) == 4
            await asyncio.sleep(0.3)
            assert len(shelf.asked) == 6
            ahead.typed(None)
            await asyncio.sleep(0.3)
            assert shelf.stopped == {"keyword": 3, "files": 3}

    in_no_time(work)


def test_the_worker_of_vectors_is_not_stopped_in_the_middle() -> None:
    shelf = Shelf(1.0)

    async def work() -> None:
        async with prefetch(shelf) as ahead:
            ahead.typed(question(sources=("vector", "files")))
            await asyncio.sleep(0.5)
            ahead.forget()
            await asyncio.sleep(1.0)
            assert shelf.answered == {"vector": 1}
            assert shelf.stopped == {"files": 1}

    in_no_time(work)


def test_leaving_stops_everything_at_once() -> None:
    shelf = Shelf(60.0)

    async def work() -> float:
        async with prefetch(shelf) as ahead:
            ahead.typed(question(sources=("vector", "files")))
            await asyncio.sleep(0.5)
        return asyncio.get_running_loop().time()

    assert in_no_time(work) == pytest.approx(0.5)
    assert shelf.stopped == {"vector": 1, "files": 1}


def test_nothing_is_searched_over_a_network_or_for_a_word_alone() -> None:
    shelf = Shelf()
    shelf.embedding_model = ModelRef("lab", "embedder")

    async def work() -> None:
        async with prefetch(shelf) as ahead:
            ahead.typed(question("What about the rent"))
            await asyncio.sleep(0.5)
            assert shelf.asked == []
            ahead.typed(question(sources=("vector", "keyword")))
            await asyncio.sleep(0.5)
            assert [name for name, _ in shelf.asked] == ["keyword"]

    in_no_time(work)


def test_what_is_old_or_failed_is_searched_for_anew() -> None:
    shelf = Shelf(0.1)

    async def work() -> None:
        loop = asyncio.get_running_loop()
        async with prefetch(shelf) as ahead:
            ahead.typed(question())
            await asyncio.sleep(70.0)
            ahead.claim(question())
            assert ahead.take(question()) is None
            shelf.broken = True
            ahead.typed(question())
            await asyncio.sleep(1.0)
            ahead.claim(question())
            found = ahead.take(question())
            assert found is not None
            shelf.broken = False
            told: list[str] = []
            hits = await found.source(Slow(shelf, "files", told.append), told.append, loop.time()).search(QUESTION, DEPTH)
            assert len(hits) == 1
            assert told == ["files looked"]

    in_no_time(work)


def test_questions_that_wait_for_their_turn_keep_their_passages_within_bounds() -> None:
    shelf = Shelf(0.1)

    async def work() -> None:
        async with prefetch(shelf) as ahead:
            asked = [question(f"How is number {number} made today") for number in range(6)]
            for each in asked:
                ahead.typed(each)
                await asyncio.sleep(1.0)
                ahead.claim(each)
            assert [ahead.take(each) is not None for each in asked] == [False, False, True, True, True, True]
            assert ahead.figures().wasted == 2

    in_no_time(work)


def test_endpoints_are_made_ready_seldom_and_what_goes_wrong_is_nobodys_business() -> None:
    endpoints = Endpoints()

    async def work() -> None:
        async with prefetch(Shelf(), endpoints) as ahead:
            for _ in range(20):
                ahead.ready([ModelRef("lab", "a"), ModelRef("lab", "b"), ModelRef("far", "c")])
                await asyncio.sleep(1.0)
            assert endpoints.connected == ["lab", "far"]
            endpoints.fail = True
            await asyncio.sleep(11.0)
            ahead.ready([ModelRef("lab", "a")])
            await asyncio.sleep(1.0)
            assert endpoints.warmed == ["lab", "far", "lab"]
            assert ahead.figures().opened == 3

    in_no_time(work)


async def test_real_sources_answer_ahead_and_the_run_says_so(tmp_path: Path) -> None:
    docs = tmp_path / "docs"
    docs.mkdir()
    (docs / "rent.md").write_text("# Rent\n\nThe rent is due on the first of each month.\n")
    async with stage(tmp_path, reply=lambda asked: "On the first [1].") as at:
        await at.run(Index(places=(str(docs),)))
        async with Prefetch(at.library, at.library.models, at.engine.clock) as ahead:
            asked = Ask(question=QUESTION, model=MODEL)
            at.ahead.append(ahead)
            ahead.typed(asked)
            await asyncio.sleep(0.3)  # no key for long enough
            ahead.claim(asked)
            told = await at.run(asked)
            plain = await at.run(asked)
        assert told.ended.outcome == "done"
        assert sum("searched ahead" in line for line in told.logs) == 3
        assert not any("searched ahead" in line for line in plain.logs)
        for name in ("vector", "keyword", "files", "fuse"):
            assert [hit.chunk for hit in told.found(name).hits] == [hit.chunk for hit in plain.found(name).hits]
