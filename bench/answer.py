"""One huge answer in a pane: how long until its rows are drawn, and the memory it takes, in a real terminal of 200x50.

``uv run python -m bench.answer [--megabytes 5]`` opens an answer, jumps to its start, middle and end, and searches it, each timed
from the call until the last row of it has been drawn; it prints what the resident memory grew by over the size of the text and
the longest time the event loop stood still. The answer is Markdown first, then one line of 1 MB, then 100,000 lines.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import itertools
import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
from textual.app import App

from bench.panes import run_in_terminal, tokens
from tui.markdown.shape import warm
from tui.safe import SafeFilter
from tui.themes import load_themes
from tui.widgets.pane_clock import FrameClock
from tui.widgets.stream_pane import StreamPane

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from textual.app import ComposeResult
    from textual.filter import LineFilter

_LIMIT = 0.2
"""Seconds each thing may take."""


def markdown(size: int) -> str:
    """Return a long answer as models write them."""
    parts, length = [], 0
    for piece in tokens():
        parts.append(piece)
        length += len(piece)
        if length >= size:
            break
    return "".join(parts)


def long_line(size: int) -> str:
    """Return one line."""
    words = itertools.cycle(["one", "line", "of", "many", "words", "that", "never", "ends"])
    return " ".join(itertools.islice(words, size // 5))[:size]


def many_lines(count: int) -> str:
    """Return lines, and no blank one among them."""
    return "".join(f"line {number} of very many, each of them about as long as this one\n" for number in range(count))


KINDS: dict[str, Callable[[float], str]] = {
    "Markdown": lambda megabytes: markdown(int(megabytes * 1e6)),
    "one line of 1 MB": lambda _: long_line(1_000_000),
    "100,000 lines": lambda _: many_lines(100_000),
}


class Huge(App[None]):
    """Shows one pane, does to it what a person would, and leaves a file with the figures behind."""

    ENABLE_COMMAND_PALETTE = False

    def __init__(self, text: str, result: Path) -> None:
        super().__init__()
        self.pane = StreamPane()
        self.text, self.result = text, result
        self.drawn = asyncio.Event()
        self.stall = 0.0

    def get_line_filters(self) -> Sequence[LineFilter]:
        """Filter as the program does."""
        return [SafeFilter(), *super().get_line_filters()]

    def compose(self) -> ComposeResult:
        """Lay out the pane."""
        yield self.pane

    def on_mount(self) -> None:
        """Dress, and start measuring once the screen stands."""
        self.register_theme(load_themes().loaded["stretto-dark"])
        self.theme = "stretto-dark"
        self.set_timer(0.5, lambda: self.run_worker(self.measure(), exit_on_error=True))

    def post_display_hook(self) -> None:
        """Take note of a frame."""
        self.drawn.set()

    async def probe(self) -> None:
        """Take note of the longest time the loop stood still."""
        while True:
            due = time.perf_counter() + 0.002
            await asyncio.sleep(0.002)
            self.stall = max(self.stall, time.perf_counter() - due)

    async def timed(self, act: Callable[[], object]) -> float:
        """Return the seconds from ``act`` until all it leads to was drawn."""
        started = time.perf_counter()
        act()
        while True:
            self.drawn.clear()
            await self.drawn.wait()
            if self.pane.settled:
                return time.perf_counter() - started

    def fill(self) -> None:
        """Have the pane show the answer."""
        self.pane.begin("answer")
        self.pane.append(self.text)
        self.pane.finish()

    async def measure(self) -> None:
        """Do it all, measure, write down and leave."""
        warm()
        gc.collect()
        gc.freeze()
        process = psutil.Process()
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(self.probe()), group.create_task(FrameClock(self.pane.flush).run())]
            before = process.memory_info().rss
            figures = {"open": await self.timed(self.fill)}
            figures["start"] = await self.timed(self.pane.scroll_to_start)
            figures["middle"] = await self.timed(lambda: self.pane.scroll_to_share(0.5))
            figures["end"] = await self.timed(self.pane.scroll_to_end)
            await self.pane.action_search()
            figures["search"] = await self.timed(lambda: self.pane.look_for("never"))
            figures["matches"] = self.pane.matches
            figures["memory"] = (process.memory_info().rss - before) / len(self.text.encode())
            figures["stall"] = self.stall
            for task in tasks:
                task.cancel()
        self.result.write_text(json.dumps(figures))
        self.exit()


def measure(kind: str, megabytes: float) -> dict[str, float]:
    """Run one kind once and return its figures."""
    with tempfile.TemporaryDirectory() as folder:
        result = Path(folder) / "result.json"
        arguments = ["--megabytes", str(megabytes), "--child", kind, "--result", str(result)]
        run_in_terminal([sys.executable, "-m", "bench.answer", *arguments], 60)
        figures: dict[str, float] = json.loads(result.read_text()) if result.exists() else {}
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megabytes", type=float, default=5, help="size of the Markdown answer")
    parser.add_argument("--child", choices=tuple(KINDS), help=argparse.SUPPRESS)
    parser.add_argument("--result", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        Huge(KINDS[options.child](options.megabytes), options.result).run()
        return
    print(f"load average {os.getloadavg()[0]:.1f}; milliseconds until the rows are drawn (limit {_LIMIT * 1e3:.0f})")
    for kind in KINDS:
        figures = measure(kind, options.megabytes)
        if not figures:
            print(f"{kind:<17} did not end in time")
            continue
        times = "   ".join(f"{name} {figures[name] * 1e3:.0f}" for name in ("open", "start", "middle", "end", "search"))
        print(
            f"{kind:<17} {times} ({figures['matches']:.0f} matches)   memory {figures['memory']:.2f} times the text   "
            f"longest stall {figures['stall'] * 1e3:.0f} ms"
        )


if __name__ == "__main__":
    main()
