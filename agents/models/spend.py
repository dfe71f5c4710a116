"""What the calls of a session cost, counted while they stream, and the budgets that stop them.

A call is counted by a meter of its own: its input from the start and its output as it comes, both estimated, until the server's
own count takes their place. A budget is hard: the piece of text that would go beyond it ends the call, and no further one is
begun. What was given from a cache, or shared with another call, is not counted, because nobody is charged for it.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Final, Protocol
from weakref import WeakKeyDictionary

import msgspec

from agents.errors import CallError
from agents.requests import Priority
from agents.tokens import BYTES_A_TOKEN, size_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from agents.events import Usage
    from agents.requests import Attachment, ModelCall
    from agents.runs import Run
    from agents.settings import Price

_A_MESSAGE: Final = 4
"""Tokens that a message takes besides its text, about: its role and its marks."""
_LANES: Final = 256
"""Lanes whose characters a token are remembered."""
_LEARNT: Final = 0.3
"""How much the newest call weighs in what is known of its lane."""
_FEWEST: Final = 8
"""Tokens an answer must have to teach anything about its lane."""
_SPECULATIVE_SHARE: Final = 0.5
"""The share of a budget that may be spent before nothing is asked beforehand any more."""


class SpendFigures(msgspec.Struct, frozen=True, kw_only=True):
    """What was spent, in the currency of the prices."""

    spent: float
    """By all calls whose endpoint has a price, those in flight included."""
    estimated: float
    """The part of it that no server has counted: of calls in flight, and of those that were stopped or cut."""
    ahead: float
    """The part of it for questions that were asked beforehand."""
    budget: float | None
    """What may be spent; ``None``: no limit."""
    calls: int
    """Calls that were counted."""
    uncounted: int
    """Calls to endpoints without a price."""
    stopped: int
    """Calls that a budget ended or did not let begin."""
    endpoints: dict[str, float]
    """What each endpoint's calls cost."""

    @property
    def left(self) -> float | None:
        """What remains of the budget, never less than nothing."""
        return None if self.budget is None else max(self.budget - self.spent, 0.0)


class Purse:
    """One budget and what was spent of it."""

    __slots__ = ("_refused", "budget", "spent", "whose")

    def __init__(self, budget: float | None, whose: str, refused: Callable[[], None]) -> None:
        self.budget = budget
        self.spent = 0.0
        self.whose = whose
        self._refused = refused

    def refusal(self) -> CallError:
        """Return the error that ends what would go beyond the budget."""
        self._refused()
        way = "a larger --budget, or defaults.budget in the configuration, lets more through"
        return CallError("budget", f"stopped: {self.whose} budget of {self.budget or 0:g} is used up; {way}")


class Asker(Protocol):
    """Whoever a call is made for."""

    @property
    def priority(self) -> Priority:
        """How urgent it is now: what was asked beforehand becomes a person's own when a person asks just that."""


class Meter:
    """Counts one attempt of one call. Its costs stand in the budgets from the moment they arise."""

    __slots__ = (
        "_asker",
        "_call",
        "_cost",
        "_known",
        "_price",
        "_purses",
        "_rate",
        "_settled",
        "_spend",
        "_token",
        "characters",
        "notice",
    )

    def __init__(  # each is a fact of its own
        self, spend: Spend, call: ModelCall, asker: Asker, price: Price | None, purses: tuple[Purse, ...], notice: str
    ) -> None:
        self.characters = 0
        """Of the answer so far."""
        self.notice = notice
        """One line for a person, once for each endpoint whose calls cannot be counted; else empty."""
        self._spend, self._call, self._asker, self._price = spend, call, asker, price
        self._settled = False
        self._purses: tuple[Purse, ...] = ()
        self._cost = self._token = self._rate = 0.0
        self._known = True
        if price is not None:
            learnt = spend.characters_a_token(call.model.name)
            self._known = learnt is not None
            self._token = price.output / 1e6
            self._rate = self._token / (learnt or BYTES_A_TOKEN)
            # What is free passes whatever is left, even nothing.
            self._begin(purses if price.input or price.output else (), input_tokens(call) * price.input / 1e6)

    @property
    def cost(self) -> float:
        """What the attempt costs so far."""
        return self._cost

    @property
    def settled(self) -> bool:
        """Whether the attempt is over."""
        return self._settled

    def _begin(self, purses: tuple[Purse, ...], cost: float) -> None:
        share = _SPECULATIVE_SHARE if self._asker.priority is Priority.SPECULATIVE else 1.0
        for purse in purses:
            if purse.budget is not None and (purse.spent >= purse.budget * share or purse.spent + cost > purse.budget):
                raise purse.refusal()
        self._purses, self._cost = purses, cost
        for purse in purses:
            purse.spent += cost

    def wrote(self, characters: int) -> None:
        """Count a piece of the answer. Raises :class:`CallError` ``budget`` when a budget is used up by it."""
        self.characters += characters
        if not self._purses:
            return
        amount = characters * self._rate
        if not self._known and amount < self._token:
            amount = self._token  # a piece is a token at least, as far as is known
        self._cost += amount
        beyond = None
        for purse in self._purses:
            purse.spent += amount
            if purse.budget is not None and purse.spent > purse.budget:
                beyond = purse
        if beyond is not None:
            raise beyond.refusal()

    def settle(self, usage: Usage | None, *, charged: bool = False) -> None:
        """Say that the attempt is over: by the server's own count, or with ``None`` where it gave none.

        Without one the estimate stands, and nothing at all for an attempt that gave no text, unless it is surely ``charged``: a
        refused call is not.
        Only the first time counts, so it may be called again on the way out.
        """
        if self._settled:
            return
        self._settled = True
        if self._price is None:
            return
        cost, exact = self._cost if self.characters or charged else 0.0, False
        if usage is not None and not usage.estimated:
            cost, exact = cost_of(self._price, usage), True
            self._spend.learn(self._call.model.name, self.characters, usage.output)
        for purse in self._purses:
            purse.spent += cost - self._cost
        self._cost = cost
        ahead = self._asker.priority is Priority.SPECULATIVE
        self._spend.settled(self._call.model.endpoint, cost, exact=exact, ahead=ahead)


