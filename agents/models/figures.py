"""What a person is shown of the engine: every door, the health behind it, routes, cache, spending and batches."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from agents.models.batching import BatchFigures
    from agents.models.cache import CacheFigures
    from agents.models.door_figures import DoorFigures
    from agents.models.health import HealthFigures
    from agents.models.routes import RouteFigures
    from agents.models.spend import SpendFigures


class EndpointLoad(msgspec.Struct, frozen=True):
    """How busy the door to one endpoint is now."""

    endpoint: str
    depth: int
    in_flight: int
    cap: int
    oldest_wait: float
    """Seconds the call has waited that waits longest."""
    late: int = 0
    """Calls that waited over 200 ms and were let in within the last minute."""
    refused: int = 0
    """Refusals for too many requests within the last minute, and ever."""
    refused_ever: int = 0
    answered: int = 0
    """Attempts that succeeded, ever."""
    ill: bool = False
    """Whether its circuit is open, so that nothing is sent but now and then one attempt to see."""


class EngineFigures(msgspec.Struct, frozen=True, kw_only=True):
    """Everything at one moment. Endpoints and routes are by their names, batches by ``endpoint/model``."""

    doors: dict[str, DoorFigures]
    health: dict[str, HealthFigures]
    first_token: dict[str, float | None]
    """Seconds to the first token at each endpoint, the newest weighing most; ``None`` before any."""
    routes: dict[str, RouteFigures]
    cache: CacheFigures | None
    """``None`` where nothing is kept."""
    spend: SpendFigures
    batches: dict[str, BatchFigures]
    flights: int
    """Calls that are being made, each for one step or for several that share it."""
    joined: int
    """Steps that shared the call of another, ever."""
