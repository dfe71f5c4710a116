from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections import OrderedDict
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from storage.cache import OVERHEAD, QUESTIONS, SLICE, CacheTotals, Lookups, ResponseCache, note, totals, trim
from storage.migrations import Migration, migrate, migrations
from storage.store import Store


async def test_a_body_is_found_until_its_time_is_over(tmp_path: Path) -> None:
    async with Store(tmp_path / "stretto.db") as store:
        cache = ResponseCache(store)
        assert await cache.get("k", 0.0) is None
        await cache.put("k", b"\x00body\xff", now=100.0, ttl=10.0)
        assert await cache.get("k", 109.9) == b"\x00body\xff"
        assert await cache.get("k", 110.0) is None
        assert await cache.get("other", 100.0) is None


async def test_a_later_body_takes_the_place_and_the_time(tmp_path: Path) -> None:
    async with Store(tmp_path / "stretto.db") as store:
        cache = ResponseCache(store)
        await cache.put("k", b"old", now=0.0, ttl=10.0)
        held, _ = await cache.put("k", b"newer", now=5.0, ttl=10.0)
        assert held == CacheTotals(1, 5 + OVERHEAD)
        assert await cache.get("k", 12.0) == b"newer"


async def test_what_is_over_is_removed_slice_by_slice_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "stretto.db"
    async with Store(path) as store:
        cache = ResponseCache(store)
        for number in range(SLICE + 3):
            await store.write(lambda raw, number=number: put(raw, str(number), b"x", now=0.0, ttl=1.0))  # type: ignore[misc]
        await cache.put("lasting", b"x", now=0.0, ttl=100.0)
        assert (await cache.trim(3.0))[1] == SLICE
        assert await cache.trim(3.0) == (CacheTotals(1, 1 + OVERHEAD), 3)
        assert (await cache.trim(3.0))[1] == 0
    async with Store(path) as store:
        assert await ResponseCache(store).get("lasting", 3.0) == b"x"


async def test_a_clock_that_jumps_makes_calls_slower_and_no_answer_older_than_its_time(tmp_path: Path) -> None:
    year, day, now = 365 * 86400.0, 86400.0, 1e9
    async with Store(tmp_path / "stretto.db") as store:
        cache = ResponseCache(store)
        await cache.put("early", b"x", now=now, ttl=day)
        assert await cache.get("early", now + year) is None
        await cache.put("ahead", b"x" * 1000, now=now + year, ttl=day)  # and what is over by that clock goes
        for later in (0.0, day, 30 * day):
            assert await cache.get("ahead", now + later) is None  # nobody knows how old it is
        held, _ = await cache.put("ahead", b"new", now=now, ttl=day)
        assert (await cache.get("ahead", now), held.entries) == (b"new", 1)
        assert await cache.get("ahead", now - 59.0) == b"new"  # clocks differ


async def test_where_there_is_no_room_what_was_kept_by_a_clock_ahead_goes_first(tmp_path: Path) -> None:
    async with Store(tmp_path / "stretto.db") as store:
        cache = ResponseCache(store)
        limit = 3 * (1 + OVERHEAD)
        for number in range(3):
            await cache.put(f"ahead {number}", b"x", now=1e9 + number, ttl=10.0, limit=limit)
        for number in range(3):
            held, removed = await cache.put(f"now {number}", b"x", now=100.0 + number, ttl=10.0, limit=limit)
            assert (held.entries, removed) == (3, 1)
        assert [await cache.get(f"now {number}", 103.0) for number in range(3)] == [b"x"] * 3


def put(raw: sqlite3.Connection, key: str, body: bytes, *, now: float, ttl: float = 1e9) -> None:
    columns = "INSERT INTO responses (key, stored, expires, used, body) VALUES (?, ?, ?, ?, ?)"
    raw.execute(
        f"{columns} ON CONFLICT (key) DO UPDATE SET body = excluded.body, used = excluded.used", (key, now, now + ttl, now, body)
    )


def database() -> sqlite3.Connection:
    raw = sqlite3.connect(":memory:", isolation_level=None)
    migrate(raw, migrations())
    return raw


actions = st.lists(st.tuples(st.sampled_from(["put", "use"]), st.integers(0, 12), st.integers(0, 900)), max_size=60)


@settings(max_examples=60, deadline=None)
@given(actions, st.integers(1000, 4000))
def test_what_was_not_used_for_longest_goes_first_as_in_a_model_of_it(steps: list[tuple[str, int, int]], limit: int) -> None:
    raw = database()
    model: OrderedDict[str, int] = OrderedDict()
    waiting = Lookups()
    for now, (action, number, size) in enumerate(steps):
        key = str(number)
        if action == "use":
            if key in model:
                model.move_to_end(key)
                waiting.used[key] = float(now)
            continue
        note(raw, waiting)
        waiting = Lookups()
        put(raw, key, b"x" * size, now=float(now))
        trim(raw, float(now), limit)
        model[key] = size + OVERHEAD
        model.move_to_end(key)
        while sum(model.values()) > limit:
            model.popitem(last=False)
        assert {row[0] for row in raw.execute("SELECT key FROM responses")} == set(model)
        assert totals(raw) == CacheTotals(len(model), sum(model.values()))
    raw.close()


