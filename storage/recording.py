"""How the journal's rows get into the database: every one is written so that writing it again changes nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from storage.records import EventRow, RunRow, StepRow, clean

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable

_RUN = """
    INSERT INTO runs (id, kind, title, prompt, request, started, at, owner, outcome, error, wall, busy)
    VALUES (:id, :kind, :title, :prompt, :request, :started, :at, :owner, :outcome, :error, :wall, :busy)
    ON CONFLICT (id) DO UPDATE SET outcome = excluded.outcome, error = excluded.error, wall = excluded.wall, busy = excluded.busy
"""

_STEP = """
    INSERT INTO steps (
        id, run, seq, kind, name, parent, lane, text, outcome, finish, error, error_kind, usage, cost, cached, joined,
        similar, similar_to, speculated, attempts, timings
    )
    VALUES (
        :id, :run, :seq, :kind, :name, :parent, :lane, :text, :outcome, :finish, :error, :error_kind, :usage, :cost, :cached,
        :joined, :similar, :similar_to, :speculated, :attempts, :timings
    )
    ON CONFLICT (id) DO UPDATE SET
        text = excluded.text, outcome = excluded.outcome, finish = excluded.finish, error = excluded.error,
        error_kind = excluded.error_kind, usage = excluded.usage, cost = excluded.cost, cached = excluded.cached,
        joined = excluded.joined, similar = excluded.similar, similar_to = excluded.similar_to,
        speculated = excluded.speculated, attempts = excluded.attempts, timings = excluded.timings
"""

_EVENT = "INSERT OR IGNORE INTO events (run, seq, step, kind, body) VALUES (:run, :seq, :step, :kind, :body)"


def record(raw: sqlite3.Connection, runs: Iterable[RunRow], steps: Iterable[StepRow], events: Iterable[EventRow]) -> None:
    """Write rows; of a run or step that is there already, only what its end changes."""
    raw.executemany(_RUN, map(_values, runs))
    raw.executemany(_STEP, map(_values, steps))
    raw.executemany(_EVENT, map(_values, events))


def _values(row: RunRow | StepRow | EventRow) -> dict[str, Any]:
    return {name: clean(value) if isinstance(value, str) else value for name, value in msgspec.structs.asdict(row).items()}
