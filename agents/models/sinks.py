"""What is done with a piece of an answer before it is handed on: counted, compared with what came before, or thrown away."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agents.errors import CallError

if TYPE_CHECKING:
    from collections.abc import Callable

    from agents.models.resuming import Overlap
    from agents.models.spend import Meter


class Sink:
    """Takes the pieces of one attempt and hands them on to ``write``.

    ``claim`` is asked before the first piece whether this attempt may speak; one that may not is about to be stopped. ``spoke`` is
    told of the first piece.
    """

    __slots__ = ("_claim", "_meter", "_mute", "_overlap", "_spoke", "_write", "stopped")

    def __init__(
        self,
        write: Callable[[str], None],
        *,
        meter: Meter | None = None,
        overlap: Overlap | None = None,
        claim: Callable[[], bool] | None = None,
        spoke: Callable[[], None] | None = None,
    ) -> None:
        self._write = write
        self._meter = meter
        self._overlap = overlap
        self._claim = claim
        self._spoke = spoke
        self._mute = False
        self.stopped: CallError | None = None
        """Why a budget ended the attempt: the client only sees that its stream was cut."""

    def __call__(self, piece: str) -> None:
        """Take one piece."""
        if self._claim is not None:
            claim, self._claim = self._claim, None
            self._mute = not claim()
        if self._mute:
            return
        if self._spoke is not None:
            spoke, self._spoke = self._spoke, None
            spoke()
        if self._meter is not None:
            try:
                self._meter.wrote(len(piece))
            except CallError as error:
                self.stopped = error
                raise
        if self._overlap is not None:
            piece = self._overlap.feed(piece)
        if piece:
            self._write(piece)

    def end(self) -> None:
        """Hand on what was held back."""
        if self._overlap is not None and (rest := self._overlap.end()):
            self._write(rest)
