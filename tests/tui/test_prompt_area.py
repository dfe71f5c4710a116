from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from textual import events, on
from textual._xterm_parser import XTermParser
from textual.app import App

from tests.servers.paced import PacedServer
from tests.tui.room import HOSTILE
from tests.tui.stage import stage
from tui.prompt_history import PromptHistory
from tui.prompts import Prompt
from tui.rounds.sheet import line_input
from tui.widgets.line import Line
from tui.widgets.prompt_area import PromptArea

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from textual.app import ComposeResult
    from textual.pilot import Pilot


class Room(App[None]):
    """A prompt alone, and what was sent from it."""

    def __init__(self) -> None:
        super().__init__()
        self.line = PromptArea()
        self.sent: list[str] = []

    def compose(self) -> ComposeResult:
        yield self.line

    @on(PromptArea.Sent)
    def keep(self, event: PromptArea.Sent) -> None:
        self.sent.append(event.text)


@pytest.fixture
async def pilot() -> AsyncIterator[Pilot[None]]:
    room = Room()
    async with room.run_test() as pilot:
        room.line.focus()
        await pilot.pause()
        yield pilot


def of(pilot: Pilot[None]) -> Room:
    assert isinstance(pilot.app, Room)
    return pilot.app


async def send(pilot: Pilot[None], text: str) -> None:
    of(pilot).line.value = text
    await pilot.press("enter")


async def test_enter_sends_the_line_without_the_blanks_around_it_and_a_blank_one_not_at_all(pilot: Pilot[None]) -> None:
    await send(pilot, "  hello  ")
    await send(pilot, "   ")
    await send(pilot, "")
    assert of(pilot).sent == ["hello"]
    assert of(pilot).line.value == ""


async def test_up_and_down_walk_through_what_was_sent_and_come_back_to_the_draft(pilot: Pilot[None]) -> None:
    line = of(pilot).line
    for text in ("one", "two", "two", "three"):
        await send(pilot, text)
    line.value = "a draft"
    seen = []
    for key in ("up", "up", "up", "up", "down", "down", "down", "down"):
        await pilot.press(key)
        seen.append(line.value)
    assert seen == ["three", "two", "one", "one", "two", "three", "a draft", "a draft"]
    assert line.cursor_location == (0, len("a draft"))


async def test_an_earlier_prompt_can_be_changed_and_sent_and_the_draft_is_asked_for_no_more(pilot: Pilot[None]) -> None:
    line = of(pilot).line
    await send(pilot, "one")
    await send(pilot, "two")
    line.value = "draft"
    await pilot.press("up", "up", "!", "enter")
    assert of(pilot).sent == ["one", "two", "one!"]
    await pilot.press("up")
    assert line.value == "one!"
    await pilot.press("down")
    assert line.value == ""


async def test_what_was_typed_is_not_lost_when_another_text_takes_its_place(pilot: Pilot[None]) -> None:
    line = of(pilot).line
    await send(pilot, "sent")
    line.value = "half a thought"
    line.bring_back(Prompt("an earlier prompt"))
    assert line.value == "an earlier prompt"
    await pilot.press("up")
    assert line.value == "half a thought"


def test_prompts_sent_before_the_earlier_ones_were_read_are_not_there_twice() -> None:
    history = PromptHistory()
    history.add("now")
    history.load(["before", "now"])
    assert [history.step(-1, "") for _ in range(3)] == ["now", "before", None]


async def test_control_u_empties_the_line(pilot: Pilot[None]) -> None:
    of(pilot).line.value = "much"
    await pilot.press("ctrl+u")
    assert of(pilot).line.value == ""


@pytest.mark.parametrize("breaks", ["\n", "\r\n", "\r"])
async def test_every_line_of_what_is_pasted_is_kept_and_sent(pilot: Pilot[None], breaks: str) -> None:
    room = of(pilot)
    room.line.value = "Read: "
    room.line.move_cursor((0, 6))
    room.post_message(events.Paste(breaks.join(["one", "", "two  three", "four", ""])))
    await pilot.pause()
    assert room.sent == []
    assert room.line.value == "Read: one\n\ntwo  three\nfour"
    await pilot.press("!", "enter")
    assert room.sent == ["Read: one\n\ntwo  three\nfour!"]
    await pilot.press("up")
    assert all(word in room.line.value for word in ("one", "two  three", "four!"))
    await pilot.press("enter")
    assert room.sent[1] == room.sent[0]


