"""The research agent against a server with exact delays: five fetches of 1.0 s, five summaries of 3.0 s, one report of 2.0 s.

One step after the other that is 22 s; overlapped it is 6 s, and the agent may add 0.3 s. It is run twice: the first run also pays
for imports and for starting a worker process, and is printed; the second, in a program that runs already, is the one judged.
``uv run python -m bench.research``
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from agents.engine import Engine
from agents.models.service import Models
from agents.requests import ModelRef, Research
from agents.research import research
from agents.retrieval.library import Library
from agents.settings import Endpoint, Locations, Settings
from storage.store import Store
from tests.servers.process import paced_process

if TYPE_CHECKING:
    from agents.runs import Run

PLACES = 5
TARGET = 6.3


async def main(scale: float) -> bool:
    """Run the agent once; return whether the target was met."""
    fetch, summary, report = 1.0 * scale, 3.0 * scale, 2.0 * scale
    rules = (f"Report on the task=delay-{report}", f"what this text tells about=delay-{summary}")
    with paced_process(*(part for rule in rules for part in ("--rule", rule))) as base_url, tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        settings = Settings(endpoints={"lab": Endpoint(base_url=base_url, models=("paced",))})
        locations = Locations(config=folder / "none.toml", data=folder / "data", themes=folder / "themes")
        async with (
            Store(locations.database) as store,
            Models(settings, locations) as models,
            Library(store, settings, models) as library,
        ):

            async def agent(run: Run) -> None:
                await research(run, library, models)

            async with Engine({Research: agent}) as engine:
                server = base_url.removesuffix("/v1")
                # The first run pays for imports and for starting a worker process, which a program pays once.
                for task in ("What do the voices do at first?", "What do the voices do?"):
                    places = tuple(f"{server}/pages/page{number}?delay={fetch}" for number in range(PLACES))
                    request = Research(task=task, model=ModelRef("lab", "paced"), places=places, use_cache=False)
                    run = engine.submit(request)
                    ended = await run.wait()
                    assert ended.outcome == "done", ended.error
                    assert all(step.outcome == "done" for step in run.steps.values())
                    print(f"{task} {ended.wall:.2f} s, the steps' own seconds {ended.busy:.1f}")
    one_by_one = PLACES * (fetch + summary) + report
    target = TARGET * scale
    met = ended.wall <= target
    print(f"{PLACES} fetches, {PLACES} summaries, one report: {ended.wall:.2f} s, the steps' own seconds {ended.busy:.1f}")
    print(
        f"one by one {one_by_one:.0f} s: {one_by_one / ended.wall:.2f} times; at most {target:.1f} s: {'met' if met else 'MISSED'}"
    )
    return met


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scale", type=float, default=1.0, help="of all delays; the figure of the record is at 1")
    sys.exit(0 if asyncio.run(main(parser.parse_args().scale)) else 1)
