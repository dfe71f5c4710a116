from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from agents.events import FirstToken, Log, Retried, Saved, StepQueued, StepStarted, Text, Usage
from tests.tui.room import HOSTILE, ended, make, room
from tui.widgets.answer_pane import AnswerPane

if TYPE_CHECKING:
    from agents.events import StepEvent


def queued(step: str = "a") -> StepQueued:
    return make(StepQueued, step=step, kind="model", name="m")


def said(text: str, offset: int = 0, step: str = "a", at: float = 2.0) -> Text:
    return make(Text, at, step=step, offset=offset, text=text)


def feed(pane: AnswerPane, *events: StepEvent | Saved) -> None:
    for event in events:
        pane.handle(event)
    pane.flush(100.0)


def head(pane: AnswerPane) -> str:
    return str(pane.header.render()).strip()


def life(step: str = "a", text: str = "Hello") -> list[StepEvent]:
    return [
        queued(step),
        make(StepStarted, 1.0, step=step),
        make(FirstToken, 1.5, step=step),
        said(text, step=step),
        ended(step, at=3.5, started=1.0, first=1.5, usage=Usage(output=40)),
    ]


async def test_an_answer_is_saved_only_when_the_journal_says_so() -> None:
    pane = AnswerPane("m", empty="Nothing yet.")
    async with room(pane, (120, 10)):
        seen = []
        for event in life():
            feed(pane, event)
            seen.append(head(pane).split("  ")[-1] if isinstance(event, StepQueued | StepStarted) else head(pane))
        assert "queued" in seen[0]
        assert "waiting" in seen[1]
        assert "streaming" in seen[2]
        assert "saving" in seen[4]
        assert "saved" not in seen[4]
        assert "TTFT 0.50 s" in seen[4]
        assert "20 tok/s" in seen[4]
        assert "40 tok" in seen[4]
        feed(pane, make(Saved, step="a"))
        assert "✓ saved" in head(pane)
        assert pane.pane.text == "Hello"


async def test_that_an_earlier_answer_is_saved_says_nothing_of_the_one_that_is_shown() -> None:
    pane = AnswerPane("m", empty="")
    async with room(pane, (120, 10)):
        feed(pane, *life("a"), *life("b"), make(Saved, step="a"))
        assert "saving" in head(pane)
        feed(pane, make(Saved, step="b"))
        assert "✓ saved" in head(pane)


async def test_what_is_not_saved_says_so_until_it_is() -> None:
    pane = AnswerPane("m", empty="")
    async with room(pane, (120, 10)):
        feed(pane, *life(), make(Saved, step="a", error="the disk is full"))
        assert "not saved: the disk is full" in head(pane)
        assert "✓" not in head(pane)
        feed(pane, make(Saved, step="a"))
        assert "✓ saved" in head(pane)
        assert "not saved" not in head(pane)


@pytest.mark.parametrize(("outcome", "word"), [("cut", "cut"), ("late", "late"), ("failed", "failed")])
async def test_an_error_stands_once_under_the_text_and_the_end_stays_what_it_is(outcome: str, word: str) -> None:
    pane = AnswerPane("m", empty="")
    async with room(pane, (120, 10)):
        feed(pane, queued(), said("Half an ans"), ended("a", at=2.0, outcome=outcome, error="the reason"))
        pane.failed("the reason")
        feed(pane, make(Saved, step="a"))
        assert pane.pane.text == "Half an ans\n\n✗ the reason\n"
        assert word in head(pane)


async def test_an_answer_that_failed_at_last_announces_no_other_attempt() -> None:
    pane = AnswerPane("m", empty="")
    async with room(pane, (120, 10)):
        feed(pane, queued(), make(Retried, step="a", attempt=1, reason="HTTP 500", delay=1.0))
        assert "again in 1.0 s" in head(pane)
        feed(pane, ended("a", at=2.0, outcome="failed", error="HTTP 500"))
        assert "✗ failed" in head(pane)
        assert "again in" not in head(pane)


async def test_an_error_of_the_run_alone_is_told() -> None:
    pane = AnswerPane("m", empty="")
    async with room(pane, (120, 10)):
        pane.failed("no such library")
        assert pane.pane.text == "✗ no such library\n"
        assert "✗ failed" in head(pane)


async def test_text_that_is_shown_already_is_not_shown_again() -> None:
    pane = AnswerPane("m", empty="")
    async with room(pane, (120, 10)):
        pane.fresh("› task\n\nHello wor")
        pane.skip("Hello wor")
        feed(pane, said("Hello"), said(" wor", 5), said("ld", 9), said("ld!", 9), said(" Bye", 12))
        assert pane.pane.text == "› task\n\nHello world! Bye"


