"""F1: every key, from the registry, and what each figure of the status line means."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from rich.table import Table
from rich.text import Text
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Static

from tui.key_table import KEYS
from tui.keys import Key, shown_key

if TYPE_CHECKING:
    from collections.abc import Iterator

    from textual.app import ComposeResult

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


class HelpScreen(ModalScreen[None]):
    """All keys by place, then the figures."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,f1,q", "dismiss", "Close", id="help.close", priority=True)]

    def compose(self) -> ComposeResult:
        """Lay out the text."""
        with VerticalScroll(id="help") as box:
            box.border_title = "Keys and figures"
            box.border_subtitle = "Esc closes"
            yield Static(_table(), markup=False)

    def on_mount(self) -> None:
        """Let the arrows scroll."""
        self.query_one("#help").focus()


def _table() -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column(width=22)
    table.add_column()
    for title, rows in _parts():
        table.add_row(Text(title, style="bold underline"), "")
        for name, text in rows:
            table.add_row(Text(name, style="bold"), Text(text))
        table.add_row("", "")
    return table


def _parts() -> Iterator[tuple[str, list[tuple[str, str]]]]:
    for where in dict.fromkeys(key.where for key in KEYS):
        yield where, [(_keys(key), key.tooltip) for key in KEYS if key.where == where]
    yield (
        "Prompt line",
        [
            ("Enter", "Send; while answers stream the prompt waits its turn"),
            ("Up, Down", "Earlier and later prompts"),
            ("Ctrl+U", "Empty the line"),
            ("Tab", "Move between the prompt line and the panes; typing goes to the prompt line from anywhere"),
            ("/add PATH", "In Ask: put a folder, file or address into the library"),
            ("/library NAME", "In Ask: use another library"),
            ('@PATH, @"MY FILE"', "In Agents: a place the research agent reads; also https://… and library:NAME"),
        ],
    )
    yield (
        "A pane with the focus",
        [
            ("Up, Down, Home, End", "Scroll; at the end it follows"),
            ("[ and ], Enter", "Mark a citation; open its passage"),
            ("1 to 9", "In Ask: open the passage of that number; a click on [n] does, too"),
        ],
    )
    yield "Status line", list(FIGURES)


def _keys(key: Key) -> str:
    return " or ".join(shown_key(name) for name in key.keys.split(","))
