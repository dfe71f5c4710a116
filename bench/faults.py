"""Every fault of an endpoint, through the whole engine: how it ends, how soon, in what words, and with how much memory.

A server of faults runs in a process of its own; calls go through a real workspace, journal and metrics on, retries off, and
with short time limits, so that what never ends is seen to end. ``uv run python -m bench.faults`` prints a line a fault and
then the bounds; the exit code is 1 when one is broken. ``--markdown`` prints the table of docs/engine.md, ``--quick`` leaves
out what only a time limit ends and makes fewer calls at the end.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import os
import random
import re
import sys
import tempfile
import threading
import time
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import psutil

from agents.events import StepEnded, Text
from agents.requests import Chat, Lane, Message, ModelRef
from agents.settings import Defaults, Endpoint, Locations, Settings, Timeouts
from agents.workspace import Workspace
from tests.servers import dead
from tests.servers.http import Connection, LoopbackServer, Request
from tests.servers.outcomes import ENDLESS, EXPECTED, UNREACHED
from tests.servers.process import fault_process

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator, Sequence

    from agents.runs import Run

LIMITS = Timeouts(connect=0.4, first_token=0.8, idle=0.6, total=1.5)
GRACE = 1.0
"""Seconds after the time limit that holds within which a call must have ended."""
MEMORY_BOUND = 64 * 1024 * 1024
KEY = "sk-CANARY-0123456789"
_BY_TOTAL = frozenset({"trickle-forever", "reasoning-forever"})
"""Faults that only the limit of the whole call ends."""


EVERY = (*UNREACHED, *EXPECTED)
QUICK = tuple(fault for fault in EVERY if fault in UNREACHED or EXPECTED[fault][1] != "timeout")
"""Without those that only a time limit ends."""


class Row(NamedTuple):
    """What became of one fault."""

    fault: str
    outcome: str
    kind: str | None
    told: str
    """The line a person reads; empty where all is well."""
    seconds: float
    bound: float
    grown: int
    """Bytes by which resident memory rose at most."""
    stall: float
    """Longest time the loop stood still, in seconds."""
    wrong: str
    """What should not be so; empty when all is as it should be."""


class Figures(NamedTuple):
    """All rows, and what is true of them together."""

    rows: tuple[Row, ...]
    calls: int
    """Faulted and cancelled calls made at the end."""
    leaked: dict[str, int]
    """What was there after them and not before: tasks, open files (sockets among them), threads."""
    outside: int
    """Connections to places a call should never reach: targets of redirects, a proxy for this machine."""

    @property
    def broken(self) -> dict[str, int]:
        """How many times each bound was broken."""
        rows = self.rows
        return {
            "untyped": sum(row.outcome == "failed" and row.kind is None for row in rows),
            "silent truncations": sum(row.wrong == "silent" for row in rows),
            "not as expected": sum(row.wrong not in {"", "silent"} for row in rows),
            "over their time": sum(row.seconds > row.bound for row in rows),
            "over 64 MiB of memory": sum(row.grown > MEMORY_BOUND for row in rows),
            "connections elsewhere": self.outside,
            **{f"leaked {what}": count for what, count in self.leaked.items()},
        }


class Peak:
    """The most resident memory since :meth:`begin`; where the system does not keep it, what there is at the end."""

    def __init__(self) -> None:
        self._process = psutil.Process()
        self._from = 0

    def begin(self) -> None:
        """Start anew from what there is now."""
        with suppress(OSError):
            Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
        self._from = self._process.memory_info().rss

    def grown(self) -> int:
        """Return by how many bytes it rose."""
        now = self._process.memory_info().rss
        with suppress(OSError):
            status = Path("/proc/self/status").read_text(encoding="ascii")
            now = max(now, next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM:")))
        return max(now - self._from, 0)


class Ticker:
    """How late a sleep of 5 ms wakes on this loop, at most."""

    def __init__(self) -> None:
        self.worst = 0.0

    async def run(self) -> None:
        """Sleep until cancelled."""
        while True:
            began = time.perf_counter()
            await asyncio.sleep(0.005)
            self.worst = max(self.worst, time.perf_counter() - began - 0.005)


class Places(NamedTuple):
    """Ports where calls go; ``untrusted`` is 0 where there is nothing to make a certificate with."""

    unused: int
    full: int
    mute: int
    untrusted: int


def endpoints(base_url: str, ports: Places) -> dict[str, Endpoint]:
    """Return the endpoint of the fault server, and for each fault that lies before any request one of its name."""
    addresses = {
        "refused": f"http://127.0.0.1:{ports.unused}/v1",
        "unknown-host": "http://nowhere.invalid/v1",
        "connect-stalls": f"http://127.0.0.1:{ports.full}/v1",
        "handshake-stalls": f"https://127.0.0.1:{ports.mute}/v1",
        "https-to-http": base_url.replace("http:", "https:"),
        "port-99999": "http://127.0.0.1:99999/v1",
        "key-with-newline": base_url,
        "key-not-set": base_url,
        "proxy-for-loopback": base_url,
        "faults": base_url,
    }
    if ports.untrusted:
        addresses["untrusted"] = f"https://127.0.0.1:{ports.untrusted}/v1"
        addresses["http-to-https"] = f"http://127.0.0.1:{ports.untrusted}/v1"
    keys = {"faults": "FAULT_KEY", "key-with-newline": "BROKEN_KEY", "key-not-set": "NO_SUCH_KEY"}
    return {
        name: Endpoint(base_url=address, timeout=LIMITS, max_retries=0, concurrency=25, api_key_env=keys.get(name))
        for name, address in addresses.items()
    }


def bound_of(fault: str) -> float:
    """Return within how many seconds a call to this fault must have ended."""
    return (LIMITS.total if fault in _BY_TOTAL else max(LIMITS.connect, LIMITS.first_token)) + GRACE


def submit(workspace: Workspace, fault: str, prompt: str = "Hello") -> Run:
    """Start one call to one fault."""
    ref = ModelRef(fault, "no-done") if fault in UNREACHED else ModelRef("faults", fault)
    return workspace.engine.submit(Chat(lanes=(Lane(model=ref, messages=(Message("user", prompt),)),), use_cache=False))


async def measure(workspace: Workspace, fault: str) -> Row:
    """Make one call and return what became of it."""
    peak, ticker = Peak(), Ticker()
    expected = (UNREACHED | EXPECTED)[fault]
    async with asyncio.TaskGroup() as group:
        ticking = group.create_task(ticker.run())
        peak.begin()
        await asyncio.sleep(0.01)
        ticker.worst = 0.0
        reader = workspace.engine.subscribe()
        began = time.perf_counter()
        run = submit(workspace, fault)
        await run.wait()
        seconds = time.perf_counter() - began
        events = [event for event in reader.drain() if event.run == run.id]
        reader.close()
        grown = peak.grown()
        ticking.cancel()
    (ended,) = (event for event in events if isinstance(event, StepEnded))
    text = "".join(event.text for event in events if isinstance(event, Text))
    told = ended.error or ""
    return Row(
        fault=fault,
        outcome=ended.outcome,
        kind=ended.error_kind,
        told=told,
        seconds=seconds,
        bound=bound_of(fault),
        grown=grown,
        stall=ticker.worst,
        wrong=_wrong(ended, text, expected, endless=fault in ENDLESS),
    )


def _wrong(ended: StepEnded, text: str, expected: tuple[str, str | None, str], *, endless: bool) -> str:
    outcome, kind, whole = expected
    if ended.outcome == "done" and (outcome != "done" or ended.finish is None):
        return "silent"
    if KEY in (ended.error or "") or KEY[-6:] in (ended.error or ""):
        return "shows the key"
    if (ended.outcome, ended.error_kind) != (outcome, kind):
        return f"should be {outcome} ({kind})"
    return "" if text == whole or (endless and text.startswith(whole)) else "other text"


async def storm(workspace: Workspace, calls: int) -> None:
    """Make ``calls`` calls to all kinds of faults, 25 at once, and stop every third at some moment."""
    chance = random.Random(7)
    faults = list(EXPECTED)
    todo = iter(range(calls))

    async def caller() -> None:
        for number in todo:
            run = submit(workspace, faults[number % len(faults)], f"Call {number}")
            if number % 3 == 0:
                await asyncio.sleep(chance.uniform(0.0, 0.3))
                run.cancel()
            await run.wait()

    async with asyncio.TaskGroup() as group:
        for _ in range(25):
            group.create_task(caller())


def held() -> dict[str, int]:
    """Return what this process holds. Threads of the loop's own pool stay for the next use and are no leak."""
    threads = [thread for thread in threading.enumerate() if not thread.name.startswith("asyncio_")]
    files = psutil.Process().num_fds() if hasattr(psutil.Process, "num_fds") else 0
    return {"tasks": len(asyncio.all_tasks()), "files and sockets": files, "threads": len(threads)}


