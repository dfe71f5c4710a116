"""Who may call an endpoint now: a cap on calls in flight, fixed or found out, limits per minute, and the server's own requests to
wait. It decides who is let in and when; what a call then does is not its business.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from agents.models.adaptive import Adaptive
from agents.models.door_figures import DoorFigures, DoorRecord, LimitFigures
from agents.models.limits import LONGEST_HOLD, Limit, read_limits
from agents.models.lines import Lines
from agents.requests import Priority

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping

    from agents.models.limits import Bucket
    from agents.settings import Endpoint

MOST_IN_FLIGHT = 1000
"""Calls at one endpoint, at most: there are no more connections to it, and waiting for one would count as its being slow."""
_PAUSE, _LONGEST_PAUSE = 0.1, 5.0
"""Seconds the door stays shut after a refusal that names no time; doubled while nothing is served between refusals."""


class Place:
    """A place at an endpoint, asked for or held."""

    __slots__ = ("_correct", "future", "priority", "since", "taken", "tokens")

    def __init__(self, priority: Priority, tokens: int, since: float, correct: Callable[[Place, int], None]) -> None:
        self.priority, self.tokens, self.since = priority, tokens, since
        self.future: asyncio.Future[None] | None = None
        self.taken: tuple[Bucket, Bucket] | None = None
        """What was counted for it: one request, and its tokens."""
        self._correct = correct

    def used(self, tokens: int) -> None:
        """Say how many tokens the call really used, input and output, in place of the estimate it was let in with."""
        if tokens != self.tokens:
            self._correct(self, tokens)


class Admission:
    """The one door to an endpoint. What waits here is the queue depth that the screen shows.

    Within a class calls go first come first served; between classes as :class:`~agents.models.lines.Lines` says. Batches and
    speculation leave the last twentieth of a limit per minute to people and agents. Everything happens on one event loop.
    """

    def __init__(self, endpoint: Endpoint, clock: Callable[[], float]) -> None:
        self.in_flight = 0
        self._clock = clock
        self._adaptive: Adaptive | None = None
        self._cap = 1
        if endpoint.concurrency == "adaptive":
            self._adaptive = Adaptive()
        else:
            self._cap = min(endpoint.concurrency, MOST_IN_FLIGHT)
        self._lines: Lines[Place] = Lines()
        self._requests = Limit(endpoint.requests_per_minute)
        self._tokens = Limit(endpoint.tokens_per_minute)
        self._record = DoorRecord()
        self._shut_until = self._pause_until = float("-inf")
        self._refusals = 0
        self._timer: asyncio.TimerHandle | None = None

    @property
    def cap(self) -> int:
        """Calls in flight at once. Raising it lets waiting calls in at once; lowering it waits for those in flight to end.

        Setting it makes it fixed.
        """
        return self._cap if self._adaptive is None else self._adaptive.cap

    @cap.setter
    def cap(self, cap: int) -> None:
        self._adaptive, self._cap = None, min(max(cap, 1), MOST_IN_FLIGHT)
        self._admit()

    @property
    def adaptive(self) -> bool:
        """Whether the cap follows what the server bears. Turning it on begins at the cap there is; off keeps the one found."""
        return self._adaptive is not None

    @adaptive.setter
    def adaptive(self, adaptive: bool) -> None:
        if adaptive and self._adaptive is None:
            self._adaptive = Adaptive(self._cap)
        elif not adaptive:
            self.cap = self.cap

    @property
    def requests_per_minute(self) -> int | None:
        """The configured limit on attempts begun in any 60 seconds; ``None`` is none. The server's own is kept besides it."""
        return self._requests.configured

    @requests_per_minute.setter
    def requests_per_minute(self, limit: int | None) -> None:
        self._requests.configured = limit
        self._admit()

    @property
    def tokens_per_minute(self) -> int | None:
        """The configured limit on tokens in any 60 seconds; ``None`` is none. The server's own is kept besides it."""
        return self._tokens.configured

    @tokens_per_minute.setter
    def tokens_per_minute(self, limit: int | None) -> None:
        self._tokens.configured = limit
        self._admit()

    @property
    def depth(self) -> int:
        """How many calls wait."""
        return len(self._lines)

    @property
    def oldest_wait(self) -> float:
        """Seconds the call has waited that waits longest; 0 when none does."""
        return self._clock() - min(place.since for place in self._lines.heads()) if self._lines else 0.0

    @asynccontextmanager
    async def place(self, priority: Priority, tokens: int = 0) -> AsyncIterator[Place]:
        """Wait for a place at the endpoint and hold it for the length of the block. Safe to cancel at any moment.

        ``tokens`` is what the call will use, input and output, as far as can be told; :meth:`Place.used` puts it right.
        """
        now = self._clock()
        place = Place(priority, tokens, now, self._correct)
        if not self._lines and self.in_flight < self.cap and self._closed(now, priority, tokens) <= 0:
            self._let_in(place, now)
        else:
            await self._wait(place)
        try:
            yield place
        finally:
            self.in_flight -= 1
            self._admit()

    async def _wait(self, place: Place) -> None:
        place.future = asyncio.get_running_loop().create_future()
        ahead = self._lines.next()
        self._lines.add(place, place.priority)
        if ahead is None or place.priority < ahead[1]:
            self._admit()  # it may need less than the one that was to go next, or arm the timer
        held = False
        try:
            await place.future
            held = True
        finally:
            if not held:
                self._withdraw(place)

    def _withdraw(self, place: Place) -> None:
        if place.taken is not None:  # the place came in the same moment as the cancel: pass it on, nothing was used
            request, tokens = place.taken
            now = self._clock()
            self._requests.correct(now, request, -1)
            self._tokens.correct(now, tokens, -place.tokens)
            self.in_flight -= 1
        else:
            self._lines.discard(place, place.priority)
        self._admit()

    def _let_in(self, place: Place, now: float) -> None:
        self.in_flight += 1
        waited = now - place.since
        place.taken = self._requests.take(now, 1), self._tokens.take(now, place.tokens)
        if self._adaptive is not None:
            self._adaptive.started(now, self.in_flight, waited)
        self._record.let_in(now, place.priority, waited)

    def _admit(self) -> None:
        """Let in whoever may go now; where only time is missing, look again when it has passed."""
        now = self._clock()
        while (turn := self._lines.next()) is not None:
            place, priority = turn
            future = place.future
            if future is None or future.done():  # cancelled, and its task has not run since
                self._lines.discard(place, priority)
                continue
            if self.in_flight >= self.cap:
                if self._adaptive is not None:
                    self._adaptive.held_back(by_pace=False)
                return
            seconds = self._closed(now, priority, place.tokens)
            if seconds > 0:
                self._look_again(seconds)
                return
            self._lines.take(priority)
            self._let_in(place, now)
            future.set_result(None)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _closed(self, now: float, priority: Priority, tokens: int) -> float:
        """Return the seconds for which the door is surely shut to such a call; 0 or less when it is open."""
        seconds = max(self._shut_until, self._pause_until) - now
        if seconds > 0:
            return seconds
        reserve = priority >= Priority.BATCH and not self._lines.overdue(priority)
        seconds = self._requests.wait(now, 1, reserve=reserve) or self._tokens.wait(now, tokens, reserve=reserve)
        if seconds > 0 or self._adaptive is None:
            return seconds
        seconds = self._adaptive.wait(now)
        if seconds > 0:
            self._adaptive.held_back(by_pace=True)
        return seconds

    def shut_for(self, priority: Priority) -> float:
        """Return the seconds for which surely no call of that class is let in, whatever room there is; 0 when that is not so."""
        now = self._clock()
        reserve = priority >= Priority.BATCH and not self._lines.overdue(priority)
        waits = (self._shut_until - now, self._pause_until - now, self._requests.wait(now, 1, reserve=reserve))
        return max(0.0, *waits, self._tokens.wait(now, 1, reserve=reserve))

    def _look_again(self, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        due = loop.time() + seconds
        if self._timer is not None:
            if self._timer.when() == due:
                return
            self._timer.cancel()
        self._timer = loop.call_at(due, self._admit)

    def _correct(self, place: Place, tokens: int) -> None:
        if place.taken is not None:
            by, place.tokens = tokens - place.tokens, tokens
            self._tokens.correct(self._clock(), place.taken[1], by)
            if by < 0:
                self._admit()

    def heard(self, headers: Mapping[str, str]) -> None:
        """Learn limits from a response's headers. When they say that nothing is left, nobody is let in until the server's reset."""
        now = self._clock()
        for told in read_limits(headers):
            (self._tokens if told.kind == "tokens" else self._requests).hear(now, told)

    def ok(self, ttft: float = 0.0) -> None:
        """A call is being served: its first text came after ``ttft`` seconds (0: not measured). Say it once a call."""
        self._refusals = 0
        if self._adaptive is not None:
            self._adaptive.ok(self._clock(), ttft)
            self._admit()

    def rejected(self, retry_after: float | None = None) -> None:
        """The server refused a call as one too many (429, or 503 with a time): nobody is let in for ``retry_after`` seconds."""
        now = self._clock()
        self._record.rejected(now)
        if retry_after is not None and retry_after > 0:
            self._shut_until = max(self._shut_until, now + min(retry_after, LONGEST_HOLD))
        elif now >= self._pause_until:  # refusals that come while it pauses belong to calls begun before
            rate = None if self._adaptive is None else self._adaptive.rate
            first = _PAUSE if rate is None else min(2 / rate, _LONGEST_PAUSE)
            self._pause_until = now + min(first * 2 ** min(self._refusals, 10), _LONGEST_PAUSE)
            self._refusals += 1
        if self._adaptive is not None:
            self._adaptive.rejected(now, self.in_flight, max(self._shut_until, self._pause_until))

    def timed_out(self) -> None:
        """A call took too long to begin or to go on."""
        now = self._clock()
        self._record.timed_out(now)
        if self._adaptive is not None:
            self._adaptive.timed_out(now)

    def failed(self) -> None:
        """A call failed by the server's fault (5xx, a broken connection)."""
        if self._adaptive is not None:
            self._adaptive.failed()

    def figures(self) -> DoorFigures:
        """Return how the door stands; cheap enough for every frame."""
        now = self._clock()
        held, held_for = self._held(now)
        rejected, rejected_ever, timed_out, timed_out_ever = self._record.refusals(now)
        return DoorFigures(
            cap=self.cap,
            adaptive=self.adaptive,
            rate=None if self._adaptive is None else self._adaptive.rate,
            in_flight=self.in_flight,
            depth={priority: self._lines.depth(priority) for priority in Priority},
            oldest_wait=self.oldest_wait,
            oldest={place.priority: now - place.since for place in self._lines.heads()},
            waits=self._record.waits(now),
            rejected=rejected,
            rejected_ever=rejected_ever,
            timed_out=timed_out,
            timed_out_ever=timed_out_ever,
            requests=_limit_figures(self._requests, now),
            tokens=_limit_figures(self._tokens, now),
            held=held,
            held_for=held_for,
        )

    def alarms(self) -> tuple[int, int, int]:
        """Return the late waits and the refusals of the last minute, and all refusals; cheaper than :meth:`figures`."""
        return self._record.alarms(self._clock())

    def _held(self, now: float) -> tuple[str, float]:
        turn = self._lines.next()
        priority, tokens = (Priority.INTERACTIVE, 0) if turn is None else (turn[1], turn[0].tokens)
        reserve = turn is not None and priority >= Priority.BATCH and not self._lines.overdue(priority)
        reasons = (
            ("the server asks to wait", self._shut_until - now),
            ("pausing after a refusal", self._pause_until - now),
            ("the server's limit on requests is used up", self._requests.exhausted(now)),
            ("the server's limit on tokens is used up", self._tokens.exhausted(now)),
            ("requests per minute are used up", self._requests.wait(now, 1, reserve=reserve)),
            ("tokens per minute are used up", self._tokens.wait(now, tokens, reserve=reserve)),
        )
        return next(((reason, seconds) for reason, seconds in reasons if seconds > 0), ("", 0.0))


def _limit_figures(limit: Limit, now: float) -> LimitFigures:
    return LimitFigures(used=limit.used(now), configured=limit.configured, learnt=limit.learnt)
