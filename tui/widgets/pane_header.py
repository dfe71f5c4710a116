"""The line over a pane: title, state in a glyph and a word, and the figures of the answer. It never asks for a layout."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final

from rich.cells import cell_len, set_cell_size
from textual.content import Content
from textual.widget import Widget

from tui.figures import cut, price
from tui.safe import safe_line

if TYPE_CHECKING:
    from textual.app import RenderResult

_STATES: Final[dict[str, tuple[str, str, str]]] = {
    "idle": ("·", "idle", "muted"),
    "queued": ("◌", "queued", "muted"),
    "waiting": ("○", "waiting", "muted"),
    "streaming": ("●", "streaming", "accent"),
    "done": ("◆", "saving", "muted"),
    "saved": ("✓", "saved", "success"),
    "won": ("★", "won", "success"),
    "cut": ("≠", "cut", "warning"),
    "late": ("◷", "late", "warning"),
    "cancelled": ("■", "stopped", "warning"),
    "failed": ("✗", "failed", "error"),
}
"""State to glyph, word and style. The word says it all; glyph and colour only help to find it."""
_LEAST_TITLE: Final = 16
"""Cells of the title that figures leave; what tells models apart stands first."""
_WIDE: Final = 80
"""Columns from which on there is room to say that a cost is not known."""
_LEAST_NOTE: Final = 10
"""Cells under which a note tells nothing."""
_REDRAW_EVERY: Final = 0.2
"""Seconds between two drawings of figures alone; a new state or title is drawn at once."""


@dataclass(slots=True)
class PaneState:
    """What a header shows. ``None`` is shown as a dash or not at all: nothing is invented."""

    title: str = ""
    number: int | None = None
    """The pane's number, from 1, where it is one of several."""
    state: str = "idle"
    note: str = ""
    ttft: float | None = None
    """Seconds to the first token."""
    rate: float | None = None
    """Tokens a second."""
    sent: int | None = None
    """Tokens of the question: all that was sent."""
    tokens: int | None = None
    """Tokens of the answer."""
    estimated: bool = False
    """Whether ``rate`` and ``tokens`` are estimates."""
    cost: float | None = None
    """In the currency of the endpoint's configured price."""
    over: bool = False
    """Whether the answer ended, so that a cost that is not known never will be."""
    cached: bool = False
    similar: float | None = None
    """How similar the question is that the answer was made for, when that is another one."""
    speculated: bool = False
    """Whether the answer was made before it was asked for."""
    joined: bool = False
    limited: bool = False
    """Whether the answer ended at the output limit, and not because it was complete."""
    won: bool = False
    """Whether the answer won its race; it is said in place of ``saved``."""


