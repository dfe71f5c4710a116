"""One pane of Compare: a conversation with one model, as it streams."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agents.events import Saved, StepEnded, StepEvent, StepQueued, StepStarted
from tui.figures import short_model
from tui.widgets.answer_pane import AnswerPane

if TYPE_CHECKING:
    from agents.requests import ModelRef
    from agents.runs import Run


class ComparePane(AnswerPane):
    """An answer pane that remembers the turns before."""

    def __init__(self, model: ModelRef) -> None:
        super().__init__(short_model(model), empty="No answer yet.")
        self.model = model
        self.after: str | None = None
        """The step that answered the turn before the next one."""
        self.running: str | None = None
        """The step that runs here, while it does."""
        self._run: Run | None = None
        self._offset = 0

    def clear(self) -> None:
        """Start a new conversation."""
        self._run, self.running, self.after, self._offset = None, None, None, 0
        self.fresh("")
        self.idle()

    def asked(self, prompt: str) -> None:
        """Add the person's message."""
        self.paragraph(f"› {prompt}\n\n")

    def answering(self, run: Run) -> None:
        """Take the run whose step will answer here; the answer's text is kept by the step alone until it ends."""
        self._run = run

    def handle(self, event: StepEvent | Saved) -> None:
        """Take one event of the step, and keep what it says for the turns to come."""
        match event:
            case StepQueued(step=step):
                self.running = step
            case StepStarted(attempt=attempt, offset=offset):
                if offset > self._offset:
                    self.paragraph(f"[attempt {attempt}]\n")
                self._offset = offset
            case _:
                pass
        super().handle(event)

    def ended(self, event: StepEnded) -> None:
        """Go on from this answer; a turn that had none is not part of the conversation, so that it can be sent again."""
        super().ended(event)
        run, self._run, self.running = self._run, None, None
        answered = run is not None and len(run.steps[event.step].text) > self._offset
        self._offset = 0
        if answered:
            self.after = event.step
