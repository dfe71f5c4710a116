"""One stream of events, many readers.

The stream keeps the order of everything that happens and hands it to readers that go at their own pace. A reader that is slow
never slows the work: waiting text of one step is one range into the step's own buffer, so it costs two integers however far
behind the reader is, and nothing of it is lost. All calls are made on the event loop's thread.
"""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Self, TypeVar

from agents.events import AnyEvent, Event, StepEvent, Text

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from types import TracebackType

    from agents.text import TextBuffer

E = TypeVar("E", bound=Event)


class _Range:
    """Text of one step that a reader has not taken yet."""

    __slots__ = ("at", "buffer", "end", "run", "seq", "start", "step")

    def __init__(self, run: str, step: str, seq: int, at: float, buffer: TextBuffer, start: int) -> None:
        self.run, self.step, self.seq, self.at = run, step, seq, at
        self.buffer, self.start, self.end = buffer, start, len(buffer)

    def text(self) -> Text:
        piece = self.buffer.slice(self.start, self.end)
        return Text(run=self.run, step=self.step, seq=self.seq, at=self.at, offset=self.start, text=piece)


class Subscription:
    """One reader's place in the stream: an async iterator, or drained on a clock with :meth:`drain`.

    Use it as a context manager; leaving it ends the subscription. Iteration ends when the stream closes and all is read.
    """

    def __init__(self, stream: EventStream, run: str | None, only: Callable[[AnyEvent], bool] | None, *, text: bool) -> None:
        self._stream = stream
        self._run = run
        self._only = only
        self._text = text
        self._waiting: deque[AnyEvent | _Range] = deque()
        self._open: dict[str, _Range] = {}
        self._wake = asyncio.Event()
        self._ending = asyncio.Event()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def __len__(self) -> int:
        """Return how many entries wait; text of one step that can be merged counts once."""
        return len(self._waiting)

    def close(self) -> None:
        """End the subscription. What waits can still be drained; an iteration in progress ends after it."""
        self._stream.detach(self)
        self.finish()

    def finish(self) -> None:
        """Let iteration end once everything waiting was read."""
        self._ending.set()
        self._wake.set()

    def put(self, event: AnyEvent) -> None:
        """Queue ``event``. Text after it is not merged with text of the same step before it."""
        if (self._run is not None and event.run != self._run) or (self._only is not None and not self._only(event)):
            return
        if isinstance(event, StepEvent):
            self._open.pop(event.step, None)
        self._waiting.append(event)
        self._wake.set()

    def grow(self, run: str, step: str, seq: int, at: float, buffer: TextBuffer, start: int) -> None:
        """Take note that ``buffer`` grew from ``start`` to its present end."""
        if not self._text or (self._run is not None and run != self._run):
            return
        waiting = self._open.get(step)
        if waiting is not None:
            waiting.end = len(buffer)
            return
        waiting = self._open[step] = _Range(run, step, seq, at, buffer, start)
        self._waiting.append(waiting)
        self._wake.set()

    def _take(self) -> AnyEvent:
        entry = self._waiting.popleft()
        if isinstance(entry, _Range):
            if self._open.get(entry.step) is entry:
                del self._open[entry.step]
            return entry.text()
        return entry

    def drain(self, limit: int | None = None) -> list[AnyEvent]:
        """Return what waits now, at most ``limit`` events, without waiting."""
        count = len(self._waiting) if limit is None else min(limit, len(self._waiting))
        return [self._take() for _ in range(count)]

    async def wait(self) -> bool:
        """Wait until something can be drained; False when nothing ever will be again."""
        while not self._waiting:
            if self._ending.is_set():
                return False
            self._wake.clear()
            await self._wake.wait()
        return True

    async def pause(self, seconds: float) -> None:
        """Let events gather for ``seconds``; returns at once when the subscription ends."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._ending.wait()

    def __aiter__(self) -> AsyncIterator[AnyEvent]:
        return self

    async def __anext__(self) -> AnyEvent:
        if not await self.wait():
            raise StopAsyncIteration
        return self._take()


class EventStream:
    """Numbers events, stamps them with the clock and hands them to every subscription."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._seq = 0
        self._readers: list[Subscription] = []
        self._closed = False

    def subscribe(
        self, run: str | None = None, *, text: bool = True, only: Callable[[AnyEvent], bool] | None = None
    ) -> Subscription:
        """Return a reader of everything from now on, or of one run's events only; without ``text`` it gets all but that.

        ``only`` is asked of every event that is not text, at once; what it refuses is not kept for the reader.
        """
        reader = Subscription(self, run, only, text=text)
        if self._closed:
            reader.finish()
        else:
            self._readers.append(reader)
        return reader

    def detach(self, reader: Subscription) -> None:
        """Forget ``reader``."""
        if reader in self._readers:
            self._readers.remove(reader)

    def emit(self, kind: type[E], /, **fields: Any) -> E:
        """Build an event of ``kind`` with the next number and the present time, and hand it to every reader."""
        self._seq += 1
        event = kind(seq=self._seq, at=self._clock(), **fields)
        for reader in self._readers:
            reader.put(event)  # type: ignore[arg-type]  # every concrete event is in AnyEvent
        return event

    def write(self, run: str, step: str, buffer: TextBuffer, piece: str) -> None:
        """Append ``piece`` to a step's text and let every reader know. No event is built until a reader takes it."""
        start = len(buffer)
        buffer.append(piece)
        self._seq += 1
        at = self._clock()
        for reader in self._readers:
            reader.grow(run, step, self._seq, at, buffer, start)

    def close(self) -> None:
        """End the stream: readers finish once they have read what waits."""
        self._closed = True
        for reader in self._readers:
            reader.finish()
        self._readers.clear()
