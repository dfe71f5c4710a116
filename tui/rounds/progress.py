"""How far a run is, in one line: how many of its model calls are over, what they said so far, and for how long it runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agents.events import Log, RunEnded, RunStarted, StepEnded, StepQueued, Text
from agents.tokens import size_of, tokens_of
from tui.figures import seconds
from tui.safe import safe_content, safe_line

if TYPE_CHECKING:
    from textual.content import Content

    from agents.events import AnyEvent


class Progress:
    """Counts a run's model steps from its events."""

    def __init__(self) -> None:
        self._began: float | None = None
        self._ended: float | None = None
        self._outcome = ""
        self._models: set[str] = set()
        self._over = 0
        self._size = 0
        self._note = ""

    def handle(self, event: AnyEvent) -> None:
        """Take one event of the run."""
        match event:
            case RunStarted(at=at):
                self._began = at
            case StepQueued(step=step, kind="model"):
                self._models.add(step)
            case StepEnded(step=step) if step in self._models:
                self._over += 1
            case Text(step=step, text=text) if step in self._models:
                self._size += size_of(text)
            case Log(message=message, level="warning"):
                self._note = message
            case RunEnded(at=at, outcome=outcome):
                self._ended, self._outcome = at, outcome
            case _:
                pass

    def line(self, now: float) -> Content:
        """Return the line; ``now`` on the engine's clock."""
        word = "● working" if self._ended is None else {"done": "✓ done", "cancelled": "■ stopped"}.get(self._outcome, "✗ failed")
        parts = [word]
        if len(self._models) > 1:
            parts.append(f"{self._over} of {len(self._models)} calls")
        if self._size:
            parts.append(f"≈{tokens_of(self._size)} tok")
        if self._began is not None:
            parts.append(seconds((now if self._ended is None else self._ended) - self._began))
        if self._note:
            parts.append(safe_line(self._note, 120))
        return safe_content(" · ".join(parts))
