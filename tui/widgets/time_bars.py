"""One row's time as cells: which glyph and tone stands where, for the part of time that is in view.

Phases differ by glyph, bad ends by a glyph behind the bar; tones only repeat them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tui.timeline import Track
from tui.widgets.step_log import STATES

if TYPE_CHECKING:
    from tui.time_window import TimeWindow
    from tui.timeline import Bar, Phase, Row

PHASES: Final[dict[Phase, tuple[str, str]]] = {
    "queued": ("·", "dim"),
    "paused": ("┄", "dim"),
    "waiting": ("░", "live"),
    "working": ("▒", "live"),
    "streaming": ("█", "good"),
    "group": ("─", "dim"),
}
"""Phase to glyph and tone."""
LEGEND: Final = "· queued  ░ first token  █ streaming  ▒ working  ┄ pausing"
NOW: Final = "│"
_BAD: Final = {"cut", "late", "failed"}


def tone_of(state: str) -> str:
    """Return the tone that goes with a step's state."""
    if state in _BAD:
        return "bad"
    return {"saved": "good", "started": "live", "first": "live"}.get(state, "dim")


def cell_of(at: float, window: TimeWindow, width: int) -> int:
    """Return the column of a moment, 0 for the first of ``width``; it may lie outside."""
    return round((at - window.left) / window.span * width)


def paint(row: Row, window: TimeWindow, now: float, width: int, *, going_on: bool) -> list[tuple[str, str]]:
    """Return pieces of text and their tones, ``width`` cells in all; ``going_on`` draws the present, too."""
    if width <= 0:
        return []
    begin, stop = (row.began if isinstance(row, Track) else row.queued), row.until(now)
    first = cell_of(begin, window, width)
    last = max(cell_of(stop, window, width), first + 1)  # however short it was, it is there
    cells, tones = [" "] * width, ["dim"] * width
    present = cell_of(now, window, width)
    if going_on and 0 <= present < width:
        cells[present] = NOW
    if last <= 0 or first >= width:
        cells[0 if last <= 0 else width - 1] = "«" if last <= 0 else "»"
    elif isinstance(row, Track):
        for at in range(max(first, 0), min(last, width)):
            cells[at], tones[at] = "━", "run"
    else:
        _paint_phases(row, cells, tones, window, now)
        _paint_end(row, cells, tones, first, last)
    return _joined(cells, tones)


def _paint_phases(bar: Bar, cells: list[str], tones: list[str], window: TimeWindow, now: float) -> None:
    width, bad = len(cells), bar.state in _BAD
    for phase, begin, end in bar.phases(now):
        glyph, tone = PHASES[phase]
        for at in range(max(cell_of(begin, window, width), 0), min(cell_of(end, window, width), width)):
            cells[at], tones[at] = glyph, "bad" if bad and tone == "good" else tone


def _paint_end(bar: Bar, cells: list[str], tones: list[str], first: int, last: int) -> None:
    """Paint what is too short for a cell of its own, and how a step ended that ended badly."""
    if last == first + 1 and 0 <= first < len(cells) and cells[first] in {" ", NOW}:
        cells[first], tones[first] = "▏", tone_of(bar.state)
    if bar.state in _BAD | {"cancelled"} and 0 <= last < len(cells):
        cells[last], tones[last] = STATES[bar.state][0], tone_of(bar.state)


def _joined(cells: list[str], tones: list[str]) -> list[tuple[str, str]]:
    pieces: list[tuple[str, str]] = []
    at = 0
    for index in range(1, len(cells) + 1):
        if index == len(cells) or tones[index] != tones[at]:
            pieces.append(("".join(cells[at:index]), tones[at]))
            at = index
    return pieces
