from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.percentiles import AllSamples, Percentiles, RecentSamples

SHARES = {"p50": 50, "p90": 90, "p95": 95, "p99": 99}


def by_definition(samples: list[float], share: int) -> float:
    return min(value for value in samples if sum(other <= value for other in samples) * 100 >= share * len(samples))


def test_nothing_seen_has_no_percentile() -> None:
    assert RecentSamples().read(0.0) == AllSamples().read() == Percentiles()
    assert RecentSamples().worst(0.0) is None


@given(st.lists(st.tuples(st.floats(0, 5), st.floats(0, 100)), min_size=1, max_size=60), st.integers(1, 40))
def test_a_window_is_exact_over_its_newest_samples(steps: list[tuple[float, float]], cap: int) -> None:
    recent, now, arrived = RecentSamples(span=20.0, cap=cap), 0.0, list[tuple[float, float]]()
    for delay, value in steps:
        now += delay
        recent.add(now, value)
        arrived.append((now, value))
    expected = [value for at, value in arrived[-cap:] if at > now - 20.0]
    got = recent.read(now)
    assert got.count == len(recent) == len(expected)
    assert recent.worst(now) == max(expected)
    for name, share in SHARES.items():
        assert getattr(got, name) == by_definition(expected, share)


@given(st.lists(st.floats(0.0001, 10_000), min_size=1, max_size=80))
def test_a_whole_session_is_within_one_percent(values: list[float]) -> None:
    samples = AllSamples()
    for value in values:
        samples.add(value)
    got = samples.read()
    assert got.count == len(values)
    for name, share in SHARES.items():
        assert getattr(got, name) == pytest.approx(by_definition(values, share), rel=0.0101)


def test_a_window_empties_with_time() -> None:
    recent = RecentSamples(span=60.0)
    recent.add(0.0, 1.0)
    assert recent.read(59.9).p50 == 1.0
    assert recent.read(60.0) == Percentiles()
