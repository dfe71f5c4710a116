"""The rows of the journal as structs, for those who write them and those who read them back."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import msgspec

from storage.errors import StoreError

if TYPE_CHECKING:
    import sqlite3

R = TypeVar("R", bound=msgspec.Struct)


class RunRow(msgspec.Struct, frozen=True, kw_only=True):
    """One thing a person asked for."""

    id: str
    kind: str
    title: str
    prompt: str
    """What was asked, in full."""
    request: str
    """The request as JSON, enough to run it again."""
    started: float
    """Unix time."""
    at: float
    """When it started, in seconds on the clock of the process that ran it; steps and events count on the same clock."""
    owner: str
    """The store it is or was running with."""
    outcome: str | None = None
    """How it ended; ``None`` while it runs."""
    error: str | None = None
    wall: float | None = None
    """Seconds from start to end."""
    busy: float | None = None
    """Sum of its leaf steps' own seconds."""


class StepRow(msgspec.Struct, frozen=True, kw_only=True):
    """One piece of a run."""

    id: str
    run: str
    seq: int
    """The number of the event that queued it: steps of a run sort by it."""
    kind: str
    name: str
    parent: str | None = None
    lane: str = ""
    text: str = ""
    """The whole text, of all attempts."""
    outcome: str | None = None
    """How it ended; ``None`` while it waits or runs."""
    finish: str | None = None
    error: str | None = None
    error_kind: str | None = None
    usage: str | None = None
    """Tokens, as JSON."""
    cost: float | None = None
    cached: bool = False
    joined: bool = False
    similar: float | None = None
    """How similar the question is that the answer was made for, when that is another one."""
    similar_to: str = ""
    """That other question."""
    speculated: bool = False
    attempts: int = 1
    timings: str | None = None
    """When it was queued, started, gave its first token and ended, as JSON."""


class EventRow(msgspec.Struct, frozen=True, kw_only=True):
    """One event as it was told, for replay."""

    run: str
    seq: int
    step: str | None
    kind: str
    body: str
    """The event as JSON: whole when read; a run's first event is stored without the request, which the run's row has."""


class SearchHit(msgspec.Struct, frozen=True, kw_only=True):
    """A prompt or an answer that holds the words looked for."""

    run: str
    step: str | None
    """The step whose text it is; ``None`` for the prompt."""
    title: str
    """The run's title."""
    name: str
    """The step's name; empty for the prompt."""
    started: float
    """Unix time of the run's start."""
    snippet: str
    """The words found and those around them."""


def clean(text: str) -> str:
    """Return ``text`` as the database can hold it: half of a surrogate pair, which has no UTF-8 form, becomes ``?``."""
    return text.encode("utf-8", "replace").decode("utf-8")


def rows(cursor: sqlite3.Cursor, kind: type[R]) -> list[R]:
    """Return what ``cursor`` found as structs of ``kind``; columns the struct does not have are left out.

    Raises :class:`StoreError` for values of a kind that is never written.
    """
    names = [column[0] for column in cursor.description]
    try:
        return [msgspec.convert(dict(zip(names, row, strict=True)), kind, strict=False) for row in cursor]
    except msgspec.ValidationError as error:
        reason = f"the database holds what stretto never wrote ({error}): another program changed it, or it is damaged"
        raise StoreError(reason) from None
