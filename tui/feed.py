"""From the engine's stream to the views: one subscription, drained on the frame clock, routed by run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from agents.events import Saved, Text

if TYPE_CHECKING:
    from collections.abc import Callable

    from agents.engine import Engine
    from agents.events import AnyEvent
    from agents.requests import Request
    from agents.runs import Run

_PER_FRAME = 400
"""Events handled in one frame; what is left comes with the next one, merged."""


class Follower(Protocol):
    """What shows the events of some runs."""

    def handle(self, event: AnyEvent) -> None:
        """Take one event; cheap, because a frame has many."""


class Feed:
    """Starts runs for followers and hands each its events, in order."""

    def __init__(self, engine: Engine, started: Callable[[], None] = lambda: None) -> None:
        """Call ``started`` for each run that is started here, so that whoever pumps may do it sooner."""
        self._engine = engine
        self._started = started
        self._reader = engine.subscribe()
        self._followers: dict[str, Follower] = {}
        self._observers: list[Callable[[AnyEvent], None]] = []

    def observe(self, observer: Callable[[AnyEvent], None]) -> None:
        """Tell ``observer`` of every event of every run from now on, but for text: it is called before the run's follower."""
        self._observers.append(observer)

    def submit(self, request: Request, follower: Follower) -> Run:
        """Start ``request``; its events go to ``follower`` until its end is on disk, also when that takes a second try."""
        run = self._engine.submit(request)
        self._followers[run.id] = follower
        self._started()
        return run

    def pump(self) -> bool:
        """Hand over what waits, at most a frame's worth; return whether there was anything."""
        events = self._reader.drain(_PER_FRAME)
        for event in events:
            if not isinstance(event, Text):
                for observer in self._observers:
                    observer(event)
            follower = self._followers.get(event.run)
            if follower is None:
                continue
            follower.handle(event)
            if isinstance(event, Saved) and event.step is None and event.error is None:
                del self._followers[event.run]
        return bool(events)

    def close(self) -> None:
        """Stop reading."""
        self._reader.close()
        self._followers.clear()
        self._observers.clear()
