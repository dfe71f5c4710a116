"""What an earlier run of a batch left: the lines of OUT that can stay, and where in the side file the others are.

Its calls are made by one thread at a time, the one that reads the rows, before anything is written after what is there.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

from agents.batch.output import Part, sync, write_all
from agents.batch.results import find
from agents.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable

    from agents.batch.output import Files

_PIECE = 1 << 20


class _Line(NamedTuple):
    """A result in the side file."""

    part: Part
    failed: bool


class Kept:
    """Finds results that are there. ``parted`` is called with the number of results that stay in OUT, once that is known."""

    def __init__(self, files: Files, parted: Callable[[int], None], *, retry_errors: bool) -> None:
        self.count = 0
        """Results found so far."""
        self.failed = 0
        """Those of them that are failures."""
        self.strange = 0
        """Lines of OUT and the side file that no batch wrote."""
        self._files = files
        self._parted = parted
        self._retry_errors = retry_errors
        self._index: dict[str, _Line] = {}
        self._unclaimed: set[str] = set()
        """Keys in the side file that no row has asked for yet."""
        self._matched = 0
        self._offset = 0
        """Bytes of OUT that stay."""
        self._reading = True
        self._out: BinaryIO | None = None

    def open(self) -> None:
        """Cut off torn lines and read the side file. Raises :class:`InputError` for an OUT that no batch wrote."""
        if self._files.path is None:
            self._reading = False
            self._parted(0)
            return
        with os.fdopen(os.dup(self._files.out), "rb") as out:
            first = out.readline()
        if first.endswith(b"\n") and find(first) is None:
            raise InputError(f"{self._files.path}: is not the output of a batch; name another file")
        _cut_torn(self._files.out)
        _cut_torn(self._files.side)
        self._out = os.fdopen(os.dup(self._files.out), "rb")
        self._out.seek(0)
        with os.fdopen(os.dup(self._files.side), "rb") as side:
            side.seek(0)
            offset = 0
            for line in side:
                self._note(line, offset)
                offset += len(line)

    def _note(self, line: bytes, offset: int) -> None:
        found = find(line)
        if found is None:
            self.strange += 1
            return
        self._index[found.key] = _Line(Part(offset, len(line)), found.error is not None)
        self._unclaimed.add(found.key)

    def take(self, key: str) -> bool | Part:
        """Return whether the next row's result is in OUT already, or where it is in the side file; False: it is to be asked.

        Call it for every row, in their order.
        """
        self._unclaimed.discard(key)
        if self._reading and self._out is not None:
            line = self._out.readline()
            found = find(line) if line else None
            if found is not None and found.key == key and not (found.error is not None and self._retry_errors):
                self._matched += 1
                self._offset += len(line)
                self._count(failed=found.error is not None)
                return True
            self._part(self._out)
            self._unclaimed.discard(key)
        kept = self._index.get(key)
        if kept is None or (kept.failed and self._retry_errors):
            return False
        self._count(failed=kept.failed)
        return kept.part

    def _count(self, *, failed: bool) -> None:
        self.count += 1
        self.failed += failed

    def _part(self, out: BinaryIO) -> None:
        """Move the lines of OUT that cannot stay to the side file: first there, synced, and only then away from here."""
        self._reading = False
        out.seek(self._offset)
        offset = os.fstat(self._files.side).st_size
        moved: list[bytes] = []
        size = 0
        for line in out:
            self._note(line, offset)
            offset += len(line)
            moved.append(line)
            size += len(line)
            if size >= _PIECE:
                write_all(self._files.side, b"".join(moved))
                moved, size = [], 0
        write_all(self._files.side, b"".join(moved))
        sync(self._files.side)
        os.ftruncate(self._files.out, self._offset)
        self._parted(self._matched)

    def finish(self) -> None:
        """Say that there are no more rows: what is left in OUT belongs to none."""
        if self._reading and self._out is not None:
            self._part(self._out)

    def close(self) -> None:
        """Close what was opened to read."""
        if self._out is not None:
            self._out.close()

    def unneeded(self, *, all_read: bool) -> bool:
        """Return whether the side file can go once the results of all rows so far are in OUT. Failures of rows that are no
        longer there, which is known once ``all_read``, are missed by nobody."""
        return not self.strange and not (self.unclaimed if all_read else self._unclaimed)

    @property
    def unclaimed(self) -> int:
        """How many answers there are that no row has asked for."""
        return sum(not self._index[key].failed for key in self._unclaimed)


def _cut_torn(file: int) -> None:
    """Cut off a last line without an end."""
    end = size = os.fstat(file).st_size
    while end:
        start = max(end - _PIECE, 0)
        newline = os.pread(file, end - start, start).rfind(b"\n")
        if newline >= 0:
            end = start + newline + 1
            break
        end = start
    if end < size:
        os.ftruncate(file, end)
