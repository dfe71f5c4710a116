"""Runs and steps: what was asked for, and the pieces of it that can wait, overlap, fail and be stopped."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import time
from array import array
from typing import TYPE_CHECKING, Any, Self, TypeVar

import msgspec

from agents.errors import CallError, LateError, StrettoError
from agents.events import (
    Event,
    FirstToken,
    Found,
    Hit,
    Judged,
    Level,
    Log,
    Outcome,
    Planned,
    Retried,
    RetryMode,
    RunEnded,
    RunKind,
    Score,
    StepEnded,
    StepKind,
    StepQueued,
    StepStarted,
    Timings,
    Usage,
    Won,
)
from agents.percentiles import nearest
from agents.text import TextBuffer
from storage.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from agents.requests import Request
    from agents.stream import EventStream

E = TypeVar("E", bound=Event)

_GAPS = 8192
"""How many times between pieces of text a step keeps; of more, every second one is forgotten, again and again."""
_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"


def new_run_id() -> str:
    """Return an identity that sorts by time: 9 characters of milliseconds, 5 of chance, in Crockford's base 32."""
    number = int(time.time() * 1000) << 25 | int.from_bytes(os.urandom(4), "big") & 0x1FFFFFF
    return "".join(_ALPHABET[number >> shift & 31] for shift in range(65, -1, -5))


class Run:
    """One thing a person asked for. Made by the engine; everything it does is an event on the stream."""

    def __init__(self, request: Request, kind: RunKind, title: str, stream: EventStream, clock: Callable[[], float]) -> None:
        self.id = new_run_id()
        self.request = request
        self.kind: RunKind = kind
        self.title = title
        self.steps: dict[str, Step] = {}
        self.stream = stream
        self.clock = clock
        self.began = clock()
        self.ended: asyncio.Future[RunEnded] = asyncio.get_running_loop().create_future()
        self.draining = asyncio.Event()
        """Set once nothing new is to be begun; kinds of runs that begin everything at once do not heed it."""
        self._let_go = 0.0
        self._numbers = itertools.count(1)
        self._task: asyncio.Task[Any] | None = None

    def bind(self, task: asyncio.Task[Any]) -> None:
        """Tell the run which task executes it; the engine's own business."""
        self._task = task

    def step(self, kind: StepKind, name: str, *, parent: Step | None = None, lane: str = "") -> Step:
        """Return a new step, queued from now on. Use it as a context manager: leaving it ends the step."""
        step = Step(self, f"{self.id}.{next(self._numbers)}", kind, name, parent, lane)
        self.steps[step.id] = step
        return step

    def let_go(self, step: Step) -> None:
        """Forget a leaf below another step that has ended, its text with it; its seconds stay counted.

        So a run of ten thousand steps needs no more memory than one of a few.
        """
        if self.steps.pop(step.id, None) is not None:
            self._let_go += step.timings().busy

    def plan(self, total: int | None, *, kept: int = 0, failed: int = 0) -> None:
        """Say how many results the run is to give, ``None`` while that is not known, and how many are there from before."""
        self.stream.emit(Planned, run=self.id, total=total, kept=kept, failed=failed)

    def drain(self) -> None:
        """Ask the run to begin nothing new and to let what is in flight come to its end."""
        self.draining.set()

    def cancel(self, step: str | None = None) -> None:
        """Stop the whole run, or one step and what it waits for; requests upstream are closed at once, text is kept."""
        if step is not None:
            self.steps[step].stop()
        elif self._task is not None:
            self._task.cancel()

    async def wait(self) -> RunEnded:
        """Wait for the end of the run; cancelling the wait does not cancel the run."""
        return await asyncio.shield(self.ended)

    @property
    def busy(self) -> float:
        """Sum of the leaf steps' own seconds so far."""
        parents = {step.parent.id for step in self.steps.values() if step.parent}
        return self._let_go + sum(step.timings().busy for step in self.steps.values() if step.id not in parents)


