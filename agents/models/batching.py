"""Dynamic batching: calls that came one by one go out together, each soon after it came.

Batchable are calls whose server takes a list and answers each item by itself, at a cost that is mostly the request's own:
embeddings, and rerankers or classifiers of the same shape. Chat is not: each answer is a stream of its own that a person reads and
may stop, ends at its own time, and the API takes one conversation a request; servers of chat group the streams themselves, token
by token, which is what the concurrency at an endpoint's door is for.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, Generic, Literal, TypeVar

import msgspec

from agents.errors import CallError, StrettoError
from agents.percentiles import RecentSamples

T = TypeVar("T")
R = TypeVar("R")
Load = Literal["quiet", "usual", "pressed"]
"""``quiet``: nothing else goes on there. ``pressed``: others wait, or the loop is late."""

SIZES: Final[dict[Load, int]] = {"quiet": 32, "usual": 16, "pressed": 4}
"""Most items of a batch: a large one does most work a second, a small one is soonest out of the way of others."""
BOUND: Final = 0.2
"""Seconds from an item's coming to its being sent that are promised; longer ones are counted as late."""
_LINGER: Final = 0.15
"""Seconds an item waits for company at most. What is missing to the bound is for a loop that is late itself."""


class BatchFigures(msgspec.Struct, frozen=True, kw_only=True):
    """What batches came to; sizes and waits are of the last minute, counts of the whole session."""

    items: int = 0
    batches: int = 0
    waiting: int = 0
    in_flight: int = 0
    """Batches."""
    late: int = 0
    """Items that waited longer than 200 ms."""
    size_p50: float | None = None
    size_max: float | None = None
    wait_p50: float | None = None
    """Seconds, like the other waits."""
    wait_p95: float | None = None
    wait_max: float | None = None


class _Entry(Generic[T, R]):
    """One item and whoever waits for its result."""

    __slots__ = ("at", "batch", "future", "item")

    def __init__(self, item: T, future: asyncio.Future[R], at: float) -> None:
        self.item, self.future, self.at = item, future, at
        self.batch: _Batch[T, R] | None = None


class _Batch(Generic[T, R]):
    """Items on their way."""

    __slots__ = ("entries", "task", "wanted")

    def __init__(self, entries: list[_Entry[T, R]]) -> None:
        self.entries = entries
        self.wanted = len(entries)
        """How many are still waited for."""
        self.task: asyncio.Task[None] | None = None


