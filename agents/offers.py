"""An offer of likely next questions after one answer, and the account of what such offers brought and cost."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

import msgspec

from agents.requests import Lane, Message, ModelCall, Priority
from agents.tokens import estimate_tokens

if TYPE_CHECKING:
    import asyncio

    from agents.models.cache import Answer
    from agents.runs import Step

Origin = Literal["history", "model"]
State = Literal["asking", "ready", "failed"]

WINDOW: Final = 20
"""Offers that the hit rate is taken over, and that must have been made before it counts."""
LEAST_RATE: Final = 0.7
"""Below this share of hits nothing more is asked beforehand."""


class Likely(NamedTuple):
    """A likely next question as a screen shows it."""

    text: str
    origin: Origin
    state: State


class SpeculationFigures(msgspec.Struct, frozen=True, kw_only=True):
    """What asking beforehand brought and what it cost."""

    on: bool
    reason: str
    """Why it is off; empty while it is on."""
    hits: int
    """Offers of which a question was asked, white space and case aside."""
    misses: int
    """Offers after which something else was asked, and those that were thrown away."""
    rate: float | None
    """Hits among the last 20 offers; ``None`` before any."""
    tokens: int
    """Input and output tokens of all that was asked to guess and beforehand; about, where a server did not count them."""
    wasted: int
    """Those of answers that were never given, and of guessing."""
    saved: float
    """Seconds nobody had to wait: what the answers given took when they were asked for beforehand."""
    failed: int
    """Calls that did not succeed."""


class Question:
    """One likely question of an offer."""

    __slots__ = ("answer", "calling", "origin", "seconds", "state", "step", "task", "text", "tokens")

    def __init__(self, text: str, origin: Origin) -> None:
        self.text, self.origin = text, origin
        self.state: State = "asking"
        self.step: Step | None = None
        self.task: asyncio.Task[None] | None = None
        self.answer: Answer | None = None
        self.calling = False
        """Whether its call is made, so that the same call of a person follows it."""
        self.seconds = 0.0
        """What nobody waits for when this answers: from its start to its end, or to when the person asked it."""
        self.tokens = 0


class Offer:
    """What is guessed after one answer. ``lane`` is what the person's next turn would be sent with, less the message."""

    def __init__(self, lane: Lane, at: float, *, use_cache: bool) -> None:
        self.lane, self.at, self.use_cache = lane, at, use_cache
        self.said: tuple[Message, ...] = ()
        """The conversation so far."""
        self.questions: list[Question] = []
        self.task: asyncio.Task[None] | None = None
        self.tokens = 0
        self.used: Question | None = None
        """The question whose answer the person is given."""
        self.closed = False

    def call(self, message: Message) -> ModelCall:
        """Return the call that the person's turn with ``message`` makes, but that it goes last."""
        messages, priority = (*self.said, message), Priority.SPECULATIVE
        return ModelCall(model=self.lane.model, messages=messages, use_cache=self.use_cache, priority=priority)

    def asks(self, lane: Lane) -> bool:
        """Return whether ``lane`` goes on with this conversation as foreseen: the same model, parameters and system prompt."""
        plain = len(lane.messages) == 1 and not lane.messages[0].attachments
        return plain and msgspec.structs.replace(lane, messages=()) == self.lane


class Ledger:
    """Counts what offers brought and what they cost."""

    def __init__(self) -> None:
        self._window: deque[bool] = deque(maxlen=WINDOW)
        self.hits = self.misses = self.tokens = self.wasted = self.failed = 0
        self.saved = 0.0

    @property
    def rate(self) -> float | None:
        """Hits among the last offers; ``None`` before any."""
        return sum(self._window) / len(self._window) if self._window else None

    @property
    def poor(self) -> bool:
        """Whether there were enough offers to tell that too few were right."""
        return len(self._window) == WINDOW and sum(self._window) < LEAST_RATE * WINDOW

    def afresh(self) -> None:
        """Judge by what comes from now on; the sums stay."""
        self._window.clear()

    def count(self, *, hit: bool) -> None:
        """Take note of how an offer ended."""
        self._window.append(hit)
        self.hits += hit
        self.misses += not hit

    def spend(self, offer: Offer, question: Question | None, tokens: int) -> None:
        """Take note of what a call of ``offer`` cost, which may come after the offer is closed."""
        self.tokens += tokens
        offer.tokens += tokens
        if question is not None:
            question.tokens = tokens
        if offer.closed and (question is None or question is not offer.used):
            self.wasted += tokens

    def close(self, offer: Offer) -> None:
        """Take note that nothing more of ``offer`` will be given than what is used."""
        offer.closed = True
        self.wasted += offer.tokens - (0 if offer.used is None else offer.used.tokens)

    def figures(self, reason: str) -> SpeculationFigures:
        """Return the figures; ``reason`` says why nothing is asked beforehand."""
        return SpeculationFigures(
            on=not reason,
            reason=reason,
            hits=self.hits,
            misses=self.misses,
            rate=self.rate,
            tokens=self.tokens,
            wasted=self.wasted,
            saved=self.saved,
            failed=self.failed,
        )


def tokens_of_call(call: ModelCall, step: Step, answer: Answer | None) -> int:
    """Return how many tokens a call cost so far, about where the server has not said; nothing where another one paid."""
    if not step.attempts or (answer is not None and (answer.cached or answer.joined)):
        return 0
    usage = None if answer is None else answer.usage
    if usage is not None and not usage.estimated:
        return usage.input + usage.output
    return step.pieces + sum(estimate_tokens(message.content) for message in call.messages)
