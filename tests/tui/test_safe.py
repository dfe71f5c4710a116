"""The door and the wall: no hostile text reaches the terminal as anything but characters."""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from rich.cells import cell_len, split_text
from rich.segment import Segment
from rich.style import Style
from rich.text import Text
from textual.app import App
from textual.color import Color
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import (
    Button,
    Checkbox,
    Collapsible,
    DataTable,
    Digits,
    Input,
    Label,
    Log,
    Markdown,
    OptionList,
    Placeholder,
    Pretty,
    RadioButton,
    RichLog,
    Select,
    SelectionList,
    Static,
    Tab,
    Tabs,
    TextArea,
    Tree,
)
from textual.widgets.option_list import Option
from textual.widgets.selection_list import Selection

from tui.safe import SafeFilter, safe_content, safe_line, safe_link, safe_text
from tui.widgets.pane_header import PaneHeader, PaneState
from tui.widgets.stream_pane import StreamPane

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual.app import ComposeResult
    from textual.filter import LineFilter

SPECIAL = (
    "\x00\x07\x08\x0b\x0c\r\x1b\x7f\x80\x85\x9b\x9c\x9d\xad\u061c"
    "\u200b\u200c\u200d\u200e\u2028\u202e\u2066\u2069\ufeff\ufe0f\ud800\U000e0041\U000e0100"
)
texts = st.text(st.one_of(st.characters(codec=None), st.sampled_from(SPECIAL), st.sampled_from("[]/@=ab \t\n")))

HOSTILE = {
    "clipboard": "a\x1b]52;c;cm0gLXJmIH4K\x07b\x1b]52;c;cm0gLXJmIH4K\x1b\\c",
    "title": "a\x1b]0;PWNED\x07b\x9d0;PWNED\x9cc",
    "screen": "a\x1b[2J\x1b[1;1Hpassword:\x9b2Jb\x1bPq#0\x1b\\c\x1b_Gx\x1b\\d",
    "link": "a\x1b]8;;file:///etc/passwd\x1b\\click\x1b]8;;\x1b\\b",
    "bidi": "a\u202ecod.exe\u202cb\u2066c\u2069\u200b\ufeff\U000e0041d",
    "controls": "a\x00\x07\x08\x0b\x0c\x0e\x0f\x7f\x84\x85\u2028b\rc",
}
MARKUP = (
    "[/]",
    "[@click=app.hack]x[/]",
    "[ @click=app.hack]x",
    "[link='http://a/']x[/link]",
    "[$primary]x",
    "[b",
    "[/usr/bin/env]",
)


BIDI = {"LRE", "RLE", "PDF", "LRO", "RLO", "LRI", "RLI", "FSI", "PDI"}


def is_shown(character: str) -> bool:
    """Say, without looking at the table, whether a character may be drawn."""
    if character in "\u200c\u200d":
        return True
    return unicodedata.category(character) not in {"Cc", "Cs", "Zl", "Zp"} and unicodedata.bidirectional(character) not in BIDI


@given(texts)
@example("\r\n")
@example("\U000e0041\u202e\x1b")
def test_safe_text_leaves_nothing_that_steers_a_terminal(text: str) -> None:
    assert all(is_shown(character) or character in "\t\n" for character in safe_text(text))


@given(texts, st.integers(min_value=0))
@example("a\r\nb", 2)
def test_text_cut_anywhere_gives_the_same_result(text: str, cut: int) -> None:
    cut = min(cut, len(text))
    assert safe_text(text[:cut]) + safe_text(text[cut:]) == safe_text(text)


@given(texts)
def test_safe_text_changes_nothing_the_second_time(text: str) -> None:
    assert safe_text(safe_text(text)) == safe_text(text)


def test_ordinary_text_of_many_scripts_passes_unchanged() -> None:
    text = "Grüße, naïve “quotes” — 漢字 עברית العربية می‌خواهم 👩‍👩‍👧 ☁️\n\tindented"
    assert safe_text(text) == text


def test_hidden_things_become_visible_or_go() -> None:
    assert safe_text("\x1b[0m\x07") == "␛[0m␇"
    assert safe_text("a\u202eb\x9bc\udc00d") == "a\ufffdb\ufffdc\ufffdd"
    assert safe_text("a\u200bb\U000e0041c\r\nd\u2028e") == "abc\nd\ne"


@given(texts, st.integers(min_value=1, max_value=60))
@example("\u200d\u200d☁", 5)
def test_safe_line_is_one_line_within_its_limit_that_can_be_cut_anywhere(text: str, limit: int) -> None:
    line = safe_line(text, limit)
    assert len(line) <= limit
    assert "\n" not in line
    assert "\t" not in line
    for cells in range(cell_len(line)):
        split_text(line, cells)


def test_a_megabyte_becomes_one_short_line() -> None:
    assert safe_line("word " * 200_000, 20) == "word word word word…"
    assert safe_line(" " * 1_000_000, 20) == "…"


@pytest.mark.parametrize("text", MARKUP)
def test_markup_stays_text(text: str) -> None:
    content = safe_content(text, "bold")
    assert content.plain == text
    assert all("click" not in str(span.style) for span in content.spans)


