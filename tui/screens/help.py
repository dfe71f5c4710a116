"""F1: every key, from the registry, and what each figure of the status line means."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, ClassVar

from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen

from tui.key_table import bindings, key_of
from tui.widgets.entry_list import Entry, EntryList
from tui.widgets.line import Line

if TYPE_CHECKING:
    from collections.abc import Iterator

    from textual.app import ComposeResult
    from textual.binding import BindingType
    from textual.widgets import Input

    from tui.keymap import Keymap

PANE_FIGURES = (
    ("TTFT", "time to first token: first text - start of the first attempt, without the wait in the queue"),
    ("tok/s", "output tokens / (end - first text); while it streams ≈ bytes of text / 4 / time since the first text"),
    ("12→40 tok", "tokens sent → tokens answered, as the server counts them; one number: those answered; ≈ counted by us"),
    ("cost", "(tokens sent x input price + tokens answered x output price) / a million, in the currency of the endpoint's price"),
    ("cost –", "the endpoint has no price in the configuration, or the server did not say how many tokens it were"),
    ("cached", "the answer came from the cache; nothing was sent"),
    ("≈ 0.94 alike", "the answer was made for another question, which the pane names; the figure is the cosine of their vectors"),
    ("ahead", "the answer was made before it was asked for: it was one of the likely next questions"),
    ("joined", "the same question was in flight already, and both share its answer"),
    ("● ○", "likely next questions over the prompt: the answer is there, or is not yet"),
    ("at the output limit", "the answer ended because it may not be longer, not because it was complete"),
    (
        "won, tokens saved",
        "a race: the output limits of the lanes that were stopped - the pieces they had made, so at most; an estimate",
    ),
    ("rating", "Bradley-Terry fit of all votes, mean 1000; 100 points more win 64 of 100 votes; the interval is 95 % (Wald)"),
    (
        "± in a sweep",
        "95 % confidence interval of the mean by Student's t; of accepted answers by Wilson; a dash for a single answer",
    ),
    ("% of the words", "differences: 2 x words aligned in both texts / words of both"),
)
FIGURES = (
    ("prompts waiting", "prompts that were typed while the view was busy"),
    ("queue", "model calls admitted to no endpoint yet, over all endpoints"),
    ("in flight", "model calls an endpoint is working on"),
    ("late ⚠ 12", "calls of the last minute that waited over 200 ms to be let in; the Queue view says where and why"),
    ("refused ⚠ 3", "answers of the last minute that said too many requests (429, or 503 with a time to wait)"),
    ("ill ○ NAME", "endpoints that failed so often that only now and then one call is sent, to see whether they are back"),
    ("tok/s", "output tokens of the last seconds; estimated from characters (4 a token) while answers stream"),
    (
        "TTFT",
        "time to first token, median of the last minute, else of the session: first text - start, without the queue",
    ),
    ("P95", "time of a whole model call, 95th percentile of the last minute, else of the session; cached answers left out"),
    ("cache", "answers that needed no call of their own, of all answers of the last minute, else of the session"),
    (
        "cost 0.25 of 1.00",
        "what the session's calls cost so far, as the servers counted their tokens, of its budget; ≈ partly by our own count",
    ),
    ("lag", "how late the event loop woke from a short sleep, 99th percentile of the last minute"),
    ("GPU", "utilisation and memory from NVML; without a GPU the reason, and the machine's CPU and memory"),
    ("█ · ▓ ▒ ░ ┄", "in the Queue view: in flight, free of the cap, and who waits: prompts, agents, batches, what is asked ahead"),
    ("curves", "in the Queue view: the last 60 seconds, one each; cap and in flight have one scale, the others their own"),
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


class HelpScreen(ModalScreen[None]):
    """All keys by place, then what else there is to know; typing keeps what fits."""

    BINDINGS: ClassVar[list[BindingType]] = list(bindings("help"))

    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (60, "-usual")]  # noqa: RUF012  # an instance variable in Textual, so no ClassVar

    def __init__(self, keymap: Keymap, wanted: str = "") -> None:
        super().__init__()
        self._keymap = keymap
        self._filter = Line(wanted, placeholder="Type to find a key or a figure", id="help-filter", compact=True)
        self._list = EntryList()

    def compose(self) -> ComposeResult:
        """Lay out the filter and the text."""
        with Vertical(id="help") as box:
            box.border_title = "Keys and figures"
            box.border_subtitle = Content(f"{key_of('help.close')} closes")
            yield self._filter
            yield self._list

    def on_mount(self) -> None:
        """Let what is typed filter."""
        self._filter.focus()
        self._show()

    def on_input_changed(self, event: Input.Changed) -> None:
        """Keep what fits."""
        event.stop()
        self._show()

    def action_close(self) -> None:
        """Clear what was typed; when nothing is, close."""
        if self._filter.value:
            self._filter.value = ""
        else:
            self.dismiss()

    def action_scroll(self, rows: int) -> None:
        """Scroll the text."""
        self._list.scroll_relative(y=rows, animate=False)

    def action_page(self, pages: int) -> None:
        """Scroll the text by pages."""
        self._list.scroll_relative(y=pages * max(self._list.size.height - 1, 1), animate=False)

    def _show(self) -> None:
        words = self._filter.value.lower().split()
        found = ((title, [entry for entry in entries if entry.fits(words, title)]) for title, entries in sections(self._keymap))
        self._list.show((title, entries) for title, entries in found if entries)


def sections(keymap: Keymap) -> Iterator[tuple[str, list[Entry]]]:
    """Yield what help tells, section by section, each a title and its entries."""
    places = [row.where for row in keymap.rows]
    for where, rows in groupby(sorted(keymap.rows, key=lambda row: places.index(row.where)), key=lambda row: row.where):
        yield where, [Entry(" or ".join(row.shown_keys), keymap.after_leader(row), row.tooltip, row.id) for row in rows]
    told = (
        ("Typed in the prompt", TYPED),
        ("Over a pane", PANE_FIGURES),
        ("Status line", FIGURES),
        ("Terminals and settings", TERMINALS),
    )
    for title, pairs in told:
        yield title, [Entry(name, "", text, "") for name, text in pairs]
