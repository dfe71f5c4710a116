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
    unread: frozenset[str] = frozenset()
    """Words behind an @ that are a template's own: they name no files."""

    def companions(self, whom: str) -> str:
        """Return what goes with the text, in a few words; ``whom`` says to which panes."""
        parts = [f"to {whom}"] if whom else []
        if self.accept is not None:
            parts.append("as a race")
        if self.system is not None:
            parts.append("a system prompt")
        given = {} if self.params is None else {name: getattr(self.params, name) for name in self.params.__struct_fields__}
        parts += [f"{name} {value}" for name, value in given.items() if value is not None]
        if self.attachments:
            parts.append("a stored file" if len(self.attachments) == 1 else f"{len(self.attachments)} stored files")
        if not self.use_cache:
            parts.append("past the cache")
        return ", ".join(parts)
