"""Ask: a question to documents. Sources search at once in lanes of their own; the answer streams under them and cites passages."""

from __future__ import annotations

import shlex
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from agents.events import Found, RunEnded, Saved, StepEvent, StepQueued, Text
from agents.requests import Ask, Index
from tui.figures import short_model
from tui.screens.passage import PassageScreen
from tui.views.view import View
from tui.widgets.answer_pane import AnswerPane
from tui.widgets.source_lanes import SourceLanes

if TYPE_CHECKING:
    from textual import events
    from textual.app import ComposeResult

    from agents.events import AnyEvent, Hit
    from agents.requests import ModelRef
    from agents.runs import Run
    from agents.workspace import Workspace
    from tui.feed import Feed
    from tui.widgets.stream_pane import StreamPane

_EMPTY = """Ask your documents.

/add PATH or URL    put a folder, a file or a page into the library
/library NAME       use another library
then type a question. Passages are cited as [n]; a click on one, or its digit while the answer has the focus, opens it.
"""


class AskView(View):
    """Lanes over an answer."""

    title: ClassVar[str] = "Ask"
    placeholder: ClassVar[str] = "Ask your documents; /add PATH puts more into the library"

    def __init__(self, workspace: Workspace, feed: Feed) -> None:
        super().__init__(workspace, feed)
        self.lanes = SourceLanes()
        self.answer = AnswerPane("Ask", empty=_EMPTY)
        self.library = "default"
        self.model: ModelRef | None = None
        self._runs: dict[str, Run] = {}
        self._waiting: deque[str] = deque()
        self._asking: Run | None = None
        self._model_steps: set[str] = set()
        self._passages: tuple[Hit, ...] = ()

    def compose(self) -> ComposeResult:
        """Lay out lanes over the answer."""
        yield self.lanes
        yield self.answer

    def panes(self) -> list[StreamPane]:
        """Return the answer."""
        return [self.answer.pane]

    def entered(self) -> None:
        """Start the worker that searches, so that the first question need not wait for it."""
        if self.workspace.opened:
            self.run_worker(
                self.workspace.library.warm(), name="warm the library", group="warm", exclusive=True, exit_on_error=False
            )

    def submit(self, text: str) -> None:
        """Run a slash command, or ask."""
        if text.startswith("/add "):
            self._add(text[5:])
        elif text.startswith("/library "):
            self.library = text.removeprefix("/library ").strip()
            self.answer.title(f"Ask {self.library}: {short_model(self.model) if self.model else 'no model yet'}")
        else:
            self._waiting.append(text)
            self._next()

    def _add(self, text: str) -> None:
        try:
            places = tuple(_absolute(place) for place in shlex.split(text))
        except ValueError:
            places = (_absolute(text.strip()),)
        run = self.feed.submit(Index(places=places, library=self.library), self)
        self._runs[run.id] = run

    def _next(self) -> None:
        if self._asking is not None or not self._waiting:
            return
        if self.model is None:
            self.answer.note("waiting for a model")
            return
        question = self._waiting.popleft()
        self.lanes.clear()
        self._model_steps.clear()
        self._passages = ()
        self.answer.pane.set_text(f"› {question}\n\n")
        self.answer.idle()
        settings = self.workspace.settings
        request = Ask(
            question=question,
            model=self.model,
            library=self.library,
            source_timeout=settings.library.source_timeout,
            use_cache=settings.defaults.cache,
        )
        self._asking = self.feed.submit(request, self)
        self._runs[self._asking.id] = self._asking

    def set_model(self, model: ModelRef) -> None:
        """Use ``model`` for answers, and ask what waited for it."""
        self.model = model
        self.answer.title(f"Ask {self.library}: {short_model(model)}")
        self._next()

    def handle(self, event: AnyEvent) -> None:
        """Route sources to lanes, the model's step to the answer, indexing to the note."""
        indexing = self._asking is None or event.run != self._asking.id
        match event:
            case StepQueued(kind="source" | "merge"):
                self.lanes.handle(event)
            case StepQueued(kind="model"):
                self._model_steps.add(event.step)
                self.answer.handle(event)
            case StepEvent(step=step) | Saved(step=str(step)) if self.lanes.knows(step):
                self.lanes.handle(event)
                if isinstance(event, Text):
                    self.answer.pane.append(event.text)  # why no model was asked
                if isinstance(event, Found):
                    self._passages = event.hits
                    self.answer.pane.citations = len(event.hits)
            case StepEvent(step=step) | Saved(step=str(step)) if step in self._model_steps:
                self.answer.handle(event)
            case StepEvent() if indexing:
                self.answer.progress(event)
            case RunEnded(run=run):
                self._ended(event, indexing=indexing)
                self._runs.pop(run, None)
            case _:
                pass

    def _ended(self, event: RunEnded, *, indexing: bool) -> None:
        if event.error is not None:
            self.answer.failed(event.error)
        if not indexing:
            self._asking = None
            self._next()

    def flush(self, now: float) -> None:
        """Draw what changed."""
        self.lanes.flush(now)
        self.answer.flush(now)

    def stop(self) -> bool:
        """Stop the question, or else the indexing, that runs."""
        for run in (self._asking, *self._runs.values()):
            if run is not None and not run.ended.done():
                run.cancel()
                return True
        return False

    def stop_all(self) -> None:
        """Stop everything that runs here."""
        self._waiting.clear()
        for run in self._runs.values():
            run.cancel()

    def on_stream_pane_citation(self, event: StreamPane.Citation) -> None:
        """Open the passage behind ``[n]``."""
        event.stop()
        self.open_passage(event.number)

    def open_passage(self, number: int) -> None:
        """Show the passage the answer numbers ``number``."""
        if 1 <= number <= len(self._passages):
            self.app.push_screen(PassageScreen(number, self._passages[number - 1]))

    def on_key(self, event: events.Key) -> None:
        """Open a passage by its digit, while the answer has the focus."""
        if self.answer.pane.has_focus and event.character is not None and event.character.isdigit():
            event.stop()
            self.open_passage(int(event.character))


def _absolute(place: str) -> str:
    if "://" in place:
        return place
    return str(Path(place).expanduser().absolute())
