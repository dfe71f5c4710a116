"""First paint: from exec to a drawn screen, stretto against an empty Textual app, in turn in the same run.

``uv run python -m bench.first_paint [--runs 7]`` prints both medians and their ratio. The bound is 1.8.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

from tests.terminal import Terminal

EMPTY = """
from textual.app import App
from textual.widgets import Static
class Empty(App):
    def compose(self):
        yield Static("in flight")
Empty().run()
"""


def paint(command: list[str], env: dict[str, str]) -> float:
    """Return the seconds until ``in flight``, which both programs draw in their first frame, is on the screen."""
    began = time.perf_counter()
    with Terminal(command, env, columns=120, rows=40, cwd=tempfile.gettempdir()) as terminal:
        while b"in flight" not in terminal.raw:
            terminal.read_some()
        return time.perf_counter() - began


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--runs", type=int, default=7)
    runs: int = parser.parse_args().runs
    with tempfile.TemporaryDirectory() as folder:
        env = os.environ | {"STRETTO_DATA_DIR": folder, "STRETTO_CONFIG": str(Path(folder) / "none.toml")}
        stretto, empty = [sys.executable, "-m", "tui.main"], [sys.executable, "-c", EMPTY]
        if "PYTHONPATH" not in env:
            env["PYTHONPATH"] = str(Path(__file__).parents[1])
        for command in (stretto, empty):
            paint(command, env)
        pairs = [(paint(stretto, env), paint(empty, env)) for _ in range(runs)]
    ours, theirs = (statistics.median(side) for side in zip(*pairs, strict=True))
    ratio = statistics.median(a / b for a, b in pairs)
    print(f"stretto      {ours:.2f} s to the first drawn screen (median of {runs})")
    print(f"empty app    {theirs:.2f} s")
    print(f"ratio        {ratio:.2f} (bound 1.8)")


if __name__ == "__main__":
    main()
