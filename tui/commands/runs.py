"""``stretto runs``: what was run before, from the journal."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from agents.errors import InputError
from tui.commands import arguments

if TYPE_CHECKING:
    import argparse

    from agents.settings import Locations
    from storage.history import RunHistory
    from storage.records import RunRow, StepRow
    from tui.terminal import Terminal

DESCRIPTION = """List the runs of the journal, or show one of them with its steps and their text."""

EXAMPLES = """\
  stretto runs list
  stretto runs list --limit 5 --json
  stretto runs show last
  stretto runs show 01kp8x            the start of a run's name is enough
  stretto runs show last --json       its events, one a line"""

_LIST_EXAMPLES = """\
  stretto runs list
  stretto runs list --limit 5
  stretto runs list --json | jq -r .title"""

_SHOW_EXAMPLES = """\
  stretto runs show last
  stretto runs show 01kp8x
  stretto runs show last --json | jq -r 'select(.event == "text").text'"""


def configure(parser: arguments.CommandParser) -> None:
    """Describe the arguments."""
    actions = parser.add_subparsers(dest="action", metavar="list | show", required=True)
    listing = actions.add_parser("list", description="List runs, newest first.", examples=_LIST_EXAMPLES, help="list runs")
    listing.add_argument("--limit", metavar="N", type=arguments.positive, default=50, help="how many (50)")
    arguments.add_json(listing, "print one run a line as JSON")
    showing = actions.add_parser("show", description="Show one run.", examples=_SHOW_EXAMPLES, help="show one run")
    showing.add_argument("run", metavar="RUN", type=arguments.text, help="a run's name, the start of it, or: last")
    arguments.add_json(showing, "print its events, one a line as JSON")


def execute(args: argparse.Namespace, parser: arguments.CommandParser) -> int:
    """List or show."""
    from agents.config import load
    from tui.terminal import Terminal

    _, locations = load()
    asyncio.run(_execute(args, locations, Terminal()))
    return 0


async def _execute(args: argparse.Namespace, locations: Locations, terminal: Terminal) -> None:
    # The store alone: a look at the journal needs no engine and no model.
    from storage.history import RunHistory
    from storage.store import Store

    async with Store(locations.database) as store:
        history = RunHistory(store)
        if args.action == "list":
            await _list(history, args, terminal)
        else:
            await _show(history, args, terminal)


async def _list(history: RunHistory, args: argparse.Namespace, terminal: Terminal) -> None:
    import msgspec

    from storage.history import ended_as
    from tui.terminal import table

    runs = await history.list(args.limit)
    if args.json:
        for run in runs:
            await terminal.write(f"{msgspec.json.encode(run).decode()}\n")
    elif runs:
        rows = [("run", "started", "kind", "ended", "took", "asked")]
        rows += [(run.id, _when(run), run.kind, ended_as(run) or "running", _seconds(run.wall), _cut(run.title)) for run in runs]
        await terminal.write(f"{table(rows)}\n")
    else:
        terminal.note('There are no runs yet; try: stretto run "Hello"')


async def _show(history: RunHistory, args: argparse.Namespace, terminal: Terminal) -> None:
    from storage.history import ended_as

    run = await _find(history, args.run)
    if args.json:
        after = -1
        while page := await history.events(run.id, after):
            after = page[-1].seq
            for event in page:
                await terminal.write(f"{event.body}\n")
        return
    took = f"wall {_seconds(run.wall)}" + (f", sum of its steps {_seconds(run.busy)}" if run.busy is not None else "")
    await terminal.write(f"{run.kind} {run.id}, {_when(run)}: {ended_as(run) or 'running'}, {took}\n")
    await terminal.write(f"{_indented(run.prompt or run.title)}\n")
    if run.error:
        await terminal.write(f"  error: {run.error.removeprefix('interrupted: ')}\n")
    steps = await history.steps(run.id)
    if run.kind == "batch":
        # Thousands of answers, which stand in the batch's own output: what is looked for here is what went wrong.
        told = [step for step in steps if step.kind != "model" or step.outcome != "done"]
        fine = len(steps) - len(told)
        await terminal.write(f"\n  {fine:,} row{'' if fine == 1 else 's'} answered: see the batch's output\n")
        steps = told
    for step in steps:
        await terminal.write(f"\n{_heading(step)}\n")
        if step.text:
            await terminal.write(f"{_indented(step.text)}\n")


async def _find(history: RunHistory, name: str) -> RunRow:
    if name == "last":
        found = await history.list(1)
        if not found:
            raise InputError("there are no runs yet")
        return found[0]
    run = await history.find(name)
    if run is None:
        raise InputError(f"there is no run {name!r}; see: stretto runs list")
    return run


def _heading(step: StepRow) -> str:
    import msgspec

    from agents.events import Timings, Usage
    from tui.figures import made_for
    from tui.terminal import one_line

    limit = {"length": " at the output limit", "content_filter": " by the server's content filter"}.get(step.finish or "", "")
    parts = [f"{step.outcome}{limit if step.outcome == 'done' else ''}" if step.outcome else "running"]
    if step.similar is not None:
        parts.append(made_for(step.similar_to, step.similar))
    elif step.cached or step.speculated:
        parts.append("from the cache" if step.cached else "made before it was asked for")
    if step.usage:
        usage = msgspec.json.decode(step.usage, type=Usage)
        parts.append(f"{'about ' if usage.estimated else ''}{usage.output} tokens")
    if step.timings:
        timings = msgspec.json.decode(step.timings, type=Timings)
        parts.append(f"waited {timings.wait:.2f} s, took {timings.busy:.2f} s")
    if step.attempts > 1:
        parts.append(f"{step.attempts} attempts")
    if step.error:
        parts.append(step.error)
    name = step.lane if step.kind == "model" and step.lane else step.name
    return one_line(f"[{step.id.rpartition('.')[2]}] {step.kind} {name}: {', '.join(parts)}")


def _indented(text: str) -> str:
    return "\n".join(f"  {line}".rstrip() for line in text.splitlines())


def _when(run: RunRow) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(run.started))


def _seconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f} s"


def _cut(title: str) -> str:
    line = " ".join(title.split())
    return line if len(line) <= 60 else f"{line[:59]}…"
