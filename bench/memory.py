"""Memory of stretto itself while an hour's worth of text streams through four panes of a real terminal.

``uv run python -m bench.memory [--tokens 2000000 --rate 3000]`` runs the whole program against a paced server in its own process
and prints the resident memory before the prompt, at its peak, and when everything is saved. The bound is 150 MB.
"""

from __future__ import annotations

import argparse
import sys
import time

import httpx2
import psutil

from bench.stream import paced_server, program_environment, read_on
from tests.terminal import Terminal

MB = 1_000_000


def answered(address: str) -> int:
    """Return how many answers the server has written to their ends."""
    counts = httpx2.get(f"{address.removesuffix('/v1')}/stats", trust_env=False).json()
    return int(counts["by_path"].get("/v1/chat/completions", 0)) - int(counts["in_flight"]) + 1  # this request


def main() -> None:
    """Stream, watch, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--tokens", type=int, default=2_000_000, help="over all panes")
    parser.add_argument("--rate", type=int, default=3000, help="tokens a second, each pane")
    parser.add_argument("--panes", type=int, default=4)
    parser.add_argument("--turns", type=int, default=1, help="prompts the tokens are spread over; all are typed at once and wait")
    arguments = parser.parse_args()
    each = arguments.tokens // arguments.panes // arguments.turns
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
        began = time.perf_counter()
        for _ in range(arguments.turns):
            terminal.type("go\r")
            read_on(terminal, 0.2)
        while answered(address) < arguments.panes * arguments.turns:
            terminal.forget()
            read_on(terminal, 1.0)
            peak = max(peak, program.memory_info().rss)
            assert time.perf_counter() - began < 900, "the answers do not end"
        read_on(terminal, 5.0)
        after = program.memory_info().rss
        wall = time.perf_counter() - began
    print(f"{arguments.tokens:,} tokens in {arguments.turns} turns through {arguments.panes} panes in {wall:.0f} s")
    print(f"before the prompt    {before / MB:.0f} MB resident")
    print(f"peak                 {peak / MB:.0f} MB (bound 150)")
    print(f"when all was saved   {after / MB:.0f} MB")


if __name__ == "__main__":
    main()
