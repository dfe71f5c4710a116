from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from tui.load.lines import column, fit, flow, padded, size

PIECES = st.lists(st.tuples(st.text("ab 字é…", max_size=12), st.sampled_from(["", "dim", "warn"])), max_size=8)


@given(PIECES, st.integers(1, 40))
def test_no_line_is_wider_than_there_is_room(pieces: list[tuple[str, str]], width: int) -> None:
    assert size(fit(pieces, width)) <= width
    assert size(padded(tuple(pieces), width)) == width
    assert all(size(line) <= width for line in flow(pieces, width, head=(("   ", ""),), indent=3))


def test_items_stay_whole_where_they_fit_and_go_on_under_the_first() -> None:
    lines = flow([("one two", ""), ("three", "warn"), ("four", "")], 18, head=(("  ", ""),), indent=2)
    assert ["".join(text for text, _ in line) for line in lines] == ["  one two · three", "  four"]


def test_a_column_has_its_width_whatever_stands_in_it() -> None:
    assert column("12", 5) == "   12"
    assert column("name", 6, right=False) == "name  "
    assert cell_len(column("字字字字", 5)) == 5
