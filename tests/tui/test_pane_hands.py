"""What a person does in a pane by keys and mouse: nothing opens, copies or moves but what was asked for."""

from __future__ import annotations

import asyncio
import contextlib
import webbrowser
from typing import TYPE_CHECKING

import pytest
from textual import events
from textual.app import App
from textual.containers import Vertical
from textual.widgets import Input, OptionList

from tests.tui.room import HOSTILE, faults
from tui.screens.code import CodeScreen
from tui.screens.links import LinksScreen, addresses
from tui.slices import at_once
from tui.widgets.stream_pane import StreamPane

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from textual.app import ComposeResult
    from textual.pilot import Pilot

ANSWER = """# Title

One **two** three, [place](https://example.org/a?b=c) and [bad](javascript:alert) and [file](file:///etc/passwd), see [1].

```python
x = 1
```

```
second
```
"""


class Desk(App[None]):
    """A prompt over a pane."""

    def __init__(self) -> None:
        super().__init__()
        self.pane = StreamPane()
        self.prompt = Input()
        self.opened: list[int] = []
        self.pressed = 0

    def compose(self) -> ComposeResult:
        with Vertical():
            yield self.prompt
            yield self.pane

    def on_stream_pane_citation(self, event: StreamPane.Citation) -> None:
        self.opened.append(event.number)

    def on_stream_pane_pressed(self) -> None:
        self.pressed += 1

    def action_focus_prompt(self) -> None:
        self.prompt.focus()

    def rows(self) -> list[str]:
        return [strip.text[1:-1].rstrip() for strip in self.pane._shown]

    def marked(self, y: int) -> list[str]:
        """Return the parts of a row that have a background of their own."""
        strip, base = self.pane._shown[y], self.pane.rich_style.bgcolor
        return [segment.text for segment in strip if segment.style is not None and segment.style.bgcolor != base]


@contextlib.asynccontextmanager
async def desk(text: str = "", kind: str = "answer", size: tuple[int, int] = (50, 16)) -> AsyncIterator[tuple[Desk, Pilot[None]]]:
    app = Desk()
    async with app.run_test(size=size) as pilot:
        app.prompt.focus()
        if kind == "answer":
            app.pane.begin("answer")
        app.pane.append(text)
        app.pane.finish()
        await settled(app)
        await pilot.pause()
        yield app, pilot


async def settled(app: Desk) -> None:
    while not app.pane.settled:
        app.pane.flush(1)
        await asyncio.sleep(0.001)


async def until(condition: Callable[[], bool]) -> None:
    for _ in range(500):
        if condition():
            return
        await asyncio.sleep(0.01)
    raise AssertionError


def lines(count: int) -> str:
    return "".join(f"line {number}\n" for number in range(count))


async def test_a_click_leaves_the_focus_where_a_person_types() -> None:
    async with desk("some text\n") as (app, pilot):
        await pilot.click(app.pane, offset=(3, 0))
        await pilot.press("a")
        assert app.prompt.has_focus
        assert app.prompt.value == "a"
        assert app.pressed == 1


async def test_dragging_selects_and_copying_joins_wrapped_rows() -> None:
    words = " ".join(f"word{number}" for number in range(20))
    async with desk(words, "text") as (app, pilot):
        assert len([row for row in app.rows() if row]) > 2
        await pilot.mouse_down(app.pane, offset=(1, 0))
        await pilot.hover(app.pane, offset=(4, 2))
        await pilot.mouse_up(app.pane, offset=(4, 2))
        assert app.pane.selected == words[: words.index(app.rows()[2]) + 3]
        assert app.marked(1) == [app.rows()[1] + " "] or app.marked(1)[0].strip() == app.rows()[1]
        app.pane.focus()
        await pilot.press("y")
        assert app.clipboard == words[: words.index(app.rows()[2]) + 3]
        await pilot.click(app.pane, offset=(3, 0))
        assert app.pane.selected == ""


async def test_two_clicks_select_a_word_and_three_a_row() -> None:
    async with desk("one two three\nfour\n", "text") as (app, pilot):
        await pilot.double_click(app.pane, offset=(6, 0))
        assert app.pane.selected == "two"
        await pilot.triple_click(app.pane, offset=(6, 0))
        assert app.pane.selected == "one two three"


async def test_dragging_beyond_the_edge_scrolls() -> None:
    async with desk(lines(100), "text") as (app, pilot):
        app.pane.scroll_to_start()
        await pilot.mouse_down(app.pane, offset=(1, 2))
        foot = app.pane.size.height - 1
        await pilot.hover(app.pane, offset=(5, foot))
        app.pane.post_message(_move(app, 5, foot + 3))
        await until(lambda: app.rows()[0] not in {"line 0", "line 1", "line 2", "line 3"})
        app.pane.post_message(_move(app, 5, foot))
        await pilot.pause()
        await pilot.mouse_up(app.pane, offset=(5, foot))
        chosen = app.pane.selected.split("\n")
        assert chosen[0] == "line 2"
        assert len(chosen) > foot


