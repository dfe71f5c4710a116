from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from agents import text as text_module
from agents.text import TextBuffer


@given(
    st.lists(st.text(max_size=5), max_size=40),
    st.lists(st.tuples(st.integers(0, 120), st.integers(0, 120)), max_size=10),
    st.integers(2, 9),
)
def test_a_buffer_is_the_string_of_all_its_pieces(pieces: list[str], ranges: list[tuple[int, int]], fold_at: int) -> None:
    whole, buffer, fold, text_module._FOLD_AT = "", TextBuffer(), text_module._FOLD_AT, fold_at
    try:
        for piece in pieces:
            buffer.append(piece)
            whole += piece
            assert len(buffer) == len(whole)
            assert buffer.slice(0) == whole
    finally:
        text_module._FOLD_AT = fold
    assert str(buffer) == whole
    for start, end in ranges:
        assert buffer.slice(start, end) == whole[start:end]


def test_a_range_taken_before_more_is_appended_stays_the_same() -> None:
    buffer = TextBuffer()
    for number in range(5000):
        buffer.append(f"{number} ")
    early = buffer.slice(100, 200)
    for number in range(5000):
        buffer.append(f"{number} ")
    assert buffer.slice(100, 200) == early


def test_a_step_of_two_million_pieces_is_kept_in_few_parts() -> None:
    buffer = TextBuffer()
    for _ in range(2_000_000):
        buffer.append("ab ")
    assert len(buffer._chunks) < 5_000
    assert buffer.slice(len(buffer) - 3) == "ab "
