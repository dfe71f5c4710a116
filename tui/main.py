"""The command ``stretto``: finds the command that is meant, imports it alone, and turns what it raises into one line and a code.

Codes: 0 done, 1 failed, 2 used wrongly, 130 interrupted, 143 terminated, 141 when the reader of the output went away.
"""

from __future__ import annotations

import os
import sys
from importlib import import_module
from typing import TYPE_CHECKING, Protocol, cast

from tui.commands.arguments import CommandParser, nearest

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

COMMANDS = {
    "run": "send a prompt to one model or several, print the answers",
    "ask": "answer a question from your documents, with its sources",
    "agent": "let an agent work on a task",
    "batch": "ask every row of a file, answers to another file",
    "library": "add documents to a library, list, remove or refresh them",
    "templates": "prompts with places to fill in",
    "runs": "what was run before",
    "ratings": "models rated by your votes between their answers",
    "serve": "the dashboard in a browser",
    "cache": "what the cache of answers holds; empty it",
    "models": "the endpoints and models that can be used now",
    "keys": "the dashboard's keys, and what is wrong with your own",
    "themes": "the dashboard's themes; show one, check a file",
    "gpu": "the GPU's figures, or why there are none",
    "doctor": "check that everything stretto needs is in order",
    "paths": "where stretto keeps things",
}

EXAMPLES = """\
  stretto                                        open the dashboard
  stretto -m local/qwen3 -m local/llama3.2       open it with these models side by side
  stretto run "Why is the sky blue?"             print one answer
  stretto library add ~/notes                    index a folder
  stretto ask "When is the rent due?"            answer from it, with sources
  stretto agent research "Compare these." a.md b.md https://example.org/c
  stretto doctor                                 check the installation"""


class Command(Protocol):
    """What a module in :mod:`tui.commands` offers."""

    DESCRIPTION: str
    EXAMPLES: str

    def configure(self, parser: CommandParser) -> None:
        """Describe the arguments."""

    def execute(self, args: argparse.Namespace, parser: CommandParser) -> int:
        """Do it and return the exit code."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command that ``argv`` names and return its exit code; never raises for what a person did or met."""
    try:
        return _dispatch(list(sys.argv[1:] if argv is None else argv))
    except SystemExit as error:
        return error.code if isinstance(error.code, int) else int(error.code is not None)
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        return 141
    except Exception as error:  # noqa: BLE001  # the outermost place: every fault becomes one line and a code
        from tui.faults import tell

        return tell(error)
    finally:
        _settle_output()


def _dispatch(argv: list[str]) -> int:
    if argv and argv[0] in COMMANDS:
        name, rest = argv[0], argv[1:]
        command = _load(name)
        parser = CommandParser(prog=f"stretto {name}", description=command.DESCRIPTION, examples=command.EXAMPLES)
    else:
        if argv and not argv[0].startswith("-"):
            word = argv[0]
            CommandParser(prog="stretto").error(f"unknown command {word!r}{nearest(word, list(COMMANDS))}")
        rest = argv
        command = _load("dashboard")
        width = max(map(len, COMMANDS))
        commands = "\n".join(f"  {name:{width}}  {words}" for name, words in COMMANDS.items())
        description = f"{command.DESCRIPTION}\n\nCommands (each has its own --help):\n{commands}"
        parser = CommandParser(prog="stretto", usage="stretto [COMMAND] [OPTION]...", description=description, examples=EXAMPLES)
    command.configure(parser)
    return command.execute(parser.parse_args(rest), parser)


def _load(name: str) -> Command:
    return cast("Command", import_module(f"tui.commands.{name}"))


def _settle_output() -> None:
    """Send what is buffered for a reader that has gone, or for a full disk, to nowhere: the interpreter's end is quiet."""
    for stream in (sys.stdout, sys.stderr):
        if stream is None or stream.closed:
            continue
        try:
            stream.flush()
        except OSError:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, stream.fileno())
            os.close(nowhere)


if __name__ == "__main__":
    sys.exit(main())
