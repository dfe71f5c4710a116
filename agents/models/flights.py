"""Single flight: calls that are the same share one upstream stream, and each of them sees all of it from the beginning."""

from __future__ import annotations

import asyncio
from time import monotonic
from typing import TYPE_CHECKING

import msgspec

from agents.errors import CallError
from agents.events import Usage
from agents.models.spend import cost_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from agents.events import Level, RetryMode
    from agents.models.cache import Answer
    from agents.models.gates import Gate
    from agents.models.spend import Purse
    from agents.requests import ModelCall, Priority
    from agents.runs import Step
    from agents.settings import Price


class Flight:
    """One call upstream and the steps that follow it.

    Whoever executes it says what happens through the same words a :class:`~agents.runs.Step` has. A step may join at any time
    and leave at any time; when the last one has left, the call is stopped.
    """

    def __init__(self, call: ModelCall, price: Price | None, abandon: Callable[[Flight], None]) -> None:
        self.call = call
        self.price = price
        """Of whichever endpoint answers; ``None`` where it is not known."""
        self.priority = call.priority
        """The most urgent of those who follow."""
        self.purse: Purse | None = None
        """The budget of the run that asked first."""
        self.moving: asyncio.Timeout | None = None
        """While the call waits for a place: what ends the wait, so that a better one can be looked for."""
        self.promised: Gate | None = None
        """After it was moved: where there is room for it."""
        self.pieces = 0
        """Of the answer so far."""
        self.first: float | None = None
        """When the present attempt's first text came, on the monotonic clock."""
        self._abandon = abandon
        self._steps: list[Step] = []
        self._payer: Step | None = None
        """Whose call it is; the others joined it."""
        self._attempts = 0
        self._endpoint = ""
        self._task: asyncio.Task[None] | None = None
        self._over = asyncio.Event()
        self._answer: Answer | None = None
        self._error: CallError | None = None

    def bind(self, task: asyncio.Task[None]) -> None:
        """Tell the flight which task executes it."""
        self._task = task

    @property
    def over(self) -> bool:
        """True once it is known how the call ended."""
        return self._over.is_set()

    @property
    def text(self) -> str:
        """The answer so far, as whoever follows it holds it: a copy of its own would be one more of a long answer."""
        if self._answer is not None:
            return self._answer.text
        return self._steps[0].text.slice(self._steps[0].offset) if self._steps else ""

    def start(self, endpoint: str = "", *, resumed: bool = False) -> None:
        """Say that an attempt begins now, and where when that is another place than the lane names."""
        self._attempts += 1
        self._endpoint = endpoint
        self.first = None
        if not resumed:
            self.pieces = 0
        for step in self._steps:
            step.start(endpoint, resumed=resumed)

    def write(self, piece: str) -> None:
        """Give a piece of text to every step."""
        if self.first is None:
            self.first = monotonic()
        self.pieces += 1
        for step in self._steps:
            step.write(piece)

    def log(self, message: str, level: Level = "info", *, keep: bool = False) -> None:
        """Tell every step's reader what is being done; ``keep``: it is worth knowing when the call is over, too."""
        for step in self._steps:
            step.log(message, level, keep=keep)

    def retried(self, reason: str, delay: float, mode: RetryMode = "again") -> None:
        """Say that the attempt failed and another follows."""
        for step in self._steps:
            step.retried(reason, delay, mode)

    def urge(self, priority: Priority) -> None:
        """Let the call be as urgent as ``priority`` from now on, also where it waits already."""
        if priority < self.priority:
            self.priority = priority
            self.move()

    def move(self) -> None:
        """Let a call that waits for a place look for one anew."""
        if self.moving is not None:
            self.moving.reschedule(asyncio.get_running_loop().time())
            self.moving = None

    def land(self, answer: Answer) -> None:
        """Say that the call is over and what it gave."""
        self._answer = answer
        self._over.set()

    def fail(self, error: CallError) -> None:
        """Say that the call is over and why it gave nothing, or not all. Does nothing once it is over."""
        if not self._over.is_set():
            self._error = error
            self._over.set()

    async def follow(self, step: Step) -> Answer:
        """Let ``step`` follow to the end, from the beginning. Cancelling it leaves the flight to the others.

        The first to follow is told the call's usage and cost; when it leaves early, the one that has followed longest since.
        """
        if self._attempts:
            step.start(self._endpoint)
            step.write(self.text)
        self._steps.append(step)
        self._payer = self._payer or step
        try:
            await self._over.wait()
        finally:
            self._leave(step)
        if self._answer is None:
            raise self._failure()
        answer = self._answer
        if not answer.kept:
            return msgspec.structs.replace(answer, joined=step is not self._payer)
        step.start()
        step.write(answer.text)
        self._tell(step, answer, joined=False)
        return msgspec.structs.replace(answer, joined=False)

    def _leave(self, step: Step) -> None:
        self._steps.remove(step)
        if not self._over.is_set() and self._steps and step is self._payer:
            self._payer = self._steps[0]
        joined = step is not self._payer
        if self._answer is None:
            if self.pieces:
                # Cut, failed or stopped: no server counted these tokens, so the events that carried them are counted.
                step.finish(usage=Usage(output=self.pieces, estimated=True), joined=joined)
        elif not self._answer.kept:
            self._tell(step, self._answer, joined=joined)  # also to one that is stopped just now: it was paid for
        if not self._steps and not self._over.is_set():
            self._abandon(self)
            if self._task is not None:
                self._task.cancel()

    def _tell(self, step: Step, answer: Answer, *, joined: bool) -> None:
        usage = answer.usage
        cost = None
        if self.price is not None and usage is not None:
            # It was paid for once.
            cost = 0.0 if joined or answer.kept else None if usage.estimated else cost_of(self.price, usage)
        step.finish(
            finish=answer.finish,
            usage=usage,
            cost=cost,
            cached=answer.cached,
            joined=joined,
            similar=answer.similar,
            similar_to=answer.similar_to,
            speculated=answer.speculated,
        )

    def _failure(self) -> CallError:
        # One exception object raised in several tasks would collect the tracebacks of all of them.
        error = self._error or CallError("protocol", "the call ended without an answer")
        return CallError(error.kind, str(error), retryable=error.retryable, retry_after=error.retry_after)
