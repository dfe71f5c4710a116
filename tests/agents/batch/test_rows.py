from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.batch.rows import LONGEST, Units, read_row, with_params
from agents.errors import InputError
from agents.requests import Message, ModelRef, Params

ONE = (ModelRef("lab", "m"),)
TWO = (*ONE, ModelRef("lab", "m", Params(temperature=0.2)))


def keys(line: bytes, number: int = 1, models: tuple[ModelRef, ...] = ONE, system: str | None = None) -> list[str]:
    return [unit.key for unit in Units(models, system).of(number, line)]


def test_a_prompt_is_a_message_of_the_persons_and_the_line_number_its_id() -> None:
    assert read_row(7, b'{"prompt": "why?", "label": "theirs"}', None) == (7, (Message("user", "why?"),), Params())


def test_messages_and_parameters_go_as_they_are() -> None:
    line = b'{"id": "a", "messages": [{"role": "user", "content": "why?"}], "params": {"temperature": 0, "max_tokens": 3}}'
    assert read_row(1, line, None) == ("a", (Message("user", "why?"),), Params(temperature=0.0, max_tokens=3))


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (b'{"prompt": "x"}', "flag"),
        (b'{"prompt": "x", "system": "row"}', "row"),
        (b'{"messages": [{"role": "system", "content": "own"}, {"role": "user", "content": "x"}]}', "own"),
        (b'{"prompt": "x", "system": ""}', None),
    ],
)
def test_the_nearest_system_prompt_wins_and_an_empty_one_is_none(line: bytes, expected: str | None) -> None:
    messages = read_row(1, line, "flag").messages
    assert [message.content for message in messages if message.role == "system"] == ([expected] if expected else [])


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"nonsense", "is not a JSON object like"),
        (b"{nonsense", "cannot be used: JSON is malformed"),
        (b"[1]", "is not a JSON object like"),
        (b"[" * 100_000, "line 3 "),
        (b'{"prompt": 5}', r"Expected `str \| null`, got `int` - at `\$.prompt`"),
        (b'{"prompt": "\xff"}', "is not UTF-8 text"),
        (rb'{"prompt": "\ud83d"}', r"holds half a character, \\ud83d; write both halves"),
        (rb'{"prompt": "\ud83d and more of it"}', r"half a character, \\ud83d"),
        (rb'{"prompt": "\ud83d\ude00 \\\uDE00"}', r"half a character, \\uDE00"),
        (rb'{"prompt": "\ud83d\u0041\ude00"}', r"half a character, \\ud83d"),
        (rb'{"prompt": "\\ud83d', "cannot be used: Input data was truncated"),
        (b'{"prompt": " "}', "asks nothing"),
        (b'{"messages": []}', "asks nothing"),
        (b'{"messages": [{"role": "system", "content": "x"}]}', "asks nothing"),
        (b'{"messages": [{"role": "tool", "content": "x"}]}', "Invalid enum value 'tool'"),
        (b"{}", 'has neither "prompt" nor "messages"'),
        (b'{"prompt": "x", "messages": []}', "has both"),
        (b'{"prompt": "x", "params": {"temprature": 1}}', "unknown field `temprature`"),
        (b'{"prompt": "x", "params": {"max_tokens": 0}}', "`int` >= 1"),
        (b'{"prompt": "x", "id": 123456789012345678901234567890}', "more than 63 bits"),
        (b" " * (LONGEST + 1), "is longer than 16 MiB"),
    ],
)
def test_what_cannot_be_asked_is_said_in_one_line_with_its_number(line: bytes, reason: str) -> None:
    with pytest.raises(InputError, match=reason) as caught:
        read_row(3, line, None)
    assert str(caught.value).startswith("line 3 ")
    assert "\n" not in str(caught.value)


@given(st.binary(max_size=200) | st.text().map(lambda text: msgspec.json.encode({"prompt": text, "id": text})))
def test_any_bytes_make_units_or_one_that_says_why_not(line: bytes) -> None:
    units = list(Units(TWO, None).of(1, line))
    assert [unit.position for unit in units] == list(range(len(units)))
    assert [unit.model for unit in units] in ([0, 1], [None])
    assert all(unit.problem == "" or "\n" not in unit.problem for unit in units)


def test_a_row_with_an_id_is_known_wherever_it_stands_and_one_without_only_in_its_line() -> None:
    assert keys(b'{"id": "a", "prompt": "x"}', 1) == keys(b'{"prompt": "x", "id": "a", "label": 1}', 9)
    assert keys(b'{"prompt": "x"}', 1) == keys(b'{"prompt":"x"}', 1)
    assert keys(b'{"prompt": "x"}', 1) != keys(b'{"prompt": "x"}', 2)


def test_whatever_shapes_the_answer_is_in_what_it_is_known_by() -> None:
    base = b'{"id": 1, "prompt": "x"}'
    others = [
        keys(b'{"id": 1, "prompt": "y"}'),
        keys(b'{"id": "1", "prompt": "x"}'),
        keys(b'{"id": 1, "prompt": "x", "system": "s"}'),
        keys(b'{"id": 1, "prompt": "x", "params": {"seed": 1}}'),
        keys(base, models=TWO[1:]),
        keys(b"{", 1),
    ]
    assert len({*keys(base), *(key for other in others for key in other)}) == len(others) + 1
    assert keys(base, system="s") == keys(b'{"id": 1, "prompt": "x", "system": "s"}')


def test_a_row_sets_parameters_over_the_models_own() -> None:
    ref = with_params(ModelRef("lab", "m", Params(temperature=0.2, seed=1)), Params(temperature=0.9))
    assert str(ref) == "lab/m,temperature=0.9,seed=1"
