from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tui.time_window import SHORTEST, TimeWindow, label, ticks

moves = st.lists(
    st.one_of(
        st.tuples(st.just("pan"), st.floats(-50, 50)),
        st.tuples(st.just("zoom"), st.floats(0.001, 1000)),
        st.tuples(st.just("fit"), st.just(0.0)),
        st.tuples(st.just("follow"), st.just(0.0)),
    ),
    max_size=30,
)


@given(st.floats(0, 1e6), st.floats(0, 1e5), moves, st.booleans())
def test_however_it_is_moved_it_shows_some_of_what_there_is(
    first: float, length: float, found: list[tuple[str, float]], calm: bool
) -> None:
    window, last = TimeWindow(), first + length
    window.fit(first, last)
    for move, by in found:
        match move:
            case "pan":
                window.pan(by, first, last)
            case "zoom":
                window.zoom(by, first, last)
            case "fit":
                window.fit(first, last)
            case _:
                window.follow(last)
        window.advance(first, last, last, calm=calm)
        assert SHORTEST <= window.span <= window.longest(first, last) * 2
        assert window.left <= last + 1e-6
        assert window.right >= first - 1e-6


def test_fitting_shows_all_and_goes_along_with_it() -> None:
    window = TimeWindow()
    window.fit(10, 12)
    assert (window.left, window.mode) == (10, "fit")
    assert 12 < window.right < 12.2
    window.advance(10, 20, 20)
    assert 20 < window.right < 21


def test_following_keeps_the_present_at_the_right() -> None:
    window = TimeWindow(0, 10)
    window.follow(100)
    window.advance(0, 101, 101)
    assert window.left < 101 < window.right
    assert window.span == 10


def test_when_calm_nothing_glides() -> None:
    window = TimeWindow()
    window.fit(0, 1)
    seen: set[tuple[float, float]] = set()
    for tenth in range(10, 300):
        window.advance(0, tenth / 10, tenth / 10, calm=True)
        assert window.right >= tenth / 10
        seen.add((window.left, window.span))
    assert len(seen) <= 7
    window.follow(30)
    seen.clear()
    for tenth in range(300, 900):
        window.advance(0, tenth / 10, tenth / 10, calm=True)
        assert window.left <= tenth / 10 <= window.right
        seen.add((window.left, window.span))
    assert len(seen) <= 6


def test_zooming_keeps_the_moment_under_the_pointer_where_it_is() -> None:
    window = TimeWindow(0, 100, "free")
    window.zoom(0.5, 0, 100, around=25)
    assert (window.left, window.span, window.mode) == (12.5, 50, "free")
    window.zoom(2, 0, 100, around=25)
    assert (window.left, window.span) == (0, 100)


def test_zooming_while_following_goes_on_following() -> None:
    window = TimeWindow(0, 10)
    window.follow(100)
    window.zoom(0.5, 0, 100)
    assert (window.mode, window.span) == ("follow", 5)
    assert window.left < 100 < window.right


@given(st.floats(-1e5, 1e5), st.floats(0.001, 1e6), st.floats(-1e5, 1e5), st.integers(0, 40))
def test_ticks_are_round_few_and_in_view(left: float, span: float, origin: float, room: int) -> None:
    found = ticks(left, span, origin, room)
    assert len(found) <= room
    assert found == sorted(found)
    slack = 1e-6 * max(abs(left), abs(origin), span, 1)
    assert all(left - slack <= moment <= left + span + slack for moment in found)
    if room >= 10:
        assert len(found) >= 2


@pytest.mark.parametrize(
    ("seconds", "span", "text"),
    [(0.25, 0.5, "250 ms"), (3.5, 5, "3.5 s"), (40, 60, "40 s"), (125, 200, "2:05"), (-125, 200, "-2:05"), (7325, 9000, "2:02:05")],
)
def test_moments_are_as_exact_as_what_is_in_view(seconds: float, span: float, text: str) -> None:
    assert label(seconds, span) == text