@pytest.mark.parametrize("url", ["https://example.org/a?b=c#d", "http://127.0.0.1:8766/v1"])
def test_plain_web_links_pass(url: str) -> None:
    assert safe_link(url) == url


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd",
        "javascript:alert(1)",
        "vscode://x",
        "https://good.test@evil.test/",
        "http://a/\x1b\\",
        "http:///x",
        "http://[",
        "https://ex\u0430mple.org",
        "--help",
        "",
    ],
)
def test_other_links_do_not(url: str) -> None:
    assert safe_link(url) is None


def test_filter_drops_odd_links_and_keeps_colour_and_controls() -> None:
    kept = Segment("web", Style(link="https://example.org/", bold=True))
    odd = Segment("odd\x1b", Style(link="file:///etc/passwd", bold=True))
    control = Segment("\x1b[2J", None, [(0,)])  # type: ignore[list-item]  # any control code will do
    first, second, third = SafeFilter().apply([kept, odd, control], Color.parse("black"))
    assert first.style is not None
    assert first.style.link == "https://example.org/"
    assert second.style is not None
    assert (second.text, second.style.link, second.style.bold) == ("odd␛", None, True)
    assert third == control


def test_filtered_cells_keep_their_width() -> None:
    for text in HOSTILE.values():
        (segment,) = SafeFilter().apply([Segment(text)], Color.parse("black"))
        assert "\n" not in segment.text
        assert "\x1b" not in segment.text


class Probe(App[None]):
    """Hands one text, as it came, to every widget that will take it."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.text = text
        self.hacked = False

    def get_line_filters(self) -> Sequence[LineFilter]:
        return [SafeFilter(), *super().get_line_filters()]

    def action_hack(self) -> None:
        self.hacked = True

    def compose(self) -> ComposeResult:
        content, rich, raw = Content(self.text), Text(self.text), self.text
        with Vertical() as box:
            box.styles.border = ("round", "red")
            box.border_title = content
            box.border_subtitle = content
            yield Static(content)
            yield Static(raw, markup=False)
            yield Label(content)
            yield Button(content)
            yield Checkbox(content)
            yield RadioButton(content)
            yield OptionList(Option(content))
            yield SelectionList(Selection(content, 1))
            yield Tabs(Tab(content))
            yield Collapsible(Label(content), title=content)  # type: ignore[arg-type]
            yield Tree[None](rich)
            yield Select([(content, 1)], value=1)
            yield Input(value=raw, placeholder=raw)
            yield TextArea(raw)
            yield Pretty([raw])
            yield Digits(raw)
            yield Placeholder(content)  # type: ignore[arg-type]
            yield Markdown(raw + "\n\n# " + raw + "\n\n```\n" + raw + "\n```\n", open_links=False)
            yield DataTable[Text]()
            yield Log()
            yield RichLog()
            yield PaneHeader()
            yield StreamPane(empty=raw)

    def on_mount(self) -> None:
        for widget in self.query_one(Vertical).children:
            widget.styles.height = 4
        table = self.query_one(DataTable)
        table.add_column(Text(self.text))
        table.add_row(Text(self.text), label=Text(self.text))
        self.query_one(Log).write_line(self.text)
        self.query_one(RichLog).write(Text(self.text))
        self.query_one(PaneHeader).update(PaneState(title=self.text, note=self.text, state=self.text))
        pane = self.query_one(StreamPane)
        pane.append(self.text)
        self.notify(self.text, title=self.text, markup=False)


SGR_OR_MOVE = re.compile(r"\x1b\[[0-9;]*[mH]")


@pytest.mark.parametrize("name", HOSTILE)
async def test_no_widget_draws_a_control_code(name: str) -> None:
    app = Probe(HOSTILE[name])
    async with app.run_test(size=(90, 110), notifications=True) as pilot:
        app.query_one(StreamPane).flush()
        await pilot.pause()
        strips = app.screen._compositor.render_strips()
        drawn = SGR_OR_MOVE.sub("", "".join(strip.render(app.console) for strip in strips))
    assert all(is_shown(character) for character in drawn)
    assert drawn.count("a") > 30


class Clickable(App[None]):
    """Shows markup-like text through the door."""

    hacked = False

    def compose(self) -> ComposeResult:
        for text in MARKUP:
            yield Static(safe_content(text))
            yield Label(safe_content(text, "bold"))
        yield PaneHeader()
        yield StreamPane()

    def action_hack(self) -> None:
        self.hacked = True


async def test_no_action_hides_in_text() -> None:
    app = Clickable()
    async with app.run_test(size=(40, 40)) as pilot:
        pane, header = app.query_one(StreamPane), app.query_one(PaneHeader)
        pane.append("\n".join(MARKUP))
        pane.flush()
        header.update(PaneState(title=MARKUP[1], note=MARKUP[1]))
        await pilot.pause()
        for y in range(25):
            for x in range(0, 12, 2):
                assert "@click" not in app.screen.get_style_at(x, y).meta
        await pilot.click(offset=(2, 2))
        drawn = "\n".join(strip.text for strip in app.screen._compositor.render_strips())
    assert not app.hacked
    assert all(drawn.count(text) >= 3 for text in MARKUP)
