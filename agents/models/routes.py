"""Where a call can be made: at its endpoint, or at the members of a route and, when none of them can answer, at its fallbacks.

Of a route's members those that are well and let anybody in come first, then those with a free place, then the least loaded (calls
in flight and waiting, over the cap), then the one whose first token comes soonest. A call waits at the door of the member that was
chosen, in its line, and is moved when another member has room before that, or when its member falls ill.
"""

from __future__ import annotations

import asyncio
import itertools
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from agents.errors import CallError
from agents.models.hedging import HedgeFigures, Hedges
from agents.requests import Priority

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from agents.models.flights import Flight
    from agents.models.gates import Gate
    from agents.settings import Route

_LOOK: Final = 0.05
"""Seconds between two looks for room while calls wait: a limit that has passed and a cap that grew tell nobody."""
_SHUT: Final = 1.0
"""A member that lets nobody in for longer than these seconds comes after all others."""
_MODELS: Final = 256
"""Models of one route whose seats are remembered."""


class Seat(NamedTuple):
    """A model at an endpoint."""

    gate: Gate
    model: str

    @property
    def name(self) -> str:
        """``endpoint/model``."""
        return f"{self.gate.name}/{self.model}"

    @property
    def well(self) -> bool:
        """Whether it may be asked now."""
        return self.gate.health.lets(self.model)


class Course:
    """All places where one call can be made, and which of them is best now."""

    __slots__ = ("fallbacks", "members", "road")

    def __init__(self, members: tuple[Seat, ...], fallbacks: tuple[Seat, ...] = (), road: Road | None = None) -> None:
        self.members = members
        self.fallbacks = fallbacks
        self.road = road
        """What the calls of one route share; ``None`` for a plain endpoint."""

    def best(self, tried: Collection[Seat], priority: Priority) -> Seat | None:
        """Return the best place that is well and not among ``tried``; ``None`` when there is none."""
        if self.road is None:
            seat = self.members[0]
            return seat if seat not in tried and seat.well else None
        members = [seat for seat in self.members if seat not in tried and seat.well]
        if members:
            return min(members, key=lambda seat: self._cost(seat, priority))
        return next((seat for seat in self.fallbacks if seat not in tried and seat.well), None)

    def _cost(self, seat: Seat, priority: Priority) -> tuple[bool, bool, bool, float, float]:
        gate = seat.gate
        shut = gate.door.shut_for(priority) > _SHUT
        full = not gate.free or (self.road is not None and not self.road.room(gate))
        # A person who waits does not try out for others whether a member has recovered, unless it is the only one with room.
        probe = priority is Priority.INTERACTIVE and gate.health.state != "closed"
        return shut, full, probe, gate.load, gate.first_tokens.mean or 0.0

    def soonest(self) -> Seat:
        """Return the place that may be asked first when none may now."""
        return min((*self.members, *self.fallbacks), key=lambda seat: seat.gate.health.due(seat.model))

    @contextmanager
    def waiting(self, flight: Flight, seat: Seat, tried: Collection[Seat] = ()) -> Iterator[None]:
        """Let the call be moved to a better place that is not among ``tried`` while the block waits for this one."""
        if self.road is None:
            yield
            return
        with self.road.waiting(flight, seat, self, tried):
            yield


