"""One pane of Compare: a conversation with one model, as it streams."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agents.events import Saved, StepEnded, StepEvent, StepQueued, StepStarted, Won
from tui.compare.turns import Turn
from tui.figures import short_model
from tui.safe import safe_line
from tui.widgets.answer_pane import AnswerPane

if TYPE_CHECKING:
    from agents.events import Outcome
    from agents.requests import ModelRef
    from agents.runs import Run
    from tui.prompts import Prompt


class ComparePane(AnswerPane):
    """An answer pane that keeps the turns of its conversation."""

    def __init__(self, model: ModelRef, key: int = 0, system: str | None = None) -> None:
        super().__init__(short_model(model), empty="No answer yet.")
        self.key = key
        """What tells it from the view's other panes, also after it is gone."""
        self.model = model
        """The model and parameters that the next prompt is sent with."""
        self._usual = system
        self.system = system
        """The system prompt that goes with the next prompt, unless that brings its own."""
        self.turns: list[Turn] = []
        self.run: Run | None = None
        """The run that answers here, while it does."""
        self._targeted = False
        self._shared: frozenset[str] = frozenset()

    @property
    def last(self) -> Turn | None:
        """The last turn that has an answer."""
        return next((turn for turn in reversed(self.turns) if turn.answered), None)

    @property
    def running(self) -> str | None:
        """The step that runs here, while it does."""
        return self.turns[-1].step if self.run is not None and self.turns else None

    def after(self, prompt: Prompt) -> str | None:
        """Return the step whose answer ``prompt`` follows; turns without an answer are no part of the conversation."""
        turns = self.turns[:-1] if prompt.replaces else self.turns
        return next((turn.step for turn in reversed(turns) if turn.answered), None)

    def set_up(self, model: ModelRef, system: str | None) -> None:
        """Change what the next prompt is sent with; the conversation stays, and what is in flight keeps its own."""
        self.model, self.system = model, system
        self._entitle()

    def tell_apart(self, shared: frozenset[str], number: int | None) -> None:
        """Take note of what all panes share, the title tells the rest first, and of this one's number among several."""
        if (shared, number) != (self._shared, self.state.number):
            self._shared, self.state.number = shared, number
            self._entitle()
            self.header.refresh()

    def target(self, targeted: bool) -> None:
        """Say in the title that prompts go to this pane alone."""
        if targeted != self._targeted:
            self._targeted = targeted
            self._entitle()

    def _entitle(self) -> None:
        own = "" if self.system == self._usual else " own system prompt"
        self.title(f"{'→ ' if self._targeted else ''}{short_model(self.model, self._shared)}{own}")

    def show(self, shown: bool) -> None:
        """Come to the screen or leave it; a pane off it takes in text and draws nothing."""
        if shown != self.display:
            self.display = shown
            if shown:
                self.header.refresh()

    def clear(self) -> None:
        """Start a new conversation."""
        self.run = None
        self.turns.clear()
        self.fresh("")
        self.idle()

    def ask(self, prompt: Prompt, run: Run) -> None:
        """Add the person's message, in place of the last turn when it replaces that; ``run`` answers it."""
        if prompt.replaces and self.turns:
            self.turns.pop()
            self.redraw()
        self.run = run
        self.turns.append(Turn(prompt))
        self.idle()
        self.change(state="queued")
        self._draw_prompt(prompt)
        if not self.pane.searches:
            self.pane.scroll_to_end()  # whoever asks wants to see the answer, wherever they had scrolled to

    def _draw_prompt(self, prompt: Prompt) -> None:
        files = "".join(f"\n+ {safe_line(file.name, 100)}" for file in prompt.attachments)
        self.begin("prompt")
        self.put(prompt.text + files)
        self.begin("answer")

    def redraw(self) -> None:
        """Write the conversation anew."""
        self.fresh("")
        for turn in self.turns:
            self._draw_prompt(turn.prompt)
            self.put(turn.answer)
            self.pane.finish()
            if turn.ended is not None and turn.ended.error:
                self.remark(f"✗ {turn.ended.error}")

    def handle(self, event: StepEvent | Saved) -> None:
        """Take one event of the step, and keep what it says for the turns to come."""
        turn = self.turns[-1] if self.run is not None and self.turns else None
        match event:
            case StepQueued(step=step) if turn is not None and self.run is not None:
                turn.follow(step, self.run.steps[step].text)
            case StepStarted(offset=offset) if turn is not None:
                turn.offset = offset
            case _:
                pass
        super().handle(event)
        if isinstance(event, Won):
            saved = f", ≈{event.saved} tok saved" if event.saved else ""
            self.change(won=True, note=safe_line(f"won: {event.reason}{saved}", 200))

    def ended(self, event: StepEnded) -> None:
        """Go on from this answer; a turn that had none is not part of the conversation, so that it can be sent again."""
        if self.run is not None and self.turns:
            self.turns[-1].end(event)
        self.run = None
        self.pane.finish()
        super().ended(event)

    def unanswered(self, outcome: Outcome, error: str | None) -> None:
        """Show that the run ended before this pane's step was there."""
        self.run = None
        if error is not None:
            self.failed(error)
        self.change(state="idle" if outcome == "done" else outcome)

    def flush(self, now: float) -> None:
        """Draw what changed, when it can be seen."""
        if self.display:
            super().flush(now)
