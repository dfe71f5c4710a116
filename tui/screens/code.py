"""Asks which of a pane's code blocks is to be copied."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from tui.key_table import bindings, key_of
from tui.safe import safe_content, safe_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual.app import ComposeResult
    from textual.binding import BindingType
    from textual.content import Content

_PREVIEW_LINES = 8


class CodeScreen(ModalScreen[str | None]):
    """Lists code blocks by their numbers; the last one, most likely the one that was just read, is chosen first."""

    BINDINGS: ClassVar[list[BindingType]] = list(bindings("code"))
    DEFAULT_CSS = """
    CodeScreen {
        align: center middle;
        background: $background 60%;
        & > #code {
            width: 90%;
            max-width: 100;
            height: auto;
            max-height: 90%;
            padding: 1 2;
            background: $surface;
            border: round $primary;
            color: $foreground;
        }
        & #code-list { height: auto; max-height: 12; border: none; padding: 0; margin: 0 0 1 0; background: $surface; }
        & #code-list { text-wrap: nowrap; text-overflow: ellipsis; }
        & #code-preview { height: 8; color: $text-secondary; margin: 0 0 1 0; }
        & #code-keys { dock: bottom; color: $text-muted; }
    }
    """

    def __init__(self, blocks: Sequence[str]) -> None:
        super().__init__()
        self._blocks = list(blocks)
        self._preview = Static(markup=False, id="code-preview")

    def compose(self) -> ComposeResult:
        """Lay out the blocks, the beginning of the chosen one, and the keys."""
        with Vertical(id="code") as box:
            box.border_title = "Copy which code block?"
            yield OptionList(*(Option(self._label(number)) for number in range(len(self._blocks))), id="code-list", compact=True)
            yield self._preview
            yield Static(
                safe_content(f"Enter or its digit copies it   {key_of('code.close')} leaves"), markup=False, id="code-keys"
            )

    def _label(self, number: int) -> Content:
        block = self._blocks[number]
        lines = block.removesuffix("\n").count("\n") + bool(block)
        first = next((line for line in block[:2000].split("\n") if line.strip()), "")
        return safe_content(f"{number + 1:>3}  {lines} {'line' if lines == 1 else 'lines'}  {safe_line(first, 80)}")

    def on_mount(self) -> None:
        """Choose the last block."""
        self.query_one(OptionList).highlighted = len(self._blocks) - 1

    def on_option_list_option_highlighted(self, event: OptionList.OptionHighlighted) -> None:
        """Show how the block begins."""
        lines = self._blocks[event.option_index][:4000].expandtabs(4).split("\n")[:_PREVIEW_LINES]
        self._preview.update(safe_content("\n".join(lines)))

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        """Copy the block."""
        self.dismiss(self._blocks[event.option_index])

    def action_number(self, digit: int) -> None:
        """Copy a block by its number."""
        if digit <= len(self._blocks):
            self.dismiss(self._blocks[digit - 1])
