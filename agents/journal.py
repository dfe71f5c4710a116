"""The reader that puts events on disk and says when they are there.

It gathers events, commits them in groups, and only after the commit says ``Saved`` for every end among them. What cannot be
written is said so, held, and tried again. It is one reader among others: work never waits for it.
"""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from typing import TYPE_CHECKING, TypeAlias

import msgspec

from agents.events import AnyEvent, RunEnded, RunStarted, Saved, StepEnded, StepEvent, StepQueued, Text
from agents.requests import Ask, Batch, Chat, Index, Judge, Merge, Race, Request, Research
from storage.recording import record
from storage.records import EventRow, RunRow, StepRow
from storage.store import StoreError

if TYPE_CHECKING:
    import sqlite3

    from agents.stream import EventStream, Subscription
    from storage.store import Store

TICK = 0.02
"""Seconds between two looks at the stream while text alone gathers."""
PACE = 0.1
"""Seconds between two commits of text alone; an end is committed at the next look."""
RETRY = 1.0
"""Seconds until held rows are tried again."""
LAST_TRIES = 3
"""How often held rows are tried again once the stream is closed."""
LAST_SECONDS = 2.0
"""How long a cancelled journal may take for its last commit."""
PER_LOOK = 512
GROUP_EVENTS = 4096
"""A group of so many events is committed at once."""
HELD_EVENTS = 20_000
"""How many events are held for a disk that takes none; the oldest go first. Runs, steps and their text are always held."""


class _Pieces:
    """Text of one step, joined while no other event of the step comes between."""

    __slots__ = ("first", "more")

    def __init__(self, first: Text) -> None:
        self.first = first
        self.more: list[str] = []

    def event(self) -> Text:
        return msgspec.structs.replace(self.first, text=self.first.text + "".join(self.more)) if self.more else self.first


_Entry: TypeAlias = AnyEvent | _Pieces
_End: TypeAlias = tuple[str, str | None]


class _Group:
    """What is to be written together."""

    def __init__(self) -> None:
        self.runs: dict[str, RunRow] = {}
        self.steps: dict[str, StepRow] = {}
        self.events: list[_Entry] = []
        self.ends: list[_End] = []
        """Ends nothing was said about yet."""
        self.held: list[_End] = []
        """Ends that could not be written so far, which was said."""
        self.durable = False
        self._open: dict[str, _Pieces] = {}

    def __bool__(self) -> bool:
        return bool(self.events or self.runs or self.steps)

    def add(self, event: AnyEvent) -> None:
        """Append ``event``; text joins the last piece of its step."""
        if isinstance(event, Text):
            pieces = self._open.get(event.step)
            if pieces is not None:
                pieces.more.append(event.text)
                return
            pieces = self._open[event.step] = _Pieces(event)
            self.events.append(pieces)
            return
        if isinstance(event, StepEvent):
            self._open.pop(event.step, None)
        self.events.append(event)

    def write(self, raw: sqlite3.Connection) -> None:
        """Write everything; runs on the database's thread, while nothing is added."""
        record(raw, self.runs.values(), self.steps.values(), map(_event_row, self.events))

    def hold(self) -> None:
        """Keep what could not be written, within bounds."""
        self.held += self.ends
        self.ends = []
        self._open.clear()
        del self.events[: max(len(self.events) - HELD_EVENTS, 0)]


