"""Merge: a model makes one answer of several; it streams, and can be copied, kept as a prompt, or asked for again."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.containers import Vertical
from textual.widgets import Static

from agents.events import Log, RunEnded, Saved, StepEvent, StepQueued
from agents.requests import Merge
from tui.figures import short_model
from tui.key_table import bindings
from tui.prompts import Prompt
from tui.rounds.answers import offered
from tui.rounds.choice import Choice, Ticks
from tui.rounds.sheet import Field, Sheet, line_input
from tui.safe import safe_line
from tui.widgets.answer_pane import AnswerPane

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from textual.binding import BindingType
    from textual.widget import Widget

    from agents.events import AnyEvent
    from agents.requests import ModelRef
    from agents.runs import Run, Step
    from tui.keys import Key
    from tui.rounds.answers import Answer
    from tui.rounds.memory import Memory
    from tui.views.view import View


class MergeScreen(Sheet[str | None]):
    """A form for which answers and which model; its result is the choice made, the text is another screen's."""

    heading = "Merge into one answer"
    BINDINGS: ClassVar[list[BindingType]] = list(bindings("sheet.merge"))

    def __init__(self, view: View, memory: Memory, answers: Sequence[Answer], models: Sequence[ModelRef]) -> None:
        super().__init__()
        self._view = view
        self._memory = memory
        self._answers = answers
        self._first = models
        self._model = Choice([(str(model), model) for model in models], memory.merge_model, name="merge-model")
        self._instruction = line_input(memory.instruction, "what it should look to, if anything", "merge-instruction")
        several = len({answer.prompt for answer in answers}) > 1
        labels = [f"{answer.title}  ← {safe_line(answer.prompt, 60)}" if several else answer.title for answer in answers]
        self._which = Ticks(labels, name="merge-which")
        self._several = several

    def body(self) -> Iterator[Widget]:
        """Yield the form."""
        told = "The answers are to different prompts: one text will answer them all." if self._several else ""
        yield Static(told or "One answer is made of what is right in each.", markup=False, classes="sheet--text")
        yield Field("Model", self._model)
        yield Field("Instruction", self._instruction)
        yield Field("Answers", self._which)

    def on_mount(self) -> None:
        """Ask what models there are."""
        super().on_mount()
        self.run_worker(self._offer(), description="list models")

    async def _offer(self) -> None:
        self._model.offer(await offered(self._view.workspace, self._first))

    def on_input_submitted(self) -> None:
        """Enter is the line's own; without priority it never overtakes what was typed before it."""
        self.action_go()

    def action_go(self) -> None:
        """Merge what is ticked."""
        model = self._model.value
        chosen = [self._answers[number] for number in self._which.ticked]
        if model is None or len(chosen) < 2:
            self.fail("Tick two answers or more." if model else "There is no model to merge with.")
            return
        self._memory.merge_model, self._memory.instruction = model, self._instruction.value
        request = Merge(
            candidates=tuple(answer.candidate for answer in chosen), model=model, instruction=self._instruction.value.strip()
        )
        self.app.switch_screen(MergedScreen(self._view, request))


class MergedScreen(Sheet[None]):
    """The merged answer as it streams."""

    heading = "One answer"
    full = True
    AUTO_FOCUS = "StreamPane"
    BINDINGS: ClassVar[list[BindingType]] = list(bindings("sheet.merged"))
    DEFAULT_CSS = "MergedScreen #merged { height: 1fr; }"

    def __init__(self, view: View, request: Merge) -> None:
        super().__init__()
        self._view = view
        self._request = request
        self._pane = AnswerPane(f"Merge of {len(request.candidates)}: {short_model(request.model)}", empty="Nothing yet.")
        self._run: Run | None = None
        self._step: Step | None = None

    def body(self) -> Iterator[Widget]:
        """Yield the pane."""
        yield Vertical(self._pane, id="merged")

    def on_mount(self) -> None:
        """Start at once."""
        super().on_mount()
        self._start(self._request)

    def _start(self, request: Merge) -> None:
        self.fail("")
        self._pane.fresh("")
        self._pane.pane.begin("note")
        labels = ", ".join(candidate.label for candidate in request.candidates)
        self._pane.paragraph(f"of {safe_line(labels, 300)}\n\n")
        self._pane.pane.begin("answer")
        self._run = self._view.feed.submit(request, self)
        self.draw_keys()

    @property
    def answer(self) -> str:
        """The merged text so far."""
        return "" if self._step is None else self._step.text.slice(self._step.offset)

    def label(self, row: Key) -> str:
        """Say what Escape does now."""
        return "stop" if row.action == "leave" and self._run is not None else super().label(row)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Use the text when it is whole."""
        return action not in {"keep", "again"} or self._run is None

    def handle(self, event: AnyEvent) -> None:
        """Show the text as it comes."""
        if not self.is_attached:
            return
        match event:
            case RunEnded(error=error):
                self._run = None
                self._pane.pane.finish()
                if error is not None:
                    self.fail(error)
                self.draw_keys()
            case Log(level="warning", message=message):
                self.fail(message)
            case StepEvent(step=step) | Saved(step=str(step)):
                if isinstance(event, StepQueued) and self._run is not None:
                    self._step = self._run.steps[step]
                self._pane.handle(event)
            case _:
                pass

    def flush(self, now: float) -> None:
        """Draw what changed."""
        self._pane.flush(now)

    def action_copy(self) -> None:
        """Copy the text."""
        self._pane.pane.copy(self.answer, "the merged answer")

    def action_keep(self) -> None:
        """Bring the text into the prompt."""
        if self.answer:
            text = self.answer
            self.dismiss(None)
            self._view.hinted(Prompt(text))

    def action_again(self) -> None:
        """Ask once more."""
        if self._run is None:
            request = self._request
            self._start(Merge(candidates=request.candidates, model=request.model, instruction=request.instruction, use_cache=False))

    def action_leave(self) -> None:
        """Stop the merge, or close."""
        if self._run is not None:
            self._run.cancel()
        else:
            self.dismiss(None)
