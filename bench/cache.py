"""How long a hit takes with 100,000 answers kept: through :class:`AnswerCache`, while the database is written to and while not.

Beside it, in the same run and over the same answers: sqlite3 alone, called on the spot, which is the floor; and the usual ways: the
package diskcache, where it is installed (``uv run --with diskcache ...``), and a JSON file for each answer, both read in a thread.
Answers are 300 to 4,000 characters. ``--similar`` measures a hit by meaning among 20,000 questions instead.
``uv run python -m bench.cache``
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import importlib.util
import itertools
import json
import os
import random
import sqlite3
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from agents.events import Usage
from agents.models.cache import Answer, AnswerCache, identity
from agents.models.similar import SimilarAnswers
from agents.requests import Message, ModelCall, ModelRef
from bench.panes import tokens
from storage.cache import QUESTIONS, ResponseCache
from storage.store import Store

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

TARGET = 2.0
"""Milliseconds a hit may take, 99th percentile."""
TARGET_SIMILAR = 15.0
PAUSE = 0.02
WRITERS = 8
ADDRESS = "http://127.0.0.1:8000/v1"


def call(number: int) -> ModelCall:
    """Return a call that no other is like."""
    messages = (Message("system", "Answer briefly."), Message("user", f"Question {number}: what does line {number} say?"))
    return ModelCall(model=ModelRef("lab", "m0"), messages=messages)


def answers() -> Callable[[], Answer]:
    """Return what makes answers of the usual lengths."""
    text, chance = "".join(itertools.islice(tokens(), 3000)), random.Random(3)

    def make() -> Answer:
        length = chance.randint(300, 4000)
        start = chance.randint(0, len(text) - length)
        return Answer(text=text[start : start + length], finish="stop", usage=Usage(input=40, output=length // 4))

    return make


def told(name: str, seconds: list[float], target: float | None = None) -> bool:
    """Print one line of figures; return whether the target is kept."""
    ordered = sorted(seconds)
    p50, p99 = (ordered[int(len(ordered) * share)] * 1e3 for share in (0.5, 0.99))
    kept = target is None or p99 < target
    limit = "" if target is None else f"  target {target:g}: {'kept' if kept else 'MISSED'}"
    print(f"{name:<52} P50 {p50:7.3f} ms  P99 {p99:7.3f} ms  most {ordered[-1] * 1e3:8.3f} ms{limit}")
    return kept


async def timed(keys: list[str], get: Callable[[str], Awaitable[object]]) -> list[float]:
    """Return how long each of ``keys`` took."""
    gc.collect()
    seconds = []
    for key in keys:
        started = time.perf_counter()
        found = await get(key)
        seconds.append(time.perf_counter() - started)
        assert found is not None
        await asyncio.sleep(0)
    return seconds


async def fill(store: Store, count: int) -> list[str]:
    """Keep ``count`` answers, the way the cache does but many at a time."""
    make, keys = answers(), []
    encode = msgspec.msgpack.Encoder().encode
    insert = "INSERT INTO responses (key, stored, expires, used, body) VALUES (?, ?, ?, ?, ?)"
    for start in range(0, count, 5000):
        page, now = [], time.time()
        for number in range(start, min(start + 5000, count)):
            key, answer = identity(ADDRESS, call(number)), make()
            keys.append(key)
            body = encode({"text": answer.text, "finish": "stop", "usage": answer.usage})
            page.append((key, now, now + 86400, now, body))
        await store.write(lambda raw: raw.executemany(insert, page))  # noqa: B023  # written before the next page
    return keys


async def writing(cache: AnswerCache, number: int) -> None:
    """Keep a new answer fifty times a second without end, as answers do that come while others are asked for."""
    make = answers()
    for each in itertools.count(number * 10_000_000):
        await cache.put(identity(ADDRESS, call(each)), make())
        await asyncio.sleep(PAUSE)


def in_files(keys: list[str], folder: Path) -> Callable[[str], Awaitable[object]]:
    """Keep answers as JSON files and return what reads one."""
    make = answers()
    for key in keys:
        place = folder / key[:2] / f"{key}.json"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(msgspec.json.encode(make()))

    def read(key: str) -> object:
        return json.loads((folder / key[:2] / f"{key}.json").read_bytes())

    return lambda key: asyncio.to_thread(read, key)


def in_diskcache(keys: list[str], folder: Path) -> Callable[[str], Awaitable[object]]:
    """Keep answers with diskcache and return what gets one."""
    diskcache: Any = importlib.import_module("diskcache")
    make, cache = answers(), diskcache.Cache(str(folder), size_limit=4 << 30)
    with cache.transact():
        for key in keys:
            cache.set(key, msgspec.to_builtins(make()), expire=86400)
    return lambda key: asyncio.to_thread(cache.get, key)


async def exact(folder: Path, count: int, lookups: int, rivals: int) -> bool:
    """Measure hits by identity."""
    kept = True
    async with Store(folder / "stretto.db") as store:
        keys = await fill(store, count)
        response = ResponseCache(store)
        cache = AnswerCache(response, 86400.0, 4 << 30)
        totals = await response.totals()
        print(f"{totals.entries:,} answers, {totals.bytes / 1e6:.0f} MB counted, file {store.path.stat().st_size / 1e6:.0f} MB")
        chosen = random.Random(5).sample(keys, lookups)
        raw = sqlite3.connect(store.path)

        async def floor(key: str) -> object:
            return raw.execute("SELECT body FROM responses WHERE key = ? AND expires > ?", (key, time.time())).fetchone()

        told("sqlite3 on the spot (the floor)", await timed(chosen, floor))
        raw.close()
        told("an empty call on the same thread", await timed(chosen, lambda _: store.read(lambda _: True)))
        kept &= told("stretto, nothing else going on", await timed(chosen, lambda key: cache.get(key, print)), TARGET)
        async with asyncio.TaskGroup() as group:
            writers = [group.create_task(writing(cache, number)) for number in range(1, WRITERS + 1)]
            before, started = (store.commits, (await response.totals()).entries), time.perf_counter()
            kept &= told("stretto, while answers are kept", await timed(chosen, lambda key: cache.get(key, print)), TARGET)
            rate = ((await response.totals()).entries - before[1]) / (time.perf_counter() - started)
            print(f"  ({rate:.0f} answers a second were kept meanwhile, in {store.commits - before[0]} groups)")
            for task in writers:
                task.cancel()
    few = random.Random(6).choices(keys[:rivals], k=lookups)
    told(f"a JSON file for each answer ({rivals:,}), in a thread", await timed(few, in_files(keys[:rivals], folder / "files")))
    if importlib.util.find_spec("diskcache") is not None:
        told(f"diskcache ({rivals:,}), in a thread", await timed(few, in_diskcache(keys[:rivals], folder / "diskcache")))
    else:
        print("diskcache is not installed: uv run --with diskcache python -m bench.cache")
    return kept


def question(number: int) -> str:
    """Return a question of its own."""
    things = ("sail", "organ", "river", "glacier", "theatre", "bridge", "orchard", "harbour", "library", "observatory")
    doings = ("repair", "paint", "measure", "describe", "finance", "photograph", "restore", "insure", "map", "name")
    return f"How do people {doings[number % 10]} the {things[number // 10 % 10]} of town number {number}?"


async def similar(folder: Path, lookups: int) -> bool:
    """Measure hits by meaning."""
    async with Store(folder / "stretto.db") as store:
        response = ResponseCache(store)
        cache = AnswerCache(response, 86400.0, 4 << 30)
        async with SimilarAnswers(cache, response, 0.7) as finder:
            make = answers()
            calls = [
                ModelCall(model=ModelRef("lab", "m0"), messages=(Message("user", question(number)),), similar=True)
                for number in range(QUESTIONS)
            ]

            async def keep(call: ModelCall) -> None:
                key = identity(ADDRESS, call)
                await cache.put(key, make())
                await finder.add(ADDRESS, call, key)

            for page in range(0, QUESTIONS, 500):
                async with asyncio.TaskGroup() as group:
                    for each in calls[page : page + 500]:
                        group.create_task(keep(each))
            asked = {
                each.messages[-1].content: msgspec.structs.replace(
                    each, messages=(Message("user", f"Please tell me: {each.messages[-1].content}"),)
                )
                for each in random.Random(5).sample(calls, lookups)
            }
            started = time.perf_counter()
            await finder.find(ADDRESS, next(iter(asked.values())))
            print(f"{QUESTIONS:,} questions; the first hit took {time.perf_counter() - started:.2f} s: the worker started")
            hits = await timed(list(asked), lambda text: finder.find(ADDRESS, asked[text]))
            return told("an answer for a similar question", hits, TARGET_SIMILAR)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--entries", type=int, default=100_000)
    parser.add_argument("--lookups", type=int, default=20_000)
    parser.add_argument("--rivals", type=int, default=20_000, help="answers kept in the usual ways")
    parser.add_argument("--similar", action="store_true", help="measure hits by meaning")
    options = parser.parse_args()
    print(f"load average {os.getloadavg()[0]:.1f}")
    with tempfile.TemporaryDirectory() as folder:
        if options.similar:
            kept = asyncio.run(similar(Path(folder), min(options.lookups, 500)))
        else:
            kept = asyncio.run(exact(Path(folder), options.entries, options.lookups, min(options.rivals, options.entries)))
    sys.exit(0 if kept else 1)


if __name__ == "__main__":
    main()