class Journal:
    """Reads ``reader`` to its end and writes it to ``store``. :meth:`run` is its task; closing the stream is the way to end it."""

    def __init__(self, stream: EventStream, store: Store, reader: Subscription) -> None:
        self._stream = stream
        self._store = store
        self._reader = reader
        self._group = _Group()
        self._runs: dict[str, RunRow] = {}
        self._steps: dict[str, StepRow] = {}
        self._texts: dict[str, list[str]] = {}
        self._due = 0.0

    async def run(self) -> None:
        """Read until the stream is closed and everything is committed, or the disk has refused it several times."""
        try:
            await self._read()
        except asyncio.CancelledError:
            # What has happened is written before the cancellation goes on, unless the disk takes too long for it.
            for event in self._reader.drain():
                self._take(event)
            with suppress(TimeoutError):
                async with asyncio.timeout(LAST_SECONDS):
                    await self._commit()
            raise

    async def _read(self) -> None:
        while await self._more():
            await self._gather()
            await self._commit()
        for _ in range(LAST_TRIES):
            if not self._group:
                break
            await asyncio.sleep(RETRY)
            await self._commit()

    async def _more(self) -> bool:
        """Wait for events, or until held rows are due; False when the stream is closed and read."""
        if not self._group:
            return await self._reader.wait()
        try:
            async with asyncio.timeout_at(self._due):
                return await self._reader.wait()
        except TimeoutError:
            return True

    async def _gather(self) -> None:
        """Take events until they are worth a commit."""
        clock = asyncio.get_running_loop().time
        while True:
            for event in self._reader.drain(PER_LOOK):
                self._take(event)
            group = self._group
            if not group or group.ends or clock() >= self._due or len(group.events) >= GROUP_EVENTS:
                return
            await asyncio.sleep(0 if len(self._reader) >= PER_LOOK else TICK)

    def _take(self, event: AnyEvent) -> None:
        match event:
            case Saved():
                return
            case RunStarted():
                self._put_run(_run_row(event, self._store.owner.name))
            case StepQueued(run=run, step=step, seq=seq, kind=kind, name=name, parent=parent, lane=lane):
                self._put_step(StepRow(id=step, run=run, seq=seq, kind=kind, name=name, parent=parent, lane=lane))
            case Text(step=step, text=text):
                self._texts.setdefault(step, []).append(text)
            case StepEnded():
                self._end_step(event)
            case RunEnded():
                self._end_run(event)
            case _:
                pass
        self._group.add(event)

    def _put_run(self, row: RunRow) -> None:
        self._runs[row.id] = self._group.runs[row.id] = row

    def _put_step(self, row: StepRow) -> None:
        self._steps[row.id] = self._group.steps[row.id] = row

    def _end_step(self, event: StepEnded) -> None:
        row = self._steps.pop(event.step, None) or StepRow(id=event.step, run=event.run, seq=event.seq, kind="", name="")
        self._group.steps[event.step] = msgspec.structs.replace(
            row,
            text="".join(self._texts.pop(event.step, ())),
            outcome=event.outcome,
            finish=event.finish,
            error=event.error,
            error_kind=event.error_kind,
            usage=None if event.usage is None else _json(event.usage),
            cost=event.cost,
            cached=event.cached,
            joined=event.joined,
            similar=event.similar,
            similar_to=event.similar_to,
            speculated=event.speculated,
            attempts=event.attempts,
            timings=_json(event.timings),
        )
        self._group.ends.append((event.run, event.step))

    def _end_run(self, event: RunEnded) -> None:
        for step in [row for row in self._steps.values() if row.run == event.run]:
            # Queued and never begun: nobody told its end.
            del self._steps[step.id]
            text = "".join(self._texts.pop(step.id, ()))
            self._group.steps[step.id] = msgspec.structs.replace(step, outcome="cancelled", text=text)
        row = self._runs.pop(event.run, None)
        if row is not None:
            self._group.runs[event.run] = msgspec.structs.replace(
                row, outcome=event.outcome, error=event.error, wall=event.wall, busy=event.busy
            )
        self._group.ends.append((event.run, None))
        self._group.durable = True

    async def _commit(self) -> None:
        group = self._group
        if not group:
            return
        clock = asyncio.get_running_loop().time
        try:
            await self._store.write(group.write, durable=group.durable)
        except StoreError as error:
            self._tell(group.ends, str(error))
            group.hold()
            self._due = clock() + RETRY
        except Exception as error:  # noqa: BLE001  # rows no database would take: said, and not tried for ever
            self._tell(group.ends, f"{type(error).__name__}: {error}")
            self._group = _Group()
        else:
            self._group = _Group()
            self._tell(group.held + group.ends)
            self._due = clock() + PACE

    def _tell(self, ends: list[_End], error: str | None = None) -> None:
        for run, step in ends:
            self._stream.emit(Saved, run=run, step=step, error=error)


def _run_row(event: RunStarted, owner: str) -> RunRow:
    return RunRow(
        id=event.run,
        kind=event.kind,
        title=event.title,
        prompt=_prompt(event),
        request=event.request,
        started=event.wall,
        at=event.at,
        owner=owner,
    )


def _prompt(event: RunStarted) -> str:
    """Return what the person typed, in full; the title when the request cannot be read."""
    try:
        request: Request = msgspec.json.decode(event.request, type=Request)
    except (msgspec.MsgspecError, UnicodeError):
        return event.title
    match request:
        case Chat(lanes=lanes) | Race(lanes=lanes):
            return lanes[0].messages[-1].content if lanes and lanes[0].messages else event.title
        case Judge(candidates=candidates) | Merge(candidates=candidates):
            return "\n\n".join(dict.fromkeys(candidate.prompt for candidate in candidates))
        case Ask(question=text) | Research(task=text) | Batch(source=text):
            return text
        case Index(places=places):
            return "\n".join(places)


def _event_row(entry: _Entry) -> EventRow:
    event = entry.event() if isinstance(entry, _Pieces) else entry
    if isinstance(event, RunStarted):
        # A turn's request holds the whole conversation: it is kept once, in the run's row, and put back when events are read.
        event = msgspec.structs.replace(event, request="")
    return EventRow(
        run=event.run,
        seq=event.seq,
        step=event.step if isinstance(event, StepEvent) else None,
        kind=str(event.__struct_config__.tag),
        body=_json(event),
    )


def _json(value: msgspec.Struct) -> str:
    """Return ``value`` as JSON; half of a surrogate pair, which has no UTF-8 form, becomes ``?``."""
    try:
        return msgspec.json.encode(value).decode()
    except UnicodeEncodeError:
        return json.dumps(msgspec.to_builtins(value), ensure_ascii=False).encode("utf-8", "replace").decode()
