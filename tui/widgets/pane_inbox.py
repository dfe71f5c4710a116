"""What waits to be taken into a pane's text: as cheap as an append, and taken in slices of a known cost."""

from __future__ import annotations

from collections import deque
from time import perf_counter
from typing import TYPE_CHECKING, Final

from tui.safe import safe_text

if TYPE_CHECKING:
    from tui.widgets.pane_text import PaneText

_SLICE: Final = 4096
_DEAR_SLICE: Final = 1024
"""Characters wrapped between two looks at the clock, for plain prose and for what is dearer to wrap: well under a millisecond."""
_MUCH: Final = 32_768
"""Characters that wait from which on they are cut into blocks without looking at their lines."""
_MUCH_SLICE: Final = 65_536
_FOLD_AT: Final = 256


class Inbox:
    """Text and sections that were appended and not taken in yet."""

    def __init__(self) -> None:
        self._pieces: list[str] = []
        self._folded: list[str] = []
        self._queue: deque[str | int | None] = deque()
        """What was appended, and between it which section begins, or None where one is complete."""
        self._backlog = ""
        self._taken = 0

    @property
    def waiting(self) -> bool:
        """Whether anything waits."""
        return bool(self._pieces or self._folded or self._queue or self._backlog)

    @property
    def behind(self) -> bool:
        """Whether so much waits that it takes more than a frame."""
        return len(self._backlog) - self._taken > _SLICE

    def append(self, text: str) -> None:
        """Keep ``text`` until :meth:`take`."""
        if text:
            self._pieces.append(text)
            if len(self._pieces) >= _FOLD_AT:  # a hidden pane may wait for long, and a string for each token is dear
                self._folded.append("".join(self._pieces))
                self._pieces.clear()

    def section(self, whose: int | None) -> None:
        """Begin a section behind what waits, or end one."""
        self._gather()
        self._queue.append(whose)

    def _gather(self) -> None:
        text = "".join([*self._folded, *self._pieces])
        self._folded.clear()
        self._pieces.clear()
        if text:
            self._queue.append(text)

    def take(self, doc: PaneText, until: float) -> None:
        """Give ``doc`` what waits slice by slice, at least one, until the clock reaches ``until``."""
        while self.waiting:
            if not self._backlog:
                if not self._queue:
                    self._gather()
                item = self._queue.popleft()
                if isinstance(item, str):
                    self._backlog, self._taken = item, 0
                elif item is None:
                    doc.finish()
                else:
                    doc.begin(item)
                continue
            self._give_slice(doc)
            if perf_counter() >= until:
                return

    def _give_slice(self, doc: PaneText) -> None:
        rest = len(self._backlog) - self._taken
        if rest > _MUCH:
            raw = self._backlog[self._taken : self._taken + _MUCH_SLICE]
            doc.append_much(safe_text(raw), more=rest > len(raw))
        else:
            raw = self._backlog[self._taken : self._taken + _SLICE]
            text = safe_text(raw)
            if not text.isascii() or "\t" in text or text.count("\n") > _DEAR_SLICE // 4:
                raw = raw[:_DEAR_SLICE]
                text = safe_text(raw)
            doc.append(text)
        self._taken += len(raw)
        if self._taken >= len(self._backlog):
            self._backlog = ""
