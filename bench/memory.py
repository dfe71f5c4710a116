"""Memory of stretto itself while an hour's worth of text streams through four panes of a real terminal.

``uv run python -m bench.memory [--tokens 2000000 --rate 3000]`` runs the whole program against a paced server in its own process
and prints the resident memory before the prompt, at its peak, and when everything is saved. The bound is 150 MB.
"""

from __future__ import annotations

import argparse
import sys
import time

import psutil

from bench.stream import paced_server, program_environment, read_on
from tests.terminal import Terminal

MB = 1_000_000


def main() -> None:
    """Stream, watch, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--tokens", type=int, default=2_000_000, help="over all panes")
    parser.add_argument("--rate", type=int, default=3000, help="tokens a second, each pane")
    parser.add_argument("--panes", type=int, default=4)
    arguments = parser.parse_args()
    each = arguments.tokens // arguments.panes
    model = f"paced-{each}-{arguments.rate}"
    with (
        paced_server() as address,
        program_environment(address, arguments.panes, model) as (env, folder),
        Terminal([sys.executable, "-m", "tui.main"], env, columns=200, rows=50, cwd=folder) as terminal,
    ):
        terminal.wait_for(model, 30)
        terminal.read(3)
        program = psutil.Process(terminal.process.pid)
        before = peak = program.memory_info().rss
        terminal.type("go\r")
        began = time.perf_counter()
        while True:
            terminal.forget()
            read_on(terminal, 1.0)
            peak = max(peak, program.memory_info().rss)
            if terminal.raw.count(b"saved") >= arguments.panes or time.perf_counter() - began > 900:
                break
            if time.perf_counter() - began > each / arguments.rate + 5:
                terminal.press("f1")  # a redraw of every header, so that the word is among the bytes read
                terminal.press("f1")
        after = program.memory_info().rss
        wall = time.perf_counter() - began
    print(f"{arguments.tokens:,} tokens through {arguments.panes} panes in {wall:.0f} s")
    print(f"before the prompt    {before / MB:.0f} MB resident")
    print(f"peak                 {peak / MB:.0f} MB (bound 150)")
    print(f"when all was saved   {after / MB:.0f} MB")


if __name__ == "__main__":
    main()
