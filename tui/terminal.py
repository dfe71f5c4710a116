"""Standard output and standard error of a command.

Answers go to standard output as they come, without standing in the event loop's way when the reader of a pipe is slow.
Everything else goes to standard error: one line that is redrawn while something runs, and lines that say what went wrong.
Text from outside is made safe wherever a terminal would show it; a pipe gets what was said.
"""

from __future__ import annotations

import asyncio
import os
import select
import sys
import time
import unicodedata
from contextlib import suppress
from typing import TYPE_CHECKING, TextIO

from agents.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

_PIECE = 4096
"""Bytes written at once: a pipe that is ready takes as many without blocking."""
_REDRAW = 0.1
"""Least seconds between two drawings of the status line."""


class Terminal:
    """What a command says, and where."""

    def __init__(self) -> None:
        self.out_is_terminal = _is_terminal(sys.stdout)
        self.live = _is_terminal(sys.stderr) and os.environ.get("TERM", "dumb") != "dumb"
        """Whether a line that is redrawn makes sense on standard error."""
        self.shared = _is_same(sys.stdout, sys.stderr)
        """Whether standard output and standard error end up between each other: in one terminal, one pipe or one file."""
        self._status = ""
        self._drawn = 0.0
        self._said: set[str] = set()

    async def write(self, text: str) -> None:
        """Write ``text`` to standard output, waiting for a slow reader without blocking the loop.

        Raises :class:`BrokenPipeError` when the reader has gone.
        """
        text = printable(text) if self.out_is_terminal else text
        encoding = (sys.stdout and sys.stdout.encoding) or "utf-8"
        await self.write_bytes(text.encode(encoding, "replace"))

    async def write_bytes(self, data: bytes) -> None:
        """Write ``data`` to standard output as it is."""
        self.clear()
        if sys.stdout is None:
            return
        try:
            file = sys.stdout.fileno()
        except (OSError, ValueError):  # standard output was replaced by an object in memory
            sys.stdout.write(data.decode("utf-8", "replace"))
            return
        try:
            sys.stdout.flush()
            rest = memoryview(data)
            while rest:
                await _ready(file)
                rest = rest[os.write(file, rest[:_PIECE]) :]
        except OSError as error:
            raise _unwritable(error) from error

    def print(self, text: str = "") -> None:
        """Write one line, or several, to standard output at once: for short tables, not for answers."""
        self.clear()
        if sys.stdout is None:
            return
        try:
            sys.stdout.write(f"{printable(text) if self.out_is_terminal else text}\n")
            sys.stdout.flush()
        except OSError as error:
            raise _unwritable(error) from error

    def note(self, text: str) -> None:
        """Write one line to standard error."""
        self.clear()
        _say(f"{printable(one_line(text))}\n")

    def complain(self, message: str) -> None:
        """Write ``stretto: message`` as one line to standard error; what was said once is not said again."""
        line = " ".join(message.split())
        if line not in self._said:
            self._said.add(line)
            self.note(f"stretto: {line}")

    def status(self, text: str) -> None:
        """Redraw the status line, where there is a terminal for it; at most ten times a second."""
        now = time.monotonic()
        if self.live and now - self._drawn >= _REDRAW and text != self._status:
            self._drawn, self._status = now, text
            try:
                width = os.get_terminal_size(sys.stderr.fileno()).columns or 80
            except OSError:
                return
            _say(f"\r\x1b[2K{cut_to_cells(printable(' '.join(text.split())), width - 1)}")

    def clear(self) -> None:
        """Take the status line away."""
        if self._status:
            self._status, self._drawn = "", 0.0
            _say("\r\x1b[2K")


def _say(text: str) -> None:
    """Write ``text`` to standard error. Where that is gone, as when a terminal was closed, nobody is left to be told."""
    if sys.stderr is not None:
        with suppress(OSError):
            sys.stderr.write(text)
            sys.stderr.flush()


def printable(text: str) -> str:
    """Return ``text`` without anything a terminal would obey."""
    if text.isascii() and text.replace("\n", "").replace("\t", "").isprintable():
        return text
    # Imported only here: the door belongs to the screen and brings Textual's text types with it.
    from tui.safe import safe_text

    return safe_text(text)


def cut_to_cells(text: str, width: int) -> str:
    """Return as much of ``text`` as fits into ``width`` cells, with an ellipsis where something is missing."""
    cells = 0
    fits = 0  # characters that leave a cell for the ellipsis
    for index, character in enumerate(text):
        cells += cells_of(character)
        if cells < width:
            fits = index + 1
        elif cells > width:
            return f"{text[:fits]}…"
    return text


def cells_of(character: str) -> int:
    """Return how many cells of a terminal's line ``character`` takes."""
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in {"W", "F"} else 1


def table(rows: Sequence[tuple[str, ...]]) -> str:
    """Return ``rows`` as lines with aligned columns, two spaces apart."""
    rows = [tuple(one_line(cell).replace("\t", " ") for cell in row) for row in rows]
    widths = [max(sum(map(cells_of, cell)) for cell in column) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        cells = [cell + " " * (width - sum(map(cells_of, cell))) for cell, width in zip(row, widths, strict=True)]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def one_line(text: str) -> str:
    """Return ``text`` with a space for every end of a line, so that what is said in it cannot pose as another line."""
    return " ".join(text.splitlines())


def _unwritable(error: OSError) -> Exception:
    """Return what a failure to write to standard output means: a reader that left is no news, a full disk is."""
    if isinstance(error, BrokenPipeError):
        return error
    return InputError(f"standard output cannot be written: {error.strerror or error}")


def _is_terminal(stream: TextIO | None) -> bool:
    return stream is not None and not stream.closed and stream.isatty()


def _is_same(one: TextIO | None, other: TextIO | None) -> bool:
    try:
        return one is not None and other is not None and os.path.sameopenfile(one.fileno(), other.fileno())
    except (OSError, ValueError):  # one of them was closed, or replaced by an object in memory
        return False


async def _ready(file: int) -> None:
    """Wait until ``file`` takes bytes without blocking; plain files always do."""
    poll = select.poll()
    poll.register(file, select.POLLOUT)
    if poll.poll(0):
        return
    loop = asyncio.get_running_loop()
    ready: asyncio.Future[None] = loop.create_future()
    loop.add_writer(file, lambda: None if ready.done() else ready.set_result(None))
    try:
        await ready
    finally:
        loop.remove_writer(file)
