"""The parser all commands share, and the arguments that mean the same in several of them."""

from __future__ import annotations

import argparse
import difflib
import shutil
import sys
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from agents.errors import InputError

if TYPE_CHECKING:
    from agents.settings import Settings


class CommandParser(argparse.ArgumentParser):
    """An argument parser whose help ends in examples and whose errors are one line."""

    def __init__(self, *, examples: str = "", **options: Any) -> None:
        options.setdefault("formatter_class", argparse.RawDescriptionHelpFormatter)
        options.setdefault("allow_abbrev", False)
        options["description"] = _filled(options.get("description") or "")
        if examples:
            options["epilog"] = f"Examples:\n{examples}"
        super().__init__(**options)

    def error(self, message: str) -> NoReturn:
        """Say in one line what is wrong and where help is, and end with code 2."""
        from tui.terminal import printable

        sys.stderr.write(printable(" ".join(f"{self.prog}: {message} (see: {self.prog} --help)".split())) + "\n")
        sys.exit(2)


def _filled(description: str) -> str:
    """Return a description fitted to the terminal; paragraphs with indented lines, which are lists, stay as they are."""
    width = min(shutil.get_terminal_size().columns - 2, 100)
    paragraphs = description.split("\n\n")
    return "\n\n".join(text if "\n  " in text else textwrap.fill(text, width) for text in paragraphs)


def text(value: str) -> str:
    """Return an argument as text; bytes the locale cannot read become U+FFFD."""
    return value.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def place(value: str) -> str:
    """Return an argument that names a file, folder, URL or library; its bytes must be text, because events are."""
    if text(value) != value:
        raise argparse.ArgumentTypeError("a name that is not UTF-8 cannot be used")
    if not value:
        raise argparse.ArgumentTypeError("an empty name cannot be used")
    return value


def existing(place: str, missing: str) -> str:
    """Return the absolute path of a file or folder after making sure that it is there; ``missing`` is said where it is not."""
    try:
        path = Path(place).expanduser()
        path.stat()
        # The journal keeps it, and a later look may stand elsewhere.
        return str(path.absolute())
    except (FileNotFoundError, NotADirectoryError):
        raise InputError(f"{place}: {missing}") from None
    except (OSError, ValueError, RuntimeError) as error:
        raise InputError(f"{place}: cannot be used: {getattr(error, 'strerror', None) or error}") from None


def model(value: str) -> str:
    """Return a model's name after making sure that it is one."""
    from agents.models.names import parse_model

    try:
        parse_model(value)
    except InputError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
    return value


def positive(value: str) -> int:
    """Return a whole number of at least 1."""
    try:
        number = int(value)
    except ValueError:
        number = 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"{value!r} is not a whole number of at least 1")
    return number


def temperature(value: str) -> float:
    """Return a sampling temperature."""
    try:
        number = float(value)
    except ValueError:
        number = -1.0
    if not 0 <= number <= 5:
        raise argparse.ArgumentTypeError(f"{value!r} is not a number from 0 to 5")
    return number


def amount(value: str) -> float:
    """Return an amount of money above nothing."""
    try:
        number = float(value)
    except ValueError:
        number = 0.0
    if not 0 < number < float("inf"):
        raise argparse.ArgumentTypeError(f"{value!r} is not an amount above 0")
    return number


def add_model(parser: argparse.ArgumentParser, *, several: bool = False) -> None:
    """Add ``-m``."""
    words = "a model as endpoint/model[,temperature=X,...]; default: the first that the configuration or discovery names"
    parser.add_argument(
        "-m",
        "--model",
        dest="models",
        metavar="MODEL",
        type=model,
        action="append",
        default=[],
        help=f"{words}; give it several times to ask several at once" if several else words,
    )


def add_library(parser: argparse.ArgumentParser) -> None:
    """Add ``-l``."""
    parser.add_argument("-l", "--library", metavar="LIBRARY", type=text, default="default", help="the library's name (default)")


def add_sampling(parser: argparse.ArgumentParser) -> None:
    """Add ``--max-tokens``, ``--temperature``, ``--no-cache`` and ``--refresh``."""
    parser.add_argument("--max-tokens", metavar="N", type=positive, help="longest answer, in tokens")
    parser.add_argument("--temperature", metavar="X", type=temperature, help="0 is steady, 1 is varied")
    cache = parser.add_mutually_exclusive_group()
    cache.add_argument("--no-cache", action="store_true", help="use no kept answers, and keep none")
    cache.add_argument(
        "--refresh", action="store_true", help="ask again even if the same was answered before, and keep the new answer"
    )


def add_budget(parser: argparse.ArgumentParser) -> None:
    """Add ``--budget``."""
    words = "what all of it may cost, in the currency of the configured prices; the answer that would go beyond is stopped"
    parser.add_argument("--budget", metavar="X", type=amount, help=words)


def add_compress(parser: argparse.ArgumentParser) -> None:
    """Add ``--compress``."""
    parser.add_argument(
        "--compress",
        choices=MODES,
        help="send long material shorter: extract keeps the half of its sentences that says most about the question, terse drops "
        "small words as well, llmlingua needs stretto[llmlingua]; your own words, code, JSON and tables are sent whole",
    )


def check_compress(settings: Settings) -> None:
    """Raise :class:`InputError` when what is to shorten material is not installed, before anything is asked."""
    if settings.defaults.compress != "off":
        from agents.compress import check

        check(settings.defaults.compress)


def add_json(parser: argparse.ArgumentParser, words: str = "print one event a line as JSON") -> None:
    """Add ``--json``."""
    parser.add_argument("--json", action="store_true", help=words)


def flags(args: argparse.Namespace) -> dict[str, object]:
    """Return what the arguments say as flags of :func:`agents.config.load`."""
    return {
        "defaults.max_tokens": getattr(args, "max_tokens", None),
        "defaults.temperature": getattr(args, "temperature", None),
        "defaults.system": getattr(args, "system", None),
        "defaults.compress": getattr(args, "compress", None),
        "defaults.budget": getattr(args, "budget", None),
        "defaults.cache": False if getattr(args, "no_cache", False) else None,
        "screen.theme": getattr(args, "theme", None),
    }


MODES = ("off", "extract", "terse", "llmlingua")
"""Ways to shorten material, as the configuration names them."""


def nearest(word: str, known: list[str]) -> str:
    """Return ``; did you mean X?`` for a known word like ``word``, or nothing."""
    found = difflib.get_close_matches(word, known, n=1)
    return f"; did you mean {found[0]}?" if found else ""
