"""``stretto`` without a command: the dashboard."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from tui.commands import arguments

if TYPE_CHECKING:
    import argparse

DESCRIPTION = """A terminal workspace where prompts, retrieval and agents run overlapped.
Without a command it opens the dashboard."""

EXAMPLES = ""  # the examples of the whole program stand in its place


def configure(parser: arguments.CommandParser) -> None:
    """Describe the arguments."""
    arguments.add_model(parser, several=True)
    parser.add_argument("--theme", metavar="T", help="the dashboard's theme, for example stretto-dark or stretto-light")
    parser.add_argument("--version", action="store_true", help="print the version and leave")


def execute(args: argparse.Namespace, parser: arguments.CommandParser) -> int:
    """Open the dashboard."""
    if args.version:
        from importlib.metadata import version

        from tui.terminal import Terminal

        Terminal().print(f"stretto {version('stretto')}")
        return 0
    if not all(stream and stream.isatty() for stream in (sys.stdin, sys.stdout, sys.stderr)):
        parser.error("the dashboard needs a terminal; without one use: stretto run PROMPT")
    from agents.config import load
    from agents.models.discovery import check_embedded
    from agents.models.names import parse_model
    from tui.collecting import hold_off

    hold_off()
    from tui.running import run_dashboard

    settings, locations = load(arguments.flags(args))
    models = tuple(parse_model(name) for name in args.models)
    for ref in models:
        check_embedded(ref, settings)
    return run_dashboard(settings, locations, models)
