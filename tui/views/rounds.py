"""What Compare does with a round of answers: differences, blind vote, ratings, judge, merge, race and sweep."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from tui.figures import short_model
from tui.rounds.answers import Answer, bare, last_answers
from tui.rounds.memory import Memory
from tui.safe import safe_line
from tui.views.compare_panes import PanesView

if TYPE_CHECKING:
    from agents.events import Won
    from agents.requests import Accept, ModelRef
    from agents.workspace import Workspace
    from tui.app import StrettoApp
    from tui.feed import Feed
    from tui.prompts import Prompt


class RoundsView(PanesView):
    """A grid of panes whose last answers can be set against each other. The screens are imported when they are opened."""

    def __init__(self, workspace: Workspace, feed: Feed) -> None:
        super().__init__(workspace, feed)
        self._memory = Memory()
        self._race: Accept | None = None

    @property
    def races(self) -> bool:
        """Whether the next prompt is a race."""
        return self._race is not None

    def raced(self, prompt: Prompt) -> Prompt:
        """Return ``prompt`` as a race if the next one is to be one; the one after it is none."""
        accept, self._race = self._race, None
        if accept is None:
            return prompt
        self.hinted()
        return prompt._replace(accept=accept, panes=tuple(pane.key for pane in self.answers))

    def _judges(self) -> list[ModelRef]:
        """Return models to choose from before the endpoints have told theirs: the known ones, then those of the panes."""
        return [*dict.fromkeys(map(bare, self.known)), *dict.fromkeys(self.models)]

    def _round(self, least: int, wanted: str) -> list[Answer] | None:
        """Return the panes' last answers, or ``None``, and say so, when there are too few."""
        answers = last_answers(self.answers)
        if len(answers) < least:
            streams = any(pane.run is not None for pane in self.answers)
            told = f"{wanted} {'Wait until it is complete.' if streams else 'Send a prompt first.'}"
            self.notify(told, timeout=4, markup=False)
            return None
        return answers

    def _marked_in(self, answers: list[Answer]) -> int:
        marked = self.marked
        key = None if marked is None else marked.key
        return next((number for number, answer in enumerate(answers) if answer.key == key), 0)

    def act_diff(self) -> None:
        """Show what differs between the marked pane's answer and another's."""
        answers = self._round(2, "Two panes must have an answer to tell what differs.")
        if answers is not None:
            from tui.rounds.differences import DifferencesScreen

            self.app.push_screen(DifferencesScreen(answers, self._marked_in(answers)))

    def act_vote(self) -> None:
        """Vote on the answers to the marked pane's last prompt, without their names."""
        answers = self._round(2, "A vote needs two answers.")
        if answers is None:
            return
        prompt = answers[self._marked_in(answers)].prompt
        answers = [answer for answer in answers if answer.prompt == prompt]
        if len(answers) < 2:
            self.notify("A vote needs two answers to the same prompt.", timeout=4, markup=False)
        elif any(pane.running is not None for pane in self.answers):
            self.notify("A vote waits until all answers are there.", timeout=4, markup=False)
        elif frozenset(answer.step for answer in answers) in self._memory.voted:
            self.notify("These answers were voted on: send a prompt for another round.", timeout=4, markup=False)
        else:
            from tui.rounds.voting import VoteScreen

            self.app.push_screen(VoteScreen(self.workspace, self._memory, answers))

    def act_ratings(self) -> None:
        """Show how the models stand after all votes."""
        if not self.workspace.opened:
            return
        from tui.rounds.standing import RatingsScreen

        self.app.push_screen(RatingsScreen(self.workspace))

    def act_judge(self) -> None:
        """Have a model score the answers."""
        answers = self._round(1, "There is no answer to judge.")
        if answers is not None:
            from tui.rounds.judging import JudgeScreen

            self.app.push_screen(JudgeScreen(self, self._memory, answers, self._judges()))

    def act_merge(self) -> None:
        """Have a model make one answer of several."""
        answers = self._round(2, "A merge needs two answers.")
        if answers is not None:
            from tui.rounds.merging import MergeScreen

            self.app.push_screen(MergeScreen(self, self._memory, answers, self._judges()))

    def act_race(self) -> None:
        """Make the next prompt a race, or, when it is to be one, none after all."""
        if self._race is not None:
            self._race = None
            self.hinted()
            self.notify("The next prompt is no race.", timeout=2, markup=False)
            return
        if len(self.answers) < 2:
            self.notify("A race needs two panes: add one.", timeout=3, markup=False)
            return
        from tui.rounds.racing import RaceScreen

        self.app.push_screen(RaceScreen(self, self._memory, self._judges()), self._arm)

    def _arm(self, accept: Accept | None) -> None:
        if accept is not None:
            self._race = accept
            self.hinted()

    def won(self, event: Won) -> None:
        """Tell who won a race and what that saved."""
        pane = next((pane for pane in self.answers if pane.turns and pane.turns[-1].step == event.step), None)
        if pane is not None:
            saved = f" At most ≈{event.saved:,} tokens are saved." if event.saved else ""
            line = f"{short_model(pane.turns[-1].model or pane.model)} won: {event.reason}.{saved}"
            self.notify(safe_line(line, 300), title="Race", timeout=8, markup=False)

    def act_sweep(self) -> None:
        """Ask one prompt over parameters, system prompts and repeats."""
        marked = self.marked
        if marked is None or not self.workspace.opened:
            return
        from tui.rounds.sweeping import SweepScreen

        text = self.draft() or (marked.turns[-1].prompt.text if marked.turns else "")
        self.app.push_screen(SweepScreen(self, self._memory, text, marked.model, self._judges()))

    def draft(self) -> str:
        """Return what stands in the prompt line."""
        return cast("StrettoApp", self.app).dashboard.prompt.value.strip()