class Batcher(Generic[T, R]):
    """Groups items and hands them to ``send``, which returns a result for each, in order; an error in a result's place is that
    item's alone, and one that ``send`` raises is told to every item of the batch.

    Where nothing is on its way, what came in one turn of the loop goes at once: a single item never waits for company that may
    not come. Else items gather until a batch is full, one on its way ends, or the oldest waited long enough. Batches are tasks of
    ``group``; one that nobody waits for any more is cancelled. ``load`` tells how large a batch may be and must be cheap.
    """

    def __init__(
        self,
        send: Callable[[list[T]], Awaitable[Sequence[R | StrettoError]]],
        group: asyncio.TaskGroup,
        load: Callable[[], Load] = lambda: "usual",
    ) -> None:
        self._send = send
        self._group = group
        self._load = load
        self._waiting: dict[_Entry[T, R], None] = {}
        self._batches: set[_Batch[T, R]] = set()
        self._timer: asyncio.Handle | None = None
        self._due = float("inf")
        """When the timer is to go off."""
        self._items = self._sent = self._late = 0
        self._sizes, self._waits = RecentSamples(), RecentSamples()

    async def add(self, item: T, *, urgent: bool = False) -> R:
        """Send ``item`` with others and return its result; ``urgent``: do not wait for others, but for those of the same turn."""
        return (await self.add_all([item], urgent=urgent))[0]

    async def add_all(self, items: Sequence[T], *, urgent: bool = False) -> list[R]:
        """Send all ``items``, with others, and return their results in order.

        Raises the first item's error that has one. Cancelling leaves the other items of a batch untouched.
        """
        loop = asyncio.get_running_loop()
        now = loop.time()
        entries = [_Entry[T, R](item, loop.create_future(), now) for item in items]
        self._items += len(entries)
        for entry in entries:
            self._waiting[entry] = None
        if entries:
            self._gather(now, now if urgent or not self._batches else now + _LINGER)
        try:
            return [await entry.future for entry in entries]
        finally:
            for entry in entries:
                self._leave(entry)

    def figures(self) -> BatchFigures:
        """Return what batches came to so far."""
        now = asyncio.get_running_loop().time()
        sizes, waits = self._sizes.read(now), self._waits.read(now)
        return BatchFigures(
            items=self._items,
            batches=self._sent,
            waiting=len(self._waiting),
            in_flight=len(self._batches),
            late=self._late,
            size_p50=sizes.p50,
            size_max=self._sizes.worst(now),
            wait_p50=waits.p50,
            wait_p95=waits.p95,
            wait_max=self._waits.worst(now),
        )

    def _gather(self, now: float, due: float) -> None:
        """Send what fills batches; what is left is to be sent at ``due`` at the latest."""
        size = SIZES[self._load()]
        while len(self._waiting) >= size:
            self._start(size, now)
        if not self._waiting:
            self._rest()
        elif due < self._due:
            self._rest()
            self._due = due
            loop = asyncio.get_running_loop()
            self._timer = loop.call_at(due, self._flush) if due > now else loop.call_soon(self._flush)

    def _rest(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._due = float("inf")

    def _flush(self) -> None:
        """Send all that waits."""
        self._rest()
        now = asyncio.get_running_loop().time()
        size = SIZES[self._load()]
        while self._waiting:
            self._start(size, now)

    def _start(self, size: int, now: float) -> None:
        batch = _Batch(list(itertools.islice(self._waiting, size)))
        for entry in batch.entries:
            del self._waiting[entry]
            entry.batch = batch
            self._waits.add(now, now - entry.at)
            self._late += now - entry.at > BOUND
        self._sizes.add(now, len(batch.entries))
        self._sent += 1
        self._batches.add(batch)
        serving = self._serve(batch)
        try:
            batch.task = self._group.create_task(serving, name="batch")
        except RuntimeError:  # the group is being left
            serving.close()
            self._close(batch)
            return
        # A callback, because a task that is cancelled before its first step never enters its own try block.
        batch.task.add_done_callback(lambda _: self._landed(batch))

    async def _serve(self, batch: _Batch[T, R]) -> None:
        try:
            results = await self._send([entry.item for entry in batch.entries])
            if len(results) != len(batch.entries):
                raise CallError("protocol", f"{len(results)} results came for a batch of {len(batch.entries)}")
        except Exception as error:  # noqa: BLE001  # whatever it is, it is told to those who wait, and must not end the others
            results = [error if isinstance(error, StrettoError) else _unexpected(error)] * len(batch.entries)
        for entry, result in zip(batch.entries, results, strict=True):
            _settle(entry.future, result)

    def _close(self, batch: _Batch[T, R]) -> None:
        self._batches.discard(batch)
        for entry in batch.entries:
            _settle(entry.future, CallError("unreachable", "the call was stopped: stretto is closing"))

    def _landed(self, batch: _Batch[T, R]) -> None:
        self._close(batch)
        if self._waiting:
            self._flush()

    def _leave(self, entry: _Entry[T, R]) -> None:
        """Forget an item whose result nobody waits for any more."""
        if entry.future.done() and not entry.future.cancelled():
            return
        entry.future.cancel()
        self._waiting.pop(entry, None)
        batch = entry.batch
        if batch is None:
            return
        batch.wanted -= 1
        if not batch.wanted and batch.task is not None:
            batch.task.cancel()


def _settle(future: asyncio.Future[R], result: R | StrettoError) -> None:
    if future.done():
        return
    if isinstance(result, StrettoError):
        future.set_exception(result)
        future.exception()  # seen: whoever waits may have failed over another item of the same call
    else:
        future.set_result(result)


def _unexpected(error: Exception) -> CallError:
    return CallError("protocol", f"the batch failed: {type(error).__name__}: {error}")