def _ignore(connection: Connection, request: Request) -> None:
    connection.respond(200, b"{}")


@contextmanager
def _environment(proxy: str) -> Iterator[None]:
    """Set keys, and proxies for all but the host that is not found: a call to this machine must use none."""
    wanted = {"FAULT_KEY": KEY, "BROKEN_KEY": "sk-new\nline", "HTTP_PROXY": proxy, "http_proxy": proxy, "NO_PROXY": "invalid"}
    before = {name: os.environ.get(name) for name in wanted}
    os.environ.update(wanted)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


async def run(faults: Sequence[str], calls: int, show: Callable[[Row], None] = lambda row: None) -> Figures:
    """Measure ``faults`` one after the other, then make ``calls`` calls to all kinds, 25 at once."""
    async with AsyncExitStack() as stack:
        elsewhere = await stack.enter_async_context(LoopbackServer(_ignore))
        base_url = stack.enter_context(fault_process(elsewhere.base_url))
        stack.enter_context(_environment(elsewhere.url))
        ports = Places(
            stack.enter_context(dead.unused()),
            stack.enter_context(dead.full()),
            stack.enter_context(dead.mute()),
            await stack.enter_async_context(dead.untrusted()) if dead.OPENSSL else 0,
        )
        settings = Settings(endpoints=endpoints(base_url, ports), defaults=Defaults(cache=False))
        async with _workspace(settings) as workspace:
            await measure(workspace, "no-done")  # imports, the first connection
            rows = []
            for fault in faults:
                if fault in settings.endpoints or fault in EXPECTED:
                    rows.append(await measure(workspace, fault))
                    show(rows[-1])
        before = held()
        async with _workspace(settings) as workspace:
            await storm(workspace, calls)
        gc.collect()
        after = held()
        leaked = {what: max(after[what] - before[what], 0) for what in before}
        return Figures(tuple(rows), calls, leaked, elsewhere.counts.connections)


