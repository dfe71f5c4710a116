from __future__ import annotations

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.compare.asking import objects
from agents.compare.scores import LETTERS, Given, read_scores


@pytest.mark.parametrize(
    "text",
    [
        '{"A": {"reason": "r", "score": 7}, "B": {"reason": "s", "score": 3.5}}',
        '{"A": 7, "B": 3.5}',
        '{"A": "7/10", "B": "3.5 out of 10"}',
        '{"scores": {"A": {"score": 7}, "b": {"rating": "3.5"}}}',
        '{"scores": [{"answer": "A", "score": 7}, {"answer": "Answer B", "score": 3.5}]}',
        'Let me think {about it}.\n```json\n{"A": {"score": 7}, "B": {"score": 3.5}}\n```\nDone.',
        "A: 7/10\nB: 3.5/10",
        "**Answer A**: 7 — good\n**Answer B**: 3.5 — poor",
        "- A) 7, fine\n- B) 3.5, less so",
        "A (7/10) because\nB = score: 3.5",
        '{"note": "first try"} {"A": 7, "B": 3.5}',
    ],
)
def test_scores_are_read_in_many_shapes(text: str) -> None:
    scores = read_scores(text, "AB")
    assert scores is not None
    assert (scores["A"].score, scores["B"].score) == (7, 3.5)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "A is better.",
        '{"A": 7}',
        '{"A": 7, "B": 11}',
        '{"A": 7, "B": -1}',
        '{"A": 7, "B": true}',
        '{"A": 7, "B": NaN}',
        '{"A": 7, "B": null}',
        '{"A": 7, "B": "1e400"}',
        "A: 70/100\nB: 30/100",
        "{" * 5000,
        "[" * 100_000,
        '{"a":' * 3000,
    ],
)
def test_what_is_no_score_from_0_to_10_for_each_is_none(text: str) -> None:
    assert read_scores(text, "AB") is None


def test_reasons_come_along() -> None:
    assert read_scores("A: 7/10, too\tlong\nB: 2", "AB") == {"A": Given(7, "too long"), "B": Given(2, "")}
    long = read_scores(json.dumps({"A": {"score": 1, "reason": "x" * 5000}}), "A")
    assert long is not None
    assert len(long["A"].reason) == 300


@given(
    st.lists(st.tuples(st.integers(0, 10), st.text(max_size=50)), min_size=1, max_size=26),
    st.text(st.characters(exclude_characters="{}"), max_size=50),
)
def test_any_scores_asked_for_are_read_whatever_stands_around_them(given_: list[tuple[int, str]], around: str) -> None:
    letters = LETTERS[: len(given_)]
    body = json.dumps({letter: {"reason": reason, "score": score} for letter, (score, reason) in zip(letters, given_, strict=True)})
    scores = read_scores(f"{around}{body}{around}", letters)
    assert scores is not None
    assert [scores[letter].score for letter in letters] == [score for score, _ in given_]


@given(st.text(st.sampled_from('{}[]":,ABab0179./ \n-')))
def test_no_text_breaks_the_reader(text: str) -> None:
    list(objects(text))
    scores = read_scores(text, "AB")
    assert scores is None or all(0 <= given.score <= 10 for given in scores.values())


def test_hostile_text_is_read_quickly() -> None:
    began = time.process_time()
    for text in ('{"a":' * 50_000, "A (((((" * 50_000, "A - - - - " * 50_000, "A:" + " " * 500_000 + "x"):
        read_scores(text, "AB")
    assert time.process_time() - began < 5
