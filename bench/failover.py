"""Two endpoints behind one route, one of which dies and comes back while calls run.

``uv run python -m bench.failover [--calls 500] [--in-flight 40]`` sends calls through the whole engine, journal and metrics on, to
a route of two servers in processes of their own. One is killed when a third of the calls has ended, and started again at the same
address when two thirds have. Prints what was lost (bound: nothing), how long the load took to move (bound: 2 s) and to return,
and ends with exit code 1 when a bound is broken.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from agents.events import Retried, StepEnded, StepStarted
from agents.requests import Chat, Lane, Message, ModelRef, Priority
from agents.settings import Defaults, Endpoint, Locations, Route, Settings
from agents.workspace import Workspace
from bench.stream import ROOT

MODEL = "paced-60-100"
"""0.6 s an answer, so that nearly all that are in flight when a server dies have begun to speak."""
MOVED = 2.0
RETURNED = 10.0


class Server:
    """A paced server in a process of its own, which can be killed and started again at its address."""

    def __init__(self) -> None:
        self._port = 0
        self._process: subprocess.Popen[str] | None = None
        self.address = ""

    def start(self) -> None:
        """Start it and wait until it listens."""
        command = [sys.executable, "-m", "tests.servers.paced", "--port", str(self._port)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT)
        assert self._process.stdout is not None
        self.address = self._process.stdout.readline().strip()
        self._port = int(self.address.split(":")[2].split("/")[0])

    def kill(self) -> None:
        """Kill it, as a crash would."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()


class Seen(NamedTuple):
    """What the events said of one attempt or end."""

    at: float
    step: str
    endpoint: str


class Result:
    """What happened."""

    def __init__(self) -> None:
        self.died = self.back = 0.0
        self.starts: list[Seen] = []
        self.ends: list[Seen] = []
        self.bad: list[str] = []
        self.retried = 0

    def feed(self, events: list[object]) -> None:
        """Take note of events."""
        for event in events:
            match event:
                case StepStarted(step=step, at=at, endpoint=endpoint):
                    self.starts.append(Seen(at, step, endpoint.partition("/")[0]))
                case StepEnded(step=step, at=at, outcome=outcome, error=error):
                    place = next((seen.endpoint for seen in reversed(self.starts) if seen.step == step), "")
                    self.ends.append(Seen(at, step, place))
                    if outcome != "done":
                        self.bad.append(f"{outcome}: {error}")
                case Retried():
                    self.retried += 1
                case _:
                    pass

    @property
    def moved(self) -> float:
        """Seconds from the death until the last call that was in flight at the dead server had begun anew elsewhere."""
        ended = {seen.step: seen.at for seen in self.ends}
        struck = {seen.step for seen in self.starts if seen.endpoint == "one" and seen.at < self.died <= ended.get(seen.step, 1e18)}
        again = [seen.at for seen in self.starts if seen.step in struck and seen.endpoint == "two" and seen.at >= self.died]
        return max(again, default=self.died) - self.died

    @property
    def silence(self) -> float:
        """The longest time without any answer, from the death to the return."""
        times = [self.died, *(seen.at for seen in self.ends if self.died < seen.at < self.back), self.back]
        return max(later - earlier for earlier, later in itertools.pairwise(times))

    @property
    def returned(self) -> float | None:
        """Seconds from the return until the first answer from there."""
        return next((seen.at - self.back for seen in self.ends if seen.endpoint == "one" and seen.at > self.back), None)

    @property
    def shared(self) -> float | None:
        """Seconds from the return until a third of the last thirty answers came from there."""
        late = [seen for seen in self.ends if seen.at > self.back]
        for index in range(30, len(late) + 1):
            if sum(seen.endpoint == "one" for seen in late[index - 30 : index]) >= 10:
                return late[index - 1].at - self.back
        return None


async def measure(calls: int, in_flight: int, one: Server, two: Server, folder: Path) -> Result:
    """Run the calls."""
    endpoints = {
        name: Endpoint(base_url=server.address, concurrency=in_flight // 2, models=(MODEL,), on_cut="restart")
        for name, server in (("one", one), ("two", two))
    }
    settings = Settings(endpoints=endpoints, routes={"pair": Route(members=("one", "two"))}, defaults=Defaults(cache=False))
    result = Result()
    async with Workspace(settings, Locations(config=folder / "c.toml", data=folder, themes=folder)) as workspace:
        await workspace.open()
        ref = ModelRef("pair", MODEL)
        await workspace.models.warm(ref, lambda _: None)
        reader = workspace.engine.subscribe(text=False)
        numbers = iter(range(calls))

        async def worker() -> None:
            for number in numbers:
                lane = Lane(model=ref, messages=(Message("user", f"Call {number}"),))
                await workspace.engine.submit(Chat(lanes=(lane,), use_cache=False, priority=Priority.AGENT)).wait()

        async def watch() -> None:
            while len(result.ends) < calls:
                await asyncio.sleep(0.01)
                result.feed(list(reader.drain()))
                if not result.died and len(result.ends) >= calls // 3:
                    await asyncio.to_thread(one.kill)
                    result.died = time.monotonic()
                elif result.died and not result.back and len(result.ends) >= calls * 2 // 3:
                    await asyncio.to_thread(one.start)
                    result.back = time.monotonic()

        async with asyncio.TaskGroup() as group:
            group.create_task(watch())
            for _ in range(in_flight + 10):
                group.create_task(worker())
    return result


def _seconds(value: float | None) -> str:
    return "not before the end" if value is None else f"{value:.2f} s"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=500)
    parser.add_argument("--in-flight", type=int, default=40)
    options = parser.parse_args()
    one, two = Server(), Server()
    one.start()
    two.start()
    try:
        with tempfile.TemporaryDirectory() as folder:
            result = asyncio.run(measure(options.calls, options.in_flight, one, two, Path(folder)))
    finally:
        one.kill()
        two.kill()
    places = {name: sum(seen.endpoint == name for seen in result.ends) for name in ("one", "two")}
    returned, shared = result.returned, result.shared
    lost = "".join(f"; {line}" for line in result.bad[:3])
    print(f"{options.calls} calls, {options.in_flight} in flight, answers of 0.6 s; one server killed at 1/3, back at 2/3")
    print(f"  lost or failed             {len(result.bad)} (bound 0){lost}")
    print(f"  answers by server          {places['one']} and {places['two']}; {result.retried} attempts made again")
    print(f"  load moved within          {result.moved:.2f} s (bound {MOVED:g}); longest silence {result.silence:.2f} s")
    print(f"  first answer after return  {_seconds(returned)} (bound {RETURNED:g} s)")
    print(f"  a third of the load again  {_seconds(shared)}")
    if result.bad or result.moved > MOVED or returned is None or returned > RETURNED:
        sys.exit(1)


if __name__ == "__main__":
    main()
