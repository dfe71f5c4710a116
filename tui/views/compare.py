"""Compare and chat: the same prompt to one to eight panes, each a conversation with its own model and parameters."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, ClassVar

from agents.events import RunEnded, Saved, StepEvent, StepQueued
from agents.requests import Chat, Lane, Message
from tui.safe import safe_line
from tui.views.view import View
from tui.widgets.compare_pane import ComparePane
from tui.widgets.stream_pane import StreamPane

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual import events
    from textual.app import ComposeResult

    from agents.events import AnyEvent
    from agents.requests import ModelRef
    from agents.runs import Run
    from agents.workspace import Workspace
    from tui.feed import Feed
    from tui.prompts import Prompt

MOST_PANES = 8
_NARROWEST = 34
"""Columns a pane needs to read well; a narrower grid gets fewer columns and more rows."""


class CompareView(View):
    """The grid of panes."""

    title: ClassVar[str] = "Compare"
    placeholder: ClassVar[str] = "Ask every pane at once; Enter sends"

    def __init__(self, workspace: Workspace, feed: Feed) -> None:
        super().__init__(workspace, feed)
        self.known: tuple[ModelRef, ...] = ()
        """Models a pane can be added with."""
        self._run: Run | None = None
        self._lanes: dict[str, ComparePane] = {}
        self._starting: deque[ComparePane] = deque()
        self._panes: list[ComparePane] = []
        self._reason: str | None = None
        self._empty = StreamPane(empty="Looking for models: what is configured, OPENAI_API_KEY, Ollama, else the embedded one.")

    def compose(self) -> ComposeResult:
        """Hold the place until the first pane comes."""
        yield self._empty

    @property
    def models(self) -> list[ModelRef]:
        """The model of each pane."""
        return [pane.model for pane in self._panes]

    @property
    def answers(self) -> list[ComparePane]:
        """The panes, in the order they are shown."""
        return self._panes

    def panes(self) -> list[StreamPane]:
        """Return the panes' text widgets."""
        return [pane.pane for pane in self._panes]

    def set_models(self, models: Sequence[ModelRef]) -> None:
        """Make a pane for each model, and ask what waited for them."""
        for model in models[:MOST_PANES]:
            self.add(model)
        self._next()

    def add(self, model: ModelRef) -> bool:
        """Add a pane; False when there are as many as there may be."""
        if len(self._panes) >= MOST_PANES:
            return False
        pane = ComparePane(model)
        self._panes.append(pane)
        self._empty.display = False
        self.mount(pane)
        if len(self._panes) == 1:
            pane.add_class("-marked")
            pane.pane.add_class("-marked")
        self._arrange()
        return True

    def act_add(self) -> None:
        """Add a pane with the known model that has fewest."""
        if self.known:
            self.add_pane(min(self.known, key=self.models.count))

    def add_pane(self, model: ModelRef) -> None:
        """Add a pane with ``model``, or say that there are as many as there may be."""
        if not self.add(model):
            self.notify(f"There are {MOST_PANES} panes already.", timeout=3, markup=False)

    def act_remove(self) -> None:
        """Take the marked pane away."""
        if not self.remove_marked():
            self.notify("The last pane stays.", timeout=2, markup=False)

    def act_new(self) -> None:
        """Start afresh in every pane."""
        self.new_conversation()

    def remove_marked(self) -> bool:
        """Take the marked pane away, stopping what it runs; False when it is the last one, which stays."""
        marked = self._marked()
        if marked is None or len(self._panes) == 1:
            return False
        if marked.running is not None and self._run is not None:
            self._run.cancel(marked.running)
        self._panes.remove(marked)
        marked.remove()
        self.mark_pane(0)
        self._arrange()
        return True

    def unusable(self, reason: str) -> None:
        """Say why there are no panes."""
        self._reason = reason
        self._empty.set_text(reason)

    def new_conversation(self) -> None:
        """Forget the conversation in every pane; what runs is stopped."""
        self.stop_all()
        # What the stopped turn still has to say belongs to the conversation that is gone.
        self._lanes.clear()
        self._starting.clear()
        for pane in self._panes:
            pane.clear()

    def submit(self, prompt: Prompt) -> None:
        """Send the prompt to every pane, or queue it behind the turn that runs."""
        if self._reason is not None:
            self.notify(safe_line(f"not sent: {self._reason}", 300), severity="error", markup=False)
            return
        self.queue.append(prompt)
        self._next()

    def _next(self) -> None:
        if self._run is not None or not self.queue or not self._panes:
            return
        text = self.queue.popleft().text
        system = self.workspace.settings.defaults.system
        lanes = []
        for pane in self._panes:
            pane.asked(text)
            lanes.append(Lane(model=pane.model, messages=(Message("user", text),), system=system, after=pane.after))
        self._starting = deque(self._panes)
        self._run = self.feed.submit(Chat(lanes=tuple(lanes), use_cache=self.workspace.settings.defaults.cache), self)
        for pane in self._panes:
            pane.answering(self._run)

    def handle(self, event: AnyEvent) -> None:
        """Route a step's events to its pane; at the run's end start the next prompt."""
        match event:
            case StepQueued(step=step) if self._starting:
                pane = self._lanes[step] = self._starting.popleft()
                pane.handle(event)
                if pane not in self._panes and self._run is not None:
                    self._run.cancel(step)  # taken away between the prompt and this
            case StepEvent(step=step) if step in self._lanes:
                self._lanes[step].handle(event)
            case RunEnded(run=run, error=error):
                if error is not None:
                    for pane in self._panes:
                        pane.failed(error)
                if self._run is not None and run == self._run.id:
                    self._run = None
                    self._starting.clear()
                    self._next()
            case Saved(step=str(step), error=error) if step in self._lanes:
                self._lanes[step].handle(event)
                if error is None:
                    del self._lanes[step]
            case _:
                pass

    def flush(self, now: float) -> None:
        """Draw every pane that changed."""
        self._empty.flush()
        for pane in self._panes:
            pane.flush(now)

    def _marked(self) -> ComparePane | None:
        text = self.marked_pane()
        return next((pane for pane in self._panes if pane.pane is text), None)

    def stop(self) -> bool:
        """Stop the marked pane; when it is idle, the first one that runs."""
        marked = self._marked()
        candidates = [marked, *self._panes] if marked else self._panes
        for pane in candidates:
            if pane.running is not None and self._run is not None:
                self._run.cancel(pane.running)
                return True
        return False

    def stop_all(self) -> int:
        """Stop the turn that runs and forget the prompts that wait."""
        dropped = len(self.queue)
        self.queue.clear()
        if self._run is not None:
            self._run.cancel()
        return dropped

    def on_resize(self, event: events.Resize) -> None:
        """Give the grid as many columns as read well."""
        self._arrange(event.size.width)

    def _arrange(self, width: int | None = None) -> None:
        count = max(len(self._panes), 1)
        width = self.size.width if width is None else width
        fit = max(width // _NARROWEST, 1)
        columns = next((n for n in range(1, fit + 1) if n * n >= count), fit)
        if count <= fit and count <= 3:
            columns = count
        self.styles.grid_size_columns = columns
        self.styles.grid_size_rows = -(-count // columns)
