"""The handler of :class:`~agents.requests.Batch`: rows as they are read, so many at once, their results in the order of the rows.

A batch is one run with one step above all its rows, so that lists show it once and its rows can be told apart from it. A row's
step is let go of as soon as its result was handed to the thread that writes it, so that memory does not grow with the rows.
"""

from __future__ import annotations

import asyncio
import os
from contextlib import suppress
from typing import TYPE_CHECKING

from agents.batch.intake import Intake, count_lines, open_source
from agents.batch.kept import Kept
from agents.batch.output import Output, keep_apart, open_files
from agents.batch.results import bad_row, result_of
from agents.batch.rows import Units, with_params
from agents.errors import InputError, StrettoError
from agents.requests import Batch, ModelCall, Priority

if TYPE_CHECKING:
    from collections.abc import Iterable

    from agents.batch.output import Files
    from agents.batch.rows import Unit
    from agents.events import StepEnded
    from agents.models.service import Models
    from agents.requests import ModelRef
    from agents.runs import Run, Step
    from agents.settings import Settings

_HOPELESS = frozenset({"auth", "not_found", "quota", "rate_limit", "unreachable"})
"""Kinds of failure that the next row will most likely end with, too. A refusal for too many is one only once it was waited for, or
asks for more than is ever waited."""
_FAILURES = 50
"""So many of these one after the other, and at least two for each call in flight, end a batch."""
_NOBODY = 120.0
"""Seconds after which one of these is enough where no row was answered at all."""
_LABEL = 200
"""Characters of a row's id that name its step; the output has all of it."""
_LOOK = 0.1
"""Seconds between two looks at whether the doors take more or fewer calls and, once nothing is to be begun, at whether a row waits
to be asked again."""
_MOST = 256
"""Calls in flight at once where neither a person nor a fixed cap says how many; the doors hold back what is too much."""


async def batch(run: Run, models: Models) -> None:
    """Ask every row, and return once every result is in the files. Raises :class:`InputError` for files that cannot be used."""
    request = run.request
    assert isinstance(request, Batch)  # noqa: S101  # the engine routes by type
    with run.step("group", request.out) as step:
        # In a thread, because a named pipe is opened only when somebody writes to it.
        source = await asyncio.to_thread(open_source, request.source)
        try:
            keep_apart(source, request.out)
            files = open_files(request.out, resume=request.resume)
        except InputError:
            os.close(source)
            raise
        work = _Work(run, step, models, source, files)
        finished = False
        try:
            await work.do()
            finished = True
        finally:
            # In one thread, which goes on even when nobody waits for it any more: a file must not be closed while it is written to.
            whole = await asyncio.to_thread(work.close, wait=finished)
        work.conclude(whole=whole)
        if run.draining.is_set() and not work.complete:
            run.cancel()
            await asyncio.sleep(0)


def endpoints_of(models: Iterable[ModelRef], settings: Settings) -> set[str]:
    """Return the endpoints that calls to ``models`` may go to; a route's are its members."""
    found: set[str] = set()
    for ref in models:
        route = settings.routes.get(ref.endpoint)
        found |= {ref.endpoint} if route is None else {member.partition("/")[0] for member in route.members}
    return found