async def test_times_of_use_never_go_back_and_lookups_add_up(tmp_path: Path) -> None:
    async with Store(tmp_path / "stretto.db") as store:
        cache = ResponseCache(store)
        await cache.put("k", b"x", now=50.0, ttl=100.0)
        await cache.note(Lookups({"k": 70.0, "gone": 70.0}, 2, 1, 1))
        held = await cache.note(Lookups({"k": 60.0}, 1, 0))
        assert (held.hits, held.misses, held.similar) == (3, 1, 1)
        assert await store.read(lambda raw: raw.execute("SELECT used FROM responses").fetchall()) == [(70.0,)]
    async with Store(tmp_path / "stretto.db") as store:
        assert await ResponseCache(store).totals() == held


async def test_clearing_takes_all_or_only_what_was_stored_before_and_its_questions(tmp_path: Path) -> None:
    async with Store(tmp_path / "stretto.db") as store:
        cache = ResponseCache(store)
        for number in range(SLICE * 2 + 5):
            await store.write(lambda raw, number=number: put(raw, str(number), b"x", now=float(number)))  # type: ignore[misc]
        await cache.add_question("3", b"c", "three?")
        await cache.add_question("nowhere", b"c", "of no answer")
        assert await cache.clear(before=4.0) == 4
        assert (await cache.totals()).entries == SLICE * 2 + 1
        assert await store.read(lambda raw: raw.execute("SELECT count(*) FROM questions").fetchone()) == (0,)
        assert await cache.oldest() == 4.0
        assert await cache.clear() == SLICE * 2 + 1
        assert await cache.totals() == CacheTotals()
        assert await cache.oldest() is None


async def test_the_newest_questions_are_kept_and_no_number_is_given_twice(tmp_path: Path) -> None:
    async with Store(tmp_path / "stretto.db") as store:
        cache = ResponseCache(store)
        for key in "ab":
            await cache.put(key, b"x", now=0.0, ttl=10.0)
            await cache.add_question(key, b"c", key)
        await cache.add_question("a", b"c", "again")
        assert await store.read(lambda raw: raw.execute("SELECT number, text FROM questions").fetchall()) == [
            (2, "b"),
            (3, "again"),
        ]
        await store.write(lambda raw: raw.execute("UPDATE sqlite_sequence SET seq = ? WHERE name = 'questions'", (QUESTIONS + 1,)))
        await cache.add_question("b", b"c", "newest")
        assert await store.read(lambda raw: raw.execute("SELECT text FROM questions").fetchall()) == [("again",), ("newest",)]
        assert await cache.questions(b"c", 8) == [("b", "newest"), ("a", "again")]
        assert await cache.questions(b"other", 8) == []


def test_answers_kept_by_an_earlier_version_are_kept_on() -> None:
    raw = sqlite3.connect(":memory:", isolation_level=None)
    steps = migrations()
    migrate(raw, [step for step in steps if step.number < 5])
    raw.execute("INSERT INTO responses VALUES ('k', x'0102', 5.0, 9.0)")
    migrate(raw, [Migration(step.number, step.script) for step in steps])
    assert raw.execute("SELECT key, stored, expires, used, body FROM responses").fetchall() == [("k", 5.0, 9.0, 5.0, b"\x01\x02")]
    assert totals(raw) == CacheTotals(1, 2 + OVERHEAD)
    raw.close()


def test_kill_9_while_answers_are_kept_and_removed_leaves_every_one_whole(tmp_path: Path) -> None:
    path = tmp_path / "stretto.db"
    for number in range(4):
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.storage.children", "cache_until_killed", str(path), str(number)], stdout=subprocess.PIPE
        )
        assert process.stdout is not None
        for _ in range(100 + 150 * number):
            process.stdout.readline()
        process.kill()
        process.stdout.close()
        process.wait()
        raw = sqlite3.connect(path)
        assert raw.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        kept = raw.execute("SELECT key, body FROM responses").fetchall()
        assert kept
        assert all(body.rstrip(b".") == key.encode() for key, body in kept)
        # Several keep at once, each within the room: never more than that, however it ended.
        held = totals(raw)
        assert held.entries == len(kept)
        assert held.bytes == sum(len(body) + OVERHEAD for _, body in kept) <= 1_000_000
        raw.close()


def keeper(path: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.storage.children", "cache_until_killed", str(path), "other"]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


async def test_two_processes_share_what_they_keep(tmp_path: Path) -> None:
    path = tmp_path / "stretto.db"
    process = keeper(path)
    assert process.stdout is not None
    try:
        process.stdout.readline()
        async with Store(path) as store:
            cache = ResponseCache(store)
            for number in range(50):
                # Later than all of the other's, within what clocks may differ.
                await cache.put(f"mine.{number}", b"m", now=1e9 + 50, ttl=1e9, limit=1_000_000)
                key, _, size = process.stdout.readline().strip().partition(" ")
                other = await cache.get(key, 1e9 + 50)
                # It may be gone again, for lack of room, but it is never half there.
                assert other is None or len(other) == int(size)
            assert [await cache.get(f"mine.{number}", 1e9 + 50) for number in range(50)] == [b"m"] * 50
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