class Step:
    """One piece of a run, and the only way to say what happens to it.

    ``with run.step(...) as step`` ends it on leaving: ``done``, or by the exception: :class:`CallError` (``cut`` when its kind is),
    :class:`LateError` or :class:`TimeoutError` (``late``), cancellation (``cancelled``), anything else ``failed``. Exceptions pass
    through, except a cancellation asked for by :meth:`stop`: that ends this step alone, and the code after the block goes on.
    """

    def __init__(self, run: Run, id: str, kind: StepKind, name: str, parent: Step | None, lane: str) -> None:  # noqa: A002
        self.run, self.id, self.kind, self.name, self.parent, self.lane = run, id, kind, name, parent, lane
        self.text = TextBuffer()
        self.outcome: Outcome | None = None
        self.end: StepEnded | None = None
        """What was told of its end, once it has ended."""
        self.attempts = 0
        self.waiting = True
        """Whether no attempt is under way: none was begun yet, or the last one failed and another is to follow."""
        self.offset = 0
        """Characters of the text before the latest attempt's."""
        self.pieces = 0
        """Pieces of text so far: about one a token from most servers, one for a whole answer that was kept."""
        self.hits: tuple[Hit, ...] = ()
        self._finish: dict[str, Any] = {}
        self._queued = run.clock()
        self._started: float | None = None
        self._first: float | None = None
        self._last: float | None = None
        self._gaps = array("f")
        self._gap_count = 0
        self._gap_sum = 0.0
        self._gap_stride = 1
        """How many gaps one in ``_gaps`` stands for."""
        self._ended: Timings | None = None
        self._task: asyncio.Task[Any] | None = None
        self._stopped = False
        self._interrupted = False
        self._emit(StepQueued, kind=kind, name=name, parent=parent.id if parent else None, lane=lane)

    def _emit(self, kind: type[E], /, **fields: Any) -> E:
        return self.run.stream.emit(kind, run=self.run.id, step=self.id, **fields)

    def __enter__(self) -> Self:
        self._task = asyncio.current_task()
        if self._stopped:
            asyncio.get_running_loop().call_soon(self._interrupt)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> bool:
        task, self._task = self._task, None
        self._end(error)
        if self._interrupted and task is not None:
            # Taken back however the block ended, else the next time limit of this task would be confused by it.
            return task.uncancel() == 0 and isinstance(error, asyncio.CancelledError)
        return False

    def _end(self, error: BaseException | None) -> None:
        self._ended = self.timings()
        self._gaps = array("f")
        self.outcome = outcome_of(error)
        fields: dict[str, Any] = dict(self._finish)
        if error is not None and self.outcome != "cancelled":
            origin = cause(error)
            fields["error"] = told(origin)
            fields["error_kind"] = origin.kind if isinstance(origin, CallError) else None
        self.end = self._emit(StepEnded, outcome=self.outcome, attempts=max(self.attempts, 1), timings=self._ended, **fields)

    def stop(self) -> None:
        """End this step as ``cancelled`` without touching the rest of the run. Does nothing once it ended."""
        if self.outcome is None and not self._stopped:
            self._stopped = True
            # Not at once: a step that is stopped from within could have left its block before its task is cancelled.
            asyncio.get_running_loop().call_soon(self._interrupt)

    def _interrupt(self) -> None:
        if self._task is not None and not self._interrupted:
            self._interrupted = True
            self._task.cancel()

    def abandon(self) -> None:
        """End a step whose block was never entered, because its run was cancelled before the step's task began."""
        if self._ended is None:
            self._end(asyncio.CancelledError())

    def start(self, endpoint: str = "", *, resumed: bool = False) -> None:
        """Say that an attempt begins now: the queue has let it through.

        ``endpoint`` says where, when that is another than the lane names. One that is ``resumed`` goes on with the text that came.
        """
        self.attempts += 1
        self.waiting = False
        self._last = None
        if self._started is None:
            self._started = self.run.clock()
        if not resumed:
            self.offset = len(self.text)
        self._emit(StepStarted, attempt=self.attempts, offset=self.offset, endpoint=endpoint)

    def write(self, piece: str) -> None:
        """Add text to the step."""
        if not piece:
            return
        now = self.run.clock()
        if self._first is None:
            self._first = now
            self._emit(FirstToken)
        elif self._last is not None:
            self._note_gap(now - self._last)
        self._last = now
        self.pieces += 1
        self.run.stream.write(self.run.id, self.id, self.text, piece)

    def _note_gap(self, gap: float) -> None:
        self._gap_sum += gap
        self._gap_count += 1
        if self._gap_count % self._gap_stride == 0:
            self._gaps.append(gap)
            if len(self._gaps) >= _GAPS:
                self._gaps = self._gaps[1::2]
                self._gap_stride *= 2

    def log(self, message: str, level: Level = "info", *, keep: bool = False) -> None:
        """Tell a person in one line what the step is doing; ``keep``: it is worth knowing when the step is over, too."""
        self._emit(Log, level=level, message=message, keep=keep)

    def found(self, hits: tuple[Hit, ...]) -> None:
        """Say what passages the step found, best first."""
        self.hits = hits
        self._emit(Found, hits=hits)

    def judged(self, scores: tuple[Score, ...]) -> None:
        """Say how a judge scored the answers it was given."""
        self._emit(Judged, scores=scores)

    def won(self, reason: str, saved: int) -> None:
        """Say that this step's answer wins its race, and how many output tokens at most are saved by stopping the others."""
        self._emit(Won, reason=reason, saved=saved)

    def retried(self, reason: str, delay: float, mode: RetryMode = "again") -> None:
        """Say that the present attempt failed and another follows after ``delay`` seconds."""
        self.waiting = True
        self._emit(Retried, attempt=self.attempts, reason=reason, delay=delay, mode=mode)

    def finish(  # noqa: PLR0913  # each is a fact of its own
        self,
        *,
        finish: str | None = None,
        usage: Usage | None = None,
        cost: float | None = None,
        cached: bool = False,
        joined: bool = False,
        similar: float | None = None,
        similar_to: str = "",
        speculated: bool = False,
    ) -> None:
        """Record what is known of a model call's end, to be carried by :class:`StepEnded`; the block's exit ends the step.

        The text so far is the model's; text that is written after this is not.
        """
        own = len(self.text)
        self._finish = {"finish": finish, "usage": usage, "own_chars": own, "cost": cost, "cached": cached, "joined": joined}
        if similar is not None or speculated:
            self._finish |= {"similar": similar, "similar_to": similar_to, "speculated": speculated}

    def timings(self) -> Timings:
        """Return the step's times so far; a step that has not ended counts as ending now."""
        if self._ended is not None:
            return self._ended
        gaps = sorted(self._gaps)
        return Timings(
            queued=self._queued,
            started=self._started,
            first=self._first,
            ended=self.run.clock(),
            itl_mean=self._gap_sum / self._gap_count if self._gap_count else None,
            itl_p95=nearest(gaps, 95) if gaps else None,
        )


