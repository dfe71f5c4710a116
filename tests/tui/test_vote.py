from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from textual.events import Key

from tests.tui.rounds_stage import answered, closed, home, shown
from tui.rounds.voting import VoteScreen

if TYPE_CHECKING:
    from pathlib import Path

    from tests.tui.stage import Stage


def ballots(at: Stage) -> dict[str, str]:
    """Return which model stands under which letter."""
    screen = at.app.screen
    assert isinstance(screen, VoteScreen)
    return {ballot.letter: str(ballot.answer.model) for ballot in screen._ballots}


@pytest.mark.parametrize("key", ["b", "B"])
async def test_a_vote_is_blind_and_the_best_beats_every_other(tmp_path: Path, key: str) -> None:
    async with answered(tmp_path, "lab/m0", "lab/m1", "lab/m2") as (at, _, _):
        await at.press("ctrl+x", "b")
        await at.until(lambda: isinstance(at.app.screen, VoteScreen) and "Nobody knows." in at.screen())
        assert not any(name in at.screen() for name in ("m0", "m1", "m2", "@lab", "TTFT", "tok/s"))
        names = ballots(at)
        await at.press(key)
        await at.until(lambda: "is best." in at.screen() and "rating" in at.screen())
        assert f"B ★ best: {names['B']}" in at.screen()
        assert all(name in at.screen() for name in names.values())
        votes = await at.app.workspace.votes.all()
        assert {(vote.winner, vote.loser, vote.tie) for vote in votes} == {
            (names["B"], names["A"], False),
            (names["B"], names["C"], False),
        }
        assert len({vote.round for vote in votes}) == 1
        await at.press("a", "=")
        assert len(await at.app.workspace.votes.all()) == 2
        await closed(at)


async def test_a_round_is_voted_on_once_because_its_names_are_known(tmp_path: Path) -> None:
    async with answered(tmp_path, "lab/m0", "lab/m1") as (at, view, _):
        view.act_vote()
        await at.until(lambda: isinstance(at.app.screen, VoteScreen))
        await at.settle()
        await at.press("=")
        await at.until(lambda: "It is a tie." in at.screen())
        assert [vote.tie for vote in await at.app.workspace.votes.all()] == [True]
        await closed(at)
        view.act_vote()
        await at.until(lambda: "voted on" in at.screen())
        assert at.app.screen is at.app.dashboard


async def test_a_vote_is_stored_also_when_the_screen_is_closed_at_once(tmp_path: Path) -> None:
    async with answered(tmp_path, "lab/m0", "lab/m1") as (at, view, _):
        view.act_vote()
        await at.until(lambda: isinstance(at.app.screen, VoteScreen))
        await at.settle()
        for key in ("a", "escape"):
            at.app.post_message(Key(key, None))
        await at.until(lambda: home(at))
        await at.app.workers.wait_for_complete([worker for worker in at.app.workers if worker.group == "vote"])
        assert len(await at.app.workspace.votes.all()) == 1


async def test_leaving_stores_nothing_and_the_round_can_still_be_voted_on(tmp_path: Path) -> None:
    async with answered(tmp_path, "lab/m0", "lab/m1") as (at, view, _):
        view.act_vote()
        await at.until(lambda: isinstance(at.app.screen, VoteScreen))
        await at.settle()
        await at.press("escape")
        assert at.app.screen is at.app.dashboard
        assert await at.app.workspace.votes.all() == []
        view.act_vote()
        await at.until(lambda: isinstance(at.app.screen, VoteScreen))
        await closed(at)


@pytest.mark.parametrize("size", [(40, 20), (80, 24)])
async def test_answers_without_room_are_turned_to(tmp_path: Path, size: tuple[int, int]) -> None:
    async with answered(tmp_path, "lab/m0", "lab/m1", "lab/m2", size=size) as (at, view, _):
        view.act_vote()
        await at.until(lambda: isinstance(at.app.screen, VoteScreen))
        await at.until(lambda: "1 of 3" in shown(at))
        seen = set()
        for number in range(1, 4):
            assert f"{number} of 3" in shown(at)
            screen = at.app.screen
            assert isinstance(screen, VoteScreen)
            here = [ballot for ballot in screen._ballots if ballot.display]
            seen |= {ballot.letter for ballot in here}
            regions = [ballot.region for ballot in here]
            assert not any(one.overlaps(other) for at_, one in enumerate(regions) for other in regions[at_ + 1 :])
            await at.press("right")
        assert seen == {"A", "B", "C"}
        await closed(at)


async def test_ratings_are_shown_with_what_they_mean(tmp_path: Path) -> None:
    async with answered(tmp_path, "lab/m0", "lab/m1", size=(100, 30)) as (at, view, _):
        view.act_ratings()
        await at.until(lambda: "No votes yet" in at.screen())
        await closed(at)
        for _ in range(3):
            await at.app.workspace.votes.add("r", "lab/m0", "lab/[@click=app.quit]m1")
        view.act_ratings()
        await at.until(lambda: "lab/[@click=app.quit]m1" in at.screen())
        assert "Bradley-Terry" in at.screen()
        assert at.find("lab/m0")[1] < at.find("lab/[@click")[1]
        await closed(at)
