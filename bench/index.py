"""Indexing 10 MB of documents while the event loop goes on: documents/s, MB/s, and how late a 5 ms sleep on the loop wakes.

The documents are this Python's own modules and what text documentation is on the machine, copied to a temporary folder. The
engine runs with a reader that drains 20 times a second, as a screen does. The same loop is measured idle first, for the ratio.
``uv run python -m bench.index``
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import sysconfig
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from agents.engine import Engine
from agents.events import Log
from agents.requests import Index
from agents.retrieval.library import Library
from agents.settings import Settings
from storage.store import Store

if TYPE_CHECKING:
    from agents.models.service import Models
    from agents.stream import Subscription

TARGET = 0.020
SUFFIXES = {".py", ".txt", ".md", ".rst", ".html", ".pdf", ""}


def collect(target: Path, size: int) -> tuple[int, int]:
    """Copy text of this machine to ``target`` until it holds ``size`` bytes; return documents and bytes."""
    count = total = 0
    for root in (Path("/usr/share/doc"), Path(sysconfig.get_path("stdlib"))):
        for file in sorted(root.rglob("*")):
            if "site-packages" in file.parts or file.suffix not in SUFFIXES or file.is_symlink() or not file.is_file():
                continue
            data = file.read_bytes()
            share = size // 3 if root.name == "doc" else size
            if not 200 < len(data) < 400_000 or b"\0" in data or total + len(data) > share:
                continue
            folder = target / f"{count // 200:03}"
            folder.mkdir(parents=True, exist_ok=True)
            (folder / f"{count:05}-{file.name}").write_bytes(data)
            count += 1
            total += len(data)
    return count, total


async def probe(lags: list[float]) -> None:
    """Note how late a 5 ms sleep wakes, for ever."""
    while True:
        began = time.perf_counter()
        await asyncio.sleep(0.005)
        lags.append(time.perf_counter() - began - 0.005)


async def drain(reader: Subscription) -> None:
    """Read the stream as a screen does, on a frame clock."""
    while True:
        for event in reader.drain():
            if isinstance(event, Log):
                print(f"  {event.message}")
        await asyncio.sleep(0.05)


def centile(lags: list[float], share: float) -> float:
    """Return the lag that ``share`` of the wakes stay under."""
    ordered = sorted(lags)
    return ordered[min(int(len(ordered) * share), len(ordered) - 1)]


async def measure(folder: Path, documents: int, size: int) -> bool:
    """Index ``folder`` and print the figures; return whether the target was met."""
    no_models: Models = None  # type: ignore[assignment]  # static vectors: nothing here calls a model
    lags: list[float] = []
    async with Store(folder / "data" / "bench.db") as store, Library(store, Settings(), no_models) as library:
        async with Engine({Index: library.index}) as engine, asyncio.TaskGroup() as group:
            tasks = [group.create_task(probe(lags)), group.create_task(drain(engine.subscribe()))]
            await asyncio.sleep(2)
            idle = centile(lags, 0.99)
            lags.clear()
            began = time.perf_counter()
            ended = await engine.submit(Index(places=(str(folder / "documents"),))).wait()
            wall = time.perf_counter() - began
            during = list(lags)
            began = time.perf_counter()
            await engine.submit(Index(places=(str(folder / "documents"),))).wait()
            again = time.perf_counter() - began
            for task in tasks:
                task.cancel()
        (row,) = await library.list()
    assert ended.outcome == "done", ended.error
    p99 = centile(during, 0.99)
    met = p99 <= TARGET
    print(f"{row.documents:,} of {documents:,} documents, {row.chunks:,} passages, {size / 1e6:.1f} MB in {wall:.1f} s")
    print(f"{row.documents / wall:,.0f} documents/s, {size / 1e6 / wall:.2f} MB/s, {row.chunks / wall:,.0f} passages/s")
    print(f"again, nothing changed: {again:.2f} s, {wall / again:.0f} times as fast")
    print(f"loop lag while indexing: p50 {centile(during, 0.5) * 1e3:.1f}, p99 {p99 * 1e3:.1f}, worst {max(during) * 1e3:.1f} ms")
    verdict = "met" if met else "MISSED"
    print(f"loop lag p99: {p99 / max(idle, 1e-4):.1f} times idle ({idle * 1e3:.1f} ms), at most {TARGET * 1e3:.0f} ms: {verdict}")
    return met


def main(megabytes: float) -> bool:
    """Collect documents and measure."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        documents, size = collect(folder / "documents", int(megabytes * 1e6))
        return asyncio.run(measure(folder, documents, size))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--megabytes", type=float, default=10.0)
    sys.exit(0 if main(parser.parse_args().megabytes) else 1)
