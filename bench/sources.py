"""Sources searched at once against one by one, in the same run: three with exact delays, then the three real ones.

The delayed ones answer after exactly 0.2, 0.5 and 1.0 s, so all at once should take the slowest and a few milliseconds. The real
ones search an index of this Python's own modules and its files on disk. ``uv run python -m bench.sources``
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from agents.engine import Engine
from agents.events import Hit, Place
from agents.requests import Ask, Index, ModelRef
from agents.retrieval.ask import search_all
from agents.retrieval.library import Library
from agents.settings import Settings
from storage.store import Store

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agents.models.service import Models
    from agents.retrieval.sources import Source
    from agents.runs import Run

DELAYS = (0.2, 0.5, 1.0)
SLACK = 0.020
QUESTION = "How does an executor run blocking calls in threads?"


class Delayed:
    """A source that answers after exactly ``seconds``."""

    def __init__(self, seconds: float) -> None:
        self.name = f"delay {seconds}"
        self._seconds = seconds

    async def search(self, query: str, limit: int) -> Sequence[Hit]:
        """Wait and answer."""
        await asyncio.sleep(self._seconds)
        return [Hit(chunk=self.name, title=self.name, place=Place(uri=self.name), text=query, score=1.0)]


async def compare(title: str, sources: Sequence[Source], least: float) -> bool:
    """Search ``sources`` at once and one by one, print both; return whether at once took at most the slowest plus the slack."""

    async def at_once(run: Run) -> None:
        lanes = [(run.step("source", source.name), source) for source in sources]
        _, missing = await search_all(lanes, QUESTION, 30.0)
        assert not missing, missing

    async with Engine({Ask: at_once}) as engine:
        run = engine.submit(Ask(question=QUESTION, model=ModelRef("none", "none")))
        wall = (await run.wait()).wall
        slowest = max(least, *(step.timings().busy for step in run.steps.values()))
    began = time.perf_counter()
    for source in sources:
        await source.search(QUESTION, 30)
    one_by_one = time.perf_counter() - began
    met = wall - slowest <= SLACK
    print(f"{title}: {wall * 1e3:.0f} ms at once, {one_by_one * 1e3:.0f} ms one by one: {one_by_one / wall:.2f} times")
    over = f"{(wall - slowest) * 1e3:.1f} ms over the slowest ({slowest * 1e3:.0f} ms)"
    print(f"  {over}, at most {SLACK * 1e3:.0f}: {'met' if met else 'MISSED'}")
    return met


async def main(limit: int) -> bool:
    """Measure both; return whether the target was met."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        for file in sorted(Path(asyncio.__file__).parent.glob("*.py"))[:limit]:
            (root / "indexed").mkdir(exist_ok=True)
            (root / "indexed" / file.name).write_bytes(file.read_bytes())
        (root / "loose").mkdir()
        for file in sorted(Path(asyncio.__file__).parents[1].glob("c*.py"))[:limit]:
            (root / "loose" / file.name).write_bytes(file.read_bytes())
        return await _measure(root)


async def _measure(root: Path) -> bool:
    met = await compare("three delayed sources", [Delayed(seconds) for seconds in DELAYS], max(DELAYS))
    no_models: Models = None  # type: ignore[assignment]  # nothing here calls a model
    async with Store(root / "data" / "bench.db") as store, Library(store, Settings(), no_models) as library:
        async with Engine({Index: library.index}) as engine:
            await engine.submit(Index(places=(str(root / "indexed"),))).wait()
        paths = (str(root / "loose"),)
        sources = [library.source(name, "default", paths, lambda line: None, 30.0) for name in ("vector", "keyword", "files")]
        for source in sources:
            await source.search(QUESTION, 5)  # starts the workers, which a running program has
        return await compare("vector, keyword, files", sources, 0.0) and met


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=40, help="how many modules are indexed, and how many are searched on disk")
    sys.exit(0 if asyncio.run(main(parser.parse_args().files)) else 1)
