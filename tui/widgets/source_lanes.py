"""Lanes of retrieval: one column a source, with its state, its time and its best passages, all moving at once."""

from __future__ import annotations

from dataclasses import dataclass, field

from rich.cells import cell_len
from rich.segment import Segment
from textual.strip import Strip
from textual.widget import Widget

from agents.events import Found, Log, Saved, StepEnded, StepEvent, StepQueued, StepStarted
from tui.figures import cut, seconds, short_place
from tui.safe import safe_line

_WORDS = {
    "queued": ("◌", "queued"),
    "searching": ("●", "searching"),
    "done": ("✓", "found"),
    "late": ("◷", "late"),
    "failed": ("✗", "failed"),
    "cancelled": ("■", "stopped"),
    "cut": ("✂", "cut"),
}


@dataclass
class _Lane:
    name: str
    state: str = "queued"
    began: float = 0.0
    took: float | None = None
    passages: list[tuple[str, str]] = field(default_factory=list)
    """Place and title of each, best first."""
    count: int | None = None
    note: str = ""


class SourceLanes(Widget):
    """Columns drawn side by side; they hold as many passages as there are rows."""

    COMPONENT_CLASSES = {"lanes--dim", "lanes--live", "lanes--good", "lanes--bad"}  # noqa: RUF012  # as Textual has it

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002  # Textual's own name
        super().__init__(id=id)
        self._lanes: dict[str, _Lane] = {}
        self._dirty = False
        self._now = 0.0
        self._drawn = 0.0
        self.display = False

    def clear(self) -> None:
        """Forget the last question's lanes."""
        self._lanes.clear()
        self._dirty = True

    def handle(self, event: StepEvent | Saved) -> None:
        """Take one event of a source's or the merge's step."""
        self._dirty = True
        if isinstance(event, StepQueued):
            self.display = True
            self._lanes[event.step] = _Lane(safe_line(event.name, 40), began=event.at)
            return
        lane = self._lanes.get(event.step or "")
        if lane is None:
            return
        match event:
            case StepStarted():
                lane.state, lane.began = "searching", event.at
            case Found(hits=hits):
                lane.count = len(hits)
                lane.passages = [(safe_line(short_place(hit.place), 80), safe_line(hit.title, 120)) for hit in hits[:12]]
            case Log():
                lane.note = safe_line(event.message, 200)
            case StepEnded():
                lane.state, lane.took = event.outcome, event.timings.busy
                lane.note = safe_line(event.error, 200) if event.error else lane.note
            case _:
                pass

    def knows(self, step: str | None) -> bool:
        """Return whether ``step`` has a lane here."""
        return step in self._lanes

    def flush(self, now: float) -> None:
        """Draw if anything changed or a clock runs."""
        running = any(lane.state == "searching" for lane in self._lanes.values())
        if self._dirty or (running and now - self._drawn > 0.1):
            self._now = self._drawn = now
            self._dirty = False
            self.refresh()

    def render_line(self, y: int) -> Strip:
        """Return one row across all lanes."""
        width, count = self.size.width, len(self._lanes)
        if not count:
            return Strip.blank(width, self.rich_style)
        each = max(width // count, 8)
        segments: list[Segment] = []
        for lane in self._lanes.values():
            text, tone = self._cell(lane, y, each - 1)
            style = self.get_component_rich_style(f"lanes--{tone}")
            segments += Strip([Segment(cut(text, each - 1), style)]).adjust_cell_length(each - 1, self.rich_style)
            segments.append(Segment(" ", self.rich_style))
        return Strip(segments).adjust_cell_length(width, self.rich_style).crop(0, width)

    def _cell(self, lane: _Lane, y: int, width: int) -> tuple[str, str]:
        if y == 0:
            glyph, word = _WORDS[lane.state]
            took = lane.took if lane.took is not None else self._now - lane.began if lane.state == "searching" else None
            found = f" {lane.count}" if lane.count is not None and lane.state == "done" else ""
            tone = {"searching": "live", "done": "good", "late": "bad", "failed": "bad", "cut": "bad"}.get(lane.state, "dim")
            clock = f" {seconds(max(took, 0.0))}" if took is not None else ""
            head = f"{glyph} {lane.name}: {word}{found}"
            return head + clock if cell_len(head + clock) <= width else head, tone
        index = y - 2 if lane.note else y - 1
        if index < 0:
            return lane.note, "dim"
        if index >= len(lane.passages):
            return "", "dim"
        place, title = lane.passages[index]
        return f"{index + 1} {_middle_out(place, width - 2)}  {title}", "dim"


def _middle_out(text: str, width: int) -> str:
    """Return ``text`` in at most ``width`` characters with its middle left out: the line number at its end matters most."""
    if len(text) <= width or width < 4:
        return text
    tail = min(8, width - 2)
    return f"{text[: width - tail - 1]}…{text[-tail:]}"
