from __future__ import annotations

import math
import random

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.compare.stats import Mean, Share, Trial, figures, mean_of, share_of, student_quantile
from agents.events import Outcome, StepEnded, Timings, Usage

SAMPLES = st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=50)


@pytest.mark.parametrize(
    ("freedom", "quantile"),
    [
        (1, 12.7062047362),
        (2, 4.3026527297),
        (3, 3.1824463053),
        (4, 2.7764451052),
        (5, 2.5705818356),
        (10, 2.2281388520),
        (29, 2.0452296421),
        (100, 1.9839715185),
        (1000, 1.9623390808),
        (100_000, 1.9599877),
    ],
)
def test_quantiles_are_those_of_the_tables(freedom: int, quantile: float) -> None:
    assert student_quantile(freedom) == pytest.approx(quantile, abs=1e-7)


def test_quantiles_fall_towards_the_normal_distributions_and_join_up() -> None:
    found = [student_quantile(freedom) for freedom in (*range(1, 60), 500, 1999, 2000, 2001, 2002, 10**9)]
    assert found == sorted(found, reverse=True)
    assert found[-1] == pytest.approx(1.959963984540054, abs=1e-8)
    with pytest.raises(ValueError, match="at least one"):
        student_quantile(0)


def test_a_mean_has_the_margin_a_textbook_gives_it() -> None:
    mean = mean_of([9.0, 10.0, 11.0, 12.0, 13.0])
    assert mean.mean == 11
    assert mean.margin == pytest.approx(2.7764451052 * math.sqrt(2.5 / 5), abs=1e-9)


def test_too_few_samples_have_no_margin() -> None:
    assert mean_of([]) == Mean()
    assert mean_of([3.0]) == Mean(count=1, mean=3.0)
    assert share_of(1, 1) == Share(hits=1, count=1)
    assert share_of(0, 0).share is None


@given(SAMPLES, st.floats(-1e3, 1e3), st.floats(0.5, 100))
def test_margins_move_with_the_unit_and_not_with_the_origin(samples: list[float], shift: float, scale: float) -> None:
    plain, moved = mean_of(samples), mean_of([sample * scale + shift for sample in samples])
    assert plain.mean is not None
    assert plain.margin is not None
    assert min(samples) - 1e-6 <= plain.mean <= max(samples) + 1e-6
    assert moved.mean == pytest.approx(plain.mean * scale + shift, rel=1e-9, abs=1e-4)
    assert moved.margin == pytest.approx(plain.margin * scale, rel=1e-6, abs=1e-4)


def test_nineteen_of_twenty_intervals_hold_the_true_mean() -> None:
    chance = random.Random(7)
    held = 0
    for _ in range(2000):
        found = mean_of([chance.gauss(5, 2) for _ in range(6)])
        assert found.mean is not None
        assert found.margin is not None
        held += abs(found.mean - 5) <= found.margin
    assert 0.935 < held / 2000 < 0.965


@pytest.mark.parametrize(
    ("hits", "count", "low", "high"), [(8, 10, 0.4901625, 0.9433178), (0, 10, 0.0, 0.2775328), (50, 100, 0.4038315, 0.5961685)]
)
def test_a_share_has_wilsons_bounds(hits: int, count: int, low: float, high: float) -> None:
    share = share_of(hits, count)
    assert share.low == pytest.approx(low, abs=1e-7)
    assert share.high == pytest.approx(high, abs=1e-7)


@given(st.integers(2, 10_000).flatmap(lambda count: st.tuples(st.integers(0, count), st.just(count))))
def test_a_shares_bounds_hold_it_and_mirror_the_opposite_share(trials: tuple[int, int]) -> None:
    hits, count = trials
    share, opposite = share_of(hits, count), share_of(count - hits, count)
    assert share.low is not None
    assert share.high is not None
    assert share.share is not None
    assert opposite.high is not None
    assert 0 <= share.low <= share.share <= share.high <= 1
    assert share.low == pytest.approx(1 - opposite.high, abs=1e-12)


def end(outcome: Outcome = "done", *, ttft: float = 0.5, cached: bool = False) -> StepEnded:
    timings = Timings(queued=0.0, started=1.0, first=1.0 + ttft, ended=4.0, itl_mean=0.02)
    usage = Usage(output=100)
    return StepEnded(run="r", step="r.1", seq=1, at=0.0, outcome=outcome, usage=usage, cached=cached, timings=timings)


def test_a_rate_is_known_of_answers_that_came_in_pieces_from_a_model() -> None:
    whole = end()
    assert whole.rate == pytest.approx(100 / 2.5)
    assert end(cached=True).rate is None
    at_once = msgspec.structs.replace(whole.timings, itl_mean=None)
    assert msgspec.structs.replace(whole, timings=at_once).rate is None
    assert msgspec.structs.replace(whole, usage=None).rate is None


def test_figures_come_by_group_in_the_order_of_the_groups() -> None:
    trials = [
        Trial(group="b", end=end(ttft=0.4), accepted=True),
        Trial(group="a", end=end("failed"), accepted=False),
        Trial(group="b", end=end(ttft=0.6), accepted=False),
        Trial(group="a", end=end(cached=True), accepted=True),
    ]
    first, second = figures(trials)
    assert (first.group, second.group) == ("b", "a")
    assert first.ttft.count == 2
    assert first.ttft.mean == pytest.approx(0.5)
    assert first.ttft.margin == pytest.approx(12.7062047362 * 0.1, abs=1e-6)
    assert first.rate.mean == pytest.approx((100 / 2.6 + 100 / 2.4) / 2)  # tokens, however few pieces they came in
    assert (first.tokens.mean, first.wall.mean) == (100, 3)
    assert (first.accepted.hits, first.accepted.count) == (1, 2)
    assert (second.ttft, second.tokens.count, second.accepted.count) == (Mean(), 1, 2)