def _move(app: Desk, x: int, y: int) -> events.MouseMove:
    at = app.pane.region
    return events.MouseMove(app.pane, x, y, 0, 1, 1, shift=False, meta=False, ctrl=False, screen_x=at.x + x, screen_y=at.y + y)


async def test_the_row_that_is_read_stays_while_text_grows_and_becomes_markdown() -> None:
    words = [f"**w{number}** " if number % 7 else f"w{number}\n\n" for number in range(1, 600)]
    async with desk("".join(words[:300])) as (app, _):
        app.pane.scroll_rows(-4)
        read = [row for row in app.rows() if row]
        assert not app.pane.follows
        app.pane.begin("answer")
        for word in words[300:]:
            app.pane.append(word)
            app.pane.flush(1)
        await settled(app)
        assert [row for row in app.rows() if row][:3] == read[:3]


async def test_a_pane_that_was_hidden_catches_up_in_slices_and_shows_its_end() -> None:
    async with desk() as (app, pilot):
        app.pane.display = False
        await pilot.pause()
        for number in range(20_000):
            app.pane.append(f"paragraph **{number}**\n\n")
        assert not app.pane.flush()
        app.pane.display = True
        await settled(app)
        await pilot.pause()
        assert [row for row in app.rows() if row][-2:] == ["paragraph 19998", "paragraph **19999**"]
        assert len(app.pane._view.doc._laid) < 200


async def test_a_new_width_keeps_the_place_that_is_read() -> None:
    text = "".join(f"- item {number} with **some** words that are wrapped\n\n" for number in range(200))
    async with desk(text) as (app, pilot):
        app.pane.scroll_to_share(0.5)
        await settled(app)
        read = next(row for row in app.rows() if "item" in row).split()[2]
        for width in (20, 80, 33, 50):
            await pilot.resize_terminal(width, 16)
            await settled(app)
            await pilot.pause()
            shown = [row.split()[2] for row in app.rows() if "item" in row and len(row.split()) > 2]
            assert read in shown[:2]


async def test_keys_move_and_select_rows() -> None:
    async with desk(lines(100), "text") as (app, pilot):
        app.pane.focus()
        await pilot.press("g")
        assert app.rows()[0] == "line 0"
        await pilot.press("j", "j", "k", "space", "b", "G")
        assert app.pane.follows
        await pilot.press("g", "V", "j", "j", "y")
        assert app.clipboard == "line 0\nline 1\nline 2"
        assert app.pane.selected == ""
        await pilot.press("G", "V", "k", "k")
        assert app.pane.selected == "line 97\nline 98\nline 99"
        await pilot.press("g")
        assert app.pane.selected.startswith("line 0\nline 1\n")
        await pilot.press("escape")
        assert app.pane.selected == ""
        await pilot.press("V", "V")
        assert app.pane.selected == ""
        await pilot.press("i")
        assert app.prompt.has_focus


async def test_without_a_selection_the_last_answer_is_copied_as_it_was_written() -> None:
    async with desk(ANSWER) as (app, _):
        app.pane.begin("note")
        app.pane.append("a remark")
        app.pane.action_copy()
        assert app.clipboard == ANSWER


@pytest.mark.parametrize("hostile", HOSTILE)
async def test_what_is_copied_has_no_control_codes(hostile: str) -> None:
    async with desk(f"{hostile}\n\n# {hostile}\n\n```{hostile}\n{hostile}\n```\n") as (app, _):
        app.pane.action_copy()
        copied = [app.clipboard]
        app.pane.action_start()
        app.pane.action_select()
        app.pane.action_end()
        copied.append(app.pane.selected)
        for text in copied:
            assert not any((ord(char) < 32 and char not in "\n\t") or 127 <= ord(char) < 160 for char in text)
        assert not faults(app.pane._shown, app.pane.size.width)


async def test_searching_counts_goes_on_and_closes() -> None:
    async with desk(lines(200), "text") as (app, pilot):
        app.pane.scroll_to_start()
        app.pane.focus()
        await pilot.press("slash", *"line 9")
        await settled(app)
        await pilot.pause()
        assert app.screen._compositor.render_strips()[-1].text.rstrip().endswith("1 of 11")
        assert "line 9" in app.rows()
        assert app.marked(app.rows().index("line 9")) == ["line 9"]
        await pilot.press("enter")
        assert "line 90" in app.rows()
        await pilot.press("down", "up", "up")
        assert "line 9" in app.rows()
        await pilot.press("escape")
        assert app.pane.has_focus
        assert not app.pane.query("SearchBar")
        await pilot.press("N")
        assert "line 99" in app.rows()
        await pilot.press("N")
        assert "line 98" in app.rows()
        await pilot.press("n", "n", "escape")
        assert "line 9" in app.rows()
        assert all(not app.marked(y) for y in range(len(app.rows())))


