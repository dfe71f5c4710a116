"""Who of those that wait goes next: a line for each priority class, first come first served in each, and no class for ever last."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable, Iterator
from typing import Generic, TypeVar

from agents.requests import Priority

T = TypeVar("T", bound=Hashable)

PATIENCE = {Priority.INTERACTIVE: 8, Priority.AGENT: 4, Priority.BATCH: 8, Priority.SPECULATIVE: 24}
"""How many places in a row may go to other classes while a class waits; the next is its own."""


class Lines(Generic[T]):
    """The classes go in order, and they age: a class that was passed over as often as its patience allows goes next, whoever
    else waits; of several such classes the one that was passed over most often.

    So with n of its own class before it, an item is out after at most (n + 1) times :attr:`bound` takings, and a class that is
    served all the time has no claim on the place that a more urgent one needs. Every operation takes constant time, leaving
    the middle of a line too.
    """

    bound = max(PATIENCE.values()) + len(PATIENCE)

    def __init__(self) -> None:
        self._lines: dict[Priority, OrderedDict[T, None]] = {priority: OrderedDict() for priority in Priority}
        self._passed = dict.fromkeys(Priority, 0)
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def depth(self, priority: Priority) -> int:
        """How many of a class wait."""
        return len(self._lines[priority])

    def heads(self) -> Iterator[T]:
        """The first of each class that waits."""
        return (next(iter(line)) for line in self._lines.values() if line)

    def add(self, item: T, priority: Priority) -> None:
        """Put ``item`` at the end of its class's line."""
        self._lines[priority][item] = None
        self._count += 1

    def discard(self, item: T, priority: Priority) -> bool:
        """Take ``item`` out of its line, wherever it stands, without giving it anything; false when it was not there."""
        line = self._lines[priority]
        if item not in line:
            return False
        del line[item]
        self._count -= 1
        if not line:
            self._passed[priority] = 0
        return True

    def overdue(self, priority: Priority) -> bool:
        """Whether the class was passed over as often as its patience allows."""
        return self._passed[priority] >= PATIENCE[priority]

    def next(self) -> tuple[T, Priority] | None:
        """Return whose turn it is, without taking it out."""
        chosen: Priority | None = None
        claim = 0
        for priority, line in self._lines.items():
            passed = self._passed[priority] if line and self.overdue(priority) else 0
            if line and (chosen is None or passed > claim):
                chosen, claim = priority, passed
        return None if chosen is None else (next(iter(self._lines[chosen])), chosen)

    def take(self, priority: Priority) -> T:
        """Take the first of a class out; every other class that waits was passed over once more."""
        item, _ = self._lines[priority].popitem(last=False)
        self._count -= 1
        for other, line in self._lines.items():
            if line:
                self._passed[other] += 1
        self._passed[priority] = 0
        return item
