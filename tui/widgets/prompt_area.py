"""The one prompt: text of several lines that is never locked. What is typed while answers stream is taken at once.

It grows with its text, keeps what was sent from it, and handles its keys itself, in the order they were typed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final, Protocol, cast

from rich.text import Text
from textual._ansi_sequences import ANSI_SEQUENCES_KEYS
from textual.keys import Keys
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.widgets import TextArea

from tui.key_table import bindings
from tui.prompt_history import PromptHistory
from tui.safe import safe_cells

if TYPE_CHECKING:
    from textual import events
    from textual._text_area_theme import TextAreaTheme
    from textual.binding import BindingType
    from textual.document._document import EditResult, Location
    from textual.document._edit import Edit
    from textual.geometry import Region, Size
    from textual.strip import Strip

    from tui.prompts import Prompt

MOST_ROWS: Final = 8
_SHARE: Final = 3
"""The prompt takes at most one part in so many of the screen's rows."""
_LONGEST_LINE: Final = 4000
"""Characters; a longer line that is pasted is folded."""
_LONGEST_TEXT: Final = 200_000
"""Characters; a longer text that is pasted is folded whole."""
# Terminals without a newer keyboard protocol send these two for Alt+Enter. Textual would make an Enter of it, which sends.
_SEQUENCES: Final = cast("dict[str, tuple[Keys, ...]]", ANSI_SEQUENCES_KEYS)
_SEQUENCES.setdefault("\x1b\r", (Keys.ControlJ,))
# Textual makes Ctrl and an arrow of Alt+B and Alt+F, which go from pane to pane here; in every shell they go by words. Of Alt and
# a digit it makes the sign that a Mac types so, and here they are keys.
for _letter in "bf123":
    _SEQUENCES.pop(f"\x1b{_letter}", None)
_CONTROLS: Final = re.compile("[\\x00-\\x08\\x0b-\\x1f\\x7f-\\x9f]")


class KeyTaker(Protocol):
    """Something open over the prompt that keys go to first."""

    async def take(self, event: events.Key) -> bool:
        """Use a key and stop its event; False leaves it to the prompt."""


