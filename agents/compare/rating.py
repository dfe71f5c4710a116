"""Ratings from votes: strengths by the model of Bradley and Terry, shown on the scale of chess ratings with an interval.

The fit is the MM algorithm (Hunter 2004). Every model also has one imagined tie with one and the same player, so that one that
never lost, or that was never compared with the others, has a finite rating, and a wide interval says how little is known.
"""

from __future__ import annotations

import math
from collections import defaultdict
from typing import TYPE_CHECKING, Final

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable

    from storage.votes import Vote

BASE: Final = 1000.0
"""The mean of all ratings: votes tell of differences alone."""
_SCALE: Final = 400 / math.log(10)
"""Rating points of a factor e in strength; 400 points are odds of ten to one."""
_CLOSE: Final = 1e-9
_ROUNDS: Final = 2000
_Z: Final = 1.959963984540054


class Rating(msgspec.Struct, frozen=True, kw_only=True):
    """One model's rating. A difference of 100 means that the better one wins 64 of 100 votes."""

    model: str
    rating: float
    low: float
    """Bounds of the 95 % confidence interval (Wald) of the difference from the mean of all."""
    high: float
    wins: int
    losses: int
    ties: int


def ratings(votes: Iterable[Vote]) -> list[Rating]:
    """Return the rating of every model in ``votes``, best first; a tie counts half for each.

    Takes milliseconds for a dozen models and more for more: run it on a thread beside a screen. A vote of a model against itself
    says nothing and is left out.
    """
    counts: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0])
    wins: dict[str, float] = defaultdict(float)
    games: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for vote in votes:
        if vote.winner == vote.loser:
            continue
        for name, other, slot in ((vote.winner, vote.loser, 0), (vote.loser, vote.winner, 1)):
            counts[name][2 if vote.tie else slot] += 1
            wins[name] += 0.5 if vote.tie else 1.0 - slot
            games[name][other] += 1
    strengths = _fit(wins, games)
    if not strengths:
        return []
    margins = _margins(strengths, games)
    mean = sum(map(math.log, strengths.values())) / len(strengths)
    found = []
    for name, strength in strengths.items():
        rating = BASE + _SCALE * (math.log(strength) - mean)
        won, lost, tied = counts[name]
        low, high = rating - margins[name], rating + margins[name]
        found.append(Rating(model=name, rating=rating, low=low, high=high, wins=won, losses=lost, ties=tied))
    return sorted(found, key=lambda each: (-each.rating, each.model))


def _fit(wins: dict[str, float], games: dict[str, dict[str, int]]) -> dict[str, float]:
    """Return the strengths that make the votes most likely; the imagined player has strength 1."""
    strengths = dict.fromkeys(games, 1.0)
    for _ in range(_ROUNDS):
        moved = 0.0
        for name, others in games.items():
            own = strengths[name]
            expected = 1 / (own + 1) + sum(count / (own + strengths[other]) for other, count in others.items())
            strengths[name] = (wins[name] + 0.5) / expected
            moved = max(moved, abs(math.log(strengths[name] / own)))
        if moved < _CLOSE:
            break
    return strengths


def _margins(strengths: dict[str, float], games: dict[str, dict[str, int]]) -> dict[str, float]:
    """Return half the width of each rating's interval: from the inverse of the observed information."""
    names = list(strengths)
    information: list[list[float]] = []
    for name in names:
        own = strengths[name]
        row = [0.0] * len(names)
        total = own / (own + 1) ** 2
        for index, other in enumerate(names):
            count = games[name].get(other, 0)
            if count:
                weight = count * own * strengths[other] / (own + strengths[other]) ** 2
                row[index] = -weight
                total += weight
        row[len(information)] = total
        information.append(row)
    lower = _cholesky(information)
    size = len(names)
    margins = {}
    for index, name in enumerate(names):
        difference = [(1.0 if other == index else 0.0) - 1 / size for other in range(size)]
        margins[name] = _Z * _SCALE * math.hypot(*_solved(lower, difference))
    return margins


def _cholesky(matrix: list[list[float]]) -> list[list[float]]:
    """Return the lower triangle whose product with its transpose is ``matrix``, which is symmetric and positive definite."""
    lower: list[list[float]] = []
    for i, row in enumerate(matrix):
        made: list[float] = []
        for j in range(i + 1):
            above = made if i == j else lower[j]
            rest = row[j] - sum(made[k] * above[k] for k in range(j))
            made.append(math.sqrt(rest) if i == j else rest / lower[j][j])
        lower.append(made)
    return lower


def _solved(lower: list[list[float]], right: list[float]) -> list[float]:
    """Return what ``lower``, a lower triangle, turns into ``right``."""
    found: list[float] = []
    for row, value in zip(lower, right, strict=True):
        found.append((value - sum(known * weight for known, weight in zip(found, row, strict=False))) / row[-1])
    return found
