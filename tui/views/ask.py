"""Ask: a question to documents. Sources search at once in lanes of their own; the answer streams under them and cites passages."""

from __future__ import annotations

import re
import shlex
from collections import deque
from typing import TYPE_CHECKING, ClassVar

from agents.events import Found, Log, RunEnded, Saved, StepEvent, StepQueued, Text
from agents.requests import Ask, Index
from tui.figures import short_model
from tui.key_table import bindings
from tui.places import absolute
from tui.screens.passage import PassageScreen
from tui.views.view import View
from tui.widgets.answer_pane import AnswerPane
from tui.widgets.source_lanes import SourceLanes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual.app import ComposeResult
    from textual.binding import BindingType

    from agents.events import AnyEvent, Hit
    from agents.requests import ModelRef
    from agents.runs import Run
    from agents.workspace import Workspace
    from tui.feed import Feed
    from tui.prompts import Prompt
    from tui.widgets.stream_pane import StreamPane

_EMPTY = """Ask your documents.

/add PATH or URL    put a folder, a file or a page into the library
/library NAME       use another library
then type a question. Passages are cited as [n]; a click on one, or its digit while the answer has the focus, opens it.
"""


_LONGEST = 2000
"""Characters of a question that is searched for while it is typed; a longer text is rather pasted."""
_COMMAND = re.compile(r"/(?P<name>[^\s/]*)(?:\s+(?P<rest>.*))?$")


