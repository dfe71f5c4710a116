"""``stretto batch``: every row of a file to one model or several, one line of a file for each answer."""

from __future__ import annotations

import asyncio
import select
import shlex
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from agents.errors import InputError
from tui.commands import arguments
from tui.commands.batch_progress import Progress, clock

if TYPE_CHECKING:
    import argparse

    from agents.events import AnyEvent
    from agents.requests import Batch, ModelRef
    from agents.runs import Run
    from tui.commands.session import End, Session

_STANDARD = "-"
_SIDE = ".partial"
_VALUES = ("jobs", "system", "max_tokens", "temperature", "budget")
_SWITCHES = ("no_cache", "refresh", "json", "retry_errors")
_TICK = 0.2
"""Seconds between two looks at the progress."""

DESCRIPTION = """Ask every row of a file and write one line for each answer, in the order of the rows. FILE is JSON, one
object a line: "prompt" or "messages", and if you like "id", "system" and "params". What is answered is on the disk at once, so
that neither Ctrl+C nor a crash loses it: --resume goes on where a batch stopped. Ctrl+C lets the rows in flight finish, twice
stops them."""

EXAMPLES = """\
  stretto batch prompts.jsonl -o answers.jsonl
  stretto batch prompts.jsonl -o answers.jsonl -m local/qwen3 -m local/llama3.2 -j 50
  stretto batch prompts.jsonl -o answers.jsonl --resume
  stretto batch prompts.jsonl -o answers.jsonl --resume --retry-errors
  jq -c '{prompt: .question}' faq.jsonl | stretto batch - -o - -m local/qwen3 | jq -r .answer
  stretto batch prompts.jsonl -o answers.jsonl -m openai/gpt-4.1-mini --budget 2.50"""


def configure(parser: arguments.CommandParser) -> None:
    """Describe the arguments."""
    parser.add_argument("file", metavar="FILE", type=arguments.place, help="one JSON object a line; - is standard input")
    parser.add_argument(
        "-o", "--out", metavar="OUT", type=arguments.place, required=True, help="where the answers go; - is standard output"
    )
    arguments.add_model(parser, several=True)
    parser.add_argument(
        "-j", "--jobs", metavar="N", type=arguments.positive, help="calls in flight at once; default: what the endpoints allow"
    )
    parser.add_argument("--system", metavar="S", type=arguments.text, help="the system message of rows that have none")
    arguments.add_sampling(parser)
    arguments.add_budget(parser)
    parser.add_argument("--resume", action="store_true", help="go on with what is in OUT")
    parser.add_argument("--retry-errors", action="store_true", help="with --resume: ask again what failed")
    arguments.add_json(parser)


def execute(args: argparse.Namespace, parser: arguments.CommandParser) -> int:
    """Ask every row."""
    from agents.config import load
    from tui.commands.session import perform
    from tui.terminal import Terminal

    _check(args, parser)
    settings, locations = load(arguments.flags(args))
    return perform(lambda session: _batch(session, args), settings, locations, Terminal())


def _check(args: argparse.Namespace, parser: arguments.CommandParser) -> None:
    """Refuse, as wrong usage, what would fail later or write over something."""
    if args.retry_errors and not args.resume:
        parser.error("--retry-errors goes with --resume")
    if twice := next((name for name in args.models if args.models.count(name) > 1), None):
        parser.error(f"-m {twice} is given twice")
    if args.out == _STANDARD:
        if args.resume:
            parser.error("--resume needs a file to go on with; name one with -o")
        if args.json:
            parser.error("standard output is either the answers (-o -) or the events (--json)")
    if args.file != _STANDARD:
        args.file = _existing(args.file, parser)
    if args.out == _STANDARD:
        return
    out = Path(args.out).expanduser().absolute()
    args.out = str(out)
    if not out.parent.is_dir():
        parser.error(f"{out.parent}: there is no such folder")
    if args.file != _STANDARD and out.exists() and out.samefile(args.file):
        parser.error(f"{out}: cannot be both FILE and OUT")
    for place in (out, out.with_name(out.name + _SIDE)):
        if not args.resume and place.exists():
            parser.error(f"{place}: is there already; go on with it by --resume, or remove it first")


def _existing(place: str, parser: arguments.CommandParser) -> str:
    try:
        path = Path(place).expanduser().absolute()
        mode = path.stat().st_mode
    except (OSError, ValueError, RuntimeError) as error:
        missing = isinstance(error, FileNotFoundError | NotADirectoryError)
        reason = "there is no such file" if missing else f"cannot be used: {getattr(error, 'strerror', None) or error}"
        parser.error(f"{place}: {reason}")
    if stat.S_ISDIR(mode):
        parser.error(f"{place}: is a folder; name a file with one JSON object a line")
    return str(path)


