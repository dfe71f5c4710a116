"""The engine: owns the stream, the services and every task. No task outlives it, and none is without an owner."""

from __future__ import annotations

import asyncio
import time
from pathlib import PurePath
from typing import TYPE_CHECKING, Self

from agents.events import Outcome, RunEnded, RunStarted
from agents.requests import Ask, Batch, Chat, Index, Judge, Merge, Race, Request, Research
from agents.runs import Run, outcome_of, request_json, told
from agents.stream import EventStream, Subscription

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from types import TracebackType

    from agents.events import RunKind


class Engine:
    """Turns requests into runs and runs into events.

    An async context manager. Entering is quick and touches no disk and no network, so a screen can be drawn first; leaving
    cancels what runs and waits for it.
    """

    def __init__(
        self,
        handlers: Mapping[type[Request], Callable[[Run], Awaitable[None]]],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.stream = EventStream(clock)
        self.clock = clock
        self.runs: dict[str, Run] = {}
        self._handlers = handlers
        self._group: asyncio.TaskGroup | None = None

    async def __aenter__(self) -> Self:
        self._group = await asyncio.TaskGroup().__aenter__()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for run in list(self.runs.values()):
            run.cancel()
        group, self._group = self._group, None
        try:
            if group is None:
                return
            if isinstance(error, asyncio.CancelledError):
                await group.__aexit__(kind, error, trace)
            else:
                # The runs are cancelled already; the group is not told, since it would wrap the error of the code around it.
                await group.__aexit__(None, None, None)
        finally:
            self.stream.close()

    def subscribe(self, run: str | None = None, *, text: bool = True) -> Subscription:
        """Return a reader of all events from now on, or of one run's; without ``text`` it gets all but that."""
        return self.stream.subscribe(run, text=text)

    def submit(self, request: Request) -> Run:
        """Start ``request`` and return its run at once. What becomes of it is told by events and :meth:`Run.wait`."""
        if self._group is None:
            raise RuntimeError("the engine is not running")
        kind, title = describe(request)
        run = Run(request, kind, title, self.stream, self.clock)
        self.runs[run.id] = run
        self.stream.emit(RunStarted, run=run.id, kind=kind, title=title, wall=time.time(), request=request_json(request))
        task = self._group.create_task(self._execute(run), name=f"run {run.id}")
        run.bind(task)
        if task.done():  # where tasks begin at once, before they are returned
            self._conclude(run, task)
        else:
            # A callback, because a task that is cancelled before its first step never enters its own try block.
            task.add_done_callback(lambda task: self._conclude(run, task))
        return run

    async def _execute(self, run: Run) -> tuple[Outcome, str | None]:
        try:
            await self._handlers[type(run.request)](run)
        except Exception as error:  # noqa: BLE001  # one run's bug must not end the others; it is told as the run's error
            return outcome_of(error), told(error)
        return _worst(run), None

    def _conclude(self, run: Run, task: asyncio.Task[tuple[Outcome, str | None]]) -> None:
        outcome, message = ("cancelled", None) if task.cancelled() else task.result()
        del self.runs[run.id]
        for step in run.steps.values():
            step.abandon()
        ended = self.stream.emit(RunEnded, run=run.id, outcome=outcome, error=message, wall=self.clock() - run.began, busy=run.busy)
        run.ended.set_result(ended)


def _worst(run: Run) -> Outcome:
    """Return how a run ended whose handler returned: by its top steps, done if any of them is."""
    outcomes = [step.outcome for step in run.steps.values() if step.parent is None and step.outcome is not None]
    if not outcomes or "done" in outcomes:
        return "done"
    return outcomes[0]


def describe(request: Request) -> tuple[RunKind, str]:
    """Return the kind of run a request makes, and the line that names it in lists."""
    kind: RunKind
    match request:
        case Chat(lanes=lanes) | Race(lanes=lanes):
            kind = "race" if isinstance(request, Race) else "chat" if len(lanes) == 1 else "compare"
            title = lanes[0].messages[-1].content if lanes and lanes[0].messages else ""
        case Judge(candidates=candidates):
            kind, title = "judge", f"which is best: {candidates[0].prompt}" if candidates else "nothing to judge"
        case Merge(candidates=candidates):
            kind, title = "merge", f"one answer of {len(candidates)}: {candidates[0].prompt}" if candidates else "nothing to merge"
        case Ask(question=question):
            kind, title = "ask", question
        case Research(task=task):
            kind, title = "agent", task
        case Index(places=places, library=library):
            kind, title = "library", f"{library}: {', '.join(places)}"
        case Batch(source=source, out=out):
            kind, title = "batch", f"{PurePath(source).name} to {PurePath(out).name}"
    return kind, _line(title)


def _line(text: str, limit: int = 120) -> str:
    line = " ".join(text.split())
    return line if len(line) <= limit else f"{line[: limit - 1]}…"
