"""Likely next questions, asked beforehand: what follows an answer is guessed, asked at the lowest priority, and given at once when
the person asks just that.

There is one offer at a time: up to three questions after one answer of one conversation. A guess is worth nothing unless it is
often right, so hits are counted strictly, what misses cost is counted too, and too many of them end it.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Final, Self

import msgspec

from agents.addresses import is_loopback
from agents.compare.asking import ask_in_shape
from agents.likely import MOST, Followers, chosen, guesses, guessing, normal
from agents.offers import WINDOW, Ledger, Likely, Offer, Question, tokens_of_call
from agents.requests import Chat, Message, ModelRef
from agents.runs import Run
from agents.stream import EventStream

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import TracebackType

    from agents.conversations import Conversations
    from agents.models.cache import Answer
    from agents.models.service import Models
    from agents.offers import Origin, SpeculationFigures
    from agents.requests import Lane
    from agents.settings import Settings
    from storage.prompts import SentPrompts

LASTS: Final = 600.0
"""Seconds an offer stands."""


class Speculation:
    """An async context manager that owns what is asked beforehand. Its methods never wait; what they start ends with it."""

    def __init__(
        self,
        models: Models,
        conversations: Conversations,
        prompts: SentPrompts,
        settings: Settings,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._models, self._conversations, self._prompts = models, conversations, prompts
        self._routes = settings.routes
        self._clock = clock
        self._paid = settings.defaults.speculate == "always"
        self.reason = "it is off unless it is switched on" if settings.defaults.speculate == "off" else ""
        """Why nothing is asked beforehand; empty while it is."""
        self._notices: list[str] = []
        self._followers = Followers()
        self._recalled = False
        self._offer: Offer | None = None
        self._joined: Question | None = None
        """What the person asked while it was in flight, until the person's own call follows it."""
        self._kept: dict[str, Question] = {}
        """What the person asked when it was ready, until it is taken."""
        self._ledger = Ledger()
        self._group: asyncio.TaskGroup

    async def __aenter__(self) -> Self:
        self._group = await asyncio.TaskGroup().__aenter__()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.drop()
        await self._group.__aexit__(None, None, None)

    # What a person decides

    @property
    def on(self) -> bool:
        """Whether likely questions are asked beforehand."""
        return not self.reason

    def switch(self) -> bool:
        """Switch it on or off, as a person asked; return whether it is on now. The record that would end it begins anew."""
        if self.reason:
            self.reason = ""
            self._ledger.afresh()
        else:
            self.drop()
            self.reason = "it was switched off"
        return self.on

    def allows(self, model: ModelRef) -> bool:
        """Return whether questions to ``model`` are asked beforehand: it is on, and they cost nothing or may cost."""
        return self.on and (self._paid or self._free(model))

    def _free(self, model: ModelRef) -> bool:
        route = self._routes.get(model.endpoint)
        if route is not None:
            parts = [place.partition("/") for place in (*route.members, *route.fallbacks)]
            return all(self._free(ModelRef(endpoint, name or model.model)) for endpoint, _, name in parts)
        gate, quote = self._models.directory.gates.get(model.endpoint), self._models.listing.price(model)
        if gate is None:
            return False
        if quote is not None:
            return not quote.price.input and not quote.price.output
        # Whoever wants a key over the network also sends bills, whether or not the price is known.
        return gate.target.key_name is None or is_loopback(gate.target.base_url)

    # What happens in a conversation

    def look_ahead(self, lane: Lane, *, use_cache: bool) -> None:
        """Begin an offer after an answer; ``lane`` is what the person's next turn would be sent with, its messages left out."""
        self.drop()
        if self.allows(lane.model):
            offer = self._offer = Offer(lane, self._clock(), use_cache=use_cache)
            offer.task = self._group.create_task(self._work(offer), name="likely next questions")

    def asked(self, lanes: Sequence[Lane]) -> None:
        """Take note of a turn just before it is sent; all that was asked beforehand stops, but for what is just this."""
        if lanes and lanes[0].messages:
            self._followers.add(lanes[0].messages[-1].content)
        offer = self._standing()
        if offer is None:
            return
        for lane in lanes:
            if offer.asks(lane):
                message = lane.messages[0]
                same = normal(message.content)
                hit = next((question for question in offer.questions if normal(question.text) == same), None)
                if hit is not None:
                    self._close(offer, hit, message)
                    return
        self.drop()

    def begun(self) -> None:
        """Take note that the person's turn follows its call: the one that was made beforehand is the person's own from now on."""
        joined, self._joined = self._joined, None
        if joined is not None and joined.task is not None:
            self._ledger.saved += joined.seconds
            self._kept.clear()
            joined.task.cancel()

    def drop(self) -> None:
        """Throw away what was asked beforehand, as when the conversation goes elsewhere."""
        if self._offer is not None:
            self._close(self._offer)
        joined, self._joined = self._joined, None
        if joined is not None and joined.task is not None:
            joined.task.cancel()
        self._ledger.wasted += sum(question.tokens for question in self._kept.values())
        self._kept.clear()

    def offered(self, lane: Lane) -> tuple[Likely, ...]:
        """Return the likely questions where ``lane`` would go on; cheap enough for every frame."""
        offer = self._standing()
        if offer is None or offer.lane != lane:
            return ()
        return tuple(Likely(question.text, question.origin, question.state) for question in offer.questions)

    def take(self, key: str) -> Answer | None:
        """Return the answer to the call of that identity if the person has just asked what was asked beforehand; once."""
        question = self._kept.pop(key, None)
        if question is self._joined:
            self._joined = None
        if question is None or question.answer is None:
            return None
        self._ledger.saved += question.seconds
        return msgspec.structs.replace(question.answer, cached=False, joined=False, speculated=True)

    def notices(self) -> list[str]:
        """Return the lines for a person that were not taken yet."""
        lines, self._notices = self._notices, []
        return lines

    def figures(self) -> SpeculationFigures:
        """Return the figures; cheap enough for every frame."""
        return self._ledger.figures(self.reason)

    # How an offer ends

    def _standing(self) -> Offer | None:
        if self._offer is not None and self._clock() - self._offer.at > LASTS:
            self.drop()
        return self._offer

    def _close(self, offer: Offer, hit: Question | None = None, message: Message | None = None) -> None:
        self._offer = None
        if hit is not None and message is not None:
            self._keep(offer, hit, message)
        for task in (offer.task, *(question.task for question in offer.questions if question is not self._joined)):
            if task is not None:
                task.cancel()
        self._ledger.close(offer)
        if not offer.questions:
            return
        self._ledger.count(hit=hit is not None)
        if self._ledger.poor and self.on:
            self.reason = f"only {self._ledger.rate or 0:.0%} of the last {WINDOW} offers were right"
            self._notices.append(f"Likely next questions are off: {self.reason}.")

    def _keep(self, offer: Offer, hit: Question, message: Message) -> None:
        """Have what was asked beforehand answer the person's turn, whose words may differ in white space and case."""
        if hit.answer is not None:
            offer.used = hit
            if not hit.answer.cached:  # or else the cache answers
                self._kept[self._models.key(offer.call(message))] = hit
        elif hit.calling and hit.step is not None and message.content == hit.text:
            offer.used = self._joined = hit
            started = hit.step.timings().started
            hit.seconds = 0.0 if started is None else self._clock() - started

    # What is asked

    async def _work(self, offer: Offer) -> None:
        try:
            if not self._recalled:
                self._recalled = True
                self._followers.load(await self._prompts.recent())
            offer.said = await self._conversations.messages(offer.lane)
            run = Run(Chat(lanes=()), "chat", "likely next questions", EventStream(self._clock), self._clock)
            places = asyncio.Semaphore(1 if self._small(offer.lane.model) else MOST)
            last = next((message.content for message in reversed(offer.said) if message.role == "user"), "")
            self._add(offer, self._followers.after(last), "history", run, places)
            if len(offer.questions) < MOST:
                self._add(offer, await self._guess(offer, run), "model", run, places)
        except Exception:  # noqa: BLE001  # nobody waits for it, and what is wrong is told by the turn that follows
            self._ledger.failed += 1

    def _small(self, model: ModelRef) -> bool:
        """Whether the model shares this machine's processor with all else, so that one question at a time is enough."""
        gate = self._models.directory.gates.get(model.endpoint)
        return gate is not None and gate.target.endpoint.kind == "embedded"

    def _add(self, offer: Offer, texts: Sequence[str], origin: Origin, run: Run, places: asyncio.Semaphore) -> None:
        said = [message.content for message in offer.said if message.role == "user"]
        for text in chosen(texts, [question.text for question in offer.questions], said):
            question = Question(text, origin)
            offer.questions.append(question)
            question.task = self._group.create_task(self._ask(offer, question, run, places), name="likely next question")

    async def _guess(self, offer: Offer, run: Run) -> list[str]:
        call = guessing(offer.lane.model, offer.said, small=self._small(offer.lane.model))
        call = msgspec.structs.replace(call, use_cache=offer.use_cache)
        step = run.step("model", "guess")
        answer: Answer | None = None
        try:
            with step:
                answer = await ask_in_shape(self._models, step, call)
        finally:
            self._ledger.spend(offer, None, tokens_of_call(call, step, answer))
        return [] if answer is None else guesses(answer.text, offer.said[-1].content if offer.said else "")

    async def _ask(self, offer: Offer, question: Question, run: Run, places: asyncio.Semaphore) -> None:
        call = offer.call(Message("user", question.text))
        question.step = step = run.step("model", "likely question")
        answer: Answer | None = None
        try:
            async with places:
                question.calling = True
                with step:
                    answer = await self._models.call(step, call)
        except Exception:  # noqa: BLE001  # a bug, too, must cost nothing but this guess
            self._ledger.failed += 1
        finally:
            question.answer, question.state = answer, "failed" if answer is None else "ready"
            self._ledger.spend(offer, question, tokens_of_call(call, step, answer))
        if question is self._joined:
            self._kept[self._models.key(call)] = question  # the person's call may come only now
        elif answer is not None and not answer.cached:
            times = step.timings()
            question.seconds = 0.0 if times.started is None else times.ended - times.started
