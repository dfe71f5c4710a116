"""A pane whose text grows, made so that sixteen of them can stream at once without the loop noticing.

Text is appended at any rate and drawn when :meth:`DrawnPane.flush` is called by the one clock all panes share. The pane keeps its
own scroll offset and draws its own scrollbar, because Textual lays the whole screen out again when a widget's virtual size
changes; it hands the compositor the same strips again for rows that did not change, and names only the changed rows as dirty.
What a person does in a pane by keys and mouse is :mod:`tui.widgets.stream_pane`'s.
"""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING, ClassVar, Final, Literal

from textual.content import Content
from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget

from tui.widgets.pane_blocks import ANSWER, ASKED, REMARK
from tui.widgets.pane_clock import CATCHING_UP
from tui.widgets.pane_rows import MARKS, OVER, STYLES, WHOLE
from tui.widgets.pane_view import PaneView

if TYPE_CHECKING:
    from collections.abc import Generator

    from rich.style import Style
    from textual.app import RenderResult

_BUDGET: Final = 0.002
"""Seconds a pane may spend in one frame on taking in text."""
_CATCH_UP: Final = 0.008
"""The same while so much waits that frames are too seldom: in between, whatever else waits has its turn."""
_UNSEEN: Final = 0.2
"""Seconds between two drawings while a pane catches up."""
_SECTIONS: Final = {"prompt": ASKED, "answer": ANSWER, "note": REMARK}


