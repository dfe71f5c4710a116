"""What Compare does with likely next questions: having them asked beforehand after an answer, offering and sending them."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from agents.events import StepEnded, StepStarted
from agents.requests import Chat
from tui.compare.lanes import onward
from tui.safe import safe_line
from tui.views.rounds import RoundsView

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agents.events import AnyEvent
    from agents.offers import Likely
    from agents.requests import Race
    from agents.workspace import Workspace
    from tui.app import StrettoApp
    from tui.feed import Feed
    from tui.widgets.compare_pane import ComparePane


class ForesightView(RoundsView):
    """A grid of panes of which the marked one's conversation is looked ahead in."""

    def __init__(self, workspace: Workspace, feed: Feed) -> None:
        super().__init__(workspace, feed)
        self._foreseen: ComparePane | None = None
        """The pane whose conversation was looked ahead in last."""

    @property
    def targets(self) -> list[ComparePane]:
        """The panes that the next prompt goes to."""
        raise NotImplementedError

    def likely(self) -> Sequence[Likely]:
        """Return the likely next questions in the marked pane, if that is where the next prompt goes."""
        marked = self.marked
        if not self.workspace.opened or self.races or marked is None or marked.run is not None or marked not in self.targets:
            return ()
        return self.workspace.speculation.offered(onward(marked))

    def foresee(self, request: Chat | Race) -> None:
        """Take note of what is about to be asked; in a race nothing that is there already would be fair."""
        if self.workspace.opened:
            self.workspace.speculation.asked(request.lanes if isinstance(request, Chat) else ())

    def foretell(self, event: AnyEvent) -> None:
        """Look ahead when the marked pane has its answer and nothing waits to be asked."""
        if not isinstance(event, StepStarted | StepEnded) or not self.workspace.opened:
            return
        if _answers(self._foreseen, event):
            self.workspace.speculation.begun()
        marked = self.marked
        if isinstance(event, StepEnded) and event.outcome == "done" and not self.queue and _answers(marked, event):
            self._look_ahead(marked)

    def _look_ahead(self, pane: ComparePane | None) -> None:
        if pane is not None:
            self._foreseen = pane
            self.workspace.speculation.look_ahead(onward(pane), use_cache=self.workspace.settings.defaults.cache)

    def unforeseen(self) -> None:
        """Throw away what was asked beforehand: the conversation goes elsewhere."""
        if self.workspace.opened:
            self.workspace.speculation.drop()

    def tell_foresight(self) -> None:
        """Tell a person what looking ahead has to say."""
        for line in self.workspace.speculation.notices() if self.workspace.opened else ():
            self.notify(safe_line(line, 200), timeout=8, markup=False)

    def act_pick(self, number: int) -> None:
        """Send a likely question, which only stands there while nothing is typed."""
        app, likely = cast("StrettoApp", self.app), self.likely()
        if number <= len(likely) and not app.dashboard.prompt.text:
            app.prompting.pick(likely[number - 1].text)
        else:
            self.notify("No such question is offered now.", timeout=2, markup=False)

    def act_foresight(self) -> None:
        """Have likely next questions asked beforehand, or no longer."""
        if not self.workspace.opened:
            return
        speculation, marked = self.workspace.speculation, self.marked
        if not speculation.switch():
            line = "Likely next questions are off."
        elif marked is not None and not speculation.allows(marked.model):
            line = "Likely next questions are on, but not where they cost: see defaults.speculate."
        else:
            line = "Likely next questions are asked beforehand, at the lowest priority."
            if marked is not None and marked.run is None and marked.last is not None:
                self._look_ahead(marked)
        self.notify(line, timeout=4, markup=False)


def _answers(pane: ComparePane | None, event: StepStarted | StepEnded) -> bool:
    """Return whether an event is of the step that answers last in ``pane``."""
    return pane is not None and bool(pane.turns) and pane.turns[-1].step == event.step