@pytest.mark.parametrize(("before", "after"), [("", "x"), ("a", "a\n\nx"), ("a\n", "a\n\nx"), ("a\n\n", "a\n\nx"), ("\n", "\n\nx")])
async def test_a_paragraph_stands_apart_from_what_is_before_it(before: str, after: str) -> None:
    pane = AnswerPane("m", empty="")
    async with room(pane, (120, 10)):
        for character in before:
            pane.put(character)
        pane.paragraph("x")
        assert pane.pane.text == after


async def test_an_estimate_is_marked_as_one() -> None:
    pane = AnswerPane("m", empty="")
    async with room(pane, (120, 10)):
        feed(pane, queued(), make(StepStarted, 1.0, step="a"), make(FirstToken, 1.5, step="a"), said("x" * 400, at=3.5))
        assert "≈50 tok/s" in head(pane)
        feed(pane, ended("a", at=3.5, started=1.0, first=1.5, usage=Usage(output=80, estimated=True)))
        assert "≈40 tok/s" in head(pane)
        assert "≈80 tok" in head(pane)


@pytest.mark.parametrize("fields", [{"cached": True}, {"joined": True}, {"finish": "length"}])
async def test_where_an_answer_came_from_and_that_it_met_its_limit_is_told(fields: dict[str, Any]) -> None:
    pane = AnswerPane("m", empty="")
    shown = {"cached": "cached", "joined": "joined", "finish": "at the output limit"}
    async with room(pane, (120, 10)):
        feed(pane, queued(), said("x"), ended("a", at=2.0, started=1.0, first=1.5, usage=Usage(output=4), **fields))
        assert shown[next(iter(fields))] in head(pane)


async def test_an_answer_made_for_another_question_says_for_which() -> None:
    pane = AnswerPane("m", empty="")
    async with room(pane, (120, 10)):
        fields: dict[str, Any] = {"cached": True, "similar": 0.9412, "similar_to": "what is\n\x1b[31mthis?"}
        feed(pane, queued(), said("x"), ended("a", at=2.0, started=1.0, first=1.5, **fields))
        assert "≈ 0.94 alike" in head(pane)
        assert "cached" not in head(pane)
        assert pane.pane.text.startswith("x\n\n≈ answered for: what is")
        assert pane.pane.text.endswith("this?, 0.94 alike\n")
        assert "\x1b" not in pane.pane.text


@pytest.mark.parametrize("width", [1, 2, 10, 20, 34, 60, 80, 120])
async def test_what_the_header_has_no_room_for_is_cut_and_what_is_in_it_does_no_harm(width: int) -> None:
    pane = AnswerPane("A model with a long name @endpoint", empty="")
    async with room(pane, (width, 6)):
        for hostile in HOSTILE:
            pane.title(hostile)
            feed(
                pane, queued(), make(Log, step="a", message=hostile), make(Retried, step="a", attempt=1, reason=hostile, delay=2.0)
            )
            shown = str(pane.header.render())
            assert "\n" not in shown
            assert not any(ord(char) < 32 or 127 <= ord(char) < 160 or char == "\u202e" for char in shown)


@pytest.mark.parametrize("width", [60, 80, 120])
async def test_a_note_too_long_for_the_header_is_cut_and_not_left_out(width: int) -> None:
    pane = AnswerPane("Ask default: fast @lab", empty="")
    async with room(pane, (width, 6)):
        pane.note("indexed 3 documents, 12 passages, 0.1 MB in 0.3 s (10 documents/s); 0 unchanged, 0 removed, 0 passed over")
        pane.flush(1.0)
        assert "indexed 3 documents" in head(pane)


async def test_an_answer_that_was_cut_and_begun_anew_is_told_apart_from_the_new_one() -> None:
    pane = AnswerPane("m", empty="")
    async with room(pane, (120, 10)):
        feed(pane, queued(), make(StepStarted, 1.0, step="a"), make(FirstToken, 1.5, step="a"), said("Once upon"))
        feed(pane, make(Retried, 2.0, step="a", attempt=1, reason="lab: cut", delay=0.5, mode="restart"))
        assert "from its beginning in 0.5 s: lab: cut" in head(pane)
        feed(pane, make(StepStarted, 2.5, step="a", attempt=2, offset=9), said("Once upon a time.", 9))
        assert "upon\n\nThe answer above was cut. Attempt 2, from its beginning:\n\nOnce upon a time." in pane.pane.text


async def test_an_answer_that_goes_on_is_one() -> None:
    pane = AnswerPane("m", empty="")
    async with room(pane, (120, 10)):
        feed(pane, queued(), make(StepStarted, 1.0, step="a"), make(FirstToken, 1.5, step="a"), said("Once upon"))
        feed(pane, make(Retried, 2.0, step="a", attempt=1, reason="two/m is asked", delay=0.0, mode="resume"))
        assert "goes on: two/m is asked" in head(pane)
        feed(pane, make(StepStarted, 2.5, step="a", attempt=2, endpoint="two/m"), said(" a time.", 9))
        assert pane.pane.text == "Once upon a time."