class RouteFigures(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one route's calls."""

    members: tuple[str, ...]
    fallbacks: tuple[str, ...]
    waiting: int
    """Calls that wait for a place at any member."""
    moved: int
    """Calls that were moved while they waited, ever."""
    answered: dict[str, int]
    """Answers by ``endpoint/model``."""
    hedges: HedgeFigures | None
    """``None`` where nothing is asked twice."""


class _Line(NamedTuple):
    """What calls have in common that can be moved to the same places."""

    priority: Priority
    course: Course
    seat: Seat
    tried: tuple[Seat, ...]
    """Where they have failed."""


class Road:
    """One route, with the calls that wait on it. ``gates`` are all endpoints, by name.

    Raises :class:`CallError` for a member that is none.
    """

    def __init__(self, name: str, route: Route, gates: Mapping[str, Gate]) -> None:
        self.name = name
        self.route = route
        self.hedges = Hedges(route.hedge_budget) if route.hedge else None
        self.answered: dict[str, int] = {}
        self._gates = gates
        self._lines: dict[_Line, dict[int, Flight]] = {}
        """Calls that wait, by their number in the order of their coming. None is empty."""
        self._numbers = itertools.count()
        self._promised: dict[Gate, int] = {}
        """Room at a member that a call was moved for and has not taken yet."""
        self._moved = 0
        self._timer: asyncio.TimerHandle | None = None
        self._courses: dict[str, Course] = {}
        self._members = tuple({self._gate(text.partition("/")[0]): None for text in route.members})
        for gate in self._members:
            gate.roads.append(self)
        parts = (member.partition("/") for member in route.members)
        self.address = "route " + " ".join(sorted(f"{self._gate(name).target.base_url} {model}" for name, _, model in parts))
        """What tells its answers from others' in the cache: the addresses of all members."""

    def _gate(self, name: str) -> Gate:
        gate = self._gates.get(name)
        if gate is None:
            raise CallError("not_found", f"routes.{self.name} names the endpoint {name!r}, which there is not")
        return gate

    def course(self, model: str) -> Course:
        """Return where ``model`` can be asked."""
        course = self._courses.get(model)
        if course is None:
            members = tuple(self._seat(text, model) for text in self.route.members)
            fallbacks = tuple(self._seat(text, model) for text in self.route.fallbacks)
            if len(self._courses) >= _MODELS:
                self._courses.clear()
            course = self._courses[model] = Course(members, fallbacks, self)
        return course

    def _seat(self, text: str, model: str) -> Seat:
        endpoint, _, own = text.partition("/")
        return Seat(self._gate(endpoint), own or model)

    def room(self, gate: Gate) -> bool:
        """Tell whether there is a free place that no call on its way has been promised."""
        return gate.free and gate.door.cap - gate.door.in_flight > self._promised.get(gate, 0)

    @contextmanager
    def waiting(self, flight: Flight, seat: Seat, course: Course, tried: Collection[Seat] = ()) -> Iterator[None]:
        """Keep the call among those that may be moved, for the length of the block."""
        line, number = _Line(flight.priority, course, seat, tuple(tried)), next(self._numbers)
        self._lines.setdefault(line, {})[number] = flight
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(_LOOK, self._tick)
        try:
            yield
        finally:
            self._take(line, number)

    def _take(self, line: _Line, number: int) -> Flight | None:
        waiting = self._lines.get(line)
        flight = None if waiting is None else waiting.pop(number, None)
        if not waiting:
            self._lines.pop(line, None)
        return flight

    def claim(self, flight: Flight) -> Gate | None:
        """Return the gate that a moved call was promised room at, if it was; from now on that room is anybody's."""
        gate, flight.promised = flight.promised, None
        if gate is not None:
            left = self._promised.pop(gate, 0) - 1
            if left > 0:
                self._promised[gate] = left
        return gate

    def _tick(self) -> None:
        self._timer = None
        self.look()
        if self._lines:
            self._timer = asyncio.get_running_loop().call_later(_LOOK, self._tick)

    def look(self) -> None:
        """Move those who wait at a member that fell ill, and those who find room elsewhere."""
        for line in [line for line in self._lines if not line.seat.well]:
            # A person's call waits there where no place is well; the others are told, or wait until one is.
            if line.priority is not Priority.INTERACTIVE or line.course.best(line.tried, line.priority) is not None:
                for number in list(self._lines[line]):
                    self._move(line, number)
        self.fill()

    def fill(self) -> None:
        """Move those who wait where there is room now, the most urgent first."""
        while self._lines and (rooms := [gate for gate in self._members if self.room(gate)]):
            found = [(line.priority, next(iter(self._lines[line])), line) for line in self._lines if _better(line, rooms)]
            if not found:
                return
            _, number, line = min(found)
            gate = min(_better(line, rooms), key=lambda gate: gate.load)
            self._promised[gate] = self._promised.get(gate, 0) + 1
            self._move(line, number, gate)

    def _move(self, line: _Line, number: int, promised: Gate | None = None) -> None:
        flight = self._take(line, number)
        if flight is not None:
            flight.promised = promised
            self._moved += 1
            flight.move()

    def close(self) -> None:
        """Look for nothing any more."""
        if self._timer is not None:
            self._timer.cancel()

    def figures(self) -> RouteFigures:
        """Return the figures."""
        return RouteFigures(
            members=self.route.members,
            fallbacks=self.route.fallbacks,
            waiting=sum(map(len, self._lines.values())),
            moved=self._moved,
            answered=dict(self.answered),
            hedges=None if self.hedges is None else self.hedges.figures(),
        )


def _better(line: _Line, rooms: Collection[Gate]) -> list[Gate]:
    """Return those of ``rooms`` where the calls of ``line`` could be made."""
    here, tried = line.seat.gate, line.tried
    return [
        seat.gate
        for seat in line.course.members
        if seat.gate in rooms and seat.gate is not here and seat not in tried and seat.well
    ]
