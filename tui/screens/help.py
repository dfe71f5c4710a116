"""F1: every key, from the registry, and what each figure of the status line means."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, ClassVar

from rich.console import Group
from rich.table import Table
from rich.text import Text
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Input, Static

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import RenderableType
    from textual import events
    from textual.app import ComposeResult

    from tui.keymap import Keymap

FIGURES = (
    ("prompts waiting", "prompts that were typed while the view was busy"),
    ("queue", "model calls admitted to no endpoint yet, over all endpoints"),
    ("in flight", "model calls an endpoint is working on"),
    ("tok/s", "output tokens of the last seconds; estimated from characters (4 a token) while answers stream"),
    (
        "TTFT",
        "time to first token, median of the last minute, else of the session: first text - start, without the queue",
    ),
    ("P95", "time of a whole model call, 95th percentile of the last minute, else of the session; cached answers left out"),
    ("cache", "answers that needed no call of their own, of all answers of the last minute, else of the session"),
    ("lag", "how late the event loop woke from a short sleep, 99th percentile of the last minute"),
    ("GPU", "utilisation and memory from NVML; without a GPU the reason, and the machine's CPU and memory"),
    ("≈", "the figure is an estimate"),
    ("–", "there is no data"),
)


TYPED = (
    ("Enter", "Send; while answers stream the prompt waits its turn"),
    ("Tab, Shift+Tab", "Move between the prompt and the panes"),
    ("@", "Attach a file; in Agents a place the research agent reads: @PATH, https://…, library:NAME"),
    ("/add PATH", "In Ask: put a folder, file or address into the library"),
    ("/library NAME", "In Ask: use another library"),
    ("1 to 9", "In Ask, in the answer: open the passage of that number; a click on [n] does, too"),
)
TERMINALS = (
    ("tmux, copying", "set -g set-clipboard on: what is copied goes to the terminal's clipboard (OSC 52)"),
    ("tmux, keys", "set -g extended-keys on: Shift+Enter and Ctrl+Shift+arrows come through"),
    ("a key does nothing", "The terminal or tmux took it: the key above the menu of keys and the palette reach everything"),
    ("other keys", "keymap.toml beside the configuration; `stretto keys` prints names, keys and what is wrong with it"),
    ("NO_COLOR", "Set it for no colours; every state is told by a sign or a word, too"),
    ("TEXTUAL_ANIMATIONS", "none, or screen.reduced_motion = true: nothing glides or blinks"),
)

_WIDE = 96
_NARROW = 56

Entry = tuple[str, str, str, str]
"""Keys, the way by the leader key, what it does, and the id."""


class HelpScreen(ModalScreen[None]):
    """All keys by place, then what else there is to know; typing keeps what fits."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,f1", "close", "Close", tooltip="Clear what was typed, then close", id="help.close", priority=True),
        Binding("up", "scroll(-1)", "Up", tooltip="Scroll up", id="help.up", priority=True),
        Binding("down", "scroll(1)", "Down", tooltip="Scroll down", id="help.down", priority=True),
        Binding("pageup", "page(-1)", "Page up", tooltip="Scroll up a page", id="help.page_up", priority=True),
        Binding("pagedown", "page(1)", "Page down", tooltip="Scroll down a page", id="help.page_down", priority=True),
    ]

    def __init__(self, keymap: Keymap, wanted: str = "") -> None:
        super().__init__()
        self._keymap = keymap
        self._filter = Input(wanted, placeholder="Type to find a key or a figure", id="help-filter", compact=True)
        self._text = Static(markup=False)

    def compose(self) -> ComposeResult:
        """Lay out the filter and the text."""
        with Vertical(id="help") as box:
            box.border_title = "Keys and figures"
            box.border_subtitle = "Esc closes"
            yield self._filter
            with VerticalScroll(can_focus=False):
                yield self._text

    def on_mount(self) -> None:
        """Let what is typed filter."""
        self._filter.focus()

    def on_resize(self, event: events.Resize) -> None:
        """Give the text the shape that fits."""
        self._draw(event.size.width)

    def on_input_changed(self, event: Input.Changed) -> None:
        """Keep what fits."""
        event.stop()
        self._draw(self.size.width)
        self.query_one(VerticalScroll).scroll_home(animate=False)

    def action_close(self) -> None:
        """Clear what was typed; when nothing is, close."""
        if self._filter.value:
            self._filter.value = ""
        else:
            self.dismiss()

    def action_scroll(self, rows: int) -> None:
        """Scroll the text."""
        self.query_one(VerticalScroll).scroll_relative(y=rows, animate=False)

    def action_page(self, pages: int) -> None:
        """Scroll the text by pages."""
        scroll = self.query_one(VerticalScroll)
        scroll.scroll_relative(y=pages * max(scroll.size.height - 1, 1), animate=False)

    def _draw(self, width: int) -> None:
        words = self._filter.value.lower().split()
        parts: list[RenderableType] = []
        for title, entries in sections(self._keymap):
            fitting = [entry for entry in entries if all(word in f"{title} {' '.join(entry)}".lower() for word in words)]
            if fitting:
                parts += [Text(title, style="bold underline"), _table(fitting, width), Text()]
        self._text.update(Group(*parts) if parts else Text("Nothing fits; Esc clears what was typed."))


def sections(keymap: Keymap) -> Iterator[tuple[str, list[Entry]]]:
    """Yield what help tells, section by section, each a title and its entries."""
    rows = sorted(keymap.rows, key=lambda row: [other.where for other in keymap.rows].index(row.where))
    for where, of_place in groupby(rows, key=lambda row: row.where):
        yield (
            where,
            [(" or ".join(row.shown_keys) or "–", keymap.after_leader(row), row.tooltip, row.id) for row in of_place],
        )
    for title, pairs in (("Typed in the prompt", TYPED), ("Status line", FIGURES), ("Terminals and settings", TERMINALS)):
        yield title, [(name, "", text, "") for name, text in pairs]


def _table(entries: list[Entry], width: int) -> Table:
    """Return the entries in columns: four where there is room, else two, else one."""
    table = Table.grid(padding=(0, 2))
    if width >= _WIDE:
        table.add_column(width=22)
        table.add_column(width=10)
        table.add_column(ratio=1)
        table.add_column(no_wrap=True, justify="right")
        table.expand = True
        for keys, leader, text, name in entries:
            table.add_row(Text(keys, style="bold"), Text(leader), Text(text), Text(name, style="italic"))
    elif width >= _NARROW:
        table.add_column(width=18)
        table.add_column(ratio=1)
        table.expand = True
        for keys, leader, text, name in entries:
            left = Text("\n").join([Text(part, style="bold") for part in (keys, leader) if part and part != "–"])
            table.add_row(left, Text.assemble(text, *([("  " + name, "italic")] if name else [])))
    else:
        table.add_column(ratio=1)
        table.expand = True
        for keys, leader, text, name in entries:
            ways = " or ".join(part for part in (keys, leader) if part and part != "–")
            table.add_row(Text.assemble((ways, "bold"), "\n", text, *([("  " + name, "italic")] if name else [])))
    return table
