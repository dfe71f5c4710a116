"""How the models stand after all votes: the ratings as rows, and a screen that shows them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, ClassVar, Final

from textual.widgets import Static

from agents.errors import StrettoError
from storage.errors import StoreError
from tui.figures import NONE
from tui.key_table import bindings
from tui.rounds.sheet import Sheet
from tui.rounds.table import Column, Table

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from textual.binding import BindingType
    from textual.widget import Widget

    from agents.compare.rating import Rating
    from agents.workspace import Workspace
    from storage.votes import Votes

RATING_COLUMNS: Final = (
    Column("model"),
    Column("rating", right=True),
    Column("95 %", right=True),
    Column("change", right=True),
    Column("games", right=True),
    Column("won", right=True),
    Column("lost", right=True),
    Column("tied", right=True),
)
_COLUMNS: Final = tuple(column for column in RATING_COLUMNS if column.head != "change")
_MEANING: Final = (
    "1000 is the mean of all. 100 points more win 64 of 100 votes, 400 more 10 of 11 (Bradley-Terry). Where intervals overlap, the "
    "votes do not tell yet who is better. A vote among N answers counts as N-1 games, which are not independent: intervals are "
    "somewhat narrow then."
)


async def standing(votes: Votes) -> list[Rating]:
    """Return the ratings after all votes, best first; they are worked out beside the loop."""
    from agents.compare.rating import ratings

    return await asyncio.to_thread(ratings, await votes.all())


def standing_rows(after: Sequence[Rating], before: Sequence[Rating] | None = None) -> list[tuple[str, ...]]:
    """Return ratings as rows of :data:`RATING_COLUMNS`, with what changed since ``before``; without that, less its column."""
    old = {rating.model: rating.rating for rating in before or ()}
    rows = []
    for each in after:
        change = () if before is None else (f"{each.rating - old[each.model]:+.0f}" if each.model in old else "new",)
        games = each.wins + each.losses + each.ties
        counts = (str(games), str(each.wins), str(each.losses), str(each.ties))
        rows.append((each.model, f"{each.rating:.0f}", f"{each.low:.0f}{NONE}{each.high:.0f}", *change, *counts))
    return rows


class RatingsScreen(Sheet[None]):
    """The ratings, and what they mean."""

    heading = "Ratings from your votes"
    AUTO_FOCUS = "Table"
    BINDINGS: ClassVar[list[BindingType]] = list(bindings("sheet.ratings"))

    def __init__(self, workspace: Workspace) -> None:
        super().__init__()
        self._workspace = workspace
        self._table = Table(_COLUMNS, empty="reading …", marks=False)

    def body(self) -> Iterator[Widget]:
        """Yield the table over what it means."""
        yield self._table
        yield Static("")
        yield Static(_MEANING, markup=False, classes="sheet--text")

    def on_mount(self) -> None:
        """Read the votes."""
        super().on_mount()
        self.run_worker(self._read(), description="read the votes")

    async def _read(self) -> None:
        try:
            rows = standing_rows(await standing(self._workspace.votes))
        except (StrettoError, StoreError) as error:
            self.fail(f"the votes could not be read: {error}")
            return
        self._table.say("No votes yet: compare answers and vote on them." if not rows else "")
        self._table.show(rows)
