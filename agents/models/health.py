"""Whether an endpoint is well enough to be asked: a circuit for each, and a budget for the attempts after failed ones.

A circuit is closed while all is well. It opens after five failures in a row, or when more than half of the last twenty attempts
failed, and from then on nothing is sent but one probe at a time: after one second, then two, four and so on up to two minutes.
A probe that succeeds closes it. A refused key or a used-up account opens it at once, because no further attempt will fare
better; a model that is not there is left out alone. All of it is arithmetic on a clock that is given.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from contextlib import suppress
from typing import TYPE_CHECKING, Final, Literal

import msgspec

from agents.errors import CallError, CallKind

if TYPE_CHECKING:
    from collections.abc import Callable

IN_A_ROW: Final = 5
WINDOW: Final = 20
SHARE: Final = 0.5
FIRST_PROBE: Final = 1.0
LAST_PROBE: Final = 120.0
"""Seconds until an open circuit is probed: the first time, and at most."""
VERDICT: Final = 30.0
"""Seconds until an endpoint is asked again that refused the key or said that the quota is used up."""
_MISSING: Final = 64
"""Models an endpoint does not have that are remembered."""

State = Literal["closed", "open", "half-open"]
FAULTS: Final[frozenset[CallKind]] = frozenset({"unreachable", "timeout", "server", "protocol", "cut"})
"""Kinds of errors that say that the endpoint is ill, where another attempt could pass."""
_NO_ANSWER: Final[frozenset[CallKind]] = frozenset({"unreachable", "protocol"})
"""Kinds that say so, too, where no attempt will pass: a certificate that is not trusted, a web page in place of an answer."""
VERDICTS: Final[frozenset[CallKind]] = frozenset({"auth", "quota"})
"""Kinds that say that it will not answer before a person does something."""


class HealthFigures(msgspec.Struct, frozen=True, kw_only=True):
    """How one endpoint fares."""

    state: State
    reason: str = ""
    """Why the circuit is not closed; one line."""
    probe_in: float = 0.0
    """Seconds until it is tried again."""
    failures: int = 0
    """In a row."""
    failed: int = 0
    """Attempts that failed, ever."""
    answered: int = 0
    """Attempts that succeeded, ever."""
    opened: int = 0
    """How often the circuit opened."""
    missing: tuple[str, ...] = ()
    """Models it was asked for and does not have."""
    retries: int = 0
    """Further attempts after failed ones, ever."""
    retries_left: float = 0.0
    """How many more the budget allows now."""


class Health:
    """The circuit of one endpoint. Whoever makes an attempt says so with :meth:`begin` and how it went with one of the others."""

    def __init__(self, name: str, clock: Callable[[], float]) -> None:
        self.retries = RetryBudget()
        self._name = name
        self._clock = clock
        self._open = False
        self._until = 0.0
        self._delay = FIRST_PROBE
        self._probes = 0
        self._error: CallError | None = None
        self._row = 0
        self._window: deque[bool] = deque(maxlen=WINDOW)
        self._bad = 0
        self._missing: OrderedDict[str, tuple[float, CallError]] = OrderedDict()
        self._failed = self._answered = self._opened = 0
        self._changed: asyncio.Future[None] | None = None
        self.on_change: Callable[[], None] | None = None
        """Called when the circuit opened or closed: whoever waits for a place there may do better elsewhere."""

    @property
    def state(self) -> State:
        """``half-open`` while it may be probed, or is."""
        if not self._open:
            return "closed"
        return "half-open" if self._probes or self._clock() >= self._until else "open"

    @property
    def answered(self) -> int:
        """Attempts that succeeded, ever."""
        return self._answered

    def lets(self, model: str) -> bool:
        """Tell whether an attempt may be made now. Of an open circuit that is: the one probe, when it is time for it."""
        if self._missing and (missing := self._missing.get(model)) is not None:
            if self._clock() < missing[0]:
                return False
            del self._missing[model]
        return not self._open or (not self._probes and self._clock() >= self._until)

    def due(self, model: str) -> float:
        """Return the time from which on an attempt may be made. It has passed where a probe is under way, which says more."""
        missing = self._missing.get(model)
        return max(self._until if self._open else 0.0, missing[0] if missing is not None else 0.0)

    def refusal(self, model: str) -> CallError:
        """Return the error of a call that is not sent at all, which says when the endpoint is tried again."""
        missing = self._missing.get(model)
        error = missing[1] if missing is not None else self._error
        wait = max(self.due(model) - self._clock(), 0.0)
        when = "it is being tried now" if self._probes else f"it is tried again in {wait:.0f} s"
        why = "it did not answer" if error is None else str(error).removeprefix(f"{self._name}: ")
        kind: CallKind = "unreachable" if error is None or error.kind == "cut" else error.kind
        retryable = error is None or (error.kind in FAULTS and error.retryable)
        return CallError(kind, f"{self._name}: not asked, {when}: {why}", retryable=retryable, retry_after=wait or None)

    def begin(self) -> bool:
        """Say that an attempt begins; returns whether it is a probe, which is to be given to the method that says how it went."""
        if self._open:
            self._probes += 1
        return self._open

    def passed(self, probe: bool) -> None:
        """Say that the endpoint answered as it should."""
        self._answered += 1
        self._row = 0
        if probe:
            self._probes -= 1
            if self._open:
                self._close()
        elif not self._open:
            self._note(bad=False)

    def left(self, probe: bool) -> None:
        """Say that the attempt was stopped by us, or ended in a way that says nothing about the endpoint."""
        if probe:
            self._probes -= 1
            self._tell()

    def failed(self, probe: bool, error: CallError, model: str) -> None:
        """Say how the attempt failed, and let the circuit open where that is called for."""
        if error.kind == "not_found":
            self._miss(model, error)
            self.left(probe)
            return
        if error.kind in VERDICTS:
            self._failed += 1
            self._open_for(max(VERDICT, self._delay), error, probe)
        elif error.kind in _NO_ANSWER or (error.kind in FAULTS and error.retryable):
            self._failed += 1
            self._row += 1
            if probe:
                self._open_for(self._delay, error, probe)
            elif not self._open:  # what began before it opened says nothing new
                self._note(bad=True)
                if self._row >= IN_A_ROW or (len(self._window) == WINDOW and self._bad > WINDOW * SHARE):
                    self._open_for(FIRST_PROBE, error, probe)
        elif error.kind in {"rate_limit", "timeout", "cut"}:  # refused, or it had all its time: neither well nor ill
            self.left(probe)
        else:  # the endpoint found fault with the request: it is well
            self.passed(probe)

    def shut(self, seconds: float, error: CallError) -> None:
        """Let nothing through for ``seconds``, because the endpoint said so."""
        self._open_for(seconds, error, probe=False)

    def _miss(self, model: str, error: CallError) -> None:
        self._missing[model] = (self._clock() + VERDICT, error)
        if len(self._missing) > _MISSING:
            self._missing.popitem(last=False)

    def _note(self, *, bad: bool) -> None:
        if len(self._window) == WINDOW:
            self._bad -= self._window[0]
        self._window.append(bad)
        self._bad += bad

    def _open_for(self, seconds: float, error: CallError, probe: bool) -> None:
        self._probes -= probe
        self._until = self._clock() + seconds
        self._delay = min(seconds * 2, LAST_PROBE)
        self._error = error
        if not self._open:
            self._open = True
            self._opened += 1
        self._tell()

    def _close(self) -> None:
        self._open = False
        self._delay, self._error = FIRST_PROBE, None
        self._window.clear()
        self._bad = 0
        self._tell()

    def _tell(self) -> None:
        changed, self._changed = self._changed, None
        if changed is not None and not changed.done():
            changed.set_result(None)
        if self.on_change is not None:
            self.on_change()

    async def change(self, seconds: float) -> None:
        """Wait until the circuit opens, closes or ends a probe, at most ``seconds``."""
        if self._changed is None:
            self._changed = asyncio.get_running_loop().create_future()
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await asyncio.shield(self._changed)  # one future for all that wait: none of them may cancel it

    def figures(self) -> HealthFigures:
        """Return the figures; cheap enough for every frame."""
        now = self._clock()
        return HealthFigures(
            state=self.state,
            reason="" if self._error is None else str(self._error).removeprefix(f"{self._name}: "),
            probe_in=max(self._until - now, 0.0) if self._open else 0.0,
            failures=self._row,
            failed=self._failed,
            answered=self._answered,
            opened=self._opened,
            missing=tuple(model for model, (until, _) in self._missing.items() if until > now),
            retries=self.retries.spent,
            retries_left=self.retries.left,
        )


class RetryBudget:
    """How many attempts may follow failed ones: a fifth of the calls and a small burst, so that a dying server is not hammered."""

    SHARE: Final = 0.2
    BURST: Final = 10.0

    def __init__(self) -> None:
        self.left = self.BURST
        self.spent = 0

    def earn(self) -> None:
        """Take note of a call."""
        if self.left < self.BURST:
            self.left = min(self.left + self.SHARE, self.BURST)

    def spend(self) -> bool:
        """Take one further attempt from the budget; False when there is none left."""
        if self.left < 1.0:
            return False
        self.left -= 1.0
        self.spent += 1
        return True
