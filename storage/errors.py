"""What can go wrong with the database file, said in one line each: what happened and what to do."""

from __future__ import annotations

import errno
import sqlite3
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

BUSY_SECONDS = 10.0
"""How long a connection waits for another process's lock before it gives up."""


class StoreError(Exception):
    """The database cannot be used; the message is one line that says what happened and what to do."""


_ELSEWHERE = "or set STRETTO_DATA_DIR to another folder"

_ADVICE = {
    sqlite3.SQLITE_FULL: "the disk is full: {path} cannot grow; free some space and try again",
    sqlite3.SQLITE_BUSY: "{path} has been locked by another program for {busy:.0f} s; close that program and try again",
    sqlite3.SQLITE_READONLY: "{path} cannot be written; check the permissions of the file and its folder, {elsewhere}",
    sqlite3.SQLITE_PERM: "{path} cannot be written; check the permissions of the file and its folder, {elsewhere}",
    sqlite3.SQLITE_CANTOPEN: "{path} cannot be opened; check that its folder exists and can be written, {elsewhere}",
    sqlite3.SQLITE_NOTADB: "{path} is not a stretto database; it was left as it is: move it away, {elsewhere}",
    sqlite3.SQLITE_CORRUPT: (
        "{path} is damaged; it was left as it is: move it and its -wal file away together "
        "(`sqlite3 FILE .recover` may save what is in it), {elsewhere}"
    ),
    sqlite3.SQLITE_IOERR: "reading or writing {path} failed ({name}); check the disk, {elsewhere}",
    sqlite3.SQLITE_NOMEM: "there is not enough memory to use {path}; close other programs and try again",
    sqlite3.SQLITE_INTERRUPT: "{path} was closed before the query ended",
}


def shown(path: Path) -> str:
    """Return ``path`` as it can stand in a one-line message, whatever its name holds."""
    text = str(path)
    return text if text.isprintable() else ascii(text)


def is_whole(error: Exception) -> bool:
    """Say whether ``error`` is about the file or the disk, and so about everything written with it, not one statement."""
    return isinstance(error, sqlite3.Error) and _primary(error) in _ADVICE


def explain(error: Exception, path: Path) -> Exception:
    """Return ``error`` as a :class:`StoreError` when it is about the file or the disk, and as it is when it is about the SQL."""
    if isinstance(error, sqlite3.Error) and is_whole(error):
        text = _ADVICE[_primary(error)].format(
            path=shown(path), busy=BUSY_SECONDS, elsewhere=_ELSEWHERE, name=getattr(error, "sqlite_errorname", "unknown")
        )
        return StoreError(text)
    if isinstance(error, OSError):
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            return StoreError(_ADVICE[sqlite3.SQLITE_FULL].format(path=shown(path)))
        reason = (error.strerror or type(error).__name__).lower()
        return StoreError(f"{shown(path)} cannot be used ({reason}); check the folder's permissions, {_ELSEWHERE}")
    return error


def closed(path: Path) -> StoreError:
    """Return the error of work that came after the store was closed."""
    return StoreError(f"{shown(path)} is closed")


def damaged(path: Path, how: str) -> StoreError:
    """Return the error of a file that cannot be what it was."""
    return StoreError(f"{shown(path)} is damaged: {how}; it was left as it is: move it and its -wal file away, {_ELSEWHERE}")


def refused(path: Path, why: str) -> StoreError:
    """Return the error of a sound file that this program must not touch."""
    return StoreError(f"{shown(path)} {why}, {_ELSEWHERE}")


def _primary(error: sqlite3.Error) -> int:
    """Return the primary result code: extended codes carry it in their low byte."""
    code: int = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR)
    return code & 0xFF
