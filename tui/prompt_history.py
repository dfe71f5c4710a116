"""What was sent from the prompt, walked back and forth: this session's prompts and those of sessions before."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

MOST: Final = 1000


class PromptHistory:
    """A walk through earlier prompts that ends at the draft it began with.

    A walk that begins on a draft shows only the prompts that begin like it, where there are any.
    """

    def __init__(self) -> None:
        self._sent: list[str] = []
        self._walk: list[str] | None = None
        self._at = 0
        self._draft = ""

    def load(self, earlier: Iterable[str]) -> None:
        """Put prompts of earlier sessions, oldest first, before those of this one."""
        now = set(self._sent)  # what was sent before the others were read is among them, too
        self._sent = [*(text for text in earlier if text not in now), *self._sent][-MOST:]

    def add(self, text: str) -> None:
        """Take a prompt that is sent now; the walk is over."""
        self._walk = None
        if not self._sent or self._sent[-1] != text:
            self._sent = [*self._sent[1 - MOST :], text]

    def rest(self) -> None:
        """End the walk: the person has changed the text, which is the draft from now on."""
        self._walk = None

    @property
    def walking(self) -> bool:
        """Whether an earlier prompt is shown."""
        return self._walk is not None and self._at < len(self._walk)

    def step(self, by: int, shown: str) -> str | None:
        """Return the text ``by`` places later, or ``None`` where the walk ends; ``shown`` is the text on screen."""
        if self._walk is None:
            self._draft = shown
            begun = [text for text in self._sent if shown and text != shown and text.startswith(shown)]
            self._walk = list(dict.fromkeys(begun)) if begun else list(self._sent)
            self._at = len(self._walk)
        at = min(max(self._at + by, 0), len(self._walk))
        if at == self._at:
            return None
        self._at = at
        return self._draft if at == len(self._walk) else self._walk[at]
