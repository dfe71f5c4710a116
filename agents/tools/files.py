"""Contained reads of local files.

A path is resolved before it is judged, kernel file systems are refused, and a file is opened so that neither a link put in its
place, a named pipe nor a device can be read or wait for ever. Reading blocks: call these functions in a thread or a worker
process.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import NamedTuple

from agents.errors import InputError

REFUSED = (Path("/proc"), Path("/sys"), Path("/dev"))
"""Never read: they hold other processes' environments (and so their keys) and devices."""

MAX_FILE_BYTES = 64 * 1024 * 1024


class Contents(NamedTuple):
    """A file's bytes, and its size and time at the moment of reading."""

    data: bytes
    size: int
    mtime_ns: int


def shown(path: str | os.PathLike[str]) -> str:
    """Return ``path`` as one line of text whatever bytes its name holds."""
    text = os.fspath(path)
    return text if text.isprintable() else ascii(text)


def locate(place: str | os.PathLike[str], root: Path | None = None) -> Path:
    """Return the real, absolute path of an existing file or folder, inside ``root`` when one is given.

    Raises :class:`InputError` when there is none, when it is outside ``root`` or in a kernel file system.
    """
    try:
        path = Path(place).expanduser().resolve(strict=True)
    except FileNotFoundError:
        raise InputError(f"{shown(place)} does not exist: check the path") from None
    except (OSError, ValueError, RuntimeError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise InputError(f"{shown(place)} cannot be used: {reason}") from None
    if any(path.is_relative_to(refused) for refused in REFUSED):
        raise InputError(f"{shown(place)} is in a kernel file system, which is never read")
    if root is not None and not path.is_relative_to(root):
        raise InputError(f"{shown(place)} leads out of {shown(root)}")
    return path


def read_regular(path: Path, limit: int = MAX_FILE_BYTES) -> Contents:
    """Return the contents of the regular file at the resolved ``path``, which must hold at most ``limit`` bytes."""
    # Non-blocking, because opening a named pipe for reading otherwise waits until somebody writes.
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        number = os.open(path, flags)
    except OSError as error:
        raise InputError(f"{shown(path)} cannot be opened: {error.strerror}") from None
    try:
        facts = os.fstat(number)
        if not stat.S_ISREG(facts.st_mode):
            raise InputError(f"{shown(path)} is not a regular file")
        if facts.st_size > limit:
            raise InputError(f"{shown(path)} is too large: {facts.st_size / 1e6:.1f} MB, at most {limit / 1e6:.1f} MB are read")
        data = _read(number, limit + 1)
    except OSError as error:
        raise InputError(f"{shown(path)} cannot be read: {error.strerror}") from None
    finally:
        os.close(number)
    if len(data) > limit:
        raise InputError(f"{shown(path)} grew while it was read")
    return Contents(data, len(data), facts.st_mtime_ns)


def _read(number: int, limit: int) -> bytes:
    pieces: list[bytes] = []
    while limit > 0 and (piece := os.read(number, min(limit, 1 << 20))):
        pieces.append(piece)
        limit -= len(piece)
    return b"".join(pieces)
