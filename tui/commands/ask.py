"""``stretto ask``: a question answered from documents, with the passages it was answered from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agents.events import Found, Log, StepEnded, StepQueued, Text
from tui.commands import arguments
from tui.commands.answers import stopped

if TYPE_CHECKING:
    import argparse

    from agents.events import AnyEvent
    from tui.commands.session import Session
    from tui.terminal import Terminal

DESCRIPTION = """Search several sources at once and answer from what they find. The answer goes to standard output, with a list of
the passages that its [n] mean; a source that is late or fails is named, and the answer still comes."""

EXAMPLES = """\
  stretto library add ~/notes && stretto ask "When is the rent due?"
  stretto ask "How is a file closed?" ./docs                 also search a folder that is in no library
  stretto ask "What changed?" -l work --source keyword       one library, one source
  stretto ask "What changed?" -m local/qwen3 --json"""


def configure(parser: arguments.CommandParser) -> None:
    """Describe the arguments."""
    parser.add_argument("question", metavar="QUESTION", type=arguments.text, help="what to ask")
    parser.add_argument("paths", metavar="PATH", nargs="*", type=arguments.place, help="files or folders to search as well")
    arguments.add_library(parser)
    parser.add_argument(
        "--source",
        dest="sources",
        metavar="S",
        action="append",
        choices=SOURCES,
        help=f"search only this source: {', '.join(SOURCES)}; may be given several times",
    )
    arguments.add_model(parser)
    arguments.add_sampling(parser)
    arguments.add_compress(parser)
    arguments.add_json(parser)


SOURCES = ("vector", "keyword", "files")


def execute(args: argparse.Namespace, parser: arguments.CommandParser) -> int:
    """Ask and print."""
    from agents.config import load
    from tui.commands.session import perform
    from tui.terminal import Terminal

    settings, locations = load(arguments.flags(args))
    arguments.check_compress(settings)
    if not args.question.strip():
        parser.error("the question is empty")
    args.paths = [arguments.existing(path, "there is no such file or folder") for path in args.paths]
    return perform(lambda session: _ask(session, args), settings, locations, Terminal())


async def _ask(session: Session, args: argparse.Namespace) -> int:
    from agents.requests import Ask

    settings = session.settings
    request = Ask(
        question=args.question,
        model=await session.model(args),
        library=args.library,
        sources=tuple(dict.fromkeys(args.sources or SOURCES)),
        paths=tuple(args.paths),
        source_timeout=settings.library.source_timeout,
        use_cache=settings.defaults.cache,
        refresh=args.refresh,
    )
    printer = AskPrinter(session.terminal, printing=not args.json)
    end = await session.follow(request, printer.show, json=args.json)
    if not args.json:
        await printer.finish()
    return session.conclude(end)


class AskPrinter:
    """A reader of one question's events: sources to standard error, the answer and its passages to standard output."""

    def __init__(self, terminal: Terminal, *, printing: bool = True) -> None:
        self._terminal = terminal
        self._printing = printing
        self._steps: dict[str, StepQueued] = {}
        self._counts: dict[str, int] = {}
        self._found = False
        self._last = ""

    async def show(self, event: AnyEvent) -> None:
        """Take one event."""
        if isinstance(event, StepQueued):
            self._steps[event.step] = event
            return
        step = self._steps.get(getattr(event, "step", None) or "")
        if step is None:
            return
        match event:
            case Found(hits=hits):
                self._counts[event.step] = len(hits)
                self._found = self._found or step.kind == "merge"
            case Text(text=text) if step.kind in {"merge", "model"} and self._printing:
                # A merge speaks where nothing was found and no model is asked.
                self._last = text[-1]
                await self._terminal.write(text)
            case Log(message=message, keep=True) if self._printing:
                self._terminal.note(f"{step.lane}: {message}")
            case Log(message=message):
                self._status(f"{step.name}: {message}")
            case StepEnded() if step.kind == "source":
                self._source(step, event)
            case StepEnded() if reason := stopped(event):
                await self.finish()
                self._terminal.complain(f"{step.lane}: {reason}")
            case _:
                self._status(self._waiting())

    def _source(self, step: StepQueued, end: StepEnded) -> None:
        if end.outcome in {"done", "cancelled"}:
            if self._terminal.live:
                found = self._counts.get(end.step, 0)
                self._terminal.note(f"{step.name}: {found} passages, {end.timings.busy:.2f} s")
        else:
            why = "was late" if end.outcome == "late" else f"failed: {end.error or end.outcome}"
            self._terminal.complain(f"the source {step.name} {why}; the answer goes without it")

    def _waiting(self) -> str:
        return "answering…" if self._found else "searching…"

    def _status(self, text: str) -> None:
        # Never into the middle of an answer that the same terminal shows.
        if not (self._printing and self._terminal.out_is_terminal and self._last):
            self._terminal.status(text)

    async def finish(self) -> None:
        """End the answer's last line."""
        if self._last not in {"", "\n"}:
            self._last = "\n"
            await self._terminal.write("\n")