async def _batch(session: Session, args: argparse.Namespace) -> int:
    request = await _request(session, args)
    if request.jobs is not None:
        _widen(session, request, request.jobs)
    terminal = session.terminal
    progress = Progress()
    endpoints = _endpoints(session, request)

    def drain(run: Run) -> None:
        run.drain()
        progress.draining = True
        waiting = f"{progress.in_flight} in flight may finish" if progress.in_flight else "nothing is in flight"
        terminal.note(f"stretto: stopping: no new row is begun, {waiting}; once more stops at once")

    async def show(event: AnyEvent) -> None:
        progress.take(event)

    async def watch() -> None:
        while True:
            await asyncio.sleep(_TICK)
            progress.held = _held(session, endpoints)
            progress.tell(terminal)

    session.stop.gently = drain
    async with asyncio.TaskGroup() as group:
        watcher = group.create_task(watch(), name="batch progress")
        end = await session.follow(request, show, json=args.json, text=args.json)
        watcher.cancel()
    return _conclude(session, args, progress, end)


def _widen(session: Session, request: Batch, jobs: int) -> None:
    """Let ``jobs`` calls through at once where the configuration has fewer: a flag is the later word.

    An adaptive cap goes on finding its own way, and the embedded model has no more places than it was started with.
    """
    models = session.workspace.models
    doors = models.figures().doors
    for name in _endpoints(session, request):
        endpoint = session.settings.endpoints.get(name)
        embedded = name == "embedded" if endpoint is None else endpoint.kind == "embedded"
        if name in doors and not embedded and not doors[name].adaptive and doors[name].cap < jobs:
            models.set_cap(name, jobs)


def _check_known(session: Session, models: tuple[ModelRef, ...]) -> None:
    """Refuse an endpoint that does not exist before anything is written: every row would fail of it."""
    for ref in models:
        if ref.endpoint not in session.settings.routes:
            session.workspace.models.directory.gate(ref.endpoint)


def _endpoints(session: Session, request: Batch) -> list[str]:
    """Return the endpoints the batch may use, in an order that does not change."""
    from agents.batch.handler import endpoints_of

    return sorted(endpoints_of(request.models, session.settings))


def _held(session: Session, endpoints: list[str]) -> str:
    """Return why none of the endpoints is asked now, as its door or its health says; empty where one is."""
    figures = session.workspace.models.figures()
    why: list[tuple[float, str]] = []
    for name in endpoints:
        door, health = figures.doors.get(name), figures.health.get(name)
        if health is not None and health.state == "open":
            why.append((health.probe_in, f"{name} ({health.reason})"))
        elif door is not None and door.held and sum(door.depth.values()):
            why.append((door.held_for, f"{name} ({door.held})"))
        else:
            return ""
    seconds, first = min(why, default=(0.0, ""))
    return f"waiting {clock(seconds)} for {first}" if first else ""


async def _request(session: Session, args: argparse.Namespace) -> Batch:
    from agents.requests import Batch

    models = await session.models(args)
    _check_known(session, models)
    defaults = session.settings.defaults
    return Batch(
        source=args.file,
        out=args.out,
        models=models,
        names=tuple(args.models or map(str, models)),
        system=defaults.system,
        jobs=args.jobs,
        use_cache=defaults.cache,
        refresh=args.refresh,
        budget=args.budget,
        resume=args.resume,
        retry_errors=args.retry_errors,
    )


def _conclude(session: Session, args: argparse.Namespace, progress: Progress, end: End) -> int:
    """Say what became of the batch and return the exit code."""
    terminal = session.terminal
    if args.out == _STANDARD and end.outcome == "failed" and _reader_left():
        raise BrokenPipeError
    if end.outcome == "failed" and not progress.done:
        raise InputError(end.error or "the batch failed")
    for line in progress.summary():
        terminal.note(line)
    if end.unsaved is not None:
        terminal.complain(f"this run was not saved: {end.unsaved}")
    left = progress.left
    if session.stop.signal is not None and (left is None or left):
        terminal.complain(
            f"stopped with {'rows' if left is None else f'{left:,} of {progress.total:,}'} not done{_how_to_go_on(args)}"
        )
    if session.stop.signal is not None:
        return session.stop.code
    if end.outcome != "done":
        terminal.complain(end.error or f"the batch ended as {end.outcome}")
    elif progress.failed:
        again = "" if args.out == _STANDARD else "; ask them again with --resume --retry-errors"
        first = f" (the first: {progress.first_error})" if progress.first_error else ""
        terminal.complain(f"{progress.failed:,} of {progress.done + progress.kept:,} failed{first}{again}")
    return 0 if end.outcome == "done" and end.unsaved is None and not progress.failed else 1


def _how_to_go_on(args: argparse.Namespace) -> str:
    if args.out == _STANDARD:
        return ""
    if args.file == _STANDARD:
        return "; go on with --resume and the same input"
    # All that shapes an answer, because a row that is asked differently is another row; and what makes it go as it went.
    given = [("-m", model) for model in args.models]
    given += [(f"--{name.replace('_', '-')}", getattr(args, name)) for name in _VALUES if getattr(args, name) is not None]
    options = [part for name, value in given for part in (name, shlex.quote(str(value)))]
    options += [f"--{name.replace('_', '-')}" for name in _SWITCHES if getattr(args, name)]
    return f"; go on with: stretto batch {shlex.quote(args.file)} -o {shlex.quote(args.out)} {' '.join([*options, '--resume'])}"


def _reader_left() -> bool:
    """Return whether nobody reads standard output any more."""
    poll = select.poll()
    poll.register(1, select.POLLOUT)
    return any(events & select.POLLERR for _, events in poll.poll(0))