class PromptArea(TextArea):
    """Takes a prompt and says when it is sent."""

    BINDINGS: ClassVar[list[BindingType]] = list(bindings("prompt"))

    @dataclass
    class Sent(Message):
        """A person pressed Enter on a text that is not blank."""

        text: str
        back: Prompt | None = None
        """The prompt it was before it came back, with what goes with it."""

    def __init__(self, *, placeholder: str = "", id: str | None = None) -> None:  # noqa: A002  # Textual's own name
        self._styled: TextAreaTheme | None = None
        """The theme whose styles were looked up since they last changed."""
        super().__init__(placeholder=placeholder, id=id, compact=True, highlight_cursor_line=False)
        self.cursor_blink = False  # a screen at rest draws nothing
        self.match_cursor_bracket = False
        self.earlier = PromptHistory()
        self._folded: dict[str, str] = {}
        self._rows = 0
        self.back: Prompt | None = None
        """What came back to be changed, until its text is sent or cleared: what goes with it goes with the next."""
        self.over: KeyTaker | None = None
        """What is open over the prompt."""

    @property
    def value(self) -> str:
        """All that is typed, with what is folded in its place."""
        text = self.text
        for sign, folded in self._folded.items():
            text = text.replace(sign, folded)
        return text

    @value.setter
    def value(self, text: str) -> None:
        self.earlier.rest()
        self._show(text)

    def _show(self, text: str) -> None:
        self._folded.clear()
        self.back = None
        self.text = self._fold(_typed(text))
        self.move_cursor(self.document.end)

    def bring_back(self, prompt: Prompt) -> None:
        """Put a prompt in place of what is typed, which is called back like a prompt that was sent."""
        if draft := self.value.strip():
            self.earlier.add(draft)
        self.value = prompt.text
        self.back = prompt
        self.focus()

    def _fold(self, text: str) -> str:
        """Return text with signs for what is too long to be typed in: wrapping it anew takes longer than a key may."""
        if len(text) > _LONGEST_TEXT:
            return self._sign(text, f"{text.count(chr(10)) + 1:,} lines")
        if len(text) <= _LONGEST_LINE:
            return text
        lines = text.split("\n")
        return "\n".join(self._sign(line, f"{len(line):,} characters") if len(line) > _LONGEST_LINE else line for line in lines)

    def _sign(self, text: str, words: str) -> str:
        sign = f"⟦{len(self._folded) + 1}: {words}⟧"
        self._folded[sign] = text
        return sign

    def on_mount(self) -> None:
        """Take as many rows as there is text."""
        self.fit()

    def watch_virtual_size(self, size: Size) -> None:
        """Grow and shrink with the text."""
        self.fit(size.height)

    def fit(self, height: int | None = None) -> None:
        """Take as many rows as the text has, within what the screen can spare."""
        if self.is_attached:
            most = max(min(MOST_ROWS, self.screen.size.height // _SHARE), 1)
            rows = min(max(self.wrapped_document.height if height is None else height, 1), most)
            if rows != self._rows:
                self.styles.height = self._rows = rows

    async def _on_key(self, event: events.Key) -> None:
        """Handle a key here and now: as a binding it would go round by the app, and keys behind it would overtake it."""
        if self.over is not None and await self.over.take(event):
            return
        if event.key == "enter":
            self._taken(event)
            await self.action_submit()
        elif own := self._bindings.key_to_bindings.get(event.key):
            self._taken(event)
            await self.run_action(own[0].action)
        elif event.key.startswith("alt+"):
            event.prevent_default()  # with Alt a letter is a command; one that nothing knows types nothing

    @staticmethod
    def _taken(event: events.Key | events.Paste) -> None:
        event.stop()
        event.prevent_default()

    async def action_submit(self) -> None:
        """Send the text and make room for the next at once: keys that come right behind Enter belong to the next."""
        text, back = self.value.strip(), self.back
        self.value = ""
        if text:
            self.earlier.add(text)
            self.post_message(self.Sent(text, back))

    def action_newline(self) -> None:
        """Begin a new line."""
        self.type("\n")

    def type(self, text: str) -> None:
        """Put ``text`` where the cursor is, in place of what is selected."""
        self._replace_via_keyboard(self._fold(_typed(text)), *self.selection)

    def edit(self, edit: Edit) -> EditResult:
        """Do one change of the text; what stands there now is the draft."""
        self.earlier.rest()
        return super().edit(edit)

    async def _on_paste(self, event: events.Paste) -> None:
        """Keep every line of what is pasted; nothing of it is sent before Enter is pressed."""
        self._taken(event)
        self.type(event.text.strip("\r\n"))

    def action_history(self, by: int) -> None:
        """Move the cursor by a row; from the first row up and the last one down, go through what was sent."""
        row, last = self._cursor_offset[1], self.wrapped_document.height - 1
        if not self.earlier.walking and (row > 0 if by < 0 else row < last):
            if by < 0:
                self.action_cursor_up()
            else:
                self.action_cursor_down()
            return
        text = self.earlier.step(by, self.value)
        if text is not None:
            self._show(text)

    def action_clear(self) -> None:
        """Empty the prompt."""
        self.replace("", (0, 0), self.document.end)

    def find_matching_bracket(self, bracket: str, search_from: Location) -> Location | None:
        """Match none: a prompt is prose, and looking for one reads the whole text at every key."""
        return None

    def get_line(self, line_index: int) -> Text:
        """Return a line as it is shown: as many characters as it has, none of which a terminal obeys."""
        return Text(safe_cells(self.document.get_line(line_index)), end="", no_wrap=True)

    def notify_style_update(self) -> None:
        """Look the styles up anew at the next drawing."""
        self._styled = None
        super().notify_style_update()

    def render_lines(self, crop: Region) -> list[Strip]:
        """Draw rows; styles are looked up when they changed, not, as usual, at every key: that takes most of a drawing's time."""
        theme = self._theme
        if theme is not self._styled:
            theme.apply_css(self)
            self._styled = theme
        return ScrollView.render_lines(self, crop)

    def render_line(self, y: int) -> Strip:
        """Draw a row, cut where what stands for hidden characters makes it too long."""
        strip = super().render_line(y)
        width = self.size.width
        return strip.crop(0, width) if strip.cell_length > width else strip


def _typed(text: str) -> str:
    """Return text as the prompt holds it: one kind of line end, and no other control codes than tabs."""
    return _CONTROLS.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))
