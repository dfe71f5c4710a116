from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.models.limits import LONGEST_HOLD, MINUTE, Limit, Told, Window, read_limits, read_reset

NOW = 1_795_262_400.0  # 2026-11-21T12:00:00Z


def at(now: float = NOW) -> float:
    return now


@given(st.lists(st.tuples(st.floats(0, 30), st.integers(1, 40)), max_size=80), st.integers(1, 100))
def test_no_window_of_a_minute_ever_holds_more_than_the_limit(steps: list[tuple[float, int]], limit: int) -> None:
    kept = Limit(limit)
    now = 0.0
    taken: list[tuple[float, int]] = []
    for pause, wanted in steps:
        now += pause
        amount = min(wanted, limit)
        now += kept.wait(now, amount, reserve=False)
        assert kept.wait(now, amount, reserve=False) == pytest.approx(0, abs=1e-6)
        kept.take(now, amount)
        taken.append((now, amount))
    for start, _ in taken:
        assert sum(amount for time, amount in taken if start <= time < start + MINUTE) <= limit


def test_the_whole_limit_may_go_at_once_and_comes_back_after_a_minute() -> None:
    limit = Limit(3)
    for _ in range(3):
        assert limit.wait(0.0, 1, reserve=False) == 0
        limit.take(0.0, 1)
    assert MINUTE <= limit.wait(0.0, 1, reserve=False) <= MINUTE + 0.2
    assert limit.wait(MINUTE + 0.2, 3, reserve=False) == 0


def test_batches_leave_a_twentieth_and_a_small_limit_is_not_divided() -> None:
    limit = Limit(100)
    for _ in range(95):
        assert limit.wait(0.0, 1, reserve=True) == 0
        limit.take(0.0, 1)
    assert limit.wait(0.0, 1, reserve=True) > 0
    assert limit.wait(0.0, 1, reserve=False) == 0
    small = Limit(9)
    for _ in range(9):
        assert small.wait(0.0, 1, reserve=True) == 0
        small.take(0.0, 1)


def test_what_is_larger_than_the_limit_goes_when_nothing_else_was_used() -> None:
    limit = Limit(1000)
    assert limit.wait(0.0, 5000, reserve=True) == 0
    limit.take(0.0, 5000)
    assert limit.wait(1.0, 1, reserve=False) > 55
    assert limit.wait(MINUTE + 1, 5000, reserve=False) == 0


def test_an_estimate_is_put_right_in_its_own_time_and_later_when_that_is_gone() -> None:
    limit = Limit(1000)
    bucket = limit.take(0.0, 900)
    assert limit.wait(1.0, 200, reserve=False) > 0
    limit.correct(2.0, bucket, -500)
    assert limit.wait(2.0, 200, reserve=False) == 0
    assert limit.used(2.0) == 400
    assert limit.used(100.0) == 0
    limit.correct(100.0, bucket, 50)
    assert limit.used(100.0) == 50
    limit.correct(100.0, bucket, -50)
    assert limit.used(100.0) == 50


def test_memory_does_not_grow_with_what_is_counted() -> None:
    window = Window()
    for number in range(100_000):
        window.add(number * 0.005, 1)
    assert len(window._buckets) < 700
    assert window.total(500.0) == pytest.approx(12_020, abs=40)


def test_when_the_server_says_that_nothing_is_left_its_reset_is_waited_for() -> None:
    limit = Limit(None)
    limit.hear(10.0, Told("requests", None, 0, 7.5))
    assert limit.wait(10.0, 1, reserve=False) == 7.5
    assert limit.exhausted(12.0) == 5.5
    assert limit.wait(17.5, 1, reserve=False) == 0
    assert limit.exhausted(17.5) == 0


def test_what_the_server_has_left_is_counted_down_and_a_late_response_does_not_raise_it() -> None:
    limit = Limit(None)
    limit.hear(0.0, Told("tokens", None, 1000, 60.0))
    limit.take(0.0, 700)
    limit.hear(0.1, Told("tokens", None, 900, 60.0))
    assert limit.wait(0.1, 300, reserve=False) == 0
    assert limit.wait(0.1, 301, reserve=False) == pytest.approx(59.9)
    limit.hear(61.0, Told("tokens", None, 5000, 60.0))
    assert limit.wait(61.0, 4000, reserve=False) == 0


