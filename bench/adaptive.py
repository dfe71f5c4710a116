"""Adaptive concurrency against a server that refuses what is beyond a limit it does not tell: how much of it is used, and how many
requests are refused. Calls take the whole path, at an endpoint with ``concurrency = "adaptive"``; the server, in a process of its
own, counts. One takes 30 requests a second (bucket of 5) and 200 ms for each; one takes 50, then 5, then 50 at once, and 400 ms.
``uv run python -m bench.adaptive``
"""

from __future__ import annotations

import argparse
import asyncio
import json
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING

from agents.engine import Engine
from agents.models.service import Models
from agents.requests import Chat, Lane, Message, ModelCall, ModelRef, Priority
from agents.settings import Endpoint, Locations, Settings
from tests.servers.process import limited_process

if TYPE_CHECKING:
    from agents.runs import Run

RATE = 30
GOODPUT, REFUSED = 0.9, 0.02
UTILISATION, SHARE = 0.8, 0.05
CALLERS = 100


async def load(base_url: str, model: str, seconds: float) -> None:
    """Keep ``CALLERS`` calls of ``model`` wanted for so long; raises when one of them fails."""
    ref = ModelRef("lab", model)
    folder = Path(tempfile.gettempdir())
    settings = Settings(endpoints={"lab": Endpoint(base_url=base_url, concurrency="adaptive")})
    async with Models(settings, Locations(config=folder, data=folder, themes=folder)) as models:

        async def caller(run: Run) -> None:
            end = time.monotonic() + seconds
            while time.monotonic() < end:
                call = ModelCall(model=ref, messages=(Message("user", "Enter"),), use_cache=False, priority=Priority.BATCH)
                with run.step("model", model) as step:
                    await models.call(step, call)

        async def handler(run: Run) -> None:
            async with asyncio.TaskGroup() as group:
                for _ in range(CALLERS):
                    group.create_task(caller(run))

        async with Engine({Chat: handler}) as engine:
            run = engine.submit(Chat(lanes=(Lane(model=ref, messages=()),)))
            await run.wait()


def taken(base_url: str) -> list[tuple[int, int]]:
    """Return the requests taken and refused in each second, as the server counted them."""
    with urllib.request.urlopen(f"{base_url.removesuffix('/v1')}/taken") as response:
        return [(ok, refused) for ok, refused in json.load(response)]


def part(seconds: list[tuple[int, int]], start: int, end: int) -> tuple[float, float]:
    """Return requests taken a second, and the share refused, from second ``start`` to ``end``."""
    ok = sum(ok for ok, _ in seconds[start:end])
    refused = sum(refused for _, refused in seconds[start:end])
    return ok / max(end - start, 1), refused / max(ok + refused, 1)


def main() -> None:
    """Measure both servers and print what was reached, with the bounds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="print one object instead of lines")
    parser.add_argument("--seconds", action="store_true", help="print every second, too")
    options = parser.parse_args()
    figures: dict[str, float] = {}
    with limited_process("--rate", str(RATE)) as base_url:
        asyncio.run(load(base_url, "delay-0.2-8", 31))
        rates = taken(base_url)
    figures["rate_first_per_s"], figures["rate_first_refused"] = part(rates, 0, 15)
    figures["rate_then_per_s"], figures["rate_then_refused"] = part(rates, 15, 30)
    reached = next((second + 1 for second, (ok, _) in enumerate(rates) if ok >= GOODPUT * RATE), None)
    plan = ((0, 50), (40, 5), (80, 50))
    with limited_process("--slots", ",".join(f"{limit}@{start}" for start, limit in plan)) as base_url:
        asyncio.run(load(base_url, "delay-0.4-8", 121))
        slots = taken(base_url)
    for start, limit in plan:
        ok, refused = part(slots, start + 30, start + 40)
        figures[f"slots_{limit}_from_{start}_used"] = ok * 0.4 / limit
        figures[f"slots_{limit}_from_{start}_refused"] = refused
    if options.json:
        print(json.dumps(figures))
        return
    if options.seconds:
        for name, seconds in (("rate", rates), ("slots", slots)):
            print(name, *(f"{ok}+{refused}" for ok, refused in seconds))
    print(f"A server that takes {RATE} requests a second and refuses more, 200 ms an answer, no headers")
    print(f"  90 % of it first reached in second {reached}   (bound 15)")
    print(f"  seconds 0 to 15    {figures['rate_first_per_s']:5.1f}/s taken   {figures['rate_first_refused']:.2%} refused")
    then, refused = figures["rate_then_per_s"], figures["rate_then_refused"]
    print(f"  seconds 15 to 30   {then:5.1f}/s taken   {refused:.2%} refused   (bounds {GOODPUT * RATE:.0f}/s, {REFUSED:.0%})")
    print("A server that takes 50 at once, from second 40 on 5, from second 80 on 50; 30 to 40 seconds after each change")
    for start, limit in plan:
        used, refused = figures[f"slots_{limit}_from_{start}_used"], figures[f"slots_{limit}_from_{start}_refused"]
        print(f"  {limit:3} at once   {used:6.1%} used   {refused:.2%} refused   (bounds {UTILISATION:.0%}, {SHARE:.0%})")


if __name__ == "__main__":
    main()
