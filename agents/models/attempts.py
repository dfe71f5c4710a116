"""The attempts of one call: where each is made, what is tried again after a failure, when, how often, and what never is."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from time import monotonic
from typing import TYPE_CHECKING, Final

import msgspec

from agents.errors import CallError, CallKind
from agents.events import Usage
from agents.models.gates import PATIENCE
from agents.models.hedged import Contender, Contest
from agents.models.resuming import Overlap, resumed
from agents.models.sinks import Sink
from agents.models.spend import input_tokens
from agents.requests import Priority

if TYPE_CHECKING:
    from agents.events import RetryMode
    from agents.models.admission import Place
    from agents.models.client import Reply
    from agents.models.flights import Flight
    from agents.models.gates import Trial
    from agents.models.routes import Course, Seat
    from agents.models.spend import Meter, Spend
    from agents.requests import ModelCall
    from agents.settings import Price

_BASE: Final = 1.0
_CAP: Final = 60.0
LONGEST_WAIT: Final = 600.0
"""Seconds a call of a batch, for which nobody sits and waits, spends in all on waiting for an endpoint that is busy or ill."""

RETRYABLE: Final[Mapping[CallKind, str]] = {
    "unreachable": "tried again, but not where the certificate or the secure connection is at fault",
    "timeout": "tried again, but not when the call has had its whole time",
    "rate_limit": "tried again, not before the server's `Retry-After`; more than 120 s, of a batch ten minutes, is told at once",
    "server": "tried again, but not after HTTP 501",
    "protocol": "tried again where the connection broke, never where something else than an answer came",
    "cut": "as `on_cut` says: kept, begun anew or resumed; never when the call has had its whole time",
    "auth": "never; a route goes on to another member",
    "quota": "never; a route goes on to another member",
    "not_found": "never; a route goes on to another member",
    "bad_request": "never",
    "too_large": "never",
    "budget": "never",
}
"""What follows each kind of failure: what the documentation says, word for word."""
NEVER: Final[frozenset[CallKind]] = frozenset({"auth", "quota", "not_found", "bad_request", "too_large", "budget"})
"""Kinds no attempt at the same endpoint follows."""
FINAL: Final[frozenset[CallKind]] = frozenset({"bad_request", "too_large", "budget"})
"""Kinds no attempt follows anywhere: what is wrong is the call itself."""

Files = Callable[["ModelCall"], Awaitable[Mapping[str, bytes]]]
Quotes = Callable[["Seat"], "Price | None"]


def backoff(attempt: int, retry_after: float | None, chance: random.Random) -> float:
    """Return the seconds to wait after failed ``attempt`` (1-based): full jitter, doubling, ``retry_after`` at least."""
    jitter = chance.uniform(0.0, min(_CAP, _BASE * 2 ** (attempt - 1)))
    return jitter if retry_after is None else max(jitter, retry_after * chance.uniform(1.0, 1.1))


class Attempts:
    """Executes the call of ``flight`` at the places of ``course``. A plain call takes no task and no timer of its own."""

    def __init__(  # each is another part of the engine
        self, flight: Flight, course: Course, files: Files, price: Quotes, spend: Spend, chance: random.Random
    ) -> None:
        self._flight = flight
        self._course = course
        self._files = files
        self._price = price
        self._spend = spend
        self._chance = chance
        self._tried: list[Seat] = []
        """Where this round of attempts has failed."""
        self._passing: tuple[Seat, CallError] | None = None
        """The latest failure of this round that another attempt may not meet again, and where it was."""
        self._round = 1
        self._made = 0
        self._waited = 0.0
        self._resumed = False
        self._before = 0
        """Tokens of the answer, about, that came before the attempt that resumes it."""
        self._place: Place | None = None
        self.seat: Seat = course.members[0]
        """Where the latest attempt was made."""

    async def run(self) -> Reply:
        """Attempt until an answer is whole. Raises the last attempt's :class:`CallError`."""
        flight, road = self._flight, self._course.road
        try:
            while True:
                try:
                    reply = await self._attempt()
                except CallError as error:
                    failed = error
                else:
                    return self._whole(reply)
                delay, mode = self._follow_up(failed)
                flight.retried(str(failed), delay, mode)
                self._resumed = mode == "resume"
                self._before = flight.pieces if self._resumed else 0
                if delay:
                    self._waited += delay
                    await asyncio.sleep(delay)
        finally:
            if road is not None:
                road.claim(flight)

    def _whole(self, reply: Reply) -> Reply:
        seat, road = self.seat, self._course.road
        if road is not None:
            self._flight.price = self._price(seat)  # the attempt that was not kept may have had another
            road.answered[seat.name] = road.answered.get(seat.name, 0) + 1
        if not self._before:
            return reply
        usage = Usage(input=reply.usage.input, output=reply.usage.output + self._before, estimated=True)
        return msgspec.structs.replace(reply, usage=usage)

    # What follows a failure

    def _follow_up(self, error: CallError) -> tuple[float, RetryMode]:
        """Return how long to wait for the next attempt and what it is to be; raises ``error`` where none may follow."""
        flight, seat = self._flight, self.seat
        endpoint = seat.gate.target.endpoint
        mode: RetryMode = "again"
        if error.kind in FINAL:
            raise error
        if error.kind == "cut" or flight.pieces > self._before:
            if endpoint.on_cut == "keep" or not error.retryable:
                raise error
            mode = endpoint.on_cut
        elif self._before:
            mode = "resume"  # what came before this attempt is still there
        self._tried.append(seat)
        if error.retryable and error.kind not in NEVER:
            self._passing = seat, error
        if self._course.road is not None and self._course.best(self._tried, flight.priority) is not None:
            return 0.0, mode
        if self._passing is None:
            raise error
        seat, error = self._passing  # of several members that failed, what the next round can hope for
        endpoint = seat.gate.target.endpoint
        if endpoint.max_retries == 0:
            raise error
        if error.retry_after is not None and error.retry_after > self._patience:
            raise error
        patient = flight.priority is Priority.BATCH and error.kind == "rate_limit" and self._waited < LONGEST_WAIT
        if self._round > endpoint.max_retries and not patient:
            raise error
        if error.kind != "rate_limit" and not seat.gate.health.retries.spend():
            flight.log(f"{seat.gate.name}: not tried again, so many calls fail there", "warning")
            raise error
        delay = backoff(self._round, error.retry_after, self._chance)
        self._round += 1
        self._tried.clear()
        self._passing = None
        return delay, mode

    @property
    def _patience(self) -> float:
        """Seconds a server may ask this call to wait."""
        return PATIENCE if self._flight.priority is not Priority.BATCH else LONGEST_WAIT - self._waited

    # Where the next attempt is made

    async def _choose(self) -> Seat:
        """Return where to go. Waits for an endpoint that is ill only where nobody sits and waits for the answer."""
        flight, course = self._flight, self._course
        while True:
            promised = None if course.road is None else course.road.claim(flight)
            if promised is not None and promised.free:
                for seat in course.members:
                    if seat.gate is promised and seat not in self._tried and seat.well:
                        return seat
            best = course.best(self._tried, flight.priority)
            if best is not None:
                return best
            if self._tried:
                self._tried.clear()  # what was left to try fell ill meanwhile
                continue
            seat = course.soonest()
            if flight.priority is Priority.INTERACTIVE:
                return seat  # a person may always try
            await self._wait_for(seat)

    async def _wait_for(self, seat: Seat) -> None:
        """Wait until ``seat`` may be asked. Raises why it is not, where the call is not to wait."""
        health = seat.gate.health
        refusal = health.refusal(seat.model)
        under_way = self._made > 0 and self._round <= seat.gate.target.endpoint.max_retries
        batch = self._flight.priority is Priority.BATCH
        passes = refusal.retryable or (batch and refusal.kind == "rate_limit")  # it was shut for as long as the server asked
        if not passes or not (batch or under_way) or self._waited >= LONGEST_WAIT or (refusal.retry_after or 0.0) > self._patience:
            raise refusal
        began = seat.gate.clock()
        await health.change(max(health.due(seat.model) - began, 0.0) or 1.0)
        self._waited += seat.gate.clock() - began

    async def _enter(self, held: AsyncExitStack) -> Seat:
        """Wait for a place at the best endpoint there is, or at a better one meanwhile, and hold it."""
        flight, course = self._flight, self._course
        tokens = _tokens(flight.call)
        while True:
            seat = await self._choose()
            door = seat.gate.door
            try:
                async with asyncio.timeout(None) as moving:
                    flight.moving = moving
                    with course.waiting(flight, seat, self._tried):
                        if course.road is not None:
                            held.callback(seat.gate.left)  # called after the place was given back
                        self._place = await held.enter_async_context(door.place(flight.priority, tokens))
                    flight.moving = None
            except TimeoutError:
                continue  # moved: to a better place, or up in the line
            finally:
                flight.moving = None
            if course.road is not None and course.road.claim(flight) is not None:
                course.road.fill()  # it got its place in the moment it was to be moved: the room is somebody else's
            # While it waited the endpoint may have fallen ill.
            if seat.well or flight.priority is Priority.INTERACTIVE:
                return seat
            await held.aclose()

    # One attempt

    async def _attempt(self) -> Reply:
        course, flight = self._course, self._flight
        async with AsyncExitStack() as held:
            seat = self.seat = await self._enter(held)
            contest = Contest.of(course, seat, self._place, flight)
            if contest is None:
                return await self.make(seat, flight.write)
            reply, self.seat = await contest.run(self, _tokens(flight.call))
            return reply

    async def make(self, seat: Seat, write: Callable[[str], None], contender: Contender | None = None) -> Reply:
        """Make one attempt at ``seat``, whose door is open to it; ``write`` gets its text. Raises :class:`CallError`."""
        flight, gate = self._flight, seat.gate
        call = self._call(seat)
        trial = gate.begin(seat.model)
        meter: Meter | None = None
        sink: Sink | None = None
        try:
            # What goes with the messages is read now, not while hundreds of calls wait for a place: each may carry megabytes.
            client = await gate.ready(flight.log)
            files = await self._files(call)
            meter = self._meter(call, seat)
            sink = self._sink(seat, write, meter, contender, trial)
            if contender is None or not contender.rival:
                self.start(seat)
            trial.began = monotonic()
            reply = await client.answer(call, sink or write, files, heard=gate.door.heard)
            if sink is not None:
                sink.end()
        except CallError as error:
            failed = error if sink is None or sink.stopped is None else sink.stopped
            trial.failed(failed)
            raise failed from None
        except BaseException:
            trial.left()
            raise
        else:
            trial.passed(flight.first)
            place = self._place if contender is None else contender.place
            if place is not None and not reply.usage.estimated:
                place.used(reply.usage.input + reply.usage.output)
            if meter is not None:
                meter.settle(reply.usage)
            return reply
        finally:
            if meter is not None:
                # A second attempt that was stopped had its input read; what failed is not charged.
                stopped = not meter.settled and contender is not None and contender.lost(meter.cost)
                meter.settle(None, charged=stopped)

    def start(self, seat: Seat) -> None:
        """Tell that an attempt begins at ``seat``."""
        self._made += 1
        if self._made == 1:
            seat.gate.health.retries.earn()
        routed = self._course.road is not None
        if routed and seat in self._course.fallbacks:
            self._flight.log(f"{seat.name} answers in place of {self._flight.call.model.name}", "warning", keep=True)
        elif routed:
            self._flight.log(f"{seat.name} answers")
        self._flight.start(seat.name if routed else "", resumed=self._resumed)

    def _call(self, seat: Seat) -> ModelCall:
        call = self._flight.call
        if self._resumed:
            call = resumed(call, self._flight.text, self._before)
        if self._course.road is None:
            return call
        return msgspec.structs.replace(call, model=msgspec.structs.replace(call.model, endpoint=seat.gate.name, model=seat.model))

    def _meter(self, call: ModelCall, seat: Seat) -> Meter | None:
        price = self._flight.price = self._price(seat)
        meter = self._spend.start(call, price, self._flight.purse, self._flight)
        if meter.notice:
            self._flight.log(meter.notice, "warning", keep=True)
        return meter if price is not None else None

    def _sink(
        self, seat: Seat, write: Callable[[str], None], meter: Meter | None, contender: Contender | None, trial: Trial
    ) -> Sink | None:
        """Return what stands between the stream and the flight; nothing for a plain call."""
        overlap = None
        # A server that is told to go on does; one that is only shown the beginning may repeat some of it.
        if self._resumed and seat.gate.target.preset.continues != "flag":
            overlap = Overlap(self._flight.text)
        if meter is None and contender is None and overlap is None and not trial.urgent:
            return None
        claim = None if contender is None else contender.claim
        return Sink(write, meter=meter, overlap=overlap, claim=claim, spoke=trial.spoke)


def _tokens(call: ModelCall) -> int:
    """Return about how many tokens the call may take, for a limit of tokens a minute."""
    return input_tokens(call) + (call.model.params.max_tokens or 0)