class Spend:
    """What one session spends: it gives every attempt its meter and knows the budgets. Not one of its methods waits."""

    def __init__(self, budget: float | None = None) -> None:
        self._session = Purse(budget, "the session's", self._refused)
        self._runs: WeakKeyDictionary[Run, Purse] = WeakKeyDictionary()
        self._learnt: OrderedDict[str, float] = OrderedDict()
        self._unpriced: set[str] = set()
        self._exact = self._ahead = 0.0
        self._calls = self._uncounted = self._stopped = 0
        self._endpoints: dict[str, float] = {}

    @property
    def budget(self) -> float | None:
        """What the session may cost; may be changed while calls run."""
        return self._session.budget

    @budget.setter
    def budget(self, budget: float | None) -> None:
        self._session.budget = budget

    def of_run(self, run: Run) -> Purse | None:
        """Return what all calls of ``run`` share, or ``None`` when its request has no budget of its own."""
        budget = getattr(run.request, "budget", None)
        if budget is None:
            return None
        purse = self._runs.get(run)
        if purse is None:
            purse = self._runs[run] = Purse(budget, "this run's", self._refused)
        return purse

    def start(self, call: ModelCall, price: Price | None, purse: Purse | None = None, asker: Asker | None = None) -> Meter:
        """Return the meter of an attempt that begins now, to a model that costs ``price``; ``None``: that is not known.

        ``asker`` says how urgent it is, where that may change.
        Raises :class:`CallError` ``budget`` when the session's budget, or the ``purse`` of the run, would not bear its input.
        """
        notice = ""
        if price is None:
            self._uncounted += 1
            notice = self._tell(call.model.endpoint, purse)
        else:
            self._calls += 1
        return Meter(self, call, asker or call, price, (self._session,) if purse is None else (self._session, purse), notice)

    def _tell(self, endpoint: str, purse: Purse | None) -> str:
        if (self.budget is None and purse is None) or endpoint in self._unpriced:
            return ""
        self._unpriced.add(endpoint)
        return f"the budget cannot count calls to {endpoint}, which has no price: set endpoints.{endpoint}.price"

    def figures(self) -> SpendFigures:
        """Return the figures; cheap enough for every frame."""
        return SpendFigures(
            spent=self._session.spent,
            estimated=max(self._session.spent - self._exact, 0.0),
            ahead=self._ahead,
            budget=self._session.budget,
            calls=self._calls,
            uncounted=self._uncounted,
            stopped=self._stopped,
            endpoints=dict(self._endpoints),
        )

    def _refused(self) -> None:
        self._stopped += 1

    # For meters

    def characters_a_token(self, lane: str) -> float | None:
        """Return how many characters a token of that model's answers has, as far as is known."""
        return self._learnt.get(lane)

    def learn(self, lane: str, characters: int, tokens: int) -> None:
        """Take note of an answer that a server counted the tokens of; what a model thought without showing it counts, too."""
        if tokens < _FEWEST or not characters:
            return
        ratio = characters / tokens
        before = self._learnt.pop(lane, ratio)
        self._learnt[lane] = before + (ratio - before) * _LEARNT
        if len(self._learnt) > _LANES:
            self._learnt.popitem(last=False)

    def settled(self, endpoint: str, cost: float, *, exact: bool, ahead: bool) -> None:
        """Take note of what an attempt cost in the end."""
        if exact:
            self._exact += cost
        if ahead:
            self._ahead += cost
        self._endpoints[endpoint] = self._endpoints.get(endpoint, 0.0) + cost


def cost_of(price: Price, usage: Usage) -> float:
    """Return what a call costs by the server's own count."""
    return (usage.input * price.input + usage.output * price.output) / 1e6


def input_tokens(call: ModelCall) -> int:
    """Return about how many tokens are sent with ``call``, texts of attached files included."""
    size = sum(size_of(message.content) + sum(_text_size(file) for file in message.attachments) for message in call.messages)
    return size // BYTES_A_TOKEN + _A_MESSAGE * len(call.messages)


def _text_size(file: Attachment) -> int:
    return 0 if file.media.startswith("image/") else file.size