async def test_capitals_are_told_apart_only_when_asked_for() -> None:
    async with desk("Loop loop LOOP\n", "text") as (app, _):
        for words, count in (("loop", 3), ("Loop", 1), ("LOOP", 1), ("nothing", 0), ("", 0)):
            app.pane.look_for(words)
            await settled(app)
            assert app.pane.matches == count


async def test_what_is_typed_right_behind_the_key_that_searches_is_searched_for() -> None:
    async with desk(lines(200), "text") as (app, pilot):
        app.pane.focus()
        await pilot.pause()
        for name, character in (("slash", "/"), ("l", "l"), ("i", "i"), ("9", "9")):
            app.post_message(events.Key(name, character))
        await until(lambda: app.pane._words == "li9")


async def test_a_search_from_the_prompt_returns_to_the_prompt() -> None:
    async with desk("some text\n") as (app, pilot):
        await app.pane.action_search()
        assert app.focused is not app.prompt
        await pilot.press(*"text", "escape")
        assert app.prompt.has_focus
        assert app.prompt.value == ""


async def test_a_link_opens_only_when_a_person_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []

    class Browser:
        def open(self, url: str) -> bool:
            opened.append(url)
            return True

    monkeypatch.setattr(webbrowser, "get", Browser)
    async with desk(ANSWER, size=(60, 24)) as (app, pilot):
        assert at_once(app.pane.links()) == ["https://example.org/a?b=c"]
        y = next(y for y, row in enumerate(app.rows()) if "place" in row)
        x = app.rows()[y].index("place") + 2
        await pilot.click(app.pane, offset=(x, y))
        await pilot.pause()
        assert isinstance(app.screen, LinksScreen)
        assert any("https://example.org/a?b=c" in strip.text for strip in app.screen._compositor.render_strips())
        await pilot.press("enter", "escape")
        assert opened == []
        app.pane.focus()
        await pilot.press("right_square_bracket", "enter", "y")
        assert app.clipboard == "https://example.org/a?b=c"
        await pilot.press("enter", "o")
        await until(lambda: opened == ["https://example.org/a?b=c"])


async def test_citations_open_within_markdown() -> None:
    async with desk(ANSWER, size=(60, 24)) as (app, pilot):
        app.pane.citations = 1
        await settled(app)
        y = next(y for y, row in enumerate(app.rows()) if "[1]" in row)
        await pilot.click(app.pane, offset=(app.rows()[y].index("[1]") + 2, y))
        app.pane.focus()
        await pilot.press("left_square_bracket", "enter")
        assert app.opened == [1, 1]


async def test_a_code_block_is_copied_by_its_number() -> None:
    async with desk(ANSWER, size=(60, 24)) as (app, pilot):
        app.pane.copy_code()
        await until(lambda: isinstance(app.screen, CodeScreen) and app.screen.is_mounted)
        await pilot.pause()
        assert isinstance(app.screen, CodeScreen)
        assert app.screen.query_one(OptionList).option_count == 2
        await pilot.press("1")
        assert app.clipboard == "x = 1\n"
        app.pane.copy_code()
        await until(lambda: isinstance(app.screen, CodeScreen) and app.screen.is_mounted)
        await pilot.pause()
        await pilot.press("enter")
        assert app.clipboard == "second\n"
        app.pane.copy_code()
        await until(lambda: isinstance(app.screen, CodeScreen) and app.screen.is_mounted)
        await pilot.pause()
        await pilot.press("9", "escape")
        assert app.clipboard == "second\n"


async def test_code_blocks_take_a_row_each_and_their_keys_are_in_view() -> None:
    blocks = "\n\n".join(f"```\nblock {number} {'wide ' * 20}\n```" for number in range(1, 16))
    async with desk(blocks, size=(60, 20)) as (app, pilot):
        app.pane.copy_code()
        await until(lambda: isinstance(app.screen, CodeScreen) and app.screen.is_mounted)
        await pilot.pause()
        rows = [strip.text for strip in app.screen._compositor.render_strips()]
        assert any("Esc leaves" in row for row in rows)
        assert sum(row.count(" 1 line ") for row in rows) > 5


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("see https://a.org/x, and (http://b.org/y_(z)).", ["https://a.org/x", "http://b.org/y_(z)"]),
        ("javascript:alert(1) file:///etc/passwd ftp://a.org data:text/html,x", []),
        ("https://user@evil.org/ https:///nohost http://a.org/\u202egpj.exe", ["http://a.org/"]),
        ("https://a.org/x https://a.org/x", ["https://a.org/x"]),
        ("[t](https://a.org/x) **https://b.org**", ["https://a.org/x", "https://b.org"]),
    ],
)
def test_only_plain_web_addresses_are_offered(text: str, found: list[str]) -> None:
    assert addresses(text) == found