def test_the_lower_of_what_is_configured_and_what_is_learnt_holds() -> None:
    limit = Limit(60)
    limit.hear(0.0, Told("requests", 40, None, None))
    assert (limit.limit, limit.configured, limit.learnt) == (40, 60, 40)
    limit.configured = 20
    assert limit.limit == 20
    limit.configured = None
    assert limit.limit == 40


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("6m0s", 360.0),
        ("1.2s", 1.2),
        ("20ms", 0.02),
        ("1h2m3.5s", LONGEST_HOLD),
        ("2m59.56s", 179.56),
        ("0s", 0.0),
        ("0", 0.0),
        ("12", 12.0),
        ("1.5", 1.5),
        (str(int(NOW) + 30), 30.0),
        (str((int(NOW) + 30) * 1000), 30.0),
        ("2026-11-21T12:00:45Z", 45.0),
        ("2026-11-21T13:00:45+01:00", 45.0),
        ("2026-11-21T11:00:00Z", 0.0),
        ("2030-01-01T00:00:00Z", LONGEST_HOLD),
        ("99999999999999999999", LONGEST_HOLD),
    ],
)
def test_a_reset_in_any_usual_form_is_understood(text: str, seconds: float) -> None:
    assert read_reset(text, at) == pytest.approx(seconds)


@pytest.mark.parametrize(
    "text",
    ["", "soon", "-5", "nan", "inf", "1e9", "5x", "s", "m5", "٣s", "6m 0s", "2026-99-99", pytest.param("1" * 300, id="long")],
)
def test_garbage_is_no_reset(text: str) -> None:
    assert read_reset(text, at) is None


@given(st.text(max_size=40))
def test_no_text_makes_reading_a_reset_fail(text: str) -> None:
    seconds = read_reset(text, at)
    assert seconds is None or (math.isfinite(seconds) and 0 <= seconds <= LONGEST_HOLD)


@given(
    st.dictionaries(
        st.sampled_from(
            [
                f"{start}{end}"
                for start in ("x-ratelimit-", "anthropic-ratelimit-", "ratelimit-")
                for end in (
                    "limit",
                    "remaining-requests",
                    "reset-requests",
                    "limit-tokens",
                    "tokens-reset",
                    "remaining",
                    "reset",
                    "x",
                )
            ]
            + ["date", "retry-after"]
        ),
        st.text(max_size=30) | st.integers().map(str) | st.floats().map(str),
    )
)
def test_no_headers_make_reading_them_fail(headers: dict[str, str]) -> None:
    for told in read_limits(headers, at):
        assert told.kind in {"requests", "tokens"}
        assert told.limit is None or told.limit >= 1
        assert told.remaining is None or told.remaining >= 0
        assert told.reset is None or 0 <= told.reset <= LONGEST_HOLD


def test_the_headers_of_openai_are_read() -> None:
    headers = {
        "X-RateLimit-Limit-Requests": "60",
        "x-ratelimit-remaining-requests": "59",
        "x-ratelimit-reset-requests": "1s",
        "x-ratelimit-limit-tokens": "150000",
        "x-ratelimit-remaining-tokens": "0",
        "x-ratelimit-reset-tokens": "6m0s",
        "content-type": "text/event-stream",
    }
    assert set(read_limits(headers, at)) == {Told("requests", 60, 59, 1.0), Told("tokens", 150_000, 0, 360.0)}


def test_the_headers_of_anthropic_are_read_by_the_servers_own_clock() -> None:
    headers = {
        "date": "Sat, 21 Nov 2026 11:00:00 GMT",
        "anthropic-ratelimit-requests-limit": "50",
        "anthropic-ratelimit-requests-remaining": "0",
        "anthropic-ratelimit-requests-reset": "2026-11-21T11:00:20Z",
        "anthropic-ratelimit-output-tokens-limit": "8000",
        "anthropic-ratelimit-output-tokens-remaining": "8000",
        "anthropic-ratelimit-output-tokens-reset": "2026-11-21T11:00:00Z",
    }
    assert set(read_limits(headers, at)) == {Told("requests", 50, 0, 20.0), Told("tokens", None, 8000, 0.0)}


def test_a_limit_of_another_period_is_not_taken_for_one_of_a_minute() -> None:
    headers = {
        "x-ratelimit-limit-requests-day": "14400",
        "x-ratelimit-remaining-requests-day": "0",
        "x-ratelimit-reset-requests-day": "9",
    }
    assert list(read_limits(headers, at)) == [Told("requests", None, 0, 9.0)]
    assert list(read_limits({"x-ratelimit-limit": "20"}, at)) == [Told("requests", None, None, None)]
