"""What the whole program costs while nothing happens: 16 panes full of Markdown in a real terminal of 200x50.

``uv run python -m bench.idle [--panes 16 --seconds 10]`` opens the dashboard on an endpoint that is never asked, fills every pane,
waits until all is drawn, and prints the share of one core the process took from then on and the bytes it drew.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import os
import sys
import tempfile
import time
from pathlib import Path

from agents.requests import ModelRef
from agents.settings import Defaults, Endpoint, Locations, Settings
from agents.workspace import Workspace
from bench.panes import run_in_terminal, tokens
from tui.app import StrettoApp

_SETTLE = 5.0
"""Seconds until what start-up still does is over."""


async def idle(folder: Path, panes: int, seconds: float) -> dict[str, float]:
    """Open, fill, wait, measure and leave; return the figures."""
    models = [ModelRef(endpoint="lab", model=f"m{number}") for number in range(panes)]
    names = tuple(model.model for model in models)
    settings = Settings(
        defaults=Defaults(models=tuple(f"lab/{name}" for name in names)),
        endpoints={"lab": Endpoint(base_url="http://127.0.0.1:9/v1", models=names)},
    )
    locations = Locations(config=folder / "config.toml", data=folder / "data", themes=folder / "themes")
    async with Workspace(settings, locations) as workspace:
        app = StrettoApp(workspace, models)
        figures: dict[str, float] = {}

        async def measure() -> None:
            await asyncio.sleep(_SETTLE)
            shown = app.dashboard.compare.panes()
            for pane in shown:
                pane.begin("prompt")
                pane.append("Tell me about loops")
                pane.begin("answer")
                pane.append("".join(itertools.islice(tokens(), 2000)))
                pane.finish()
            await asyncio.sleep(_SETTLE)
            started, cpu = time.perf_counter(), time.process_time()
            await asyncio.sleep(seconds)
            figures["cpu"] = (time.process_time() - cpu) / (time.perf_counter() - started)
            figures["panes"] = sum(pane.has_text and pane.is_on_screen for pane in shown)
            app.exit()

        async with asyncio.TaskGroup() as group:
            group.create_task(measure())
            await app.run_async()
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--panes", type=int, default=16)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        figures = asyncio.run(idle(options.child, options.panes, options.seconds))
        (options.child / "result.json").write_text(json.dumps(figures))
        return
    with tempfile.TemporaryDirectory() as folder:
        arguments = ["--child", folder, "--panes", str(options.panes), "--seconds", str(options.seconds)]
        drawn = run_in_terminal([sys.executable, "-m", "bench.idle", *arguments], options.seconds + 60)
        result = Path(folder) / "result.json"
        figures = json.loads(result.read_text()) if result.exists() else {}
    if not figures:
        print("did not end in time")
        return
    print(
        f"load average {os.getloadavg()[0]:.1f}; {figures['panes']:.0f} of {options.panes} panes on screen, "
        f"{drawn / 1e3:.0f} kB drawn in all; idle CPU {figures['cpu']:.2%} of one core over {options.seconds:g} s"
    )


if __name__ == "__main__":
    main()
