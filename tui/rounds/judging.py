"""Judge: a model scores the answers without seeing who gave them."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.widgets import Static

from agents.events import Judged, RunEnded
from agents.requests import Judge
from tui.key_table import bindings
from tui.rounds.answers import offered
from tui.rounds.choice import Choice, Ticks
from tui.rounds.progress import Progress
from tui.rounds.sheet import Field, Sheet, line_input
from tui.rounds.table import Column, Table
from tui.widgets.told import Told

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from textual.binding import BindingType
    from textual.widget import Widget

    from agents.events import AnyEvent, Score
    from agents.requests import ModelRef
    from agents.runs import Run
    from tui.keys import Key
    from tui.rounds.answers import Answer
    from tui.rounds.memory import Memory
    from tui.views.view import View

_COLUMNS = (Column("answer"), Column("score", right=True), Column("why", grows=True, least=16))


class JudgeScreen(Sheet[None]):
    """A form, then the judge at work, then the scores."""

    heading = "Judge"
    BINDINGS: ClassVar[list[BindingType]] = list(bindings("sheet.judge"))

    def __init__(self, view: View, memory: Memory, answers: Sequence[Answer], models: Sequence[ModelRef]) -> None:
        super().__init__()
        self._view = view
        self._memory = memory
        self._answers = answers
        self._first = models
        self._model = Choice([(str(model), model) for model in models], memory.judge_model, name="judge-model")
        self._criteria = line_input(memory.criteria, "how right, complete, clear and to the point it is", "judge-criteria")
        self._which = Ticks([answer.title for answer in answers], name="judge-which")
        self._progress = Progress()
        self._line = Told(classes="sheet--text")
        self._table = Table(_COLUMNS, marks=False)
        self._run: Run | None = None

    def body(self) -> Iterator[Widget]:
        """Yield the form, the line about the work, and the scores."""
        yield Static(
            "The judge sees neither names nor order; small groups are judged in both orders.", markup=False, classes="sheet--text"
        )
        yield Field("Judge", self._model)
        yield Field("Criteria", self._criteria)
        yield Field("Answers", self._which)
        yield self._line
        yield self._table

    def on_mount(self) -> None:
        """Ask what models there are."""
        super().on_mount()
        self._line.display = self._table.display = False
        self.run_worker(self._offer(), description="list models")

    async def _offer(self) -> None:
        self._model.offer(await offered(self._view.workspace, self._first))

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Judge one thing at a time."""
        return action != "go" or self._run is None

    def label(self, row: Key) -> str:
        """Say what Escape does now."""
        return "stop" if row.action == "leave" and self._run is not None else super().label(row)

    def on_input_submitted(self) -> None:
        """Enter is the line's own; without priority it never overtakes what was typed before it."""
        if self.check_action("go", ()):
            self.action_go()

    def action_go(self) -> None:
        """Start the judge."""
        model = self._model.value
        chosen = [self._answers[number] for number in self._which.ticked]
        if model is None or not chosen:
            self.fail("Tick the answers that are to be judged." if model else "There is no model to judge with.")
            return
        self.fail("")
        self._memory.judge_model, self._memory.criteria = model, self._criteria.value
        self._line.display, self._table.display = True, False
        request = Judge(candidates=tuple(answer.candidate for answer in chosen), model=model, criteria=self._criteria.value.strip())
        self._progress = Progress()
        self._run = self._view.feed.submit(request, self)
        self.draw_keys()

    def handle(self, event: AnyEvent) -> None:
        """Follow the run."""
        if not self.is_attached:
            return
        self._progress.handle(event)
        match event:
            case Judged(scores=scores):
                self._show(scores)
            case RunEnded(error=error, outcome=outcome):
                self._run = None
                if error is not None:
                    self.fail(error)
                elif outcome == "cancelled":
                    self.fail("The judge was stopped.")
                self._line.tell(self._progress.line(event.at))
                self.draw_keys()
            case _:
                pass

    def _show(self, scores: Sequence[Score]) -> None:
        self._table.display = True
        self._table.show([(score.label, f"{score.score:.1f}", score.reason or "–") for score in scores])
        self._table.scroll_visible(animate=False)

    def flush(self, now: float) -> None:
        """Say how far the judge is."""
        if self._run is not None:
            self._line.tell(self._progress.line(now))

    def action_leave(self) -> None:
        """Stop the judge, or close."""
        if self._run is not None:
            self._run.cancel()
        else:
            self.dismiss(None)
