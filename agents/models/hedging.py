"""When a second attempt is worth its price: once the first text takes longer than nearly always, for a small share of calls.

After Dean and Barroso, "The Tail at Scale" (2013). What is measured is the time to the first token of one model at one endpoint;
the P95 of it is only believed when there are enough samples. Calls in which a model is given tools must never be asked twice; no
call of ours has any.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import OrderedDict, deque
from typing import Final

import msgspec

from agents.percentiles import nearest

ENOUGH: Final = 20
"""Samples below which no P95 is believed."""
_KEPT: Final = 200
"""Samples kept for each model, the newest."""
_MODELS: Final = 64
_WEIGHT: Final = 0.1


class FirstTokens:
    """Times to the first token at one endpoint, by model, in seconds."""

    def __init__(self) -> None:
        self._models: OrderedDict[str, tuple[deque[float], list[float]]] = OrderedDict()
        self.mean: float | None = None
        """Of all models, the newest weighing most; ``None`` before the first."""

    def add(self, model: str, seconds: float) -> None:
        """Take note of one."""
        self.mean = seconds if self.mean is None else self.mean + (seconds - self.mean) * _WEIGHT
        kept = self._models.get(model)
        if kept is None:
            kept = self._models[model] = (deque(), [])
            if len(self._models) > _MODELS:
                self._models.popitem(last=False)
        order, ranked = kept
        order.append(seconds)
        insort(ranked, seconds)
        if len(order) > _KEPT:
            del ranked[bisect_left(ranked, order.popleft())]

    def p95(self, model: str) -> float | None:
        """Return the P95 of ``model``; ``None`` while there are fewer than :data:`ENOUGH` samples."""
        kept = self._models.get(model)
        if kept is None or len(kept[1]) < ENOUGH:
            return None
        return nearest(kept[1], 95)


class HedgeFigures(msgspec.Struct, frozen=True, kw_only=True):
    """Calls of one route that were asked twice."""

    calls: int = 0
    """All calls that could have been."""
    hedged: int = 0
    won: int = 0
    """Those in which the second attempt spoke first."""
    cost: float = 0.0
    """What the attempts that were not kept cost, about, in the currency of the prices."""


class Hedges:
    """Keeps the share of calls that are asked twice within ``budget`` (0 to 1)."""

    def __init__(self, budget: float) -> None:
        self._budget = budget
        self._calls = self._hedged = self._won = 0
        self._cost = 0.0

    def earn(self) -> None:
        """Take note of a call."""
        self._calls += 1

    def spend(self) -> bool:
        """Take one second attempt from the budget; False when that would be more than its share."""
        if self._hedged + 1 > self._calls * self._budget:
            return False
        self._hedged += 1
        return True

    def won(self) -> None:
        """Take note that a second attempt spoke first."""
        self._won += 1

    def lost(self, cost: float) -> None:
        """Take note of what the attempt that was not kept cost."""
        self._cost += cost

    def figures(self) -> HedgeFigures:
        """Return the figures."""
        return HedgeFigures(calls=self._calls, hedged=self._hedged, won=self._won, cost=self._cost)
