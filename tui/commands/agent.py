"""``stretto agent``: an agent works on a task; its steps are told as they happen, its report is printed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agents.events import FirstToken, Log, Retried, RunEnded, RunStarted, StepEnded, StepQueued, StepStarted, Text
from tui.commands import arguments
from tui.commands.answers import stopped

if TYPE_CHECKING:
    import argparse

    from agents.events import AnyEvent
    from tui.commands.session import Session
    from tui.terminal import Terminal

DESCRIPTION = (
    """Let an agent work on a task. Its steps are told on standard error as they happen, its report goes to standard output."""
)

EXAMPLES = """\
  stretto agent list
  stretto agent research "Compare the three designs." a.md b.md https://example.org/c
  stretto agent research "What do we know about tides?" library:notes https://example.org/tides
  stretto agent research "Sum up." *.md > report.md"""

_RESEARCH_EXAMPLES = """\
  stretto agent research "Compare the three designs." a.md b.md https://example.org/c
  stretto agent research "What do we know about tides?" library:notes https://example.org/tides
  stretto agent research "Sum up." *.md -m local/qwen3 > report.md"""

AGENTS = {
    "research": "reads every place at once, sums each up as soon as it is there, and combines them into a report with sources"
}


def configure(parser: arguments.CommandParser) -> None:
    """Describe the arguments."""
    agents = parser.add_subparsers(dest="agent", metavar=f"list | {' | '.join(AGENTS)}", required=True)
    agents.add_parser("list", description="List the agents.", examples="  stretto agent list", help="list the agents")
    words = AGENTS["research"]
    research = agents.add_parser("research", description=f"This agent {words}.", examples=_RESEARCH_EXAMPLES, help=words)
    research.add_argument("task", metavar="TASK", type=arguments.text, help="what to find out")
    research.add_argument(
        "places", metavar="PLACE", nargs="+", type=arguments.place, help="a file, a URL, or library:NAME to ask a library"
    )
    arguments.add_model(research)
    arguments.add_sampling(research)
    arguments.add_json(research)


def execute(args: argparse.Namespace, parser: arguments.CommandParser) -> int:
    """List the agents, or let one work."""
    from agents.config import load
    from tui.commands.session import perform
    from tui.terminal import Terminal

    if args.agent == "list":
        Terminal().print("\n".join(f"{name}  {words}" for name, words in AGENTS.items()))
        return 0
    settings, locations = load(arguments.flags(args))
    if not args.task.strip():
        parser.error("the task is empty")
    args.places = [_place(place) for place in args.places]
    return perform(lambda session: _research(session, args), settings, locations, Terminal())


def _place(place: str) -> str:
    """Return a place as the journal can keep it, after making sure that a file is there."""
    from agents.retrieval.places import is_url

    if is_url(place) or place.startswith("library:"):
        return place
    return arguments.existing(place, "there is no such file; a place is a file, a URL, or library:NAME")


async def _research(session: Session, args: argparse.Namespace) -> int:
    from agents.requests import Research

    request = Research(
        task=args.task,
        model=await session.model(args),
        places=tuple(args.places),
        use_cache=session.settings.defaults.cache,
        refresh=args.refresh,
    )
    printer = AgentPrinter(session.terminal, printing=not args.json)
    end = await session.follow(request, printer.show, json=args.json)
    return session.conclude(end)


class AgentPrinter:
    """A reader of one agent's events: a line for each change of a step to standard error, the report to standard output."""

    def __init__(self, terminal: Terminal, *, printing: bool = True) -> None:
        self._terminal = terminal
        self._printing = printing
        self._steps: dict[str, StepQueued] = {}
        self._began = 0.0
        self._last = ""

    async def show(self, event: AnyEvent) -> None:
        """Take one event."""
        match event:
            case RunStarted():
                self._began = event.at
            case StepQueued():
                self._steps[event.step] = event
            case Text() if self._is_report(event.step):
                self._last = event.text[-1]
                if self._printing:
                    await self._terminal.write(event.text)
            case RunEnded():
                await self._end(event)
            case StepStarted() | FirstToken() | Log() | Retried() | StepEnded():
                await self._tell(event)
                if isinstance(event, StepEnded) and self._is_report(event.step) and (reason := stopped(event)):
                    self._terminal.complain(f"the report: {reason}")

    def _is_report(self, step: str) -> bool:
        queued = self._steps.get(step)
        return queued is not None and queued.parent is None and queued.kind in {"model", "merge"}

    async def _tell(self, event: StepStarted | FirstToken | Log | Retried | StepEnded) -> None:
        match event:
            case StepStarted(attempt=attempt):
                words = "started" if attempt == 1 else f"started again ({attempt})"
            case FirstToken():
                words = "first token"
            case Log(message=message):
                words = message
            case Retried(reason=reason, delay=delay):
                words = f"{reason}; again in {delay:.1f} s"
            case StepEnded():
                limit = " at the output limit" if event.finish == "length" and event.outcome == "done" else ""
                words = f"{event.outcome}{limit} after {event.timings.busy:.2f} s{f': {event.error}' if event.error else ''}"
        step = self._steps.get(event.step)
        if self._printing and step is not None:
            await self._break_line(over=isinstance(event, StepEnded) and self._is_report(event.step))
            depth = "  " * self._depth(step)
            self._terminal.note(f"{event.at - self._began:7.2f} s  {depth}{step.name}: {' '.join(words.split())}")

    def _depth(self, step: StepQueued) -> int:
        above = self._steps.get(step.parent or "")
        return 0 if above is None else 1 + self._depth(above)

    async def _break_line(self, *, over: bool) -> None:
        """End the report's last line once the report is ``over``, and before that where a line of the log would continue it."""
        if self._last not in {"", "\n"} and (over or self._terminal.shared):
            self._last = "\n"
            await self._terminal.write("\n")

    async def _end(self, ended: RunEnded) -> None:
        if not self._printing:
            return
        await self._break_line(over=True)
        self._terminal.note(f"{ended.outcome}: wall {ended.wall:.2f} s, sum of its steps {ended.busy:.2f} s")
