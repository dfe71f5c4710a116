from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.models.failures import retry_after

_DATE = "Mon, 01 Jan 2030 00:00:00 GMT"
_TYPED = st.text("0123456789 :,+-.JanMonGTZe", max_size=40)
_DAMAGED = st.tuples(st.integers(0, len(_DATE)), st.integers(0, len(_DATE)), st.text("0123456789:+- ", max_size=12)).map(
    lambda cut: _DATE[: cut[0]] + cut[2] + _DATE[cut[1] :]
)


@given(st.one_of(_TYPED, _DAMAGED, st.text()), st.sampled_from(["retry-after", "retry-after-ms"]))
def test_whatever_a_server_writes_is_a_number_of_seconds_or_nothing(text: str, name: str) -> None:
    seconds = retry_after({name: text})
    assert seconds is None or (math.isfinite(seconds) and seconds > 0)


@pytest.mark.parametrize(
    "text",
    ["-1", "0", "nan", "inf", "1" * 10_000, "soon", "Mon, 01 Jan 99999 00:00:00 GMT", "01 Jan 10000 00:00:00", "1 Jan 1990 0:0"],
)
def test_what_is_no_time_to_wait_asks_for_none(text: str) -> None:
    assert retry_after({"retry-after": text}) is None