class DrawnPane(Widget):
    """Shows text that grows; follows its end for as long as a person has not scrolled away from it."""

    ALLOW_SELECT = False
    COMPONENT_CLASSES: ClassVar[set[str]] = {f"stream-pane--{name}" for name in STYLES}

    def __init__(self, *, empty: str = "", id: str | None = None, classes: str | None = None) -> None:  # noqa: A002  # Textual's name
        super().__init__(id=id, classes=classes)
        self._view = PaneView(empty)
        self._shown: list[Strip] = []
        self._stale = True
        self._restyle = True
        self._drawn = 0.0
        self._catching_up = False

    # Text

    @property
    def text(self) -> str:
        """The source of everything, also of what waits for the next frame; a prompt begins with its mark."""
        self._view.take_all()
        return str(self._view.doc)

    @property
    def answer(self) -> str:
        """The source of the last answer, as the model wrote it; of everything when no section was begun."""
        self._view.take_all()
        return self._view.doc.answer

    @property
    def has_text(self) -> bool:
        """Whether there is any text, without building it."""
        return bool(self._view.doc) or self._view.waiting

    @property
    def follows(self) -> bool:
        """Whether the end stays in view as text grows."""
        return self._view.top is None

    @property
    def citations(self) -> int:
        """How many passages can be cited: ``[1]`` up to this are shown as citations, none when 0."""
        return self._view.painter.citations

    @citations.setter
    def citations(self, count: int) -> None:
        painter = self._view.painter
        if count != painter.citations:
            painter.citations, painter.marked = count, None
            painter.forget()
            self._redraw()

    @property
    def settled(self) -> bool:
        """Whether there is nothing left to take in, to look through and to draw."""
        view = self._view
        return not (view.waiting or view.changed or view.searching or view.owes)

    @property
    def matches(self) -> int:
        """How many matches of what is searched for were found."""
        return 0 if self._view.search is None else self._view.search.total

    def append(self, text: str) -> None:
        """Add ``text`` from outside at the end. Costs next to nothing; it is drawn at the next :meth:`flush`."""
        self._view.inbox.append(text)

    def begin(self, kind: Literal["prompt", "answer", "note"]) -> None:
        """Begin a section: what is appended from now on is a person's prompt, a model's answer, or our own remark.

        It stands a blank row below what is there. Complete blocks of answers are shown as Markdown.
        """
        self._view.inbox.section(_SECTIONS[kind])

    def finish(self) -> None:
        """Say that the section is complete, so that its last block is drawn as Markdown, too."""
        self._view.inbox.section(None)

    def code_blocks(self) -> Generator[None, None, list[str]]:
        """Return the code of all answers' fences, in order. Yields often."""
        yield from self._taking()
        return (yield from self._view.doc.code_blocks())

    def _taking(self) -> Generator[None, None, None]:
        """Take in everything that waits."""
        while self._view.waiting:
            self._view.take(0)
            yield

    def set_text(self, text: str) -> None:
        """Show ``text``, which belongs to no section, instead of what is there, from its end."""
        self.clear()
        self.append(text)

    def clear(self) -> None:
        """Forget text and scroll position."""
        self._view.clear()
        self._redraw()

    # Frames

    def flush(self, budget: float = _BUDGET) -> bool:
        """Take in what was appended, for about ``budget`` seconds, and have the rows drawn that changed.

        What is left over comes with the next call. A hidden pane does nothing. Returns whether anything was done.
        """
        view = self._view
        idle = not (view.changed or view.doc.owed or view.inbox.waiting) and view.search is None  # quick: most frames of most panes
        if idle or self.settled or self._is_hidden():
            return False
        now = perf_counter()
        until = now + budget
        if view.waiting:
            view.take(until)
        if view.inbox.behind:
            self._catch_up_soon()
            if now - self._drawn < _UNSEEN:
                return True
        if view.owes:
            view.shape(until)
        if view.searching and not view.waiting:
            view.scan(until)
            if view.searching:
                self._catch_up_soon()
        self._draw()
        self._tell()
        return True

    def _tell(self) -> None:
        """Tell others in the pane what was found out."""

    def _catch_up_soon(self) -> None:
        if not self._catching_up and self.is_attached:
            self._catching_up = True
            self.set_timer(0.001, self._catch_up)

    def _catch_up(self) -> None:
        self._catching_up = False
        if CATCHING_UP:
            with CATCHING_UP:
                self.flush(_CATCH_UP)
        else:
            self._catch_up_soon()

    def _is_hidden(self) -> bool:
        return not (self.is_attached and self.size and self.screen.is_current and self.is_on_screen)

    def _redraw(self) -> None:
        self._stale = True
        if self.is_attached:
            self.refresh()

    def _draw(self) -> None:
        """Lay the rows in view and have those drawn that changed."""
        before = self._shown
        self._lay()
        after = self._shown
        if len(before) != len(after):
            self.refresh()
            return
        width, regions, first = self.size.width, [], -1
        for y, strip in enumerate(after):
            if strip is not before[y]:
                first = y if first < 0 else first
            elif first >= 0:
                regions.append(Region(0, first, width, y - first))
                first = -1
        if first >= 0:
            regions.append(Region(0, first, width, len(after) - first))
        if regions:
            self.refresh(*regions)

    @property
    def _foot(self) -> int:
        """Rows at the foot that are not for text."""
        return 0

    def _lay(self) -> None:
        width, height = self.size
        if self._restyle or self._view.painter.width != width:
            self._restyle = False
            self._view.painter.dress(width, self._styles(), tuple(self.app.get_line_filters()), self.background_colors[1])
        self._stale = False
        self._drawn = perf_counter()
        foot = min(self._foot, max(height - 1, 0))
        self._shown = [*self._view.lay(height - foot), *[self._view.painter.blank] * foot]

    def _styles(self) -> dict[str, Style]:
        styles = {name: self.get_component_rich_style(f"stream-pane--{name}") for name in WHOLE}
        styles |= {name: self.get_component_rich_style(f"stream-pane--{name}", partial=True) for name in (*OVER, *MARKS)}
        styles["text"] = self.rich_style
        return styles

    def _frame(self) -> list[Strip]:
        if self._restyle or self._stale or len(self._shown) != self.size.height:
            if not self.is_attached:  # removed, and its styles with it: the compositor may ask once more, for what it had
                return self._shown
            self._lay()
        return self._shown

    # Textual's side

    def on_mount(self) -> None:
        """Ask the app whether answers are shown as Markdown."""
        self._view.doc.markdown = self._view.doc.markdown and bool(getattr(self.app, "markdown", True))

    def render(self) -> RenderResult:
        """Return nothing: this widget draws rows, see :meth:`render_lines`."""
        return Content("")

    def render_line(self, y: int) -> Strip:
        """Return row ``y``."""
        frame = self._frame()
        return frame[y] if 0 <= y < len(frame) else Strip.blank(self.size.width)

    def render_lines(self, crop: Region) -> list[Strip]:
        """Return the rows in ``crop``: the very strips of the last frame where nothing changed."""
        self._dirty_regions.clear()
        frame = self._frame()
        if crop.height != len(frame) or crop.y:
            frame = frame[crop.y : crop.bottom]
        if crop.x or crop.width != self.size.width:
            return [strip.crop(crop.x, crop.right) for strip in frame]
        return frame

    def notify_style_update(self) -> None:
        """Look at the styles again before the next frame."""
        super().notify_style_update()
        self._restyle = True

    def on_resize(self) -> None:
        """Wrap at the new width when the rows are next drawn."""
        self._stale = True

    def on_show(self) -> None:
        """Draw what came while the pane was hidden."""
        self._stale = True
        self.flush()