class PaneHeader(Widget):
    """One line that tells what a pane shows and how it is doing."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        f"pane-header--{name}" for name in ("title", "muted", "accent", "success", "warning", "error", "figures", "note")
    }
    DEFAULT_CSS = """
    PaneHeader {
        height: 1;
        background: $panel;
        color: $foreground;
        & > .pane-header--title { text-style: bold; }
        & > .pane-header--muted { color: $text-muted; }
        & > .pane-header--accent { color: $text-accent; }
        & > .pane-header--success { color: $text-success; }
        & > .pane-header--warning { color: $text-warning; }
        & > .pane-header--error { color: $text-error; text-style: bold; }
        & > .pane-header--figures { color: $foreground; }
        & > .pane-header--note { color: $text-muted; }
    }
    """

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:  # noqa: A002  # Textual's name
        super().__init__(id=id, classes=classes)
        self._state = PaneState()
        self._drawn: tuple[object, ...] = ()
        self._drawn_at = float("-inf")

    def update(self, state: PaneState) -> None:
        """Show ``state``. It may be changed afterwards: :meth:`flush` looks at it again."""
        self._state = state
        if self._urgent() != self._drawn[:5]:
            self._draw()

    def flush(self, now: float) -> None:
        """Draw what changed, figures at most five times a second; ``now`` in seconds of any steady clock."""
        urgent = self._urgent()
        changed = (*urgent, *self._figures()) != self._drawn
        if changed and (urgent != self._drawn[:5] or now - self._drawn_at >= _REDRAW_EVERY):
            self._drawn_at = now
            self._draw()

    def _urgent(self) -> tuple[object, ...]:
        state = self._state
        return (state.title, state.state, state.note, state.cached, state.limited)

    def _figures(self) -> tuple[object, ...]:
        state = self._state
        return (
            state.ttft,
            state.rate,
            state.sent,
            state.tokens,
            state.estimated,
            state.cost,
            state.over,
            state.joined,
            state.similar,
            state.speculated,
        )

    def _draw(self) -> None:
        self._drawn = (*self._urgent(), *self._figures())
        if self.is_attached:
            self.refresh()

    def _rate(self) -> str:
        state = self._state
        return "" if state.rate is None else f"{'≈' if state.estimated else ''}{state.rate:.0f} tok/s"

    def _pointer(self) -> str:
        """Return the sign of the marked one of several panes: its colour alone would tell too little."""
        marked = self._state.number is not None and self.parent is not None and self.parent.has_class("-marked")
        return "▸" if marked else " "

    def figures(self) -> list[str]:
        """Return TTFT, rate, tokens, cost and where the answer came from, as far as they are known, the most telling first."""
        state = self._state
        about = "≈" if state.estimated else ""
        unpriced = state.over and state.cost is None and state.tokens is not None and self.size.width >= _WIDE
        sent = f"{state.sent}→" if state.sent else ""
        parts = (
            "at the output limit" if state.limited else "",
            f"≈ {state.similar:.2f} alike" if state.similar is not None else "cached" if state.cached else "",
            "" if state.ttft is None else f"TTFT {state.ttft:.2f} s" if state.ttft < 10 else f"TTFT {state.ttft:.0f} s",
            self._rate(),
            "" if state.tokens is None else f"{sent}{about}{state.tokens} tok",
            "ahead" if state.speculated else "",
            "joined" if state.joined else "",
            f"cost {price(state.cost)}" if state.cost is not None or unpriced else "",
        )
        return [part for part in parts if part]

    def render(self) -> RenderResult:
        """Return the line: title on the left, state and as many figures as fit on the right."""
        if not self.is_attached:  # a frame that was under way when the pane was taken away
            return Content("")
        name = "won" if self._state.won and self._state.state == "saved" else self._state.state
        glyph, word, tone = _STATES.get(name, ("?", safe_line(self._state.state, 20), "muted"))
        number = "" if self._state.number is None else f"{self._state.number} "
        title, figures = f"{number}{safe_line(self._state.title, 200)}", self.figures()
        least = min(cell_len(title), _LEAST_TITLE)
        rate = self._rate() if name == "streaming" else ""
        if rate and self.size.width < least + cell_len(f"{glyph} {word}  {rate}") + 3:
            word = rate  # that text comes is said by how much of it comes
            figures.remove(rate)
        room = self.size.width - 3 - cell_len(f"{glyph} {word}")
        parts = [(f"{glyph} {word}", tone)]
        for figure in figures:
            if room - cell_len(figure) - 2 >= least:
                room -= cell_len(figure) + 2
                parts.append((f"  {figure}", "figures"))
        left = room - least - 2
        if self._state.note and left >= _LEAST_NOTE:
            note = cut(safe_line(self._state.note, 200), left)
            room -= cell_len(note) + 2
            parts.append((f"  {note}", "note"))
        parts = [(f"{self._pointer()}{_fit(title, max(room, 0))} ", "title"), *parts, (" ", "figures")]
        return Content.assemble(*((text, self.get_visual_style(f"pane-header--{name}")) for text, name in parts))


def _fit(text: str, cells: int) -> str:
    """Return ``text`` in exactly ``cells`` cells, with an ellipsis where it was cut."""
    if cells <= 1 or cell_len(text) <= cells:
        return set_cell_size(text, cells)
    return set_cell_size(set_cell_size(text, cells - 1).rstrip() + "…", cells)
