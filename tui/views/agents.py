"""Agents: the research agent's steps as a live tree, and beside it the text of the marked step."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from agents.events import RunEnded, Saved, StepEnded, StepEvent, StepQueued, Text
from agents.requests import Research
from tui.figures import short_model
from tui.places import parse_task
from tui.views.view import View
from tui.widgets.answer_pane import AnswerPane
from tui.widgets.step_log import StepLog

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual.app import ComposeResult

    from agents.events import AnyEvent
    from agents.requests import ModelRef
    from agents.runs import Run
    from agents.workspace import Workspace
    from tui.feed import Feed
    from tui.prompts import Prompt
    from tui.widgets.stream_pane import StreamPane

_EMPTY = """The research agent fetches every place at once, summarises each as soon as it is there, and combines a report.

Type a task and name its places with @, as web addresses, or as library:NAME:

How do these pages treat retries? @docs/architecture.md @README.md https://example.org/page

Without places it asks the default library.
"""


class AgentsView(View):
    """The step log over, or beside, the marked step's text."""

    title: ClassVar[str] = "Agents"
    placeholder: ClassVar[str] = "A task, and its places: @file @folder https://… library:NAME"

    def __init__(self, workspace: Workspace, feed: Feed) -> None:
        super().__init__(workspace, feed)
        self.log_rows = StepLog()
        self.text = AnswerPane("Research", empty=_EMPTY)
        self.model: ModelRef | None = None
        self._run: Run | None = None
        self._chosen = False
        self._told: dict[str, list[StepEvent | Saved]] = {}
        """What was said of each step besides its text, so that the header is true when another is shown."""

    def compose(self) -> ComposeResult:
        """Lay out the log and the text."""
        yield self.log_rows
        yield self.text

    @property
    def finished(self) -> bool:
        """Whether the last run is over."""
        return self._run is not None and self._run.ended.done()

    def panes(self) -> list[StreamPane]:
        """Return the text beside the log."""
        return [self.text.pane]

    def set_model(self, model: ModelRef) -> None:
        """Use ``model`` for summaries and report, and start what waited for it."""
        self.model = model
        self.text.title(f"Research: {short_model(model)}")
        self._next()

    def asked(self) -> Sequence[ModelRef]:
        """Return the model that is used."""
        return () if self.model is None else (self.model,)

    def submit(self, prompt: Prompt) -> None:
        """Start the research agent, or queue the task behind the one that runs."""
        self.queue.append(prompt)
        self._next()

    def _next(self) -> None:
        busy = self._run is not None and not self._run.ended.done()
        if busy or not self.queue or self.model is None:
            return
        task, places = parse_task(self.queue.popleft().text)
        if not task:
            self.text.remark("Say what to find out, beside the places.")
            self._next()
            return
        self._chosen = False
        self._told.clear()
        self.text.idle()
        request = Research(task=task, model=self.model, places=places, use_cache=self.workspace.settings.defaults.cache)
        self._run = self.feed.submit(request, self)

    def handle(self, event: AnyEvent) -> None:
        """Grow the tree; keep the text of the marked step in view."""
        self.log_rows.handle(event)
        match event:
            case RunEnded(error=error):
                if error is not None:
                    self.text.failed(error)
                self.call_next(self._next)
            case StepEvent(step=step) | Saved(step=str(step)):
                if not isinstance(event, Text):
                    self._told.setdefault(step, []).append(event)
                if step == self.log_rows.marked:
                    self.text.handle(event)
                if not self._chosen:
                    self._follow(event)
            case _:
                pass

    def _follow(self, event: StepEvent | Saved) -> None:
        """Go to the newest model step, and at the end of one to another that still runs."""
        if isinstance(event, StepQueued) and event.kind == "model":
            self._show(event.step)
        elif isinstance(event, StepEnded) and event.step == self.log_rows.marked and self._run is not None:
            running = [step for step in self._run.steps.values() if step.kind == "model" and step.outcome is None]
            if running:
                self._show(running[-1].id)

    def _show(self, step: str) -> None:
        if self._run is None or step not in self._run.steps:
            return
        self.log_rows.mark(step)
        shown = self._run.steps[step]
        text = str(shown.text)
        found = "\n\n".join(f"{hit.place}\n{hit.text}" for hit in shown.hits)
        # The task stands over the text, so that a step without text yet does not look like an empty room.
        self.text.fresh("")
        self.text.begin("prompt")
        self.text.put(self._run.title)
        # Only what a model writes is Markdown; passages and what tools read are shown as they are.
        self.text.begin("answer" if shown.kind == "model" else "note")
        self.text.put(text or found)
        self.text.title(shown.name)
        for event in self._told.get(step, ()):
            self.text.handle(event)
        self.text.skip(text)

    def on_step_log_marked(self, event: StepLog.Marked) -> None:
        """Show the step a person marked, and stay with it."""
        event.stop()
        self._chosen = True
        self._show(event.step)

    def act_select(self, by: int) -> None:
        """Mark a step further up or down."""
        self.log_rows.move(by)

    def flush(self, now: float) -> None:
        """Draw what changed."""
        self.log_rows.flush(now)
        self.text.flush(now)

    def stop(self) -> bool:
        """Stop the run."""
        if self._run is None or self._run.ended.done():
            return False
        self._run.cancel()
        return True

    def stop_all(self) -> int:
        """Stop the run and forget the tasks that wait."""
        dropped = len(self.queue)
        self.queue.clear()
        self.stop()
        return dropped
