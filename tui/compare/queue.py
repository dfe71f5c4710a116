"""Which of the prompts that wait can go now. Each pane has its own place in the line, and nothing overtakes anything there."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections import deque
    from collections.abc import Iterable

    from tui.prompts import Prompt


def take_due(queue: deque[Prompt], idle: Iterable[int]) -> list[Prompt]:
    """Take out what can go now; each prompt returned names the panes it goes to, and stays in ``queue`` for those that are busy.

    A race goes only when all its panes are free, so that its lanes start at once.
    """
    free, due, kept = set(idle), [], []
    for prompt in queue:
        ready = tuple(pane for pane in prompt.panes if pane in free)
        if prompt.accept is not None and len(ready) < len(prompt.panes):
            ready = ()
        free.difference_update(prompt.panes)
        if ready:
            due.append(prompt._replace(panes=ready))
        if rest := tuple(pane for pane in prompt.panes if pane not in ready):
            kept.append(prompt._replace(panes=rest))
    queue.clear()
    queue.extend(kept)
    return due


def drop_pane(queue: deque[Prompt], pane: int) -> None:
    """Take a pane that is gone out of what waits, and what waits for no other with it. What names no pane waits for all to come."""
    kept = [(prompt, tuple(key for key in prompt.panes if key != pane)) for prompt in queue]
    queue.clear()
    queue.extend(prompt._replace(panes=panes) for prompt, panes in kept if panes or not prompt.panes)
