from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from agents.models.figures import EndpointLoad
from tui.load.history import SPAN, History, curve


def load(*, depth: int = 0, in_flight: int = 0, answered: int = 0, refused: int = 0) -> EndpointLoad:
    return EndpointLoad("lab", depth, in_flight, 8, 0.0, answered=answered, refused_ever=refused)


def test_a_second_is_taken_once_and_counts_are_of_that_second() -> None:
    history = History()
    history.take(10.0, [load(answered=5)])
    history.take(10.9, [load(depth=9, answered=7)])
    assert not history.due(10.99)
    history.take(11.2, [load(depth=3, in_flight=8, answered=12, refused=4)])
    assert [(each.depth, each.answered, each.refused) for each in history.of("lab")] == [(0, 5, 0), (3, 7, 4)]
    assert history.of("other") == ()


def test_seconds_that_were_missed_are_there_and_what_happened_in_them_counts_once() -> None:
    history = History()
    history.take(10.0, [load()])
    history.take(14.0, [load(depth=2, answered=6)])
    assert [(each.depth, each.answered) for each in history.of("lab")] == [(0, 0), (2, 0), (2, 0), (2, 0), (2, 6)]


def test_no_more_than_a_minute_is_kept_however_long_nobody_looked() -> None:
    history = History()
    for second in (0, 30, 5000, 5001):
        history.take(float(second), [load()])
    assert len(history.of("lab")) == SPAN


@given(st.lists(st.integers(0, 1000), max_size=80), st.integers(1, 60), st.integers(1, 3))
def test_a_curve_is_as_wide_and_high_as_asked_for_and_shows_whatever_is_more_than_nothing(
    values: list[int], width: int, rows: int
) -> None:
    drawn = curve(values, width, max(values, default=0), rows)
    assert [len(row) for row in drawn] == [width] * rows
    shown = values[-width:]
    for value, cell in zip(shown, drawn[-1][width - len(shown) :], strict=True):
        assert (cell == "▁") == (value == 0)


def test_the_highest_value_fills_its_column() -> None:
    assert curve([0, 1, 4, 8], 6, 8) == ["  ▁▂▅█"]
    assert curve([0, 8], 2, 8, 2) == [" █", "▁█"]
    assert curve([0, 0], 2, 0) == ["▁▁"]
    assert curve([1], 0, 1) == []
