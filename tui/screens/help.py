"""F1: every key, from the registry, and what each figure of the status line means."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Static

from tui.keys import KEYS, shown_key

if TYPE_CHECKING:
    from collections.abc import Iterator

    from textual.app import ComposeResult

FIGURES = (
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
            yield Static(Content("\n").join(_lines()), markup=False)

    def on_mount(self) -> None:
        """Let the arrows scroll."""
        self.query_one("#help").focus()


def _lines() -> Iterator[Content]:
    for where in dict.fromkeys(key.where for key in KEYS):
        yield Content.styled(where, "bold $accent")
        for key in KEYS:
            if key.where == where:
                keys = " or ".join(shown_key(name) for name in key.keys.split(","))
                yield Content.assemble((f"  {keys:<22}", "bold"), key.tooltip)
        yield Content("")
    yield Content.styled("Prompt line", "bold $accent")
    for keys, text in (
        ("Enter", "Send; while answers stream the prompt waits its turn"),
        ("Up, Down", "Earlier and later prompts"),
        ("Tab", "Move between the prompt line and the panes"),
        ("/add PATH", "In Ask: put a folder, file or address into the library"),
        ("/library NAME", "In Ask: use another library"),
        ("@PATH", "In Agents: a place the research agent reads"),
    ):
        yield Content.assemble((f"  {keys:<22}", "bold"), text)
    yield Content("")
    yield Content.styled("Status line", "bold $accent")
    for name, text in FIGURES:
        yield Content.assemble((f"  {name:<22}", "bold"), text)
