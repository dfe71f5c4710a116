"""From Enter to the model's first token, with sources searched while the question is typed and without.

Three sources answer after exactly 0.2, 0.5 and 1.0 s; the model's first token comes 0.1 s after it is asked. The question is typed
at ten keys a second, and Enter follows the last key at once or after a look at what was written. Run it with
``uv run python -m bench.prefetch``.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from agents.events import FirstToken, Hit, Place
from agents.requests import Ask, ModelRef
from agents.settings import Defaults, Endpoint, Locations, Settings
from agents.workspace import Workspace
from tests.servers.paced import PacedServer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agents.retrieval.sources import Source, Tell

DELAYS = {"keyword": 0.2, "vector": 0.5, "files": 1.0}
TTFT = 0.1
QUESTION = "How does an executor run blocking calls number"
KEYS = 10
"""A second."""
PAUSES = (0.0, 0.5, 1.0, 1.5)
"""Seconds from the last key to Enter."""
REF = ModelRef("lab", f"paced-20-200-{TTFT * 1000:.0f}")


class Delayed:
    """A source that answers after an exact time."""

    def __init__(self, name: str) -> None:
        self.name = name

    async def search(self, query: str, limit: int) -> Sequence[Hit]:
        """Wait and answer."""
        await asyncio.sleep(DELAYS[self.name])
        return [Hit(chunk=self.name, title=self.name, place=Place(uri=self.name), text=query, score=1.0)]


def source(which: str, name: str, paths: Sequence[str], tell: Tell, seconds: float) -> Source:
    return Delayed(which)


def question(text: str) -> Ask:
    return Ask(question=text, model=REF, sources=tuple(DELAYS), paths=("/",), use_cache=False)


async def type_in(workspace: Workspace, text: str) -> None:
    for end in range(len(text) - 8, len(text) + 1):  # the last keys: what was typed before is searched for no more
        workspace.prefetch.typed(question(text[:end]))
        await asyncio.sleep(1 / KEYS if end < len(text) else 0)


async def enter(workspace: Workspace, asked: Ask) -> float:
    """Ask, and return the seconds until the model's first token."""
    began = time.perf_counter()
    workspace.prefetch.claim(asked)
    with workspace.engine.subscribe() as reader:
        run = workspace.engine.submit(asked)
        while await reader.wait():
            for event in reader.drain():
                if isinstance(event, FirstToken) and event.run == run.id:
                    first = time.perf_counter() - began
                    await run.wait()
                    return first
    return float("inf")


async def measure(rounds: int) -> bool:
    async with PacedServer() as server:
        with tempfile.TemporaryDirectory() as folder:
            place = Path(folder)
            settings = Settings(defaults=Defaults(cache=False), endpoints={"lab": Endpoint(base_url=server.base_url)})
            locations = Locations(config=place / "config.toml", data=place / "data", themes=place / "themes")
            async with Workspace(settings, locations) as workspace:
                await workspace.open()
                workspace.library.source = source  # type: ignore[method-assign]  # sources whose times are exact
                await workspace.models.warm(REF, lambda line: None)
                delays = ", ".join(f"{seconds:g}" for seconds in DELAYS.values())
                print(f"sources of {delays} s, first token {TTFT:g} s after the model is asked")
                plain = [await enter(workspace, question(f"{QUESTION} plain {number}")) for number in range(rounds)]
                print(f"not searched ahead{'':<31} {statistics.median(plain):6.3f} s to the first token")
                best = float("inf")
                for pause in PAUSES:
                    taken = []
                    for number in range(rounds):
                        text = f"{QUESTION} {pause:g} {number}"
                        await type_in(workspace, text)
                        await asyncio.sleep(pause)
                        taken.append(await enter(workspace, question(f"{text}?")))
                    best = min(best, statistics.median(taken))
                    print(f"searched ahead, Enter {pause:.1f} s after the last key{'':<5} {statistics.median(taken):6.3f} s")
                changed = []
                for number in range(rounds):
                    text = f"{QUESTION} changed {number}"
                    await type_in(workspace, text)
                    await asyncio.sleep(1.0)
                    changed.append(await enter(workspace, question(f"{text} differently")))
                print(f"changed just before Enter{'':<24} {statistics.median(changed):6.3f} s")
                figures = workspace.prefetch.figures()
                print(f"searched ahead {figures.searched}, used {figures.used}, thrown away {figures.wasted}")
    return best < statistics.median(plain) / 2


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=5)
    return 0 if asyncio.run(measure(parser.parse_args().rounds)) else 1


if __name__ == "__main__":
    sys.exit(main())