def outcome_of(error: BaseException | None) -> Outcome:
    """Return how a step or run ended that left its block with ``error``."""
    if error is None:
        return "done"
    error = cause(error)
    if isinstance(error, asyncio.CancelledError):
        return "cancelled"
    if isinstance(error, CallError) and error.kind == "cut":
        return "cut"
    return "late" if isinstance(error, LateError | TimeoutError) else "failed"


def cause(error: BaseException) -> BaseException:
    """Return what an error is about: of a group, the first that is meant for a person, else the first."""
    if not isinstance(error, BaseExceptionGroup):
        return error
    causes = [cause(inner) for inner in error.exceptions]
    return next((inner for inner in causes if isinstance(inner, StrettoError)), causes[0])


def told(error: BaseException, limit: int = 600) -> str:
    """Return an error as one line for a person."""
    error = cause(error)
    text = " ".join(str(error).split())
    if not isinstance(error, StrettoError | StoreError):
        text = f"{type(error).__name__}: {text}" if text else type(error).__name__
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def request_json(request: Request) -> str:
    """Return the request as JSON, as the journal keeps it."""
    try:
        return msgspec.json.encode(request).decode()
    except UnicodeEncodeError:  # half of a surrogate pair, from a file name or an argument that is not UTF-8
        return json.dumps(msgspec.to_builtins(request), ensure_ascii=False).encode("utf-8", "replace").decode()
