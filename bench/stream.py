"""The whole program under load: a paced server, N panes in a real terminal, and a person typing meanwhile.

``uv run python -m bench.stream`` measures 8 panes at 100 tokens a second and 16 at 50, the answers Markdown; ``--panes``,
``--rate`` and ``--seconds`` measure one load. For each it starts the server and stretto as processes of their own, sends one
prompt, types letters while the answers stream, and prints: the time until all ends are on the screen against the paced time,
key press to echo, stretto's share of one core, and the loop lag it shows (which has the program's start in it). Then the
rival way, an app of ``Markdown.get_stream`` panes, goes through the same, and the ratios are printed.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import psutil

from tests.terminal import Terminal

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[1]
LETTERS = "жшщэюя"
"""Typed while answers stream; no answer holds them, so each is found in the terminal's bytes as it is drawn."""


class Load(NamedTuple):
    """How much streams at once, and for how long."""

    panes: int
    rate: int
    seconds: float

    @property
    def model(self) -> str:
        """The name the paced server goes by."""
        return f"markdown-{int(self.rate * self.seconds)}-{self.rate}"


def percentile(ordered: list[float], part: float) -> float:
    """Return the value of sorted ``ordered`` that ``part`` of them do not exceed."""
    return ordered[min(int(len(ordered) * part), len(ordered) - 1)]


@contextlib.contextmanager
def paced_server() -> Iterator[str]:
    """Run the paced server in a process of its own; yields its address."""
    command = [sys.executable, "-m", "tests.servers.paced", "--port", "0"]
    server = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT)
    try:
        assert server.stdout is not None
        found = re.search(r"http://\S+", server.stdout.readline())
        assert found is not None
        yield found[0]
    finally:
        server.kill()
        server.wait()


@contextlib.contextmanager
def program_environment(address: str, panes: int, model: str) -> Iterator[tuple[dict[str, str], str]]:
    """Yield an environment with ``panes`` panes of ``model`` on the server, and the empty folder to start in."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        models = ", ".join(f'"lab/{model}"' for _ in range(panes))
        (folder / "config.toml").write_text(
            f"[defaults]\nmodels = [{models}]\nmax_tokens = 1000000\ncache = false\n"
            f'[endpoints.lab]\nbase_url = "{address}"\nconcurrency = {panes}\n'
        )
        places = {"STRETTO_DATA_DIR": str(folder / "data"), "STRETTO_CONFIG": str(folder / "config.toml")}
        yield os.environ | places | {"PYTHONPATH": str(ROOT)}, str(folder)


class Figures(NamedTuple):
    """What one program showed under one load."""

    wall: float
    """Seconds until all ends were on the screen."""
    echoes: list[float]
    """Seconds from key press to echo, sorted."""
    share: float
    """Share of one core."""
    lag: str


def drive(command: list[str], env: dict[str, str], folder: str, ready: str, load: Load) -> Figures:
    """Start the program, send the prompt, type, and watch."""
    with Terminal(command, env, columns=200, rows=50, cwd=folder) as terminal:
        terminal.wait_for(ready, 60)
        terminal.read(5)
        program = psutil.Process(terminal.process.pid)
        terminal.type("go\r")
        began, cpu = time.perf_counter(), sum(program.cpu_times()[:2])
        echoes = type_until(terminal, began + load.seconds)
        used = sum(program.cpu_times()[:2]) - cpu
        share = used / (time.perf_counter() - began)
        wall = None
        for _ in range(8):
            read_on(terminal, load.seconds * 0.2 + 2)
            wall = last_end(terminal, load.panes, began + load.seconds * 0.9)
            if wall is not None:
                break
        terminal.draw()
        lag = re.search(r"lag (\S+ \S+)", terminal.text)
    return Figures((wall or float("inf")) - began, sorted(echoes), share, lag[1] if lag else "–")


def report(name: str, load: Load, figures: Figures, bounds: bool) -> None:
    """Print what one program showed."""
    wall, echoes, share, lag = figures
    p50, p95, p99 = (percentile(echoes, part) * 1000 for part in (0.5, 0.95, 0.99))
    first, second, third = (" (bound 1.10)", " (bound 50, 80)", " (bound 60)") if bounds else ("", "", "")
    print(f"{name}: {load.panes} panes x {load.rate} tok/s x {load.seconds:g} s, 200x50 terminal")
    print(f"  all ends on screen   {wall:.2f} s, paced {load.seconds:.2f} s: ratio {wall / load.seconds:.2f}{first}")
    print(f"  key press to echo    P50 {p50:.0f} ms, P95 {p95:.0f} ms, P99 {p99:.0f} ms of {len(echoes)}{second}")
    print(f"  one core             {share * 100:.0f} %{third}")
    if bounds:
        print(f"  loop lag P99         {lag} (bound 16 ms)")


def type_until(terminal: Terminal, until: float) -> list[float]:
    """Type a letter every 80 ms and return how long each took to be drawn."""
    echoes: list[float] = []
    count = 0
    while time.perf_counter() < until:
        letter = LETTERS[count % len(LETTERS)].encode()
        count += 1
        pressed, seen = time.perf_counter(), len(terminal.raw)
        terminal.process.write(letter)
        while letter not in terminal.raw[seen:]:
            terminal.read_some(0.2)
            if time.perf_counter() - pressed > 2:
                break
        echoes.append(time.perf_counter() - pressed)
        pause = pressed + 0.08
        while (left := pause - time.perf_counter()) > 0:
            terminal.read_some(left)
    return echoes


def read_on(terminal: Terminal, seconds: float) -> None:
    """Read for ``seconds`` without drawing, because drawing here would take the processor from the program measured."""
    until = time.perf_counter() + seconds
    while (left := until - time.perf_counter()) > 0:
        terminal.read_some(left)


def last_end(terminal: Terminal, panes: int, after: float) -> float | None:
    """Return when the last pane was drawn as ended, by drawing again, piece by piece, what was read; None while some have not."""
    for at, length in terminal.reads:
        if at < after or length <= terminal.drawn:
            continue
        terminal.draw(length)
        if len(re.findall(r"\b(done|saving|saved|joined)\b", terminal.text)) >= panes:
            return at
    return None


def main() -> None:
    """Parse and measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--panes", type=int)
    parser.add_argument("--rate", type=int, default=100)
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--rival-seconds", type=float, default=10, help="0 leaves the rival out")
    options = parser.parse_args()
    loads = [(options.panes, options.rate)] if options.panes else [(8, 100), (16, 50)]
    for panes, rate in loads:
        load = Load(panes, rate, options.seconds)
        with paced_server() as address, program_environment(address, panes, load.model) as (env, folder):
            ours = drive([sys.executable, "-m", "tui.main"], env, folder, load.model, load)
            report("stretto", load, ours, bounds=True)
            if options.rival_seconds:
                less = Load(panes, rate, options.rival_seconds)
                rival = [sys.executable, "-m", "bench.rival", address, less.model, "--panes", str(panes)]
                theirs = drive(rival, env, folder, "ready", less)
                report("Markdown.get_stream", less, theirs, bounds=False)
                print(
                    f"  stretto takes {ours.share / theirs.share:.2f} of its processor time; its P95 echo is "
                    f"{percentile(theirs.echoes, 0.95) / percentile(ours.echoes, 0.95):.1f} times ours\n"
                )


if __name__ == "__main__":
    main()