class _Work:
    """One batch at work."""

    def __init__(self, run: Run, step: Step, models: Models, source: int, files: Files) -> None:
        request = run.request
        assert isinstance(request, Batch)  # noqa: S101
        self._run, self._step, self._models, self._request, self._files = run, step, models, request, files
        self._loop = asyncio.get_running_loop()
        self._broken = asyncio.Event()
        self._output = Output(files, self._write_failed)
        self._kept = Kept(files, self._output.begin, retry_errors=request.retry_errors)
        self._intake = Intake(source, Units(request.models, request.system), self._kept, self._output)
        self._lines: int | None = None
        self._planned: tuple[int | None, int, int] | None = None
        self._bad = 0
        self._workers = self._wanted = 0
        """Tasks that ask one row after the other, and how many there are to be: rows in flight at once, at most."""
        self._over = False
        """Whether there is no further row to ask."""
        self._hopeless = 0
        """Rows in a row that failed in a way that the next one will fail in, too."""
        self._served = False
        self._given_up = ""
        self._left_out = False
        """Whether a row was taken and not asked, because the run begins nothing new."""

    @property
    def complete(self) -> bool:
        """Whether every row was asked or had its result."""
        return self._intake.exhausted and not self._given_up and not self._left_out

    async def do(self) -> None:
        """Ask what is to be asked, until there is no more or the run begins nothing new."""
        await asyncio.to_thread(self._kept.open)
        self._output.start()
        async with asyncio.TaskGroup() as group:
            watchers = [
                group.create_task(self._count(), name="batch count"),
                group.create_task(self._watch_drain(), name="batch drain"),
                group.create_task(self._watch_files(), name="batch files"),
            ]
            async with asyncio.TaskGroup() as workers:
                self._man(workers)
                watchers.append(group.create_task(self._watch_doors(workers), name="batch doors"))
            for watcher in watchers:
                watcher.cancel()
        self._plan()

    def _man(self, workers: asyncio.TaskGroup) -> None:
        """Have as many workers as calls may be in flight; those that are too many leave when their row has ended."""
        self._wanted = self._window()
        while self._workers < self._wanted:
            workers.create_task(self._work(), name=f"batch worker {self._workers}")
            self._workers += 1

    def _window(self) -> int:
        """Return how many calls may be in flight at once: as many as the doors take, so that none of the batch waits before one."""
        if self._request.jobs is not None:
            return self._request.jobs
        gates = self._models.directory.gates
        behind = [gates[name].door for name in endpoints_of(self._request.models, self._models.settings) if name in gates]
        if not behind or any(door.adaptive for door in behind):
            return _MOST
        return sum(door.cap for door in behind)

    async def _work(self) -> None:
        try:
            while self._workers <= self._wanted:
                unit = await self._intake.next()
                if unit is None:
                    self._over = True
                    return
                self._plan()
                if unit.model is None:
                    self._refuse(unit)
                else:
                    await self._answer(unit, unit.model)
        finally:
            self._workers -= 1

    async def _answer(self, unit: Unit, model: int) -> None:
        ref = with_params(self._request.models[model], unit.params)
        step = self._run.step("model", str(unit.id)[:_LABEL], parent=self._step, lane=str(ref))
        text: str | None = None
        try:
            # Whatever it is, a bug too, it must not cost the other rows their answers; the step has told it.
            with suppress(Exception), step:
                call = ModelCall(
                    model=ref,
                    messages=unit.messages,
                    use_cache=self._request.use_cache,
                    refresh=self._request.refresh,
                    priority=Priority.BATCH,
                )
                text = (await self._models.call(step, call)).text
        finally:
            self._run.let_go(step)
        assert step.end is not None  # noqa: S101  # its block was left
        if step.end.outcome == "cancelled" and step.waiting and self._run.draining.is_set():
            self._left_out = True
            return
        if step.end.error_kind == "budget":
            why = step.end.error or "the budget is used up"
            self._give_up(f"{why}; the rest was not asked: go on with --resume, which begins a budget of its own")
            return
        self._look_for_hope(step.end)
        said = step.text.slice(step.offset) if text is None else text
        self._output.put(unit.position, result_of(unit, self._request.names[model], step.end, said))

    def _look_for_hope(self, end: StepEnded) -> None:
        """Stop where the endpoint takes nobody: ten thousand rows that fail are no use to anyone."""
        if end.outcome == "done":
            self._hopeless, self._served = 0, True
        elif end.error_kind in _HOPELESS:
            self._hopeless += 1
            # A circuit that is open lets a row through now and then: fifty of them would take hours.
            never = not self._served and self._run.clock() - self._run.began > _NOBODY
            if never or self._hopeless >= max(_FAILURES, 2 * self._wanted):
                told = "no row was answered so far" if never else f"{self._hopeless} rows failed one after the other"
                self._give_up(f"{told} ({end.error}); the rest was not asked: go on with --resume --retry-errors")

    def _give_up(self, why: str) -> None:
        self._given_up = self._given_up or why
        self._intake.stop()

    def _refuse(self, unit: Unit) -> None:
        self._bad += 1
        with suppress(InputError), self._run.step("tool", str(unit.id)[:_LABEL], parent=self._step) as step:
            raise InputError(unit.problem)
        self._run.let_go(step)
        self._output.put(unit.position, bad_row(unit))

    def _plan(self) -> None:
        """Say how much there is to do, when more is known of it."""
        if self._intake.ended:
            total: int | None = self._intake.units
        elif self._lines is None:
            total = None
        else:
            several = len(self._request.models)
            total = max(self._lines * several - self._bad * (several - 1), self._intake.units)
        planned = (total, self._kept.count, self._kept.failed)
        if planned != self._planned:
            self._planned = planned
            self._run.plan(total, kept=self._kept.count, failed=self._kept.failed)

    async def _count(self) -> None:
        self._lines = await asyncio.to_thread(count_lines, self._request.source)
        self._plan()

    async def _watch_drain(self) -> None:
        await self._run.draining.wait()
        self._intake.stop()
        while True:
            # Rows that wait at a door, or to be tried again, are not in flight: a minute's limit or a server that is gone would
            # keep a person waiting for them who asked to stop.
            for step in [step for step in self._run.steps.values() if step.kind == "model" and step.waiting]:
                step.stop()
            await asyncio.sleep(_LOOK)

    async def _watch_doors(self, workers: asyncio.TaskGroup) -> None:
        while True:
            await asyncio.sleep(_LOOK)
            if self._workers and not self._over:  # without any, the group of workers is being left
                self._man(workers)

    async def _watch_files(self) -> None:
        await self._broken.wait()
        error = self._output.error
        reason = (error.strerror or str(error)) if error else ""
        raise InputError(f"{self._request.out}: cannot be written: {reason}; what is in it is kept: go on with --resume")

    def _write_failed(self, error: OSError) -> None:
        with suppress(RuntimeError):  # the loop may be gone
            self._loop.call_soon_threadsafe(self._broken.set)

    def close(self, *, wait: bool) -> bool:
        """Write everything, close the files, remove the side file if it is not needed; whether all results are in OUT. Blocks."""
        self._intake.close()
        whole = self._output.close(wait=wait)
        self._kept.close()
        side = self._files.side_path
        unneeded = whole and self._kept.unneeded(all_read=self._intake.exhausted)
        if side is not None and (unneeded or os.fstat(self._files.side).st_size == 0):
            side.unlink(missing_ok=True)
        self._files.close()
        return whole

    def conclude(self, *, whole: bool) -> None:
        """Say what a person has to know of the end. Raises :class:`StrettoError` where the batch could not come to its end."""
        if self._output.error is not None:
            raise InputError(f"{self._request.out}: cannot be written: {self._output.error.strerror or self._output.error}")
        if self._given_up:
            raise StrettoError(self._given_up)
        if self.complete and not whole:
            raise StrettoError(f"{self._request.out} is not whole: a row was left out; go on with --resume")
        if self.complete and (left := self._kept.unclaimed + self._kept.strange):
            self._step.log(
                f"{left} lines of before belong to no row of {self._request.source}; they are kept in {self._files.side_path}",
                "warning",
            )
