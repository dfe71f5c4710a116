"""What overlapped in a run and what held it up, in the words that stand under its bars."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.cells import cell_len

from tui.figures import cut, seconds
from tui.overlap import Overlap, shares, waited_for

if TYPE_CHECKING:
    from tui.timeline import Timeline

_SHORTEST = 0.001
"""Seconds under which nothing is said to have waited."""


def sums(figures: Overlap, *, going_on: bool) -> str:
    """Return the sum of the steps against wall time."""
    text = f"sum {seconds(figures.busy)} in {seconds(figures.wall)} wall{' so far' if going_on else ''}"
    if figures.ratio is not None:
        text += f" = {figures.ratio:.1f}×"
    return f"{text}, {figures.most} of {figures.steps} at once"


def waiting(figures: Overlap, timeline: Timeline, cap: int | None, now: float) -> str:
    """Return which step waited longest in a queue, and for what; ``cap`` is its endpoint's, if that is known."""
    bar = figures.waiter
    if bar is None or bar.wait(now) < _SHORTEST:
        return "no step waited in a queue"
    length, name = seconds(bar.wait(now)), cut(bar.name, 40)
    wait = waited_for(bar, timeline, cap, now)
    if wait is None:
        return f"longest wait {length}: {name}, for its turn in the run"
    if wait.full:
        return f"longest wait {length} for a place at {wait.endpoint} (cap {wait.cap}, all taken): {name}"
    known = "cap not known" if wait.cap is None else f"cap {wait.cap}, {wait.held} taken"
    return f"longest wait {length} for {wait.endpoint} to be ready ({known}): {name}"


def path(figures: Overlap, now: float, width: int) -> str:
    """Return the critical path in ``width`` cells; of one that is too long the end, which is what decides."""
    if not figures.critical:
        return "critical: nothing has begun"
    lengths = shares(figures.critical, now)
    parts = [f"{cut(bar.name, 28)} {seconds(length)}" for bar, length in zip(figures.critical, lengths, strict=True)]
    text = f"critical: {' › '.join(parts)}"
    while cell_len(text) > width and len(parts) > 1:
        parts.pop(0)
        text = f"critical: … › {' › '.join(parts)}"
    return text
