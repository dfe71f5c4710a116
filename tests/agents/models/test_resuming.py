from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.models.resuming import LONGEST, SHORTEST, Overlap, resumed
from agents.requests import Message, ModelCall, ModelRef, Params


def _all(overlap: Overlap, pieces: list[str]) -> str:
    return "".join(map(overlap.feed, pieces)) + overlap.end()


@pytest.mark.parametrize("size", [1, 2, 3, 7, 100])
def test_a_repeated_end_is_dropped_however_it_comes(size: int) -> None:
    text = "the tenor rests while a new voice begins"
    pieces = [text[at : at + size] for at in range(0, len(text), size)]
    assert _all(Overlap("The alto answers, and the tenor rests while"), pieces) == " a new voice begins"


def test_what_is_no_repetition_comes_at_once() -> None:
    overlap = Overlap("The alto answers, and the tenor")
    assert overlap.feed(" rests") == " rests"


def test_a_letter_in_common_is_chance() -> None:
    assert _all(Overlap("We can se"), ["e", " it"]) == "e it"


def test_a_whole_answer_that_was_there_already_adds_nothing() -> None:
    assert _all(Overlap("That is all there is to say."), ["there is to say."]) == ""


def test_no_more_is_looked_at_than_it_takes() -> None:
    before = "x" * 10 + "y" * LONGEST
    assert _all(Overlap(before), [before[5:], "z"]) == before[5:] + "z"


@given(before=st.text("ab ", max_size=300), new=st.text("ab ", max_size=300), cuts=st.lists(st.integers(1, 9), max_size=80))
def test_only_a_repetition_is_dropped_and_nothing_else_is_lost(before: str, new: str, cuts: list[int]) -> None:
    pieces, rest = [], new
    for size in cuts:
        pieces.append(rest[:size])
        rest = rest[size:]
    given = _all(Overlap(before), [*pieces, rest])
    assert new.endswith(given)
    dropped = new[: len(new) - len(given)]
    assert not dropped or (SHORTEST <= len(dropped) <= LONGEST and before.endswith(dropped))


def test_the_model_is_given_its_beginning_and_the_rest_of_its_tokens() -> None:
    call = ModelCall(model=ModelRef("lab", "m", Params(max_tokens=100)), messages=(Message("user", "Sing."),))
    more = resumed(call, "La la", 40)
    assert more.messages == (Message("user", "Sing."), Message("assistant", "La la"))
    assert (more.model.params.max_tokens, resumed(call, "La", 500).model.params.max_tokens) == (60, 1)
