from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from agents.metrics import MetricsSnapshot, Window
from agents.models.batching import BatchFigures
from agents.models.cache import CacheFigures
from agents.models.hedging import HedgeFigures
from agents.models.routes import RouteFigures
from agents.models.spend import SpendFigures
from agents.offers import SpeculationFigures
from agents.prefetch import PrefetchFigures
from agents.settings import Route
from tests.tui.room import HOSTILE
from tui.load import engine
from tui.load.lines import size

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tui.load.lines import Line

METRICS = MetricsSnapshot(
    at=0.0,
    minute=Window(span=60.0, hit_rate=0.25),
    session=Window(span=60.0, hit_rate=0.5, tokens_cached=1200, tokens_cached_share=0.08),
    queued=0,
    in_flight=0,
    tokens_per_second=None,
    tokens_per_second_estimated=False,
)
CACHE = CacheFigures(limit=512 << 20, entries=1204, bytes=3 << 20, hits=30, misses=70, session_similar=2, evicted=5)
AHEAD = SpeculationFigures(
    on=False, reason="too few were right", hits=3, misses=6, rate=0.33, tokens=4021, wasted=812, saved=14.0, failed=1
)
NEVER = SpeculationFigures(on=True, reason="", hits=0, misses=0, rate=None, tokens=0, wasted=0, saved=0.0, failed=0)
BATCH = BatchFigures(items=90, batches=8, waiting=3, in_flight=1, late=2, size_p50=12, size_max=32, wait_p50=0.02, wait_max=0.21)
SPEND = SpendFigures(spent=0.5, estimated=0.1, ahead=0.1, budget=1.0, calls=12, uncounted=3, stopped=1, endpoints={})
ROUTE = Route(members=("lab", "slow/m"), fallbacks=("else/x",), hedge=True)
ROAD = RouteFigures(
    members=ROUTE.members,
    fallbacks=ROUTE.fallbacks,
    waiting=3,
    moved=2,
    answered={"lab/m": 40, "slow/m": 7},
    hedges=HedgeFigures(calls=50, hedged=4, won=3, cost=0.01),
)


def words(lines: Sequence[Line]) -> str:
    return " ".join(" ".join("".join(text for text, _ in line).split()) for line in lines)


def test_each_figure_is_told_with_its_unit() -> None:
    told = words(engine.cache(CACHE, METRICS, 12, 300))
    assert "1,204 answers, 3.0 of 512 MB · hit rate 25 % last minute, 50 % session, 30 % ever · joined 12 · similar 2" in told
    assert "providers' own caches 1,200 tokens (8 %)" in told
    told = words(engine.speculation(AHEAD, 300))
    assert "off: too few were right · 3 right, 6 wrong · hit rate 33 % of the last 20 · 4,021 tokens, 812 wasted" in told
    told = words(engine.batches({"lab/embed": BATCH, "idle/embed": BatchFigures()}, 300))
    assert "lab/embed · 90 in 8 batches · 3 wait, 1 in flight · sizes P50 12, largest 32 · waits P50 20 ms, P95 –" in told
    assert "⚠ 2 late" in told
    assert "idle" not in told
    told = words(engine.cost(SPEND, 300))
    assert "≈0.50 of 1.00, 0.50 left · 12 calls, 3 without a price · 0.10 of it ahead of questions · ⚠ 1 stopped" in told
    prefetched = words(engine.prefetch(PrefetchFigures(searched=12, used=8, wasted=4, opened=3), 300))
    assert "12 searches, 8 used, 4 wasted · made ready 3 times" in prefetched


def test_a_route_says_where_its_calls_went_and_what_was_asked_twice() -> None:
    told = words(engine.section("fast", engine._route(ROAD, ROUTE), 300))
    assert "fast route · lab 40 · slow/m 7 · else else/x – · 3 wait · 2 moved while they waited" in told
    assert "asked twice 4 of 50 (5 % may be), won 3, ≈0.010 for nothing" in told
    assert "nothing was asked yet" in words(engine.section("fast", engine._route(None, ROUTE), 300))


def test_where_there_is_no_data_there_is_a_dash_or_nothing() -> None:
    bare = MetricsSnapshot(
        at=0.0,
        minute=Window(span=1.0),
        session=Window(span=1.0),
        queued=0,
        in_flight=0,
        tokens_per_second=None,
        tokens_per_second_estimated=False,
    )
    told = words(engine.cache(CacheFigures(limit=512 << 20), bare, 0, 300))
    assert "– answers, – of 512 MB · hit rate – last minute, – session, – ever" in told
    assert "nothing is kept" in words(engine.cache(None, bare, 0, 300))
    assert words(engine.speculation(NEVER, 300)) == "Likely next on"
    assert engine.prefetch(PrefetchFigures(), 300) == []
    free = SpendFigures(spent=0.0, estimated=0.0, ahead=0.0, budget=None, calls=0, uncounted=9, stopped=0, endpoints={})
    assert engine.cost(free, 300) == []


@pytest.mark.parametrize("width", [1, 9, 20, 43, 44, 80, 200])
def test_no_line_is_wider_than_there_is_room_and_no_name_moves_anything(width: int) -> None:
    for name in HOSTILE:
        lines = [
            *engine.cache(CACHE, METRICS, 12, width),
            *engine.speculation(AHEAD, width),
            *engine.batches({name: BATCH}, width),
            *engine.cost(SPEND, width),
            *engine.files([name], width),
            *engine.section("x", engine._route(ROAD, Route(members=(name,), fallbacks=(name,))), width),
        ]
        assert all(size(line) <= width for line in lines)
        told = "".join(text for line in lines for text, _ in line)
        assert not any(char in told for char in "\x1b\x9b\u202e\r\t\x07\n")