@asynccontextmanager
async def _workspace(settings: Settings) -> AsyncIterator[Workspace]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        locations = Locations(config=folder / "config.toml", data=folder, themes=folder)
        async with Workspace(settings, locations) as workspace:
            await workspace.open()
            yield workspace


def _line(row: Row) -> str:
    kind = "" if row.kind is None else row.kind
    told = row.told.replace("faults: ", "", 1)
    ends = f"{row.outcome:9} {kind:11} {row.seconds:5.2f} s of {row.bound:.1f}  {row.grown / 1e6:5.1f} MB"
    return f"{row.fault:22} {ends}  {told}{f'  <-- {row.wrong}' if row.wrong else ''}"


def _markdown(figures: Figures) -> Iterator[str]:
    """Return a table in which faults that end alike share a row."""
    alike: dict[tuple[str, str], list[str]] = {}
    for row in figures.rows:
        kind = "" if row.kind in {None, row.outcome} else f", `{row.kind}`"
        told = re.sub(r"127\.0\.0\.1:\d+", "127.0.0.1:8000", row.told.partition(": ")[2])
        told = told.replace("endpoints.faults.", "endpoints.lab.")
        alike.setdefault((f"{row.outcome}{kind}", told.replace("|", "\\|") or "—"), []).append(row.fault.replace("-", " "))
    yield "| how the call ends | what a person reads | what the endpoint does |"
    yield "|---|---|---|"
    yield from (f"| {ends} | {told} | {', '.join(faults)} |" for (ends, told), faults in sorted(alike.items()))


def _summary(figures: Figures) -> Iterator[str]:
    rows = figures.rows
    slow = max(rows, key=lambda row: row.seconds / row.bound)
    large = max(rows, key=lambda row: row.grown)
    still = max(rows, key=lambda row: row.stall)
    yield f"{len(rows)} faults; then {figures.calls} faulted calls, a third of them stopped"
    for bound, count in figures.broken.items():
        yield f"  {bound:24} {count}"
    yield f"  nearest to its time      {slow.seconds:.2f} of {slow.bound:.1f} s ({slow.fault})"
    yield f"  most memory              {large.grown / 1e6:.1f} MB ({large.fault})"
    yield f"  longest stall            {still.stall * 1e3:.0f} ms ({still.fault})"


def main() -> None:
    """Measure and print; exit with 1 when a bound is broken."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="leave out what only a time limit ends, and make 100 calls at the end")
    parser.add_argument("--markdown", action="store_true", help="print a table for the documentation")
    parser.add_argument("--json", action="store_true", help="print one object")
    options = parser.parse_args()
    lines = not options.markdown and not options.json
    figures = asyncio.run(
        run(
            QUICK if options.quick else EVERY,
            100 if options.quick else 500,
            show=lambda row: print(_line(row), flush=True) if lines else None,
        )
    )
    if options.markdown:
        print("\n".join(_markdown(figures)))
    elif options.json:
        print(json.dumps({"rows": [row._asdict() for row in figures.rows], "broken": figures.broken}))
    else:
        print("\n".join(_summary(figures)))
    sys.exit(any(figures.broken.values()))


if __name__ == "__main__":
    main()
