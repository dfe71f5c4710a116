"""Blind vote: the answers without names, in an order made by chance; then who gave them, and what the vote did to the ratings."""

from __future__ import annotations

import random
import string
from typing import TYPE_CHECKING, ClassVar, Final

from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.widgets import Static

from agents.errors import StrettoError
from storage.errors import StoreError
from storage.votes import Vote
from tui.key_table import bindings
from tui.rounds.sheet import Sheet
from tui.rounds.standing import RATING_COLUMNS, standing, standing_rows
from tui.rounds.table import Table
from tui.safe import safe_content, safe_line
from tui.widgets.stream_pane import StreamPane

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from textual import events
    from textual.binding import BindingType
    from textual.widget import Widget

    from agents.compare.rating import Rating
    from agents.workspace import Workspace
    from tui.rounds.answers import Answer
    from tui.rounds.memory import Memory

_NARROWEST: Final = 38
"""Columns an answer needs to be read beside others."""


class Ballot(Vertical):
    """One answer under its letter."""

    DEFAULT_CSS = """
    Ballot {
        width: 1fr; height: 1fr;
        & > Static { height: 1; background: $panel; text-style: bold; }
        &.-here > Static { background: $primary-muted; }
    }
    """

    def __init__(self, letter: str, answer: Answer) -> None:
        super().__init__()
        self.letter = letter
        self.answer = answer
        self.head = Static(Content(f" {letter} "), markup=False)
        self.pane = StreamPane(empty="")
        self.pane.can_focus = False
        self._begun = False

    def compose(self) -> Iterator[Widget]:
        """Yield the letter and the text."""
        yield self.head
        yield self.pane

    def on_mount(self) -> None:
        """Write the answer."""
        self.pane.begin("answer")
        self.pane.append(self.answer.text)
        self.pane.finish()

    def flush(self) -> None:
        """Draw the answer, from its start."""
        self.pane.flush()
        if not self._begun:  # while the text fits, the pane follows its end, which may yet leave the view
            self.pane.scroll_to_start()
            self._begun = not self.pane.follows

    def name_it(self, word: str) -> None:
        """Say whose it is, and how it fared."""
        self.head.update(safe_content(f" {self.letter} {word} {safe_line(str(self.answer.model), 120)}"))