async def test_a_paste_goes_where_the_cursor_is_and_in_place_of_what_is_selected(pilot: Pilot[None]) -> None:
    room = of(pilot)
    room.line.value = "one three"
    room.line.move_cursor((0, 4))
    room.post_message(events.Paste("two "))
    await pilot.pause()
    assert room.line.value == "one two three"
    room.line.select_all()
    room.post_message(events.Paste("all new"))
    await pilot.pause()
    assert room.line.value == "all new"


async def test_a_long_paste_is_kept_whole(pilot: Pilot[None]) -> None:
    room = of(pilot)
    text = "\n".join(f"line {number}" for number in range(2000))
    room.post_message(events.Paste(text))
    await pilot.pause()
    await pilot.press("enter")
    assert room.sent == [text]


async def test_what_is_typed_right_behind_enter_is_the_next_line_even_when_all_keys_come_at_once(pilot: Pilot[None]) -> None:
    room = of(pilot)
    for key in ("a", "b", "enter", "c", "d", "enter", "e"):
        room.post_message(events.Key(key, key if len(key) == 1 else None))
    for _ in range(200):
        if room.line.value == "e":
            break
        await asyncio.sleep(0.01)
    assert room.sent == ["ab", "cd"]
    assert room.line.value == "e"


async def test_it_takes_keys_while_answers_stream(tmp_path: Path) -> None:
    async with PacedServer() as server, stage(tmp_path, server.base_url, *["lab/paced-8000-100"] * 4, size=(160, 40)) as at:
        prompt, panes = at.app.dashboard.prompt, at.app.dashboard.compare.answers
        await at.until(lambda: len(panes) == 4)
        await at.send("go")
        await at.until(lambda: all(pane.state.state == "streaming" for pane in panes))
        await at.press(*"next, one")
        await at.until(lambda: "› next, one" in at.screen())
        assert prompt.has_focus
        assert not prompt.disabled
        await at.press("backspace", "home", *"the ", "end", "enter")
        await at.until(lambda: prompt.value == "")
        await at.press("up")
        assert prompt.value == "the next, on"
        assert all(pane.state.state == "streaming" for pane in panes)
        await at.press("f9")
        await at.until(lambda: not at.app.workspace.engine.runs)


async def test_what_is_typed_with_the_focus_elsewhere_reaches_the_prompt_but_in_a_pane_single_keys_move(tmp_path: Path) -> None:
    async with PacedServer() as server, stage(tmp_path, server.base_url, "lab/a") as at:
        prompt, panes = at.app.dashboard.prompt, at.app.dashboard.compare.answers
        await at.until(lambda: len(panes) == 1)
        at.app.screen.set_focus(None)
        await at.press(*"Hi there")
        assert prompt.value == "Hi there"
        assert prompt.has_focus
        panes[0].pane.focus()
        await at.settle()
        await at.press(*"jkG")
        assert prompt.value == "Hi there"
        await at.press("i", "!")
        assert prompt.value == "Hi there!"


@pytest.mark.parametrize(("key", "text"), [("ctrl+j", "\n"), ("alt+enter", "\x1b\r"), ("shift+enter", None)])
async def test_a_new_line_is_begun_between_what_is_typed_before_and_behind_it(
    pilot: Pilot[None], key: str, text: str | None
) -> None:
    room = of(pilot)
    for name in ("a", key, "b", "backspace", "c", "enter", "d"):
        room.post_message(events.Key(name, name if len(name) == 1 else None))
    for _ in range(200):
        if room.line.value == "d":
            break
        await asyncio.sleep(0.01)
    assert room.sent == ["a\nc"]
    if text is not None:
        parser = XTermParser()
        heard = [event.key for event in [*parser.feed(text), *parser.feed("")] if isinstance(event, events.Key)]
        # Without a newer keyboard protocol, Alt+Enter comes as two codes and means the same as Ctrl+J.
        assert heard == ["ctrl+j"]


