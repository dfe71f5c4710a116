from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING

import pytest

from storage.store import Store
from storage.votes import Vote, Votes

if TYPE_CHECKING:
    from pathlib import Path


async def test_votes_last_over_sessions_in_their_order(tmp_path: Path) -> None:
    path = tmp_path / "stretto.db"
    async with Store(path) as store:
        votes = Votes(store)
        assert await votes.all() == []
        await votes.add("r1", "lab/a,temperature=0.2", "lab/b")
        await votes.add("r1", "lab/c", "lab/b", tie=True)
    async with Store(path) as store:
        kept = await Votes(store).all()
    assert [(vote.round, vote.winner, vote.loser, vote.tie) for vote in kept] == [
        ("r1", "lab/a,temperature=0.2", "lab/b", False),
        ("r1", "lab/c", "lab/b", True),
    ]
    assert kept[0].at <= kept[1].at
    assert kept[0].at > 1e9


async def test_more_votes_than_a_page_are_all_there(tmp_path: Path) -> None:
    async with Store(tmp_path / "stretto.db") as store:
        votes = Votes(store)
        await store.write(
            lambda raw: raw.executemany(
                "INSERT INTO votes (at, round, winner, loser) VALUES (0, ?, 'a', 'b')", [(str(number),) for number in range(1203)]
            )
        )
        assert [vote.round for vote in await votes.all()] == [str(number) for number in range(1203)]


async def test_votes_cast_at_once_are_kept_all_or_none(tmp_path: Path) -> None:
    async with Store(tmp_path / "stretto.db") as store:
        votes = Votes(store)
        await votes.add_all([Vote(round="r", winner="a", loser="b"), Vote(round="r", winner="a", loser="c")])
        assert [(vote.winner, vote.loser) for vote in await votes.all()] == [("a", "b"), ("a", "c")]
        broken = "CREATE TRIGGER broken BEFORE INSERT ON votes WHEN new.loser = 'bad' BEGIN SELECT RAISE(ABORT, 'no'); END"
        await store.write(lambda raw: raw.execute(broken).rowcount)
        with pytest.raises(sqlite3.IntegrityError):
            await votes.add_all([Vote(round="s", winner="a", loser="b"), Vote(round="s", winner="a", loser="bad")])
        assert len(await votes.all()) == 2


async def test_votes_can_be_forgotten(tmp_path: Path) -> None:
    async with Store(tmp_path / "stretto.db") as store:
        votes = Votes(store)
        await votes.add("r", "a", "b")
        assert await votes.reset() == 1
        assert await votes.all() == []
        assert await votes.reset() == 0


async def test_a_name_that_is_half_a_character_can_be_kept(tmp_path: Path) -> None:
    async with Store(tmp_path / "stretto.db") as store:
        votes = Votes(store)
        await votes.add("r", "lab/\ud800", "lab/b")
        assert len(await votes.all()) == 1


async def test_what_another_program_put_among_the_votes_is_left_out(tmp_path: Path) -> None:
    async with Store(tmp_path / "stretto.db") as store:
        odd = [("x", "r", "a", "b"), (0.0, "r", b"\xff", "b"), (0.0, b"\xff", "a", "b"), (0.0, "r", "a", "b")]
        await store.write(lambda raw: raw.executemany("INSERT INTO votes (at, round, winner, loser) VALUES (?, ?, ?, ?)", odd))
        assert [(vote.winner, vote.loser) for vote in await Votes(store).all()] == [("a", "b")]
