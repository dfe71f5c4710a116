"""Reads a batch's rows as they are due, in a thread, and lets by only those whose results are not there yet.

However long the input is, at most a piece of it is in memory.
"""

from __future__ import annotations

import asyncio
import codecs
import os
import select
import stat
import threading
import time
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING

from agents.batch.output import Part
from agents.batch.rows import LONGEST
from agents.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from agents.batch.kept import Kept
    from agents.batch.output import Output
    from agents.batch.rows import Unit, Units

STANDARD_INPUT = "-"
_PIECE = 256 << 10
"""Bytes read at once."""
_AT_ONCE = 256
"""Units made at once; reading goes on when they are taken."""
_BACKLOG = 2048
"""Results that may wait to be written before no more units are made."""
_LOOK = 200
"""Milliseconds between two looks whether to stop, while nothing comes."""


def open_source(place: str) -> int:
    """Open the input. Raises :class:`InputError` where it cannot be read."""
    try:
        file = os.dup(0) if place == STANDARD_INPUT else os.open(Path(place).expanduser(), os.O_RDONLY | os.O_CLOEXEC)
        if stat.S_ISDIR(os.fstat(file).st_mode):
            os.close(file)
            raise InputError(f"{place}: is a folder; name a file with one JSON object a line")
    except FileNotFoundError:
        raise InputError(f"{place}: there is no such file") from None
    except (OSError, ValueError, RuntimeError) as error:
        raise InputError(f"{place}: cannot be read: {getattr(error, 'strerror', None) or error}") from None
    return file


def count_lines(place: str) -> int | None:
    """Return how many lines of a file are not blank; ``None`` for what can be read only once."""
    if place == STANDARD_INPUT or not Path(place).expanduser().is_file():
        return None
    count, blank = 0, True
    with Path(place).expanduser().open("rb") as file:
        # By pieces, because a line may be as long as the disk.
        while piece := file.read(_PIECE):
            first, *lines = piece.split(b"\n")
            blank = blank and (not first or first.isspace())
            for line in lines:
                count += not blank
                blank = not line or line.isspace()
    return count + (not blank)


class Intake:
    """The units that are to be asked, in order. Any number of tasks may wait in :meth:`next`."""

    def __init__(self, file: int, units: Units, kept: Kept, output: Output) -> None:
        self._file = file
        self._units = units
        self._kept = kept
        self._output = output
        self._ready: deque[Unit] = deque()
        self._turn = asyncio.Lock()
        self._busy = threading.Lock()
        self._stopped = False
        self._source = self._made()
        self.units = 0
        """Units so far, those whose results are there too."""
        self.rows = 0
        """Lines so far that are not blank."""
        self.ended = False
        """True once everything was read to its end."""

    async def next(self) -> Unit | None:
        """Return the next unit to ask; ``None`` when there is none, or it was told to stop."""
        if not self._ready:
            async with self._turn:
                while not self._ready and not self.ended and not self._stopped:
                    # Reading and parsing holds the loop up for a row, not for a piece, and standard input can take for ever.
                    self._ready.extend(await asyncio.to_thread(self._refill))
        return self._ready.popleft() if self._ready and not self._stopped else None

    @property
    def exhausted(self) -> bool:
        """Whether every unit was taken."""
        return self.ended and not self._ready

    def stop(self) -> None:
        """Give no more units."""
        self._stopped = True

    def close(self) -> None:
        """Close the input, after a reading that is going on. It may block for a moment: call it in a thread."""
        self._stopped = True
        with self._busy:
            os.close(self._file)

    def _refill(self) -> list[Unit]:
        with self._busy:
            # Where nobody takes what is written, nothing more is asked.
            while self._output.backlog() > _BACKLOG and not self._stopped:
                time.sleep(_LOOK / 1000)
            made: list[Unit] = []
            for unit in self._source:
                if unit is not None:
                    made.append(unit)
                if len(made) >= _AT_ONCE or (made and unit is None) or self._stopped:
                    return made
            if not self._stopped:
                self._kept.finish()
                self.ended = True
            return made

    def _made(self) -> Iterator[Unit | None]:
        """Yield what is to be asked, and ``None`` whenever more would have to be waited for."""
        number = 0
        for line in self._lines():
            if line is None:
                yield None
                continue
            number += 1
            if not line or line.isspace():
                continue
            self.rows += 1
            for unit in self._units.of(number, line):
                self.units += 1
                match self._kept.take(unit.key):
                    case Part() as part:
                        self._output.put_part(unit.position, part)
                    case False:
                        yield unit
                    case _:
                        pass

    def _lines(self) -> Iterator[bytes | None]:
        """Yield lines without their ends, and ``None`` before each reading; of one that is too long, as much as shows that."""
        poll = select.poll()
        poll.register(self._file, select.POLLIN)
        rest, skipping, first = b"", False, True
        while True:
            yield None
            while not poll.poll(_LOOK):
                if self._stopped:
                    return
            data = os.read(self._file, _PIECE)
            if not data:
                if rest and not skipping:
                    yield rest
                return
            if first:
                data, rest = rest + data, b""
                if len(data) < len(codecs.BOM_UTF8) and codecs.BOM_UTF8.startswith(data):
                    rest = data  # a pipe may give the mark in pieces
                    continue
                first, data = False, data.removeprefix(codecs.BOM_UTF8)
            *lines, last = data.split(b"\n")
            for line in lines:
                if not skipping:
                    yield rest + line
                rest, skipping = b"", False
            if not skipping:
                rest += last
                if len(rest) > LONGEST:
                    yield rest
                    rest, skipping = b"", True
