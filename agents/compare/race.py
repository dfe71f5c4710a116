"""The handler of :class:`~agents.requests.Race`: one turn to several models, the first acceptable answer wins, the rest stops.

Answers are tested one after another in the order they ended, so that of two acceptable ones the earlier wins, and a judge is
asked about as few as possible. What came whole stays a whole answer; what is stopped keeps the text it had.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from agents.chat import queue_lanes
from agents.compare.accept import Acceptance
from agents.compare.judge import acceptable
from agents.errors import InputError, StrettoError
from agents.requests import Candidate, ModelCall, Race
from agents.runs import told

if TYPE_CHECKING:
    from agents.conversations import Conversations
    from agents.models.cache import Answer
    from agents.models.service import Models
    from agents.requests import Lane, ModelRef
    from agents.runs import Run, Step


async def race(run: Run, models: Models, conversations: Conversations) -> None:
    """Run every lane at once until one of them wins.

    Raises :class:`InputError` for tests that are none, :class:`StrettoError`, with each lane's reason, when no
    answer is acceptable.
    """
    request = run.request
    assert isinstance(request, Race)  # noqa: S101  # the engine routes by type
    if not request.lanes:
        raise InputError("a race needs models")
    await _Race(run, request, models, conversations).execute()


class _Race:
    def __init__(self, run: Run, request: Race, models: Models, conversations: Conversations) -> None:
        self._run, self._request, self._models, self._conversations = run, request, models, conversations
        self._acceptance = Acceptance(request.accept)
        self._lanes: list[tuple[Step, Lane]] = []
        self._whole: set[str] = set()
        """Steps whose answer has come whole."""
        self._refused: dict[str, str] = {}
        """Why a step's answer did not win."""
        self._order = asyncio.Lock()
        self._won = False

    async def execute(self) -> None:
        self._lanes = queue_lanes(self._run, self._request.lanes)
        async with self._acceptance, asyncio.TaskGroup() as group:
            # While the models are waited for; a rule that cannot be used stops them all.
            group.create_task(self._acceptance.prepare(), name="make the tests ready")
            for step, lane in self._lanes:
                group.create_task(self._compete(step, lane), name=step.id)
        if not self._won:
            reasons = "; ".join(f"{step.name}: {self._refused.get(step.id, 'stopped')}" for step, _ in self._lanes)
            raise StrettoError(f"no answer was acceptable ({reasons})")

    async def _compete(self, step: Step, lane: Lane) -> None:
        """Run one lane. A lane that fails or is stopped ends alone; only tests that cannot be used end the race."""
        unusable: InputError | None = None
        try:
            with step:
                try:
                    messages = await self._conversations.messages(lane, step)
                    call = ModelCall(model=lane.model, messages=messages, use_cache=self._request.use_cache)
                    answer = await self._models.call(step, call)
                finally:
                    self._conversations.remember(step, lane)
                self._whole.add(step.id)
                async with self._order:
                    try:
                        await self._test(step, lane, answer)
                    except InputError as error:
                        unusable = error
                        raise
        except Exception as error:  # noqa: BLE001  # a bug, too, must not cost the other lanes their answers; the step has told it
            self._refused[step.id] = told(error, 200).removeprefix(f"{lane.model.endpoint}: ")
        if unusable is not None:
            raise unusable

    async def _test(self, step: Step, lane: Lane, answer: Answer) -> None:
        """Let the step win if its answer passes every test; the judge is asked last, because it costs most."""
        if self._won:  # it ended in the same turn of the loop as the winner, before the stop could reach it
            return
        accept = self._request.accept
        fault = await self._acceptance.fault(answer)
        passed = self._acceptance.passed
        if fault is None and accept.judge is not None:
            candidate = Candidate(label=step.name, prompt=lane.messages[-1].content if lane.messages else "", text=answer.text)
            fault = await self._judged(step, accept.judge, candidate)
            passed = f"{passed}, {accept.judge.name} accepts it"
        if fault is not None:
            self._refused[step.id] = fault
            step.log(f"not accepted: {fault}", "warning")
            return
        self._won = True
        # What has come whole and waits to be tested stays a whole answer: there is nothing of it to save.
        racing = [(other, theirs) for other, theirs in self._lanes if other.outcome is None and other.id not in self._whole]
        cut = " (it ends at its output limit)" if answer.finish == "length" else ""
        step.won(f"{passed}{cut}", sum(self._to_come(other, theirs) for other, theirs in racing))
        for other, _ in racing:
            other.stop()

    async def _judged(self, step: Step, judge: ModelRef, candidate: Candidate) -> str | None:
        """Return why the judge does not accept an answer; a judge that fails is told as its reason, not as the lane's failure."""
        good, reason = False, "its judging was stopped"
        try:
            with self._run.step("model", "judge", parent=step, lane=str(judge)) as asked:
                good, reason = await acceptable(asked, self._models, judge, self._request.accept.criterion, candidate)
        except StrettoError as error:
            return f"the judge failed: {told(error, 200)}"
        return None if good else f"{judge.name} does not accept it{f': {reason}' if reason else ''}"

    def _to_come(self, step: Step, lane: Lane) -> int:
        """Return how many output tokens at most a lane has still to make; a piece of text counts as one token."""
        limit = lane.model.params.max_tokens
        return max((self._models.settings.defaults.max_tokens if limit is None else limit) - step.pieces, 0)
