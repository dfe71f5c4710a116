"""What led to a turn: each is stored with what is new in it and the step it follows; here they are put together when asked."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from agents.errors import InputError
from agents.events import StepStarted
from agents.requests import Chat, Message, Race, Request

if TYPE_CHECKING:
    from agents.compress import Compressor
    from agents.requests import Lane
    from agents.runs import Step
    from storage.history import RunHistory

_KEPT: Final = 1024
_KEPT_CHARS: Final = 16 << 20
"""Turns, and characters of their answers, kept in memory; older ones are read back."""
_LONGEST: Final = 10_000
"""Turns one conversation may have, so that a damaged database cannot send us round in circles."""


class _Turn(NamedTuple):
    """One turn: what was new in it, what was said, and the step it followed."""

    messages: tuple[Message, ...]
    answer: str
    after: str | None


class Conversations:
    """Remembers the turns of this process and finds those of others in the history."""

    def __init__(self, history: RunHistory, compressor: Compressor | None = None) -> None:
        self._history = history
        self._compressor = compressor
        self._turns: OrderedDict[str, _Turn] = OrderedDict()
        self._chars = 0

    def remember(self, step: Step, lane: Lane) -> None:
        """Keep the turn that ``step`` answered, with the text of its latest attempt, also when that was cut."""
        self._keep(step.id, _Turn(lane.messages, step.text.slice(step.offset), lane.after))

    def _keep(self, step: str, turn: _Turn) -> _Turn:
        before = self._turns.pop(step, None)
        self._turns[step] = turn
        self._chars += len(turn.answer) - (0 if before is None else len(before.answer))
        while len(self._turns) > 1 and (len(self._turns) > _KEPT or self._chars > _KEPT_CHARS):
            _, oldest = self._turns.popitem(last=False)
            self._chars -= len(oldest.answer)
        return turn

    async def messages(self, lane: Lane, step: Step | None = None) -> tuple[Message, ...]:
        """Return all that is to be sent for ``lane``: its system prompt, the turns before, oldest first, and what is new.

        Files are shortened where that was chosen, and ``step`` tells so. What is remembered is what a person gave.

        Raises:
            InputError: a turn before is no longer stored.
        """
        turns: list[_Turn] = []
        after = lane.after
        while after is not None:
            turn = self._turns.get(after) or self._keep(after, await self._read(after))
            turns.append(turn)
            after = turn.after
            if len(turns) > _LONGEST:
                raise InputError("this conversation is too long to be sent: start a new one")
        head = (Message("system", lane.system),) if lane.system else ()
        said = [message for turn in reversed(turns) for message in (*turn.messages, Message("assistant", turn.answer))]
        whole = (*head, *said, *lane.messages)
        return whole if self._compressor is None else await self._compressor.messages(step, whole)

    async def _read(self, step: str) -> _Turn:
        lost = InputError("the conversation before this turn is no longer stored: start a new one")
        run = await self._history.find(step.rpartition(".")[0])
        if run is None:
            raise lost
        steps = [row for row in await self._history.steps(run.id) if row.parent is None]
        at = next((index for index, row in enumerate(steps) if row.id == step), None)
        try:
            request: Request = msgspec.json.decode(run.request, type=Request)
        except (msgspec.MsgspecError, UnicodeError):
            raise lost from None
        if at is None or not isinstance(request, Chat | Race) or at >= len(request.lanes):
            raise lost
        lane = request.lanes[at]
        row = steps[at]
        if row.outcome is None:  # an end that could not be stored: what was said is not known
            raise lost
        offset = await self._offset(run.id, step) if row.attempts > 1 else 0
        return _Turn(tuple(message for message in lane.messages if message.role != "system"), row.text[offset:], lane.after)

    async def _offset(self, run: str, step: str) -> int:
        """Return where the text of the step's latest attempt begins."""
        offset, seq = 0, 0
        while page := await self._history.events(run, seq):
            seq = page[-1].seq
            for event in page:
                if event.step == step and event.kind == "step_started":
                    offset = msgspec.json.decode(event.body, type=StepStarted).offset
        return offset
