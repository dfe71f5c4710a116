"""The last minute at every endpoint, one sample a second, and the small curves drawn from it."""

from __future__ import annotations

from collections import deque
from math import ceil
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from agents.models.figures import EndpointLoad

SPAN: Final = 60
"""Seconds kept."""
_LEVELS: Final = " ▁▂▃▄▅▆▇█"


class Sample(NamedTuple):
    """One second at one endpoint: what was waiting and in flight at its end, and what happened in it."""

    depth: int
    in_flight: int
    cap: int
    answered: int
    refused: int


class History:
    """Takes samples for as long as anything goes on; costs a few additions a second."""

    def __init__(self) -> None:
        self._samples: dict[str, deque[Sample]] = {}
        self._before: dict[str, tuple[int, int]] = {}
        self._second: int | None = None

    def due(self, now: float) -> bool:
        """Return whether a second began since the last sample."""
        return self._second != int(now)

    def take(self, now: float, loads: Iterable[EndpointLoad]) -> None:
        """Take a sample, where a second began; seconds that were missed are taken to have been like this one.

        The first one also counts what was before it: it comes with the first frame of the first run.
        """
        if not self.due(now):
            return
        missed = 0 if self._second is None else min(int(now) - self._second - 1, SPAN)
        self._second = int(now)
        for load in loads:
            samples = self._samples.setdefault(load.endpoint, deque(maxlen=SPAN))
            answered, refused = self._before.get(load.endpoint, (0, 0))
            self._before[load.endpoint] = load.answered, load.refused_ever
            sample = Sample(load.depth, load.in_flight, load.cap, load.answered - answered, load.refused_ever - refused)
            samples.extend([sample._replace(answered=0, refused=0)] * missed)
            samples.append(sample)

    def of(self, endpoint: str) -> Sequence[Sample]:
        """Return the samples of an endpoint, the newest last."""
        return self._samples.get(endpoint, ())


def curve(values: Sequence[int], width: int, top: int, rows: int = 1) -> list[str]:
    """Return the newest ``width`` values as rows of text, the highest first; ``top`` is the highest value they can show.

    Nothing is an eighth of a row high, so that it is told from where there is no data, and anything above it is higher.
    """
    if width <= 0 or rows <= 0:
        return []
    eighths = 8 * rows
    heights = [min(1 + ceil(value / top * (eighths - 1)), eighths) if top else 1 for value in values[-width:]]
    return ["".join(_LEVELS[max(min(height - 8 * row, 8), 0)] for height in heights).rjust(width) for row in reversed(range(rows))]
