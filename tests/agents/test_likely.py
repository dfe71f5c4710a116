"""Guessing what is asked next: a person's own order of questions, and what a model says."""

from __future__ import annotations

import json

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from agents.likely import LONGEST, MOST, Followers, chosen, guesses, guessing, normal, offerable
from agents.models.names import parse_model
from agents.requests import Message, Priority

MODEL = parse_model("lab/m,temperature=0.9,max_tokens=900")


def test_what_was_asked_next_is_likely_to_be_asked_next() -> None:
    followers = Followers()
    followers.load(["What is a fugue?", "Who wrote the most?", "What is a canon?"])
    assert followers.after("what is  a FUGUE?") == ["Who wrote the most?"]
    assert followers.after("How tall is a giraffe?") == []


def test_a_prompt_like_an_earlier_one_counts_and_two_words_are_never_alike() -> None:
    followers = Followers()
    followers.load(["Write a commit message for this change", "Make it shorter", "Hello there", "How are you?"])
    assert followers.after("Write a commit message for this other change") == ["Make it shorter"]
    assert followers.after("Hello you") == []


def test_the_oftener_it_followed_the_likelier_it_is() -> None:
    followers = Followers()
    for follower in ("Rarely?", "Often, then?", "Often, then?", "Sometimes?", "Sometimes?", "Sometimes?"):
        followers.add("The same question")
        followers.add(follower)
    assert followers.after("The same question") == ["Sometimes?", "Often, then?"]


def test_the_end_of_the_history_is_not_followed_by_the_first_question_of_this_session() -> None:
    followers = Followers()
    followers.load(["The last one of yesterday"])
    followers.add("The first one of today")
    assert followers.after("The last one of yesterday") == []


def test_what_names_files_or_has_several_lines_or_is_long_is_not_offered() -> None:
    assert offerable("And then?")
    assert not any(map(offerable, ("Read @notes.txt", "Two\nlines", "x" * (LONGEST + 1), "", "\x1b[2Jx")))


def test_what_is_remembered_is_bounded() -> None:
    followers = Followers()
    for number in range(2500):
        followers.add(f"number {number}")
        followers.add("root question here")
        followers.add(f"follower {number}")
    assert len(followers._said) == 1000
    assert all(len(said.followers) <= 2 * MOST for said in followers._said.values())


def test_a_model_sees_the_last_exchange_as_quoted_data_and_may_say_little() -> None:
    said = (Message("system", "S"), Message("user", "old"), Message("assistant", "older"), Message("user", "Q?"))
    call = guessing(MODEL, (*said, Message("assistant", "A" * 50_000)), small=False)
    (message,) = call.messages
    assert call.priority is Priority.SPECULATIVE
    assert call.model.params.max_tokens == 120
    assert "Q?" in message.content
    assert "old" not in message.content.replace("older", "")
    assert len(message.content) < 8_000
    assert len(guessing(MODEL, said, small=True).messages[0].content) < 3_500


def test_questions_are_read_from_json_and_from_nothing_else() -> None:
    assert guesses('Sure! {"questions": ["One more?", " Two\\n more? ", "One more?", 7, "@file?", "Four?", "Five?"]} there') == [
        "One more?",
        "Two more?",
        "Four?",
    ]
    assert guesses("1. One? 2. Two?") == []
    assert guesses('{"questions": ["Voices overlap.", "And then?"]}', "So VOICES\noverlap, they say.") == ["And then?"]
    assert guesses('{"questions": "none"}') == []


@given(
    st.text()
    | st.recursive(st.none() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)).map(json.dumps)
)
def test_whatever_a_model_says_gives_short_clean_lines(reply: str) -> None:
    for text in guesses(reply) + guesses(f'{{"questions": {msgspec.json.encode([reply]).decode()}}}'):
        assert offerable(text)


@given(st.lists(st.text(max_size=5)), st.lists(st.text(max_size=5), max_size=MOST), st.lists(st.text(max_size=5)))
def test_what_is_chosen_is_new_and_has_room(candidates: list[str], offered: list[str], asked: list[str]) -> None:
    found = chosen(candidates, offered, asked)
    assert len(offered) + len(found) <= max(MOST, len(offered))
    seen = [normal(text) for text in found]
    assert len(set(seen)) == len(seen)
    assert not set(seen) & {normal(text) for text in (*offered, *asked)}
