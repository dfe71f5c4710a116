"""Ask, Agents, Waterfall and what opens from them, as pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.tui.still import PAIR, TextFile, answered, over, pictures, still
from tui.screens.passage import PassageScreen
from tui.screens.step import StepScreen

if TYPE_CHECKING:
    from pathlib import Path

    from syrupy.assertion import SnapshotAssertion


@pytest.fixture
def kept(snapshot: SnapshotAssertion) -> SnapshotAssertion:
    return snapshot.use_extension(TextFile)


async def test_ask(tmp_path: Path, kept: SnapshotAssertion) -> None:
    async with still(tmp_path, *PAIR) as at:
        view = at.app.dashboard.ask
        view._warmed = True  # no worker is wanted: nothing is searched
        await at.press("f3")
        assert await pictures(at) == kept(name="empty")
        await at.send("Why do voices overlap?")
        await at.until(lambda: view.answer.state.state == "saved")
        await at.until(lambda: "fuse" in at.screen())
        assert await pictures(at) == kept(name="answered")
        view.answer.pane.focus()
        await at.settle()
        await at.press("1")
        await at.until(lambda: isinstance(at.app.screen, PassageScreen))
        assert await pictures(at) == kept(name="passage")


async def test_agents(tmp_path: Path, kept: SnapshotAssertion) -> None:
    async with still(tmp_path, *PAIR) as at:
        view = at.app.dashboard.agents
        await at.press("f4")
        assert await pictures(at) == kept(name="empty")
        await at.send("What is a stretto? @/music/fugue.md @/music/gone.md")
        await over(at)
        await at.until(lambda: view.text.state.state == "saved" and "saved" in at.text_of(view.log_rows))
        assert await pictures(at) == kept(name="finished")


async def test_waterfall(tmp_path: Path, kept: SnapshotAssertion) -> None:
    async with still(tmp_path, *PAIR) as at:
        bars = at.app.dashboard.waterfall.bars
        await at.press("f5")
        assert await pictures(at) == kept(name="empty")
        await at.press("f2")
        await answered(at)
        await at.press("f4")
        await at.send("What is a stretto? @/music/fugue.md @/music/gone.md")
        await over(at)
        await at.press("f5")
        await at.until(lambda: all(track.saved for track in bars.timeline.tracks))
        assert await pictures(at) == kept(name="runs")
        await at.press("j", "j", "enter")
        await at.until(lambda: isinstance(at.app.screen, StepScreen) and "Esc closes" in at.screen())
        assert await pictures(at) == kept(name="step")
