"""The whole program under load: a paced server, N panes in a real terminal, and a person typing meanwhile.

``uv run python -m bench.stream [--panes 8 --rate 100 --tokens 400]`` starts the server and stretto as processes of their own, sends
one prompt, types a letter now and then while the answers stream, and prints: the time until all ends are on the screen against the
paced time, key press to echo, stretto's share of one core, and the loop lag it shows.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from tests.terminal import Terminal

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[1]
LETTERS = "жшщэюя"
"""Typed while answers stream; no answer holds them, so each is found in the terminal's bytes as it is drawn."""


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


def drive(env: dict[str, str], panes: int, rate: int, tokens: int, folder: str) -> None:
    """Send the prompt, type, and print the figures."""
    with Terminal([sys.executable, "-m", "tui.main"], env, columns=200, rows=50, cwd=folder) as terminal:
        terminal.wait_for(f"paced-{tokens}-{rate}", 30)
        terminal.read(3)
        program = psutil.Process(terminal.process.pid)
        paced = tokens / rate
        terminal.type("go\r")
        began, cpu = time.perf_counter(), sum(program.cpu_times()[:2])
        echoes = type_until(terminal, began + paced)
        used = sum(program.cpu_times()[:2]) - cpu
        share = used / (time.perf_counter() - began)
        read_on(terminal, paced * 0.3 + 2)
        wall = last_end(terminal, panes, began + paced * 0.9) - began
        terminal.draw()
        lag = re.search(r"lag (\S+ \S+)", terminal.text)
    echoes.sort()
    p95 = echoes[min(int(len(echoes) * 0.95), len(echoes) - 1)]
    print(f"{panes} panes x {rate} tok/s x {tokens} tokens, 200x50 terminal")
    print(f"all ends on screen   {wall:.2f} s, paced {paced:.2f} s: ratio {wall / paced:.2f} (bound 1.15)")
    print(
        f"key press to echo    P50 {statistics.median(echoes) * 1000:.0f} ms, P95 {p95 * 1000:.0f} ms of {len(echoes)} (bound 50)"
    )
    print(f"one core             {share * 100:.0f} % (bound 70)")
    print(f"loop lag P99         {lag[1] if lag else '–'} (bound 20 ms)")


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


def last_end(terminal: Terminal, panes: int, after: float) -> float:
    """Return when the last pane was drawn as ended, by drawing again, piece by piece, what was read."""
    for at, length in terminal.reads:
        if at < after:
            continue
        terminal.draw(length)
        if len(re.findall(r"\b(done|saving|saved)\b", terminal.text)) >= panes:
            return at
    raise SystemExit(f"not all panes ended:\n{terminal.text}")


def main() -> None:
    """Parse and measure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--panes", type=int, default=8)
    parser.add_argument("--rate", type=int, default=100)
    parser.add_argument("--tokens", type=int, default=400)
    arguments = parser.parse_args()
    model = f"paced-{arguments.tokens}-{arguments.rate}"
    with paced_server() as address, program_environment(address, arguments.panes, model) as (env, folder):
        drive(env, arguments.panes, arguments.rate, arguments.tokens, folder)


if __name__ == "__main__":
    main()
