"""What a person sends from the prompt."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from agents.requests import Accept, Attachment, Params


class Prompt(NamedTuple):
    """A text, and what goes with it."""

    text: str
    attachments: tuple[Attachment, ...] = ()
    system: str | None = None
    """A template's system prompt; ``None`` leaves the pane's own."""
    params: Params | None = None
    """A template's parameters; what it leaves open is the pane's own."""
    panes: tuple[int, ...] = ()
    """The keys of the panes it still has to go to; empty until the view that takes it says so."""
    replaces: bool = False
    """Whether it takes the place of the pane's last turn, as after editing or to have it answered again."""
    use_cache: bool = True
    """``False`` asks past the cache, whatever the settings say."""
    accept: Accept | None = None
    """What an answer must be to win a race of the panes; ``None``: no race."""