async def test_a_letter_with_alt_goes_by_words_or_types_nothing(pilot: Pilot[None]) -> None:
    room = of(pilot)
    room.line.value = "one two three"
    for text in ("\x1bb", "\x1bb", "\x1bx", "\x1bd"):
        parser = XTermParser()
        for event in [*parser.feed(text), *parser.feed("")]:
            assert isinstance(event, events.Key)
            room.post_message(event)
    for _ in range(200):
        if room.line.value == "one  three":
            break
        await asyncio.sleep(0.01)
    assert room.line.value == "one  three"


@pytest.mark.parametrize("keys", [("alt+left", "alt+left", "alt+right"), ("alt+b", "alt+b", "alt+f", "alt+x")])
async def test_a_line_of_a_form_goes_by_words_too(keys: tuple[str, ...]) -> None:
    class Form(App[None]):
        def compose(self) -> ComposeResult:
            yield line_input("one two three")

    async with Form().run_test() as pilot:
        await pilot.press(*keys, "!")
        assert pilot.app.query_one(Line).value == "one two !three"


async def test_it_grows_with_its_text_and_leaves_the_rest_of_the_screen_its_room(pilot: Pilot[None]) -> None:
    line = of(pilot).line
    heights = []
    for count in (1, 2, 8, 30, 1):
        line.value = "\n".join(["x"] * count)
        await pilot.pause()
        heights.append(line.size.height)
    assert heights == [1, 2, 8, 8, 1]
    await pilot.resize_terminal(80, 12)
    line.value = "\n".join(["x"] * 30)
    await pilot.pause()
    line.fit()
    await pilot.pause()
    assert line.size.height == 4


async def test_long_lines_wrap_and_rows_are_exactly_as_wide_as_the_prompt_whatever_stands_in_it(pilot: Pilot[None]) -> None:
    line = of(pilot).line
    for text in (*HOSTILE, "字" * 100, "word " * 60):
        line.value = text
        await pilot.pause()
        strips = [line.render_line(y) for y in range(line.size.height)]
        assert [at for at, strip in enumerate(strips) if strip.cell_length > line.size.width] == []
        shown = "".join(segment.text for strip in strips for segment in strip)
        assert not any(ord(char) < 32 or 127 <= ord(char) < 160 or char == "\u202e" for char in shown), ascii(shown)


async def test_up_moves_in_the_text_first_and_then_goes_to_earlier_prompts(pilot: Pilot[None]) -> None:
    line = of(pilot).line
    await send(pilot, "sent")
    line.value = "one\ntwo"
    await pilot.press("up")
    assert (line.value, line.cursor_location[0]) == ("one\ntwo", 0)
    await pilot.press("up")
    assert line.value == "sent"
    await pilot.press("down")
    assert line.value == "one\ntwo"


async def test_what_is_typed_narrows_the_earlier_prompts_to_those_that_begin_like_it(pilot: Pilot[None]) -> None:
    line = of(pilot).line
    line.earlier.load(["tell me", "what is it", "tell them"])
    await send(pilot, "now")
    await pilot.press(*"te", "up")
    seen = [line.value]
    for key in ("up", "up", "down", "down"):
        await pilot.press(key)
        seen.append(line.value)
    assert seen == ["tell them", "tell me", "tell me", "tell them", "te"]


async def test_what_is_too_long_to_type_in_is_folded_and_sent_whole(pilot: Pilot[None]) -> None:
    room = of(pilot)
    line, whole = "x" * 50_000, "\n".join(["some words"] * 40_000)
    room.post_message(events.Paste(f"before\n{line}\nafter"))
    await pilot.pause()
    assert "50,000 characters" in room.line.text
    assert len(room.line.text) < 100
    await pilot.press("!", "enter")
    assert room.sent == [f"before\n{line}\nafter!"]
    room.post_message(events.Paste(whole))
    await pilot.pause()
    assert "40,000 lines" in room.line.text
    await pilot.press("enter", "up", "enter")
    assert room.sent[1:] == [whole, whole]