class AskView(View):
    """Lanes over an answer."""

    BINDINGS: ClassVar[list[BindingType]] = list(bindings("ask"))
    title: ClassVar[str] = "Ask"
    placeholder: ClassVar[str] = "Ask your documents; /add PATH puts more into the library"

    def __init__(self, workspace: Workspace, feed: Feed) -> None:
        super().__init__(workspace, feed)
        self.lanes = SourceLanes()
        self.answer = AnswerPane("Ask", empty=_EMPTY)
        self.library = "default"
        self.model: ModelRef | None = None
        self._runs: dict[str, Run] = {}
        self._asking: Run | None = None
        self._questions: deque[str] = deque(maxlen=2)
        """The last questions' runs: their ends are told to be on disk after the next one began."""
        self._held: list[str] = []
        self._progress = ""
        self._warmed = False
        self._passages: tuple[Hit, ...] = ()

    def compose(self) -> ComposeResult:
        """Lay out lanes over the answer."""
        yield self.lanes
        yield self.answer

    def panes(self) -> list[StreamPane]:
        """Return the answer."""
        return [self.answer.pane]

    def entered(self) -> None:
        """Start the worker that searches, once, so that the first question need not wait for it."""
        if self.workspace.opened and not self._warmed:
            self._warmed = True
            self.run_worker(self.workspace.library.warm(), name="warm the library", exit_on_error=False)

    def asked(self) -> Sequence[ModelRef]:
        """Return the model that answers."""
        return () if self.model is None else (self.model,)

    def typed(self, text: str) -> None:
        """Have the sources of a question searched while it is typed."""
        super().typed(text)
        if not self.workspace.opened:
            return
        text = text.strip()
        searchable = self.model is not None and 0 < len(text) <= _LONGEST and _COMMAND.match(text) is None
        self.workspace.prefetch.typed(self._request(text, self.model) if searchable and self.model is not None else None)

    def submit(self, prompt: Prompt) -> None:
        """Run a slash command, or ask."""
        text = prompt.text
        command = _COMMAND.match(text)
        if command is None:
            if self.model is not None and self.workspace.opened:
                self.workspace.prefetch.claim(self._request(text, self.model))
            self.queue.append(prompt)
            self._next()
        elif command["name"] == "add" and command["rest"]:
            self._add(command["rest"])
        elif command["name"] == "library" and command["rest"]:
            self.library = command["rest"]
            self._entitle()
        else:
            self.answer.note(f"not a command here: {text}; there are /add PATH and /library NAME")

    def _entitle(self) -> None:
        self.answer.title(f"Ask {self.library}: {short_model(self.model) if self.model else 'no model yet'}")

    def _add(self, text: str) -> None:
        try:
            places = tuple(absolute(place) for place in shlex.split(text))
        except ValueError:  # an open quotation mark: part of a name, then
            places = (absolute(text),)
        run = self.feed.submit(Index(places=places, library=self.library), self)
        self._runs[run.id] = run

    def _next(self) -> None:
        if not self.queue:
            return
        if self._asking is not None or self.model is None:
            return
        question = self.queue.popleft().text
        self.lanes.clear()
        self._passages = ()
        self._held.clear()
        self.answer.fresh("")
        self.answer.begin("prompt")
        self.answer.put(question)
        self.answer.begin("answer")
        self.answer.idle()
        self._asking = self.feed.submit(self._request(question, self.model), self)
        self._runs[self._asking.id] = self._asking
        self._questions.append(self._asking.id)

    def _request(self, question: str, model: ModelRef) -> Ask:
        settings = self.workspace.settings
        return Ask(
            question=question,
            model=model,
            library=self.library,
            source_timeout=settings.library.source_timeout,
            use_cache=settings.defaults.cache,
        )

    def set_model(self, model: ModelRef) -> None:
        """Use ``model`` for answers, and ask what waited for it."""
        self.model = model
        self._entitle()
        self._next()
        if self.display:
            self.entered()

    def handle(self, event: AnyEvent) -> None:
        """Route a question's sources to the lanes and its model to the answer; what an indexing says to lines of its own."""
        if self._asking is None or event.run != self._asking.id:
            if event.run in self._questions:
                self._answering(event)
            else:
                self._indexing(event)
            return
        self._answering(event)
        if isinstance(event, RunEnded):
            self._ended(event)

    def _answering(self, event: AnyEvent) -> None:
        match event:
            case StepQueued(kind="source" | "merge"):
                self.lanes.handle(event)
            case StepQueued(kind="model"):
                self.answer.handle(event)
            case StepEvent(step=step) | Saved(step=str(step)) if self.lanes.knows(step):
                self.lanes.handle(event)
                if isinstance(event, Text):
                    self.answer.put(event.text)  # nothing was found, and no model was asked
                elif isinstance(event, Found):
                    self._passages = event.hits
                    self.answer.pane.citations = len(event.hits)
            case StepEvent(step=step) | Saved(step=str(step)) if step == self.answer.step:
                self.answer.handle(event)
            case Saved(step=None, error=None) if self.answer.step is None and self.answer.state.state == "done":
                self.answer.change(state="saved")
            case _:
                pass

    def _indexing(self, event: AnyEvent) -> None:
        match event:
            case Log(level="info", message=message):
                self._progress = message
                self.answer.note(message)
            case Log(message=message):
                self._say(message)
            case RunEnded(run=run, error=error):
                # The last line of an indexing tells what it came to; a header may have no room for it.
                self._say(self._progress if error is None else f"✗ {error}")
                self._runs.pop(run, None)
                if self.workspace.opened:
                    self.workspace.prefetch.forget()
            case _:
                pass

    def _say(self, line: str) -> None:
        """Show a line of an indexing, after the answer that streams, if one does."""
        if self._asking is None:
            self.answer.remark(line)
        else:
            self._held.append(line)

    def _ended(self, event: RunEnded) -> None:
        if event.error is not None:
            self.answer.failed(event.error)
        elif self.answer.step is None:
            self.answer.change(state=event.outcome)
        self._runs.pop(event.run, None)
        self._asking = None
        for line in self._held:
            self._say(line)
        self._held.clear()
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

    def stop_all(self) -> int:
        """Stop everything that runs here."""
        dropped = len(self.queue)
        self.queue.clear()
        for run in self._runs.values():
            run.cancel()
        return dropped

    def on_stream_pane_citation(self, event: StreamPane.Citation) -> None:
        """Open the passage behind ``[n]``."""
        event.stop()
        self.open_passage(event.number)

    def open_passage(self, number: int) -> None:
        """Show the passage the answer numbers ``number``."""
        if 1 <= number <= len(self._passages):
            self.app.push_screen(PassageScreen(number, self._passages[number - 1]))

    def action_cite(self, number: int) -> None:
        """Open a passage by its digit, while the answer has the focus."""
        self.open_passage(number)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Open passages there are; another digit is typed."""
        match action, parameters:
            case "cite", (int(number),):
                return number <= len(self._passages)
            case _:
                return super().check_action(action, parameters)
