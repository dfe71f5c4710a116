"""One turn of a pane's conversation: what was asked, and what came of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from agents.events import StepEnded
    from agents.requests import ModelRef
    from agents.text import TextBuffer
    from tui.prompts import Prompt


class Turn:
    """A prompt and its answer. While the answer streams its text is the step's alone; a copy is kept from the end on."""

    __slots__ = ("_answer", "_buffer", "ended", "model", "offset", "prompt", "step")

    def __init__(self, prompt: Prompt) -> None:
        self.prompt = prompt
        self.step: str | None = None
        """The step that answers; ``None`` until it is queued."""
        self.model: ModelRef | None = None
        """The model and parameters it was sent with; the pane's may have changed since."""
        self.ended: StepEnded | None = None
        self.offset = 0
        """Characters of the step's text before its latest attempt's."""
        self._buffer: TextBuffer | None = None
        self._answer = ""

    def follow(self, step: str, buffer: TextBuffer) -> None:
        """Take the answer from this step's text."""
        self.step, self._buffer = step, buffer

    def end(self, event: StepEnded) -> None:
        """Keep the answer as it is now."""
        self._answer, self._buffer = self.answer, None
        self.ended = event

    @property
    def answer(self) -> str:
        """What has come of the answer, raw."""
        return self._answer if self._buffer is None else self._buffer.slice(self.offset)

    @property
    def answered(self) -> bool:
        """Whether it is over and there is an answer, cut and stopped ones too."""
        return self.ended is not None and bool(self._answer)
