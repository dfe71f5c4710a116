"""What went wrong at each endpoint lately, from the events of calls: the newest lines, and why something was tried again."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final, NamedTuple

from agents.events import Retried, StepEnded, StepQueued, StepStarted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agents.events import AnyEvent

KEPT: Final = 20
"""Lines kept for each endpoint."""


class Trouble(NamedTuple):
    """One failed attempt."""

    at: float
    """On the engine's clock."""
    line: str
    again: bool
    """Whether another attempt followed."""


class Troubles:
    """An observer of all events. Text in it is as it came: it is made safe where it is shown."""

    def __init__(self) -> None:
        self._where: dict[str, str] = {}
        """Model steps that go on, and the endpoint each was sent to last."""
        self._lines: dict[str, deque[Trouble]] = {}

    def handle(self, event: AnyEvent) -> None:
        """Take one event."""
        match event:
            case StepQueued(kind="model", step=step, lane=lane):
                self._where[step] = lane.partition("/")[0]
            case StepStarted(step=step, endpoint=endpoint) if endpoint and step in self._where:
                self._where[step] = endpoint.partition("/")[0]
            case Retried(step=step, reason=reason):
                self._add(self._where.get(step), Trouble(event.at, reason, again=True))
            case StepEnded(step=step, outcome=outcome, error=error):
                where = self._where.pop(step, None)
                if error is not None and outcome != "cancelled":
                    self._add(where, Trouble(event.at, error, again=False))
            case _:
                pass

    def _add(self, where: str | None, trouble: Trouble) -> None:
        if where is not None:
            self._lines.setdefault(where, deque(maxlen=KEPT)).append(trouble)

    def of(self, endpoint: str) -> Sequence[Trouble]:
        """Return what went wrong at an endpoint, the newest last."""
        return self._lines.get(endpoint, ())

    def tried_again(self, endpoint: str) -> str:
        """Return why something was tried again there last; empty where nothing was."""
        return next((trouble.line for trouble in reversed(self.of(endpoint)) if trouble.again), "")
