"""The paced server with a limit: so many requests a second (a token bucket), or so many at once, and 429 for what is beyond it.

Neither says when to come back nor how much is left, so that a client has to find out. ``GET /taken`` gives, for every second since
the first request, how many were taken and how many refused. Limits may change: ``50,5@30,50@60`` is 50, from second 30 on 5, from
second 60 on 50 again, counted from the first request. Run it with ``python -m tests.servers.limited --rate 30 --burst 5`` or
``--slots 50,5@30``.
"""

from __future__ import annotations

import argparse
import asyncio
from typing import TYPE_CHECKING, Literal

import msgspec

from tests.servers.paced import PacedServer
from tests.servers.process import serve

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.servers.http import Connection, Request

_REFUSED = b'{"error":{"message":"too many requests","type":"rate_limit_error"}}'


class LimitedServer(PacedServer):
    """A paced server that refuses what is beyond its limit. ``plan`` has pairs (seconds since the first request, limit)."""

    def __init__(self, kind: Literal["rate", "slots"], plan: Sequence[tuple[float, float]], burst: float = 5.0) -> None:
        super().__init__()
        self.taken: list[list[int]] = []
        self._kind = kind
        self._plan = list(plan)
        self._burst = burst
        self._limit = 0.0
        self._began: float | None = None
        self._tokens, self._filled = burst, 0.0

    def _answer(self, connection: Connection, request: Request) -> None:
        if request.path == "/taken":
            connection.respond(200, msgspec.json.encode(self.taken))
            return
        if not request.path.endswith("/chat/completions"):
            super()._answer(connection, request)
            return
        now = asyncio.get_running_loop().time()
        if self._began is None:
            self._began = self._filled = now
        while self._plan and now - self._began >= self._plan[0][0]:
            self._limit = self._plan.pop(0)[1]
        second = int(now - self._began)
        while len(self.taken) <= second:
            self.taken.append([0, 0])
        if self._free(now):
            self.taken[second][0] += 1
            super()._answer(connection, request)
        else:
            self.taken[second][1] += 1
            connection.respond(429, _REFUSED)

    def _free(self, now: float) -> bool:
        if self._kind == "slots":
            return self.counts.in_flight <= self._limit
        self._tokens = min(self._burst, self._tokens + (now - self._filled) * self._limit)
        self._filled = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True


def plan_of(text: str) -> list[tuple[float, float]]:
    """Read ``50,5@30,50@60``."""
    steps = [step.partition("@") for step in text.split(",")]
    return [(float(start or 0), float(limit)) for limit, _, start in steps]


def main() -> None:
    """Serve until standard input ends."""
    parser = argparse.ArgumentParser(description="A server with a limit; it ends when its standard input does.")
    limit = parser.add_mutually_exclusive_group(required=True)
    limit.add_argument("--rate", type=plan_of, help="requests a second")
    limit.add_argument("--slots", type=plan_of, help="requests at once")
    parser.add_argument("--burst", type=float, default=5.0, help="requests that may come at once, of a rate")
    options = parser.parse_args()
    serve(lambda: LimitedServer("rate" if options.rate else "slots", options.rate or options.slots, options.burst))


if __name__ == "__main__":
    main()