class VoteScreen(Sheet[None]):
    """Covers the whole screen, because the panes behind it have names."""

    heading = "Which answer is best?"
    full = True
    AUTO_FOCUS = ""
    BINDINGS: ClassVar[list[BindingType]] = list(bindings("sheet.vote"))
    DEFAULT_CSS = """
    VoteScreen {
        #vote-prompt { height: auto; max-height: 3; color: $text-muted; }
        #vote-answers { height: 1fr; }
        #vote-answers > Ballot { margin-right: 1; }
        #vote-told { height: auto; padding: 1 0 0 1; text-style: bold; }
        #vote-ratings { max-height: 40%; }
    }
    """

    def __init__(self, workspace: Workspace, memory: Memory, answers: Sequence[Answer]) -> None:
        super().__init__()
        self._workspace = workspace
        self._memory = memory
        shuffled = list(answers)
        random.SystemRandom().shuffle(shuffled)
        self._ballots = [Ballot(letter, answer) for letter, answer in zip(string.ascii_uppercase, shuffled, strict=False)]
        self._prompt = Static(safe_content(f"› {safe_line(answers[0].prompt, 300)}"), id="vote-prompt", markup=False)
        self._told = Static(id="vote-told", markup=False)
        self._table = Table(RATING_COLUMNS, marks=False, name="vote-ratings")
        self._at = 0
        self._voted = False

    def body(self) -> Iterator[Widget]:
        """Yield the prompt, the answers and, hidden until there is a vote, what came of it."""
        yield self._prompt
        yield Horizontal(*self._ballots, id="vote-answers")
        yield self._told
        yield self._table

    def on_mount(self) -> None:
        """Show the first answers."""
        super().on_mount()
        self._told.display = self._table.display = False
        self._arrange(self.app.size.width)

    def on_resize(self, event: events.Resize) -> None:
        """Show as many beside each other as can be read."""
        self._arrange(event.size.width)

    def _arrange(self, width: int) -> None:
        room = max((width - 4) // _NARROWEST, 1)
        first = min(self._at, max(len(self._ballots) - room, 0)) if room > 1 else self._at
        for number, ballot in enumerate(self._ballots):
            ballot.display = first <= number < first + room
            ballot.set_class(number == self._at, "-here")
        self.draw_keys()

    def hints(self) -> Iterator[tuple[str, str]]:
        """Name the letters."""
        if not self._voted:
            yield f"A…{self._ballots[-1].letter}", "is best"
        if sum(ballot.display for ballot in self._ballots) < len(self._ballots):
            yield self._ballots[self._at].letter, f"{self._at + 1} of {len(self._ballots)}"

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Vote once."""
        if action in {"pick", "tie"}:
            return not self._voted
        return action != "done" or self._voted

    def action_turn(self, by: int) -> None:
        """Look at another answer."""
        self._at = (self._at + by) % len(self._ballots)
        self._arrange(self.app.size.width)

    def action_page(self, by: int) -> None:
        """Scroll the answers that are shown."""
        for ballot in self._ballots:
            if ballot.display:
                ballot.pane.action_page(by)

    def action_line(self, by: int) -> None:
        """Scroll them by a row."""
        for ballot in self._ballots:
            if ballot.display:
                ballot.pane.action_move(by)

    def action_pick(self, letter: str) -> None:
        """Choose the best."""
        best = next((ballot for ballot in self._ballots if ballot.letter == letter.upper()), None)
        if best is not None:
            self._vote(best)

    def action_tie(self) -> None:
        """Choose none."""
        self._vote(None)

    def _vote(self, best: Ballot | None) -> None:
        self._voted = True
        for ballot in self._ballots:
            ballot.name_it("=" if best is None else "★ best:" if ballot is best else "·")
        self._memory.voted.add(frozenset(ballot.answer.step for ballot in self._ballots))
        self.draw_keys()
        # The app's worker and not the screen's: a vote is stored also when the screen is closed at once.
        self.app.run_worker(self._store(best), group="vote", description="store the vote")

    async def _store(self, best: Ballot | None) -> None:
        """Store the vote: the best one beats every other, a tie is one between each two. Then show the ratings."""
        votes = self._workspace.votes
        round_id = min(ballot.answer.step for ballot in self._ballots)
        models = [str(ballot.answer.model) for ballot in self._ballots]
        winner = None if best is None else str(best.answer.model)
        if winner is None:
            pairs = [(one, other) for number, one in enumerate(models) for other in models[number + 1 :]]
        else:
            pairs = [(winner, model) for ballot, model in zip(self._ballots, models, strict=True) if ballot is not best]
        try:
            before = await standing(votes)
            cast = [Vote(round=round_id, winner=one, loser=other, tie=winner is None) for one, other in pairs if one != other]
            await votes.add_all(cast)
            after = await standing(votes)
        except (StrettoError, StoreError) as error:
            self._memory.voted.discard(frozenset(ballot.answer.step for ballot in self._ballots))
            self.app.notify(safe_line(f"the vote was not stored: {error}", 300), severity="error", markup=False)
            return
        if self.is_attached:
            self._reveal(winner, models, before, after)

    def _reveal(self, winner: str | None, models: list[str], before: Sequence[Rating], after: Sequence[Rating]) -> None:
        said = "It is a tie." if winner is None else f"{winner} is best."
        if len(set(models)) == 1:
            said += " All are of one model: the ratings stay."
        self._told.update(safe_content(safe_line(said, 300)))
        self._table.show(standing_rows([rating for rating in after if rating.model in models], before))
        self._told.display = self._table.display = True

    def flush(self, now: float) -> None:
        """Draw the answers."""
        for ballot in self._ballots:
            if ballot.display:
                ballot.flush()

    def action_done(self) -> None:
        """Close."""
        self.dismiss(None)
