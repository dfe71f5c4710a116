"""The base of the screens that stand over Compare: a box with a title, fields, one line for an error, and the keys that work."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, TypeVar

from textual import on
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Input, Static, TextArea

from tui.key_table import bindings, rows_in_force
from tui.rounds.choice import Choice, Ticks
from tui.safe import safe_content, safe_line
from tui.widgets.line import Line
from tui.widgets.told import Told

if TYPE_CHECKING:
    from collections.abc import Iterator

    from textual import events
    from textual.app import ComposeResult
    from textual.binding import BindingType
    from textual.widget import Widget

    from tui.keys import Key

R = TypeVar("R")


class Field(Horizontal):
    """A label beside what is filled in; above it where there is little room."""

    DEFAULT_CSS = """
    Field {
        height: auto;
        & > .field--label { width: 18; color: $text-muted; }
        & > Input, & > Choice, & > Ticks { width: 1fr; }
    }
    """

    def __init__(self, label: str, widget: Widget) -> None:
        super().__init__()
        self._label = label
        self._widget = widget

    def compose(self) -> ComposeResult:
        """Lay out label and widget."""
        yield Static(Content(self._label), classes="field--label", markup=False)
        yield self._widget


def line_input(value: str = "", hint: str = "", name: str | None = None) -> Input:
    """Return a one-line input without a frame."""
    # Not selected when it gets the focus: one key would take the place of all that stands there.
    return Line(value=value, placeholder=hint, compact=True, id=name, select_on_focus=False)


class Sheet(ModalScreen[R]):
    """A screen over the dashboard. Subclasses fill :meth:`body` and name their keys as bindings."""

    heading: ClassVar[str] = ""
    full: ClassVar[bool] = False
    """Whether it covers the whole screen, so that nothing behind it can be read."""
    AUTO_FOCUS = "Input, Choice, Ticks"
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (60, "-roomy")]  # noqa: RUF012  # an instance variable in Textual, so no ClassVar
    BINDINGS: ClassVar[list[BindingType]] = list(bindings("sheet"))
    DEFAULT_CSS = """
    Sheet {
        align: center middle;
        background: $background 60%;

        #sheet {
            width: 92%;
            max-width: 110;
            height: auto;
            max-height: 94%;
            padding: 1 2 0 2;
            background: $surface;
            border: round $primary;
            color: $foreground;
            &.-full { width: 100%; max-width: 100%; height: 100%; max-height: 100%; padding: 0 1; background: $background; }
        }
        #sheet-body { height: auto; max-height: 1fr; background: transparent; }
        #sheet-foot { dock: bottom; height: auto; background: transparent; }
        #sheet-error { height: auto; color: $text-error; text-style: bold; }
        #sheet-keys { height: auto; margin-top: 1; color: $text-muted; }
        #sheet.-full #sheet-keys { margin-top: 0; }
        #sheet Input, #sheet Choice, #sheet Ticks { color: $foreground; }
        .sheet--text { height: auto; color: $text-muted; margin-bottom: 1; }

        &.-narrow {
            #sheet { width: 100%; max-height: 100%; padding: 0 1; }
            #sheet-keys { margin-top: 0; }
            .sheet--text { margin-bottom: 0; }
            Field {
                layout: vertical;
                & > .field--label { width: 100%; }
                & > Input, & > Choice, & > Ticks, & > TextArea { width: 100%; }
            }
        }
    }
    """

    def __init__(self) -> None:
        super().__init__()
        self._error = Told(id="sheet-error")
        self._keys = Told(id="sheet-keys")
        self._judged: list[str] = []
        """What was filled in when the error was told."""

    def compose(self) -> ComposeResult:
        """Lay out the box: the body, the error, the keys."""
        with Vertical(id="sheet", classes="-full" if self.full else "") as box:
            box.border_title = Content(self.heading)
            if self.full:
                yield from self.body()
            else:
                with VerticalScroll(id="sheet-body", can_focus=False):
                    yield from self.body()
            with Vertical(id="sheet-foot"):
                yield self._error
                yield self._keys

    def body(self) -> Iterator[Widget]:
        """Yield what stands in the box."""
        raise NotImplementedError

    def on_mount(self) -> None:
        """Show the keys."""
        self._error.display = False
        self.draw_keys()

    def on_descendant_focus(self, event: events.DescendantFocus) -> None:
        """Say what keys the field has that got the focus."""
        self.draw_keys()

    @on(Input.Changed)
    @on(TextArea.Changed)
    def _changed(self) -> None:
        """Take away what was said of other values: they may be right now."""
        if self._error.display and self._typed() != self._judged:
            self.fail("")

    def _typed(self) -> list[str]:
        """Return what stands in the lines and texts; a change is told of later than a key with priority acts on it."""
        lines = self.query(Input).results()
        return [*(line.value for line in lines), *(area.text for area in self.query(TextArea).results())]

    def fail(self, message: str) -> None:
        """Show what is wrong in one line; an empty one takes it away."""
        self._error.tell(safe_content(safe_line(message, 300)))
        self._error.display = bool(message)
        self._judged = self._typed()

    def draw_keys(self) -> None:
        """Show the keys that do something now."""
        bound = {binding.id for found in self._bindings.key_to_bindings.values() for binding in found}
        rows = [row for row in rows_in_force() if row.shown and row.keys and row.id in bound]
        pairs = [*self.hints()]
        pairs += [(row.shown_keys[0], self.label(row)) for row in rows if self.check_action(row.action, ()) is not False]
        parts: list[tuple[str, str]] = []
        for key, label in pairs:
            parts += [(key, "bold $text-primary"), (f"\u00a0{label.replace(' ', chr(0xA0))}", ""), ("   ", "")]
        self._keys.tell(Content.assemble(*parts[:-1]) if parts else Content(""))

    def label(self, row: Key) -> str:
        """Return what a key does now, in a word or two."""
        return row.label

    def hints(self) -> Iterator[tuple[str, str]]:
        """Yield keys and what they do beyond the bindings: those of the field with the focus."""
        if isinstance(self.focused, Choice | Ticks):
            yield from self.focused.hints

    def flush(self, now: float) -> None:
        """Draw what changed since the last frame; the app's one clock calls it while this is on screen."""

    def action_leave(self) -> None:
        """Close without a result."""
        self.dismiss(None)
