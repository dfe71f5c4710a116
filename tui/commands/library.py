"""``stretto library``: documents that questions are answered from."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING

from agents.errors import InputError
from agents.events import Log, StepQueued
from tui.commands import arguments

if TYPE_CHECKING:
    import argparse

    from agents.events import AnyEvent
    from tui.commands.session import Session
    from tui.terminal import Terminal

DESCRIPTION = """Add documents to a library, list what libraries hold, remove or refresh documents. Text, Markdown, reST, HTML,
PDF and source code are read; a library remembers the places it was made from."""

EXAMPLES = """\
  stretto library add ~/notes paper.pdf
  stretto library add https://example.org/manual -l manuals
  stretto library list
  stretto library refresh
  stretto library remove ~/notes"""

_ADD_EXAMPLES = """\
  stretto library add ~/notes paper.pdf
  stretto library add https://example.org/manual -l manuals"""

_LIST_EXAMPLES = """\
  stretto library list                   all libraries
  stretto library list -l manuals        the documents of one
  stretto library list --json | jq -r .name"""

_REMOVE_EXAMPLES = """\
  stretto library remove ~/notes
  stretto library remove https://example.org/manual -l manuals
  stretto library remove --all -l manuals"""

_REFRESH_EXAMPLES = """\
  stretto library refresh                read again what has changed
  stretto library refresh -l manuals"""

_PROGRESS = re.compile(r"[\d,]+/[\d,]+ ")


def configure(parser: arguments.CommandParser) -> None:
    """Describe the arguments."""
    actions = parser.add_subparsers(dest="action", metavar="add | list | remove | refresh", required=True)
    adding = actions.add_parser("add", description="Index files, folders and URLs.", examples=_ADD_EXAMPLES, help="index documents")
    adding.add_argument("places", metavar="PATH|URL", nargs="+", type=arguments.place, help="a file, a folder or a URL")
    listing = actions.add_parser(
        "list", description="List all libraries, or one library's documents.", examples=_LIST_EXAMPLES, help="list libraries"
    )
    listing.add_argument("-l", "--library", metavar="LIBRARY", type=arguments.text, help="list this library's documents")
    arguments.add_json(listing, "print one library or document a line as JSON")
    words = "Remove places that were added, with all that is under them; the files stay."
    removing = actions.add_parser("remove", description=words, examples=_REMOVE_EXAMPLES, help="remove documents")
    removing.add_argument("places", metavar="PLACE", nargs="*", type=arguments.place, help="a place that was added")
    removing.add_argument("--all", action="store_true", help="remove the whole library")
    refreshing = actions.add_parser(
        "refresh", description="Read again what has changed.", examples=_REFRESH_EXAMPLES, help="read changed documents again"
    )
    for action in (adding, removing, refreshing):
        arguments.add_library(action)
    for action in (adding, refreshing):
        arguments.add_json(action)


def execute(args: argparse.Namespace, parser: arguments.CommandParser) -> int:
    """Do it."""
    from agents.config import load
    from agents.retrieval.places import is_url
    from tui.commands.session import perform
    from tui.terminal import Terminal

    settings, locations = load()
    if args.action == "remove" and bool(args.places) == args.all:
        parser.error("name places to remove, or give --all to remove the whole library")
    if args.action == "add":
        missing = "there is no such file or folder"
        args.places = [place if is_url(place) else arguments.existing(place, missing) for place in args.places]
    work = {"add": _index, "refresh": _index, "list": _list, "remove": _remove}[args.action]
    return perform(lambda session: work(session, args), settings, locations, Terminal())


async def _index(session: Session, args: argparse.Namespace) -> int:
    from agents.requests import Index

    places = tuple(args.places) if args.action == "add" else ()
    printer = IndexPrinter(session.terminal, printing=not args.json)
    end = await session.follow(Index(places=places, library=args.library), printer.show, json=args.json)
    return session.conclude(end)


class IndexPrinter:
    """A reader of one indexing's events: progress in the status line, what became of it on standard output."""

    def __init__(self, terminal: Terminal, *, printing: bool = True) -> None:
        self._terminal = terminal
        self._printing = printing
        self._root = ""

    async def show(self, event: AnyEvent) -> None:
        """Take one event."""
        match event:
            case StepQueued(parent=None):
                self._root = event.step
            case Log(level="info") if event.step != self._root or _PROGRESS.match(event.message):
                self._terminal.status(event.message)
            case Log(level="info"):
                if self._printing:
                    await self._terminal.write(f"{event.message}\n")
            case Log():
                self._terminal.complain(event.message)


async def _list(session: Session, args: argparse.Namespace) -> int:
    import msgspec

    from tui.terminal import table

    write = session.terminal.write
    if args.library is not None:
        await _list_documents(session, args.library, json=args.json)
        return 0
    libraries = await session.workspace.library.list()
    if args.json:
        for library in libraries:
            await write(f"{msgspec.json.encode(library).decode()}\n")
    elif libraries:
        rows = [("library", "documents", "passages", "size", "changed", "made from")]
        for library in libraries:
            places = ", ".join(library.places[:3]) + (f" and {len(library.places) - 3} more" if len(library.places) > 3 else "")
            changed = time.strftime("%Y-%m-%d %H:%M", time.localtime(library.updated))
            numbers = (f"{library.documents:,}", f"{library.chunks:,}", f"{library.size / 1e6:.1f} MB")
            rows.append((library.name, *numbers, changed, places))
        await write(f"{table(rows)}\n")
    else:
        session.terminal.note("There are no libraries yet; try: stretto library add FOLDER")
    return 0


async def _list_documents(session: Session, name: str, *, json: bool) -> None:
    import msgspec

    if name not in {library.name for library in await session.workspace.library.list()}:
        raise InputError(f"there is no library {name!r}; see: stretto library list")
    after = ""
    while page := await session.workspace.library.documents(name, after=after):
        after = page[-1].uri
        for document in page:
            line = msgspec.json.encode(document).decode() if json else document.uri
            await session.terminal.write(f"{line}\n")


async def _remove(session: Session, args: argparse.Namespace) -> int:
    library = session.workspace.library
    for place in args.places or [None]:
        count = await library.remove(args.library, place)
        what = f"library {args.library}" if place is None else place
        await session.terminal.write(f"removed {what}: {count:,} document{'s' if count != 1 else ''}\n")
    return 0
