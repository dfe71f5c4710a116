from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import msgspec
import pytest

from agents.events import Usage
from agents.models.cache import Answer, AnswerCache, circle, identity
from agents.requests import Attachment, Message, ModelCall, ModelRef, Params, Priority
from storage.cache import OVERHEAD, ResponseCache
from storage.store import Store

HERE = "http://127.0.0.1:8000/v1"


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def ignore(line: str) -> None:
    raise AssertionError(line)


def call(text: str = "Hello", **fields: Any) -> ModelCall:
    return ModelCall(**{"model": ModelRef("lab", "m", Params(temperature=0.5)), "messages": (Message("user", text),), **fields})


FILE = Attachment(name="a.txt", media="text/plain", digest="d1", size=3)
SCHEMA = '{"type": "object", "properties": {"a": {"minimum": 1}, "b": {}}}'


@pytest.mark.parametrize(
    "other",
    [
        call("Hello "),
        call(model=ModelRef("lab", "n", Params(temperature=0.5))),
        call(model=ModelRef("lab", "m", Params(temperature=0.6))),
        call(model=ModelRef("lab", "m", Params(temperature=0.5, seed=0))),
        call(model=ModelRef("lab", "m", Params(temperature=0.5, top_p=0.5))),
        call(model=ModelRef("lab", "m", Params(temperature=0.5, max_tokens=5))),
        call(model=ModelRef("lab", "m")),
        call(messages=(Message("assistant", "Hello"),)),
        call(messages=(Message("system", "Be brief"), Message("user", "Hello"))),
        call(messages=(Message("user", "Hello", (FILE,)),)),
        call(schema=msgspec.Raw(SCHEMA.encode())),
    ],
)
def test_whatever_shapes_an_answer_is_part_of_its_identity(other: ModelCall) -> None:
    assert identity(HERE, call()) != identity(HERE, other)


def test_another_address_and_another_file_are_another_identity() -> None:
    assert identity(HERE, call()) != identity("http://127.0.0.1:8001/v1", call())
    changed = msgspec.structs.replace(FILE, digest="d2")
    one, other = (call(messages=(Message("user", "Hello", (file,)),)) for file in (FILE, changed))
    assert identity(HERE, one) != identity(HERE, other)


def test_what_means_the_same_has_the_same_identity() -> None:
    assert identity(HERE, call()) == identity(f"{HERE}/", call(priority=Priority.BATCH, refresh=True, similar=True))
    one, other = (call(model=ModelRef("lab", "m", Params(temperature=heat))) for heat in (1, 1.0))
    assert identity(HERE, one) == identity(HERE, other)
    turned = ' {"properties": {"b": {}, "a": {"minimum": 1.0}},\n "type": "object"}'
    one, other = (call(schema=msgspec.Raw(text.encode())) for text in (SCHEMA, turned))
    assert identity(HERE, one) == identity(HERE, other)
    identity(HERE, call(schema=msgspec.Raw(b"{broken")))
    identity(HERE, call(schema=msgspec.Raw(b"[" * 100_000)))


def test_a_circle_is_all_but_the_last_message() -> None:
    before = Message("system", "Be brief")
    one, other = (call(messages=(before, Message("user", text))) for text in ("a", "b"))
    assert circle(HERE, one) == circle(HERE, other)
    assert circle(HERE, one) != circle(HERE, call("a"))
    assert circle(HERE, one) != circle(HERE, msgspec.structs.replace(one, model=ModelRef("lab", "m")))


async def test_an_answer_comes_back_as_it_was_until_its_time_is_over(tmp_path: Path) -> None:
    clock = Clock()
    async with Store(tmp_path / "s.db") as store:
        cache = AnswerCache(ResponseCache(store), 60.0, clock=clock)
        answer = Answer(text="so\x00", finish="stop", usage=Usage(input=3, output=1, cached=2))
        assert await cache.put("k", answer)
        assert await cache.get("k", ignore) == msgspec.structs.replace(answer, cached=True)
        clock.now += 60.0
        assert await cache.get("k", ignore) is None


@pytest.mark.parametrize("finish", [None, "length", "content_filter", "other", "function_call"])
async def test_an_answer_that_is_not_whole_is_not_kept(tmp_path: Path, finish: str | None) -> None:
    async with Store(tmp_path / "s.db") as store:
        cache = AnswerCache(ResponseCache(store), 60.0)
        assert not await cache.put("k", Answer(text="half", finish=finish))
        assert await cache.get("k", ignore) is None


