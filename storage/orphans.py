"""Runs that nobody will finish, because the process that ran them died: ended as cancelled, with the text they had."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

    from storage.owners import Owner

INTERRUPTED = "interrupted: stretto ended before this run did"


class _Told(msgspec.Struct):
    """What of an event's body matters here."""

    at: float = 0.0
    text: str = ""


def dead_owners(raw: sqlite3.Connection, owner: Owner) -> list[str]:
    """Return the owners of open runs that no longer live."""
    names = [name for (name,) in raw.execute("SELECT DISTINCT owner FROM runs WHERE outcome IS NULL")]
    return [name for name in names if not owner.alive(name)]


def conclude(raw: sqlite3.Connection, dead: Sequence[str]) -> int:
    """End the open runs of ``dead`` owners and their open steps; return how many runs that were."""
    ended = 0
    for name in dead:
        for run, at in raw.execute("SELECT id, at FROM runs WHERE outcome IS NULL AND owner = ?", (name,)).fetchall():
            for (step,) in raw.execute("SELECT id FROM steps WHERE run = ? AND outcome IS NULL", (run,)).fetchall():
                raw.execute("UPDATE steps SET outcome = 'cancelled', text = ? WHERE id = ?", (_text(raw, run, step), step))
            last = raw.execute("SELECT body FROM events WHERE run = ? ORDER BY seq DESC LIMIT 1", (run,)).fetchone()
            wall = max(_told(last[0]).at - at, 0.0) if last else None
            raw.execute("UPDATE runs SET outcome = 'cancelled', error = ?, wall = ? WHERE id = ?", (INTERRUPTED, wall, run))
            ended += 1
    return ended


def _text(raw: sqlite3.Connection, run: str, step: str) -> str:
    pieces = raw.execute("SELECT body FROM events WHERE run = ? AND step = ? AND kind = 'text' ORDER BY seq", (run, step))
    return "".join(_told(body).text for (body,) in pieces)


def _told(body: str) -> _Told:
    try:
        return msgspec.json.decode(body, type=_Told)
    except msgspec.MsgspecError:
        return _Told()
