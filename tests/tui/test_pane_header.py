from __future__ import annotations

import pytest

from tests.tui.room import room
from tui.widgets.pane_header import PaneHeader, PaneState


def whole() -> PaneState:
    return PaneState(
        title="alto-7b temp 0.2 @lab", state="saved", ttft=0.5, rate=40.0, sent=12, tokens=80, cost=0.0012, over=True, joined=True
    )


async def shown(state: PaneState, width: int) -> str:
    header = PaneHeader()
    async with room(header, (width, 3)):
        header.update(state)
        return str(header.render())


async def test_all_figures_stand_in_a_wide_header() -> None:
    assert "✓ saved  TTFT 0.50 s  40 tok/s  12→80 tok  joined  cost 0.0012" in await shown(whole(), 120)


@pytest.mark.parametrize("width", range(1, 121, 7))
async def test_a_header_is_as_wide_as_its_pane_and_the_most_telling_figures_stay(width: int) -> None:
    line = await shown(whole(), width)
    assert len(line) == max(width, len("  ✓ saved "))
    if width >= 39:
        assert "alto-7b" in line
        assert "TTFT 0.50 s" in line


async def test_where_there_is_little_room_the_rate_stands_for_streaming() -> None:
    state = PaneState(title="paced-140-100 temp 0.0 @lab", state="streaming", ttft=0.5, rate=104.0, tokens=60, estimated=True)
    assert "● ≈104 tok/s" in await shown(state, 39)
    assert "● streaming  TTFT 0.50 s  ≈104 tok/s  ≈60 tok" in await shown(state, 90)
    assert "● streaming" in await shown(PaneState(title="paced-140-100", state="streaming"), 39)


async def test_a_cost_that_is_not_known_is_a_dash_where_there_is_room_for_one() -> None:
    state = whole()
    state.cost = None
    assert "cost –" in await shown(state, 120)
    assert "cost" not in await shown(state, 60)
    assert "cost" not in await shown(PaneState(title="m", state="failed", over=True), 120)
