"""What is done with a round of answers, as pictures: differences, vote, ratings, judge, merge, race and sweep."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.tui.still import PAIR, TextFile, answered, over, pictures, still
from tui.rounds.judging import JudgeScreen
from tui.rounds.merging import MergedScreen, MergeScreen
from tui.rounds.racing import RaceScreen
from tui.rounds.sweeping import SweepScreen
from tui.rounds.swept import SettingScreen, SweptScreen
from tui.rounds.voting import VoteScreen

if TYPE_CHECKING:
    from pathlib import Path

    from syrupy.assertion import SnapshotAssertion

    from tests.tui.stage import Stage


@pytest.fixture
def kept(snapshot: SnapshotAssertion) -> SnapshotAssertion:
    return snapshot.use_extension(TextFile)


async def home(at: Stage) -> None:
    while at.app.screen is not at.app.dashboard:
        await at.press("escape")
    at.app.clear_notifications()


async def opened(at: Stage, key: str, told: str) -> None:
    await at.press("ctrl+x", key)
    await at.until(lambda: at.app.screen is not at.app.dashboard and told in at.screen())


async def test_differences_and_votes(tmp_path: Path, kept: SnapshotAssertion, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("random.SystemRandom.shuffle", lambda self, answers: None)
    async with still(tmp_path, *PAIR) as at:
        await answered(at)
        await opened(at, "d", "of the words")
        assert await pictures(at) == kept(name="differences")
        await home(at)
        await opened(at, "b", "Which answer is best?")
        assert isinstance(at.app.screen, VoteScreen)
        assert await pictures(at) == kept(name="vote")
        await at.press("b")
        await at.until(lambda: "is best." in at.screen())
        assert await pictures(at) == kept(name="vote revealed")
        await home(at)
        await opened(at, "B", "Bradley-Terry")
        assert await pictures(at) == kept(name="ratings")


async def test_judge_and_merge(tmp_path: Path, kept: SnapshotAssertion) -> None:
    async with still(tmp_path, *PAIR) as at:
        await answered(at)
        await opened(at, "j", "/4")
        assert isinstance(at.app.screen, JudgeScreen)
        assert await pictures(at) == kept(name="judge")
        await at.press("enter")
        await at.until(lambda: "✓ done" in at.screen() and "9.0" in at.screen())
        assert await pictures(at) == kept(name="judged")
        await home(at)
        await opened(at, "M", "/4")
        assert isinstance(at.app.screen, MergeScreen)
        assert await pictures(at) == kept(name="merge")
        await at.press("enter")
        await at.until(lambda: isinstance(at.app.screen, MergedScreen) and "✓ saved" in at.screen())
        assert await pictures(at) == kept(name="merged")


async def test_a_race(tmp_path: Path, kept: SnapshotAssertion) -> None:
    async with still(tmp_path, *PAIR) as at:
        panes = at.app.dashboard.compare.answers
        await opened(at, "R", "/5")
        assert isinstance(at.app.screen, RaceScreen)
        assert await pictures(at) == kept(name="form")
        await at.press("2", "0", "enter")
        await at.until(lambda: at.app.screen is at.app.dashboard and "race ›" in at.screen())
        assert await pictures(at) == kept(name="next prompt is a race")
        await at.send("Why do voices overlap?")
        await at.until(lambda: panes[1].state.won)
        await over(at)
        at.app.clear_notifications()
        assert await pictures(at) == kept(name="won")


async def test_a_sweep(tmp_path: Path, kept: SnapshotAssertion) -> None:
    async with still(tmp_path, *PAIR) as at:
        at.app.dashboard.prompt.value = "Why do voices overlap?"
        await opened(at, "w", "/4")
        assert isinstance(at.app.screen, SweepScreen)
        assert await pictures(at) == kept(name="form")
        await at.press(*"0,1", "enter")
        await at.until(lambda: isinstance(at.app.screen, SweptScreen) and "✓ done · 6 of 6 answers" in at.screen())
        assert await pictures(at) == kept(name="table")
        await at.press("enter")
        await at.until(lambda: isinstance(at.app.screen, SettingScreen) and "1 of 2: t=0" in at.screen())
        assert await pictures(at) == kept(name="answers of a setting")
