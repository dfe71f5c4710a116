"""Differences: the marked pane's answer against another's, word by word."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final

from textual.containers import Vertical
from textual.content import Content
from textual.widgets import Static

from tui.diff import LONGEST, MOST_LINES, compare_in_slices, head
from tui.figures import cut
from tui.key_table import bindings
from tui.rounds.diff_text import WIDE, DiffText
from tui.rounds.sheet import Sheet
from tui.safe import STRAY_JOINER, safe_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from textual import events
    from textual.binding import BindingType
    from textual.widget import Widget

    from tui.diff import Difference
    from tui.rounds.answers import Answer

_TAB: Final = 4


class DifferencesScreen(Sheet[None]):
    """Two answers beside each other, or one under the other where there is less room."""

    heading = "Differences"
    full = True
    AUTO_FOCUS = "DiffText"
    BINDINGS: ClassVar[list[BindingType]] = list(bindings("sheet.diff"))
    DEFAULT_CSS = """
    DifferencesScreen {
        #diff-box { height: 1fr; }
        #diff-head { height: auto; background: $panel; }
        #diff-line { height: 1; color: $text-muted; }
    }
    """

    def __init__(self, answers: Sequence[Answer], at: int) -> None:
        super().__init__()
        self._answers = answers
        self._left = at
        self._right = (at + 1) % len(answers)
        self._head = Static(id="diff-head", markup=False)
        self._line = Static(id="diff-line", markup=False)
        self._text = DiffText()
        self._difference: Difference | None = None
        self._width = 0
        """Cells there are for names and figures."""
        self._longer = False

    def body(self) -> Iterator[Widget]:
        """Yield the names, the figures and the texts."""
        yield Vertical(self._head, self._line, self._text, id="diff-box")

    def on_mount(self) -> None:
        """Compare the first two."""
        super().on_mount()
        self._width = self.app.size.width - 4
        self._begin()

    def on_resize(self, event: events.Resize) -> None:
        """Fit the names and the figures."""
        self._width = event.size.width - 4
        self._draw_head()
        self._draw_line()

    def action_other(self, by: int) -> None:
        """Compare with another pane's answer."""
        count = len(self._answers)
        self._right = (self._right + by) % count
        if self._right == self._left:
            self._right = (self._right + by) % count
        self._begin()

    def action_swap(self) -> None:
        """Change sides."""
        self._left, self._right = self._right, self._left
        self._begin()

    def action_change(self, by: int) -> None:
        """Go to another place that differs."""
        if not self._text.change(by) and self._text.changes:
            self.app.bell()

    def _begin(self) -> None:
        self._difference = None
        self._draw_head()
        self._line.update(" comparing …")
        self._text.tell("")
        self.run_worker(self._compare(), group="diff", exclusive=True, description="compare two answers")

    async def _compare(self) -> None:
        texts = [self._answers[at].text for at in (self._left, self._right)]
        heads = [head(text) for text in texts]
        self._longer = heads != texts
        self._difference = await compare_in_slices(_shown(heads[0]), _shown(heads[1]))
        self._text.show(self._difference)
        self._draw_line()

    def _draw_line(self) -> None:
        difference = self._difference
        if difference is None:
            return
        places = sum(
            row.differs and (number == 0 or not difference.rows[number - 1].differs) for number, row in enumerate(difference.rows)
        )
        if not places:
            parts = ["The words are the same."]
        else:
            parts = [
                f"{difference.similarity * 100:.0f} % of the words are in both",
                f"{places} place{'s' * (places != 1)} differ{'s' * (places == 1)}",
            ]
        if difference.rough:
            parts.append("very different texts: more may be alike")
        if self._longer:
            parts.append(f"only the first {LONGEST:,} characters or {MOST_LINES:,} lines")
        self._line.update(Content(f" {cut(' · '.join(parts), max(self._width - 1, 4))}"))

    def _draw_head(self) -> None:
        left, right = self._answers[self._left], self._answers[self._right]
        width = max(self._width, 8)
        names = (("- ", "bold $text-error"), ("+ ", "bold $text-success"))
        if self._width >= WIDE:
            side = (width - 3) // 2
            first = cut(left.title, side - 2)
            title = Content.assemble(
                names[0], (f"{first:<{side - 2}}", "bold"), " │ ", names[1], (cut(right.title, side - 2), "bold")
            )
        else:
            title = Content.assemble(
                names[0], (cut(left.title, width - 2), "bold"), "\n", names[1], (cut(right.title, width - 2), "bold")
            )
        self._head.update(title)

    def flush(self, now: float) -> None:
        """Wrap what is not wrapped yet."""
        self._text.flush()


def _shown(text: str) -> str:
    """Return a model's text as it can be drawn cell by cell."""
    return STRAY_JOINER.sub("", safe_text(text)).expandtabs(_TAB)
