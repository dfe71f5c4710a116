"""Percentiles in bounded memory: exact over a rolling window, within one percent over a session. Knows not what is measured."""

from __future__ import annotations

import math
from bisect import bisect_left, insort
from collections import deque
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Sequence

_STEP = math.log(1.02)
_SMALLEST = 1e-6


class Percentiles(msgspec.Struct, frozen=True, kw_only=True):
    """Nearest-rank percentiles: the smallest sample that at least that share of all samples does not exceed.

    All are ``None`` where there is no sample.
    """

    p50: float | None = None
    p90: float | None = None
    p95: float | None = None
    p99: float | None = None
    count: int = 0


class RecentSamples:
    """The samples of the last ``span`` seconds, the newest ``cap`` of them at most, kept in order so that reading is cheap."""

    def __init__(self, span: float = 60.0, cap: int = 4096) -> None:
        self._span = span
        self._cap = cap
        self._arrived: deque[tuple[float, float]] = deque()
        self._sorted: list[float] = []

    def __len__(self) -> int:
        return len(self._sorted)

    def add(self, at: float, value: float) -> None:
        """Take a sample that was seen at ``at``; times never go back."""
        self._arrived.append((at, value))
        insort(self._sorted, value)
        if len(self._sorted) > self._cap:
            self._forget()

    def _forget(self) -> None:
        _, value = self._arrived.popleft()
        del self._sorted[bisect_left(self._sorted, value)]

    def _forget_before(self, time: float) -> None:
        while self._arrived and self._arrived[0][0] <= time:
            self._forget()

    def worst(self, now: float) -> float | None:
        """Return the largest sample of the window that ends at ``now``."""
        self._forget_before(now - self._span)
        return self._sorted[-1] if self._sorted else None

    def read(self, now: float) -> Percentiles:
        """Return the percentiles of the window that ends at ``now``."""
        self._forget_before(now - self._span)
        if not self._sorted:
            return Percentiles()
        p50, p90, p95, p99 = (nearest(self._sorted, share) for share in (50, 90, 95, 99))
        return Percentiles(p50=p50, p90=p90, p95=p95, p99=p99, count=len(self._sorted))


class AllSamples:
    """Every sample ever, as counts in buckets two percent wide: about 1,300 numbers at most, each answer within one percent."""

    def __init__(self) -> None:
        self._buckets: dict[int, int] = {}
        self._count = 0

    def add(self, value: float) -> None:
        """Take a sample; anything under a microsecond counts as one."""
        bucket = round(math.log(max(value, _SMALLEST)) / _STEP)
        self._buckets[bucket] = self._buckets.get(bucket, 0) + 1
        self._count += 1

    def read(self) -> Percentiles:
        """Return the percentiles of everything seen."""
        if not self._count:
            return Percentiles()
        found: list[float] = []
        below = 0
        buckets = iter(sorted(self._buckets.items()))
        bucket = 0
        for share in (50, 90, 95, 99):
            rank = _rank(share, self._count)
            while below < rank:
                bucket, count = next(buckets)
                below += count
            found.append(math.exp(bucket * _STEP))
        p50, p90, p95, p99 = found
        return Percentiles(p50=p50, p90=p90, p95=p95, p99=p99, count=self._count)


def nearest(ranked: Sequence[float], share: int) -> float:
    """Return the percentile ``share`` of samples in rising order, of which there is one at least."""
    return ranked[_rank(share, len(ranked)) - 1]


def _rank(share: int, count: int) -> int:
    """Return the 1-based nearest rank, in whole numbers so that no rounding moves it."""
    return max(-(-share * count // 100), 1)
