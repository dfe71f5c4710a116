"""Figures of repeated answers with their uncertainty: means with Student's t, shares with Wilson's interval, all at 95 %.

Knows samples and nothing of models; a figure that its samples do not carry is ``None``.
"""

from __future__ import annotations

import math
from functools import cache
from typing import TYPE_CHECKING, Final

import msgspec

from agents.events import StepEnded  # noqa: TC001  # msgspec reads annotations at run time

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_LARGE: Final = 2000
"""Degrees of freedom from which the normal distribution is as good to four digits."""
_Z: Final = 1.959963984540054
"""The normal distribution's 97.5 % quantile."""


class Mean(msgspec.Struct, frozen=True, kw_only=True):
    """The mean of some samples, and how far the true one may be from it."""

    count: int = 0
    mean: float | None = None
    """``None`` without a sample."""
    margin: float | None = None
    """Half the width of the 95 % confidence interval; ``None`` with fewer than two samples."""


class Share(msgspec.Struct, frozen=True, kw_only=True):
    """How many of some trials succeeded, and between what bounds the true share lies."""

    hits: int = 0
    count: int = 0
    low: float | None = None
    """Bounds of the 95 % confidence interval; ``None`` with fewer than two trials."""
    high: float | None = None

    @property
    def share(self) -> float | None:
        """From 0 to 1; ``None`` without a trial."""
        return self.hits / self.count if self.count else None


class Trial(msgspec.Struct, frozen=True, kw_only=True):
    """One answer of a sweep: which group it belongs to, how it ended, and whether it was accepted."""

    group: str
    end: StepEnded
    accepted: bool


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """One group's figures. Answers that did not end ``done`` count in ``accepted`` alone, cached ones have no times."""

    group: str
    ttft: Mean
    """Seconds from the first attempt's start to the first token."""
    rate: Mean
    """Output tokens a second from the first text to the end."""
    tokens: Mean
    """Output tokens."""
    wall: Mean
    """Seconds from the first attempt's start to the end, without the wait in the queue."""
    accepted: Share


@cache
def student_quantile(freedom: int) -> float:
    """Return the 97.5 % quantile of Student's t with ``freedom`` degrees of freedom, right to ten digits."""
    if freedom < 1:
        raise ValueError("Student's t has at least one degree of freedom")
    if freedom > _LARGE:
        return _Z + (_Z**3 + _Z) / (4 * freedom)  # the first term of its expansion: what is left out is under 1e-6
    low, high = 1.0, 13.0  # 12.706 with one degree, 1.960 with infinitely many
    for _ in range(60):
        middle = (low + high) / 2
        if _within(middle, freedom) < 0.95:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def _within(t: float, freedom: int) -> float:
    """Return how probable it is that Student's t is between -t and t: the finite series of Abramowitz and Stegun, 26.7.3 and 4."""
    angle = math.atan(t / math.sqrt(freedom))
    square = math.cos(angle) ** 2
    odd = freedom % 2
    term = total = 0.0
    if freedom > 1:
        term = total = math.cos(angle) if odd else 1.0
    for step in range(2 + odd, freedom - 1, 2):
        term *= square * (step - 1) / step
        total += term
    return 2 / math.pi * (angle + math.sin(angle) * total) if odd else math.sin(angle) * total


def mean_of(samples: Sequence[float]) -> Mean:
    """Return the mean of ``samples`` and its 95 % confidence interval by Student's t."""
    count = len(samples)
    if not count:
        return Mean()
    mean = math.fsum(samples) / count
    if count < 2:
        return Mean(count=count, mean=mean)
    variance = math.fsum((sample - mean) ** 2 for sample in samples) / (count - 1)
    return Mean(count=count, mean=mean, margin=student_quantile(count - 1) * math.sqrt(variance / count))


def share_of(hits: int, count: int) -> Share:
    """Return a share and its 95 % confidence interval by Wilson (1927), which stays within 0 and 1."""
    if count < 2:
        return Share(hits=hits, count=count)
    share, square = hits / count, _Z**2
    middle = (share + square / (2 * count)) / (1 + square / count)
    half = _Z / (1 + square / count) * math.sqrt(share * (1 - share) / count + square / (4 * count**2))
    # At the ends, rounding would leave a bound just beside the share it must hold.
    low = 0.0 if hits == 0 else max(middle - half, 0.0)
    high = 1.0 if hits == count else min(middle + half, 1.0)
    return Share(hits=hits, count=count, low=low, high=high)


def figures(trials: Iterable[Trial]) -> list[Figures]:
    """Return the figures of each group, in the order the groups are first met."""
    groups: dict[str, list[Trial]] = {}
    for trial in trials:
        groups.setdefault(trial.group, []).append(trial)
    return [_figures(group, members) for group, members in groups.items()]


def _figures(group: str, trials: list[Trial]) -> Figures:
    done = [trial.end for trial in trials if trial.end.outcome == "done"]
    timed = [end.timings for end in done if not end.cached]
    return Figures(
        group=group,
        ttft=mean_of([timings.ttft for timings in timed if timings.ttft is not None]),
        rate=mean_of([rate for end in done if (rate := end.rate) is not None]),
        tokens=mean_of([end.usage.output for end in done if end.usage is not None]),
        wall=mean_of([timings.busy for timings in timed]),
        accepted=share_of(sum(trial.accepted for trial in trials), len(trials)),
    )
