"""Gathers the answers of one run without printing them: what was said, how it ended, and a line of progress meanwhile."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from agents.events import StepEnded, StepQueued, StepStarted, Text
from tui.commands.answers import stopped

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agents.events import AnyEvent
    from tui.terminal import Terminal


class CollectedAnswer:
    """One lane's answer."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.step: str | None = None
        self.end: StepEnded | None = None
        self._whole = ""
        self._offset = 0

    def begin(self, offset: int) -> None:
        """Take note that an attempt begins, whose text follows ``offset``; what is before it was cut."""
        self._offset = offset

    def add(self, text: str) -> None:
        """Take a piece of the text."""
        self._whole += text

    @property
    def text(self) -> str:
        """The text of the latest attempt, and of those it went on from."""
        return self._whole[self._offset :]

    @property
    def failure(self) -> str | None:
        """Why it did not come whole; ``None`` when it did, and when somebody stopped it."""
        if self.end is None or self.end.outcome in {"done", "cancelled"}:
            return None
        return (self.end.error or self.end.outcome).removeprefix(f"{self.name.partition('/')[0]}: ")


class Collected:
    """A reader of one run's events that keeps its lanes' answers, in their order; ``doing`` names the work in the status line."""

    def __init__(self, terminal: Terminal, names: Sequence[str], doing: str) -> None:
        self.answers = [CollectedAnswer(name) for name in names]
        self._terminal = terminal
        self._doing = doing
        self._began = time.monotonic()
        self._steps: dict[str, CollectedAnswer] = {}

    @property
    def failed(self) -> bool:
        """Whether any lane ended as anything but done."""
        return any(answer.end is None or answer.end.outcome != "done" for answer in self.answers)

    def of(self, step: str) -> CollectedAnswer:
        """Return the answer of a lane's step."""
        return self._steps[step]

    async def show(self, event: AnyEvent) -> None:
        """Take one event."""
        if isinstance(event, StepQueued):
            # Lanes are queued in order before any of them starts; steps below a lane are not answers.
            free = next((answer for answer in self.answers if answer.step is None), None)
            if free is not None and event.kind == "model" and event.parent is None:
                free.step = event.step
                self._steps[event.step] = free
            return
        answer = self._steps.get(getattr(event, "step", None) or "")
        if answer is None:
            return
        match event:
            case StepStarted(offset=offset):
                answer.begin(offset)
            case Text(text=text):
                answer.add(text)
            case StepEnded():
                answer.end = event
        ended = sum(answer.end is not None for answer in self.answers)
        seconds = time.monotonic() - self._began
        self._terminal.status(f"{self._doing}: {ended} of {len(self.answers)} answers, {seconds:.0f} s")

    def complain(self) -> None:
        """Say what went wrong with which lane, a line each."""
        for answer in self.answers:
            if reason := answer.failure or (stopped(answer.end) if answer.end else None):
                self._terminal.complain(f"{answer.name}: {reason}")


def with_line_end(text: str) -> str:
    """Return ``text`` with a line end, as it is printed."""
    return text if text.endswith("\n") else f"{text}\n"
