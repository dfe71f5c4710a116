"""What overlap gives, and that it is polite: seven calls in four ways, a hundred equal prompts, one person before a batch.

``uv run python -m bench.overlap`` prints three parts, all through the engine against a paced server:

1. seven calls that take from 0.55 to 1.15 s each: one after the other; all at once; all at once and taken as they complete; both
   again with two at a time;
2. a hundred equal prompts at once, and how many of them reached the server (bound: exactly 1);
3. a thousand rows at the priority of a batch that fill the cap, and prompts of a person meanwhile: how long these wait for their
   turn, against the time one answer takes (bound: less than that).
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import httpx2

from agents.events import StepEnded
from agents.requests import Chat, Lane, Message, ModelRef, Priority
from agents.settings import Defaults, Endpoint, Locations, Settings
from agents.workspace import Workspace
from bench.stream import paced_server, percentile

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from agents.runs import Run

DELAYS = (0.85, 1.05, 0.55, 1.15, 0.75, 0.95, 0.87)
_ROWS, _CAP, _SERVICE = 1000, 8, 0.2


@asynccontextmanager
async def workspace(address: str, cap: int) -> AsyncIterator[Workspace]:
    """Open a workspace with the server as its endpoint ``lab``."""
    settings = Settings(endpoints={"lab": Endpoint(base_url=address, concurrency=cap)}, defaults=Defaults())
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        async with Workspace(settings, Locations(config=folder / "none.toml", data=folder, themes=folder)) as opened:
            await opened.open()
            await opened.models.warm(ModelRef("lab", "any"), lambda _: None)
            yield opened


def chat(model: str, text: str, priority: Priority = Priority.INTERACTIVE, *, use_cache: bool = False) -> Chat:
    """Return one prompt to one model."""
    lane = Lane(model=ModelRef("lab", model), messages=(Message("user", text),))
    return Chat(lanes=(lane,), use_cache=use_cache, priority=priority)


async def _seven(address: str, cap: int, *, way: str) -> tuple[float, list[float]]:
    """Return the wall time of the seven calls, and when each of them was in hand."""
    async with workspace(address, cap) as opened:
        began = time.perf_counter()
        seen: list[float] = []

        async def take(run: Run) -> None:
            await run.wait()
            seen.append(time.perf_counter() - began)

        calls = [chat(f"delay-{delay}-20", f"Item {number}") for number, delay in enumerate(DELAYS)]
        if way == "one by one":
            for call in calls:
                await take(opened.engine.submit(call))
        else:
            runs = [opened.engine.submit(call) for call in calls]
            async with asyncio.TaskGroup() as group:
                for run in runs:
                    group.create_task(take(run))
            if way == "gathered":
                seen = [max(seen)] * len(seen)  # gathered answers are in hand once the last has come
        return time.perf_counter() - began, seen


async def _seven_ways(address: str) -> None:
    print(f"seven calls of {min(DELAYS):g} to {max(DELAYS):g} s, {sum(DELAYS):.2f} s in all")
    for cap, way in ((8, "one by one"), (8, "gathered"), (8, "as completed"), (2, "gathered"), (2, "as completed")):
        wall, seen = await _seven(address, cap, way=way)
        told = f"{way}, two at a time" if cap == 2 else way
        print(f"  {told:32}{wall:5.2f} s   first in hand after {seen[0]:.2f} s, the middle one after {seen[3]:.2f} s")


async def _equal(address: str) -> None:
    async with workspace(address, 8) as opened:
        before = _requests(address)
        runs = [opened.engine.submit(chat("delay-0.5-20", "The same", use_cache=True)) for _ in range(100)]
        ends = [await run.wait() for run in runs]
        done = sum(end.outcome == "done" for end in ends)
        print(f"a hundred equal prompts at once: {done} answered by {_requests(address) - before} request (bound exactly 1)")


async def _before_a_batch(address: str) -> None:
    async with workspace(address, _CAP) as opened:
        model = f"delay-{_SERVICE}-20"
        rows = [opened.engine.submit(chat(model, f"Row {number}", Priority.BATCH)) for number in range(_ROWS)]
        waits = []
        with opened.engine.subscribe(text=False) as reader:
            await asyncio.sleep(1.0)
            for number in range(20):
                run = opened.engine.submit(chat(model, f"A person's {number}"))
                await run.wait()
                waits += [each.timings.wait for each in reader.drain() if isinstance(each, StepEnded) and each.run == run.id]
                await asyncio.sleep(0.13)
        for row in rows:
            row.cancel()
        for row in rows:
            await row.wait()
    _print_waits(waits)


def _print_waits(waits: Sequence[float]) -> None:
    ordered = sorted(waits)
    print(
        f"a person before a batch of {_ROWS:,} rows at a cap of {_CAP}: waited {percentile(ordered, 0.5) * 1000:.0f} ms (P50), "
        f"{ordered[-1] * 1000:.0f} ms at most; one answer takes {_SERVICE * 1000:.0f} ms (the bound)"
    )


def _requests(address: str) -> int:
    counts = httpx2.get(f"{address.removesuffix('/v1')}/stats", trust_env=False).json()
    return int(counts["by_path"].get("/v1/chat/completions", 0))


async def _measure() -> None:
    with paced_server() as address:
        await _seven_ways(address)
        await _equal(address)
        await _before_a_batch(address)


def main() -> None:
    """Measure and print."""
    argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "").parse_args()
    asyncio.run(_measure())


if __name__ == "__main__":
    main()
