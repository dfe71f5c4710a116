"""What a person sends from the prompt."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from agents.requests import Attachment, Params


class Prompt(NamedTuple):
    """A text, and what goes with it."""

    text: str
    attachments: tuple[Attachment, ...] = ()
    system: str | None = None
    """A template's system prompt; ``None`` leaves the pane's own."""
    params: Params | None = None
    """A template's parameters; what it leaves open is the pane's own."""
