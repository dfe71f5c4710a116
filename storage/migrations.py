"""The schema's versions: numbered SQL files, each applied once, whole, in order.

``PRAGMA user_version`` holds the number of the last one and changes in the same transaction, so a process that dies at any
moment leaves version n or n+1, never something between.
"""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from storage.errors import damaged, refused

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

APPLICATION_ID = 0x53545254
"""``STRT``: written into the file's header, so that another program's database is recognised and left alone."""

_SWITCH_SECONDS = 5.0


class Migration(msgspec.Struct, frozen=True):
    """One step of the schema."""

    number: int
    script: str


def migrations(folder: Path = Path(__file__).parent / "schema") -> tuple[Migration, ...]:
    """Return the migrations in ``folder``, files named ``NNNN_name.sql``, in order."""
    return tuple(Migration(int(file.name[:4]), file.read_text("utf-8")) for file in sorted(folder.glob("[0-9]*_*.sql")))


def statements(script: str) -> Iterator[str]:
    """Cut ``script`` into statements, which end with ``;`` at a line's end; a trigger's body stays whole.

    sqlite3's ``executescript`` would commit the open transaction first.
    """
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if line.rstrip().endswith(";") and sqlite3.complete_statement(statement):
            yield statement
            statement = ""
    if statement.strip():
        yield statement


def identify(raw: sqlite3.Connection, path: Path, latest: int) -> None:
    """Refuse a file that is another program's, newer than ``latest``, or has lost its tables. Changes nothing."""
    raw.execute("BEGIN")
    try:
        (application,) = raw.execute("PRAGMA application_id").fetchone()
        (version,) = raw.execute("PRAGMA user_version").fetchone()
        (tables,) = raw.execute("SELECT count(*) FROM sqlite_master").fetchone()
    finally:
        if raw.in_transaction:  # a full disk may have ended it, or not let it begin
            raw.execute("ROLLBACK")
    if application == 0 and version == 0 and tables == 0:
        return
    if application != APPLICATION_ID:
        raise refused(path, "is another program's database; it was left as it is: move it away")
    if version > latest:
        raise refused(path, f"was written by a newer stretto (schema {version}, this one knows {latest}); upgrade stretto")
    if tables == 0:
        raise damaged(path, "its tables are gone")


def use_wal(raw: sqlite3.Connection) -> None:
    """Switch to the write-ahead log. Two processes that do so at once get an error instead of a wait: try again for a while."""
    deadline = time.monotonic() + _SWITCH_SECONDS
    while True:
        try:
            raw.execute("PRAGMA journal_mode=WAL").fetchone()
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(0.01)
        else:
            return


def migrate(raw: sqlite3.Connection, steps: Sequence[Migration]) -> None:
    """Bring the schema up to date. Another process may be doing the same: the version is read again under the lock."""
    for step in steps:
        if _version(raw) >= step.number:
            continue
        raw.execute("BEGIN IMMEDIATE")
        try:
            if _version(raw) < step.number:
                for statement in statements(step.script):
                    raw.execute(statement)
                raw.execute(f"PRAGMA application_id={APPLICATION_ID}")
                raw.execute(f"PRAGMA user_version={step.number:d}")
            raw.execute("COMMIT")
        except BaseException:
            if raw.in_transaction:
                raw.execute("ROLLBACK")
            raise


def _version(raw: sqlite3.Connection) -> int:
    version: int = raw.execute("PRAGMA user_version").fetchone()[0]
    return version
