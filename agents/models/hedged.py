"""Two attempts at one call, of which the first to speak is kept; the second begins when the first is slower than nearly always."""

from __future__ import annotations

import asyncio
from time import monotonic
from typing import TYPE_CHECKING

from agents.errors import CallError, InputError
from storage.errors import StoreError

if TYPE_CHECKING:
    from agents.models.admission import Place
    from agents.models.attempts import Attempts
    from agents.models.client import Reply
    from agents.models.flights import Flight
    from agents.models.hedging import Hedges
    from agents.models.routes import Course, Seat


class Contender:
    """One of the attempts."""

    __slots__ = ("_contest", "place", "rival", "seat", "task")

    def __init__(self, contest: Contest, seat: Seat, place: Place | None, *, rival: bool) -> None:
        self.seat = seat
        self.place = place
        """What it holds at its endpoint's door; ``None`` while it waits there."""
        self.rival = rival
        """Whether it is the second attempt, of which a reader is told only when it speaks first."""
        self.task: asyncio.Task[Reply | CallError] | None = None
        self._contest = contest

    def claim(self) -> bool:
        """Ask to be the one that is heard. Stops the other attempt when that is granted."""
        return self._contest.claim(self)

    def lost(self, cost: float) -> bool:
        """Tell whether the attempt was stopped for the other's sake, and take note of what it cost, about."""
        return self._contest.lost(self, cost)


class Contest:
    """One call that may be asked twice. It ends with one answer, or with one failure."""

    def __init__(self, course: Course, seat: Seat, place: Place | None, flight: Flight, hedges: Hedges, after: float) -> None:
        self._course = course
        self._flight = flight
        self._hedges = hedges
        self._after = after
        self._began = monotonic()
        self._contenders = [Contender(self, seat, place, rival=False)]
        self._speaker: Contender | None = None
        self._attempts: Attempts

    @classmethod
    def of(cls, course: Course, seat: Seat, place: Place | None, flight: Flight) -> Contest | None:
        """Return a contest when the call's route asks for them and it is known what is slow for this model; else nothing."""
        road = course.road
        if road is None or road.hedges is None or flight.pieces:
            return None
        road.hedges.earn()
        after = seat.gate.first_tokens.p95(seat.model)
        return None if after is None else cls(course, seat, place, flight, road.hedges, after)

    async def run(self, attempts: Attempts, tokens: int) -> tuple[Reply, Seat]:
        """Return the answer and where it came from; an attempt may take about ``tokens``. Raises :class:`CallError`."""
        self._attempts = attempts
        first = self._contenders[0]
        async with asyncio.TaskGroup() as group:
            first.task = group.create_task(self._attempt(first))
            await asyncio.wait({first.task}, timeout=self._after)
            if not first.task.done() and self._silent() and (seat := self._elsewhere(first.seat)) is not None:
                rival = Contender(self, seat, None, rival=True)
                self._contenders.append(rival)
                self._flight.log(f"{seat.name} is asked too: no text from {first.seat.name} for {self._after:.2g} s")
                rival.task = group.create_task(self._enter(rival, tokens))
        return self._outcome()

    async def _enter(self, rival: Contender, tokens: int) -> Reply | CallError:
        # In the rival's own task: where the door keeps it waiting after all, the first attempt's end is not kept waiting too.
        gate = rival.seat.gate
        try:
            async with gate.door.place(self._flight.priority, tokens) as rival.place:
                return await self._attempt(rival)
        finally:
            gate.left()

    async def _attempt(self, contender: Contender) -> Reply | CallError:
        try:
            reply = await self._attempts.make(contender.seat, self._flight.write, contender)
        except CallError as error:
            for other in self._contenders:
                if other.rival and other.place is None and other.task is not None:
                    other.task.cancel()  # it has not begun: what follows is not a second attempt beside the first any more
            return error
        except (InputError, StoreError) as error:  # a group would wrap what is told of a missing file
            return CallError("bad_request", str(error))
        self.claim(contender)  # an answer may be whole without a word
        return reply

    def _elsewhere(self, first: Seat) -> Seat | None:
        """Return where a second attempt can begin at once; the same place only where there is no other and nobody else is there."""
        if len(self._course.members) == 1:
            seat = first if first.gate.free and first.gate.door.in_flight == 1 else None
        else:
            seat = self._course.best((first,), self._flight.priority)
        if seat is None or not seat.gate.free or seat in self._course.fallbacks or not self._hedges.spend():
            return None
        return seat

    def _silent(self) -> bool:
        return self._speaker is None

    def claim(self, contender: Contender) -> bool:
        """Let ``contender`` be heard if nobody was so far."""
        if self._speaker is None:
            self._speaker = contender
            if contender.rival:
                self._hedges.won()
                self._slow(self._contenders[0])
                self._attempts.start(contender.seat)
            for other in self._contenders:
                if other is not contender and other.task is not None:
                    other.task.cancel()
        return self._speaker is contender

    def _slow(self, first: Contender) -> None:
        """Take note of how long the first attempt took at least: without the slowest, what counts as slow would sink and sink."""
        if first.task is not None and not first.task.done():
            first.seat.gate.first_tokens.add(first.seat.model, monotonic() - self._began)

    def lost(self, contender: Contender, cost: float) -> bool:
        """Tell whether another was heard, and count then what this attempt cost."""
        lost = self._speaker is not None and self._speaker is not contender
        if lost:
            self._hedges.lost(cost)
        return lost

    def _outcome(self) -> tuple[Reply, Seat]:
        ended = [(each, each.task.result()) for each in self._contenders if each.task is not None and not each.task.cancelled()]
        for each, outcome in sorted(ended, key=lambda pair: pair[0] is not self._speaker):
            if not isinstance(outcome, CallError):
                return outcome, each.seat
        failed, error = next((pair for pair in ended if pair[0] is self._speaker), ended[0])
        self._attempts.seat = failed.seat
        assert isinstance(error, CallError)  # noqa: S101  # answers were returned above
        raise error
