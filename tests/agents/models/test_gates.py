from __future__ import annotations

import pytest

from agents.errors import CallError
from agents.models.discovery import targets
from agents.models.gates import Gate
from agents.models.limits import LONGEST_HOLD
from agents.models.turns import Turn
from agents.settings import Endpoint, Settings


@pytest.mark.parametrize(("asked", "shut"), [(300.0, 300.0), (1e9, LONGEST_HOLD), (1e300, LONGEST_HOLD)])
def test_no_server_keeps_calls_away_for_longer_than_an_hour(asked: float, shut: float) -> None:
    settings = Settings(endpoints={"lab": Endpoint(base_url="http://127.0.0.1:9/v1")})
    gate = Gate(targets(settings, {})["lab"], lambda: 0.0, Turn())
    gate.begin("m").failed(CallError("rate_limit", "lab: too many requests", retryable=True, retry_after=asked))
    assert gate.health.due("m") == shut