async def test_what_was_not_used_for_longest_goes_when_there_is_no_room(tmp_path: Path) -> None:
    clock, size = Clock(), 1000
    async with Store(tmp_path / "s.db") as store:
        cache = AnswerCache(ResponseCache(store), 1e6, 10 * (size + OVERHEAD + 100), clock=clock)
        for number in range(10):
            clock.now += 1
            await cache.put(str(number), Answer(text="x" * size, finish="stop"))
        clock.now += 1
        assert await cache.get("0", ignore) is not None
        for number in range(10, 12):
            clock.now += 1
            await cache.put(str(number), Answer(text="x" * size, finish="stop"))
        kept = [number for number in range(12) if await cache.get(str(number), ignore) is not None]
        assert kept == [0, 3, 4, 5, 6, 7, 8, 9, 10, 11]
        assert not await cache.put("huge", Answer(text="x" * size * 3, finish="stop"))
        figures = cache.figures()
        assert (figures.entries, figures.evicted) == (10, 2)
        assert figures.bytes is not None
        assert figures.bytes <= figures.limit


async def test_a_smaller_limit_is_reached_in_slices(tmp_path: Path) -> None:
    async with Store(tmp_path / "s.db") as store:
        response = ResponseCache(store)
        wide = AnswerCache(response, 1e6)
        for number in range(300):
            await response.put(str(number), b"x" * 100, now=float(number), ttl=1e12)
        await wide.look()
        assert wide.figures().entries == 300
        narrow = AnswerCache(response, 1e6, 20 * (100 + OVERHEAD))
        await narrow.put("new", Answer(text="new", finish="stop"))
        assert await narrow.get("new", ignore) is not None
        figures = narrow.figures()
        assert figures.entries is not None
        assert figures.entries <= 20
        assert figures.evicted == 301 - figures.entries


async def test_lookups_are_counted_for_this_session_and_ever(tmp_path: Path) -> None:
    clock = Clock()
    async with Store(tmp_path / "s.db") as store:
        for session in range(1, 4):
            cache = AnswerCache(ResponseCache(store), 1e6, clock=clock)
            assert cache.figures().hit_rate is None
            await cache.put("k", Answer(text="a", finish="stop"))
            before = store.commits
            for key in ("k", "k", "k", "nothing"):
                await cache.get(key, ignore)
            await cache.settle()
            assert store.commits == before
            figures = cache.figures()
            assert (figures.session_hits, figures.session_misses) == (3, 1)
            assert (figures.hits, figures.misses, figures.hit_rate) == (3 * session, session, 0.75)
            await cache.settle(closing=True)
            assert store.commits == before + 1
            assert cache.figures() == figures
            clock.now += 1


async def test_uses_are_written_together_when_many_or_old_ones_wait(tmp_path: Path) -> None:
    clock = Clock()
    async with Store(tmp_path / "s.db") as store:
        cache = AnswerCache(ResponseCache(store), 1e6, clock=clock)
        for number in range(200):
            await cache.put(str(number), Answer(text="a", finish="stop"))
        before = store.commits
        for number in range(200):
            await cache.get(str(number), ignore)
            await cache.settle()
        assert store.commits == before + 1
        clock.now += 60
        await cache.settle()
        assert store.commits == before + 2


async def test_what_is_held_is_known_after_the_first_hit_of_a_session(tmp_path: Path) -> None:
    async with Store(tmp_path / "s.db") as store:
        await AnswerCache(ResponseCache(store), 1e6).put("k", Answer(text="a", finish="stop"))
        cache = AnswerCache(ResponseCache(store), 1e6)
        assert cache.figures().entries is None
        await cache.get("k", ignore)
        await cache.settle()
        figures = cache.figures()
        assert (figures.entries, figures.hits) == (1, 1)


async def test_a_full_disk_makes_calls_slower_and_never_wrong(tmp_path: Path) -> None:
    async with Store(tmp_path / "s.db") as store:
        cache = AnswerCache(ResponseCache(store), 1e6)
        assert await cache.put("early", Answer(text="kept", finish="stop"))

        def fill(raw: sqlite3.Connection) -> None:
            (pages,) = raw.execute("PRAGMA page_count").fetchone()
            raw.execute(f"PRAGMA max_page_count={pages}")

        await store.write(fill)
        kept = 0
        for number in range(40):
            kept += await cache.put(str(number), Answer(text=f"{number}" * 3000, finish="stop"))
            found = await cache.get(str(number), ignore)
            assert found is None or found.text == f"{number}" * 3000
        assert kept < 40
        answer = await cache.get("early", ignore)
        assert answer is not None
        assert answer.text == "kept"
        await store.write(lambda raw: raw.execute("PRAGMA max_page_count=1000000"))
        assert await cache.put("late", Answer(text="again", finish="stop"))
        assert cache.figures().session_misses == cache.figures().misses
