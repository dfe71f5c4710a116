"""Every endpoint and every route there is, by name, and where a call to a model goes."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Literal

from agents.errors import CallError
from agents.models.discovery import EMBEDDED
from agents.models.gates import Gate
from agents.models.routes import Course, Road, Seat

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from agents.models.discovery import Target
    from agents.models.figures import EndpointLoad
    from agents.models.turns import Turn
    from agents.requests import ModelRef
    from agents.settings import Route


class Directory:
    """Gates and roads as long as the process lives; :meth:`close` closes their connections."""

    def __init__(self, targets: Mapping[str, Target], routes: Mapping[str, Route], clock: Callable[[], float], turn: Turn) -> None:
        self.gates = {name: Gate(target, clock, turn) for name, target in targets.items()}
        self.roads: dict[str, Road] = {}
        """Those that were used."""
        self._routes = routes

    @property
    def names(self) -> tuple[str, ...]:
        """All that can stand before the ``/`` of a model's name."""
        return (*self.gates, *self._routes)

    def gate(self, name: str) -> Gate:
        """Return the gate of an endpoint. Raises :class:`CallError` for an unknown one."""
        gate = self.gates.get(name)
        if gate is None:
            known = ", ".join(self.names)
            raise CallError("not_found", f"there is no endpoint {name!r}; there are {known}. Add it to config.toml")
        return gate

    def _road(self, name: str) -> Road | None:
        road = self.roads.get(name)
        if road is None and (route := self._routes.get(name)) is not None:
            road = self.roads[name] = Road(name, route, self.gates)
        return road

    def course(self, ref: ModelRef) -> Course:
        """Return where a call to a model can be made. Raises :class:`CallError` when there is no such place."""
        road = self._road(ref.endpoint)
        return Course((Seat(self.gate(ref.endpoint), ref.model),)) if road is None else road.course(ref.model)

    def address(self, ref: ModelRef) -> str:
        """Return the address that tells answers of this model from those of others of its name. Raises :class:`CallError`."""
        road = self._road(ref.endpoint)
        if road is not None:
            return road.address
        target = self.gate(ref.endpoint).target
        return EMBEDDED if target.endpoint.kind == "embedded" else target.base_url

    async def warm(self, ref: ModelRef, progress: Callable[[str], None]) -> None:
        """Make ready for a model's first call. Raises :class:`CallError` when it can be made nowhere."""
        failed: CallError | None = None
        ready = False
        for seat in self.course(ref).members:
            try:
                await seat.gate.ready(progress)
                ready = True
            except CallError as error:
                failed = error
        if not ready and failed is not None:
            raise failed

    async def connect(self, ref: ModelRef) -> None:
        """Open a connection to where a model is, ahead of its next call; what fails is left for the call to find."""
        for seat in self.course(ref).members:
            with suppress(CallError):
                await (await seat.gate.ready(_ignore)).connect()

    def load(self) -> tuple[EndpointLoad, ...]:
        """Return how busy each endpoint is; cheap enough for every frame."""
        return tuple(gate.load_figures() for gate in self.gates.values())

    def set_cap(self, endpoint: str, cap: int | Literal["adaptive"]) -> None:
        """Change how many calls to an endpoint are in flight at once, while they run. Raises :class:`CallError`."""
        door = self.gate(endpoint).door
        if cap == "adaptive":
            door.adaptive = True
        else:
            door.cap = cap

    def set_limits(self, endpoint: str, requests_per_minute: int | None, tokens_per_minute: int | None) -> None:
        """Change an endpoint's limits while calls run; ``None`` is none. Raises :class:`CallError`."""
        door = self.gate(endpoint).door
        door.requests_per_minute, door.tokens_per_minute = requests_per_minute, tokens_per_minute

    def rest(self) -> None:
        """Look for nothing any more."""
        for road in self.roads.values():
            road.close()

    async def close(self) -> None:
        """Close every connection."""
        for gate in self.gates.values():
            await gate.close()


def _ignore(line: str) -> None:
    pass
