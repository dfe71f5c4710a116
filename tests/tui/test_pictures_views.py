"""Ask, Agents, Waterfall, Queue and what opens from them, as pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import pytest

from tests.tui.queue_stage import ROUTES, TOLD, crowd, directory, load
from tests.tui.still import PAIR, Steady, TextFile, answered, over, pictures, still
from tui.load.history import History
from tui.screens.endpoint import EndpointScreen, LimitScreen
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


async def test_queue(tmp_path: Path, kept: SnapshotAssertion) -> None:
    async with still(tmp_path, *PAIR) as at:
        workspace, view = at.app.workspace, at.app.dashboard.queue
        clock = workspace.engine.clock
        assert isinstance(clock, Steady)
        own = workspace.models.directory
        workspace.models.directory = directory(clock, {})
        try:
            await at.press("shift+f5")
            assert await pictures(at) == kept(name="idle")
            view.history = History()
            places = workspace.models.directory = directory(clock)
            workspace.settings = msgspec.structs.replace(workspace.settings, routes=ROUTES)
            for _ in range(12):
                clock.now += 1
                at.app._half_frame()
                at.app._half_frame()
            async with crowd() as people:
                await load(places, clock, people)
                for second in range(40):
                    clock.now += 1
                    # A storm: it refuses, takes less, and takes more again.
                    lab, slow = places.gates["lab"], places.gates["slow"]
                    for _ in range(3 * (second % 9 == 0)):
                        slow.begin("m").failed(TOLD)
                    for _ in range(second % 5):
                        lab.begin("m").passed(None)
                    lab.door.cap = 4 - second // 3 % 3
                    for _ in range(2):
                        at.app._half_frame()
                view.board.marked = "lab"
                assert await pictures(at) == kept(name="under load")
                await at.press("j", "plus")
                assert await pictures(at) == kept(name="changed")
                await at.press("enter")
                await at.until(lambda: isinstance(at.app.screen, EndpointScreen))
                assert await pictures(at) == kept(name="details")
                await at.press("escape", "r")
                await at.until(lambda: isinstance(at.app.screen, LimitScreen))
                assert await pictures(at) == kept(name="limit")
                await at.press("escape")
        finally:
            workspace.models.directory = own
