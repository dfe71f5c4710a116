"""Streaming panes alone: what drawing N answers at once costs, in a real terminal of 200x50 and without any HTTP.

``uv run python -m bench.panes [--panes 8 --rate 100 --seconds 10]`` feeds every pane Markdown at an exact pace and prints, for
stretto's pane and then in the same way for two of Textual's own widgets, the share of one core, how late a 5 ms sleep on the event
loop wakes, the frames and the bytes sent to the terminal. Each kind runs as a process of its own under a pseudo-terminal.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import itertools
import json
import os
import select
import signal
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from ptyprocess import PtyProcess
from textual.app import App
from textual.containers import Grid, Vertical
from textual.widgets import Log, Markdown

from tui.safe import SafeFilter
from tui.themes import load_themes
from tui.widgets.pane_clock import FrameClock
from tui.widgets.pane_header import PaneHeader, PaneState
from tui.widgets.stream_pane import StreamPane

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Sequence

    from textual.app import ComposeResult
    from textual.filter import LineFilter
    from textual.widget import Widget

COLUMNS, ROWS = 200, 50
PROSE = (
    "the loop never starves while eight answers stream and a folder is being indexed so that each key is seen at once "
    "in a terminal of ordinary size with panes side by side"
)


def tokens() -> Iterator[str]:
    """Yield pieces as a model sends them: headings, prose, lists, fences of code, tables and links."""
    for part in itertools.count():
        yield from (f"## Part {part}", "\n\n")
        for word in itertools.islice(itertools.cycle(PROSE.split(" ")), part, part + 70):
            yield f"{word} "
        yield "\n\n"
        for item in range(4):
            yield from ("-", f" item {item}", " of", " the", " list", "\n")
        yield from ("\n```python\n", "for ", "index ", "in ", "range(", f"{part}", "):\n", "    print", "(index)\n", "```\n\n")
        yield from ("| part", " | **what**", " | `code` |\n", "|---", "|---|", "---|\n")
        for row in range(3):
            yield from ("| ", f"{part}.{row}", " | some", " words", " of it", " | `", f"f({row})", "` |\n")
        yield from ("\nMore", " in *this*", " [place](https://", "example.org/", f"{part}).\n\n")


def percentile(values: list[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(int(len(ordered) * share), len(ordered) - 1)] if ordered else 0.0


class Cells(Grid):
    """The panes side by side. It draws nothing of its own, and Textual is told so."""

    BLANK = True


class Cell(Vertical):
    """A header over a pane."""

    BLANK = True


class Streaming(App[None]):
    """Streams into panes of one kind, measures itself and leaves a file with the figures behind."""

    CSS = "Cells { grid-size: 4; grid-gutter: 0 1; }"
    ENABLE_COMMAND_PALETTE = False

    def __init__(self, panes: int, rate: float, seconds: float, result: Path) -> None:
        super().__init__()
        self.panes = [self.make_pane() for _ in range(panes)]
        self.headers = [PaneHeader() for _ in self.panes]
        self.rate, self.seconds, self.result = rate, seconds, result
        self.frames = 0
        self.lags: list[float] = []

    def make_pane(self) -> Widget:
        """Return a pane of this kind."""
        raise NotImplementedError

    def feed(self, number: int, piece: str) -> None:
        """Give a piece to a pane."""
        raise NotImplementedError

    async def draw(self) -> None:
        """Draw for as long as the measurement lasts, where the panes do not do so themselves."""

    async def drained(self) -> None:
        """Wait until everything fed was drawn."""

    def get_line_filters(self) -> Sequence[LineFilter]:
        """Filter as the program does."""
        return [SafeFilter(), *super().get_line_filters()]

    def compose(self) -> ComposeResult:
        """Lay out the panes."""
        with Cells():
            for header, pane in zip(self.headers, self.panes, strict=True):
                with Cell():
                    yield header
                    yield pane

    def on_mount(self) -> None:
        """Dress, and start measuring once the screen stands."""
        self.register_theme(load_themes().loaded["stretto-dark"])
        self.theme = "stretto-dark"
        self.set_timer(0.5, lambda: self.run_worker(self.measure(), exit_on_error=True))

    def post_display_hook(self) -> None:
        """Count a frame."""
        self.frames += 1

    async def probe(self) -> None:
        """Take note of how late a short sleep wakes."""
        while True:
            due = time.perf_counter() + 0.005
            await asyncio.sleep(0.005)
            self.lags.append(time.perf_counter() - due)

    async def paced(self) -> AsyncIterator[int]:
        """Yield how many tokens are due in each pane, a hundred times a second."""
        started, sent, total = time.perf_counter(), 0, int(self.rate * self.seconds)
        while sent < total:
            await asyncio.sleep(0.01)
            due = min(int((time.perf_counter() - started) * self.rate), total)
            yield due - sent
            sent = due

    async def measure(self) -> None:
        """Stream, measure, write down and leave."""
        gc.freeze()  # as the program does when its panes are made: what start-up left behind is not looked at again
        pieces = [tokens() for _ in self.panes]
        state = PaneState(title="lab/paced", state="streaming", ttft=0.2, tokens=0, rate=self.rate)
        for header in self.headers:
            header.update(state)
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(self.probe()), group.create_task(self.draw())]
            started, cpu, frames = time.perf_counter(), time.process_time(), self.frames
            async for due in self.paced():
                for _ in range(due):
                    for number, source in enumerate(pieces):
                        self.feed(number, next(source))
                state.tokens = (state.tokens or 0) + due
            await self.drained()
            wall = time.perf_counter() - started
            figures = {
                "wall": wall,
                "cpu": (time.process_time() - cpu) / wall,
                "fps": (self.frames - frames) / wall,
                "lag_p50": percentile(self.lags, 0.5),
                "lag_p99": percentile(self.lags, 0.99),
                "lag_max": max(self.lags, default=0.0),
            }
            for task in tasks:
                task.cancel()
        write_figures(self.result, figures)
        self.exit()


class StreamPanes(Streaming):
    """Ours, drawn by one clock."""

    def make_pane(self) -> StreamPane:
        """Return a pane of this kind."""
        pane = StreamPane()
        pane.begin("answer")
        return pane

    def feed(self, number: int, piece: str) -> None:
        """Give a piece to a pane."""
        pane = self.panes[number]
        assert isinstance(pane, StreamPane)
        pane.append(piece)

    def frame(self) -> None:
        """Draw one frame."""
        now = time.perf_counter()
        for header, pane in zip(self.headers, self.panes, strict=True):
            assert isinstance(pane, StreamPane)
            pane.flush()
            header.flush(now)

    async def draw(self) -> None:
        """Draw until cancelled."""
        await FrameClock(self.frame).run()

    async def drained(self) -> None:
        """Wait until everything fed was drawn, and every block that is in view is Markdown."""
        for pane in self.panes:
            assert isinstance(pane, StreamPane)
            pane.finish()
        while not all(pane.settled for pane in self.panes if isinstance(pane, StreamPane)):  # noqa: ASYNC110  # no event tells it
            await asyncio.sleep(0.005)


class Logs(Streaming):
    """A line of the log grows with every token."""

    def make_pane(self) -> Log:
        """Return a pane of this kind."""
        return Log()

    def feed(self, number: int, piece: str) -> None:
        """Give a piece to a pane."""
        pane = self.panes[number]
        assert isinstance(pane, Log)
        pane.write(piece)


class Markdowns(Streaming):
    """Markdown streamed as its documentation says, a stream for each pane."""

    def __init__(self, panes: int, rate: float, seconds: float, result: Path) -> None:
        super().__init__(panes, rate, seconds, result)
        self.waiting: list[asyncio.Queue[str]] = [asyncio.Queue() for _ in self.panes]

    def make_pane(self) -> Markdown:
        """Return a pane of this kind."""
        return Markdown()

    def feed(self, number: int, piece: str) -> None:
        """Give a piece to a pane."""
        self.waiting[number].put_nowait(piece)

    async def draw(self) -> None:
        """Draw until cancelled."""
        async with asyncio.TaskGroup() as group:
            for pane, waiting in zip(self.panes, self.waiting, strict=True):
                assert isinstance(pane, Markdown)
                group.create_task(self.stream(pane, waiting))

    async def stream(self, pane: Markdown, waiting: asyncio.Queue[str]) -> None:
        """Write what waits for one pane."""
        stream = Markdown.get_stream(pane)
        try:
            while True:
                await stream.write(await waiting.get())
                waiting.task_done()
        finally:
            await stream.stop()

    async def drained(self) -> None:
        """Wait until everything fed was drawn."""
        for waiting in self.waiting:
            await waiting.join()


KINDS: dict[str, type[Streaming]] = {"StreamPane": StreamPanes, "Log": Logs, "Markdown": Markdowns}


def write_figures(file: Path, figures: dict[str, float]) -> None:
    file.write_text(json.dumps(figures))


def run_in_terminal(command: list[str], limit: float) -> int:
    """Run ``command`` in a terminal of 200x50, for ``limit`` seconds at most, and return how many bytes it drew.

    It is the leader of the terminal's session: when this process ends, be it killed, the terminal hangs up and ends it, too.
    """
    env = os.environ | {"TERM": "xterm-256color", "COLORTERM": "truecolor"}
    process = PtyProcess.spawn(command, env=env, dimensions=(ROWS, COLUMNS))
    drawn, until = 0, time.monotonic() + limit
    try:
        while (left := until - time.monotonic()) > 0:
            if not select.select([process.fd], [], [], left)[0]:
                break
            try:
                data = os.read(process.fd, 65536)
            except OSError:  # what Linux says once nobody has the other end any more
                break
            if not data:
                break
            drawn += len(data)
    finally:
        if process.isalive():
            process.kill(signal.SIGKILL)
            process.wait()
        process.close(force=True)
    return drawn


def measure(kind: str, panes: int, rate: float, seconds: float) -> dict[str, float]:
    """Run one kind once and return its figures."""
    with tempfile.TemporaryDirectory() as folder:
        result = Path(folder) / "result.json"
        arguments = [
            "--panes",
            str(panes),
            "--rate",
            str(rate),
            "--seconds",
            str(seconds),
            "--child",
            kind,
            "--result",
            str(result),
        ]
        drawn = run_in_terminal([sys.executable, "-m", "bench.panes", *arguments], seconds * 8 + 20)
        figures: dict[str, float] = json.loads(result.read_text()) if result.exists() else {}
    return figures | {"bytes": drawn / figures["wall"]} if figures else figures


def report(kind: str, runs: list[dict[str, float]]) -> dict[str, float]:
    done = [figures for figures in runs if figures]
    if not done:
        print(f"{kind:<11} did not end in time")
        return {}
    middle = {name: statistics.median(figures[name] for figures in done) for name in done[0]}
    lag = "   ".join(f"{name} {middle[f'lag_{name}'] * 1e3:.1f}" for name in ("p50", "p99", "max"))
    print(
        f"{kind:<11} CPU {middle['cpu']:6.1%}   lag ms: {lag}   {middle['fps']:.1f} frames/s   {middle['bytes'] / 1e3:.0f} kB/s   "
        f"took {middle['wall']:.1f} s"
    )
    return middle


def compare(panes: int, rate: float, options: argparse.Namespace) -> None:
    """Measure the kinds one after another under the same load, and print what ours takes of each other one."""
    print(f"{panes} panes, {rate:g} tokens/s each, {COLUMNS}x{ROWS}, load average {os.getloadavg()[0]:.1f}")
    ours: dict[str, float] = {}
    for kind in tuple(KINDS) if options.only is None else (options.only,):
        first = kind == "StreamPane"
        seconds = options.seconds if first else min(options.seconds, 5)
        middle = report(kind, [measure(kind, panes, rate, seconds) for _ in range(options.runs if first else 1)])
        if first:
            ours = middle
        elif ours and middle:
            print(
                f"{'':<11} StreamPane takes {ours['cpu'] / middle['cpu']:.2f} of the CPU, and its lag p99 is "
                f"{ours['lag_p99'] / middle['lag_p99']:.3f} of this one's"
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--panes", type=int, help="without it, 8 at 100 tokens a second and then 16 at 50")
    parser.add_argument("--rate", type=float, default=100, help="tokens a second into each pane")
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--runs", type=int, default=1, help="runs of StreamPane; the median is printed")
    parser.add_argument("--only", choices=tuple(KINDS))
    parser.add_argument("--child", choices=tuple(KINDS), help=argparse.SUPPRESS)
    parser.add_argument("--result", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        KINDS[options.child](options.panes or 8, options.rate, options.seconds, options.result).run()
        return
    loads = ((8, 100.0), (16, 50.0)) if options.panes is None else ((options.panes, options.rate),)
    for panes, rate in loads:
        compare(panes, rate, options)


if __name__ == "__main__":
    main()
