"""How much an endpoint bears, found out by asking for more until it refuses: calls in flight, and where that is what it limits,
calls a second. Pure: told what happened and when, it says what is allowed; it starts and waits for nothing.
"""

from __future__ import annotations

import math
from collections import deque

START = 4
MOST = 256
_CUT = 0.8
_COOLDOWN = 0.5
"""Seconds after a cut in which refusals belong to the same episode and successes prove nothing; longer where answers begin late."""
_PLATEAU_CALLS = 100
_PLATEAU_FIRST, _PLATEAU_LONGEST = 5.0, 20.0
"""Just below where it was refused it stays for so many calls and seconds; twice as long each time the same point refuses again."""
_TIMEOUTS = 3
"""Timeouts in a row, without a success between them, that count as a refusal."""
_RATE_SPAN = 2.0
_CATCH_UP = 0.02
"""Seconds of starts that may be made up for, because timers are late."""


class Search:
    """Looks for the largest value that is not refused.

    Doubles until the first refusal; then halves the distance to just below the refused value, stays there, and looks beyond it in
    steps that double, so that the same point is asked about seldom and a limit that was raised is found soon.
    """

    def __init__(self, value: float, floor: float, most: float, grain: float, cut: float, *, relative: bool) -> None:
        self.value = value
        self.refused: float | None = None
        self._good = value
        self._floor, self._most = floor, most
        self._grain, self._relative, self._cut = grain, relative, cut
        self._step = 0.0
        self._plateau_since: float | None = None
        self._plateau_calls = 0
        self._plateau = _PLATEAU_FIRST

    def _least(self) -> float:
        return self.value * self._grain if self._relative else self._grain

    def clean(self, now: float, calls: int) -> None:
        """A whole round of ``calls`` went well at this value, and all of the value was used: go on."""
        if self.refused is None:
            self._to(self.value * 2)
            return
        below = self.refused - (self.refused * self._grain if self._relative else self._grain)
        if self.value < below and not self._step:
            self._to(min(self.value + max((below - self.value) / 2, self._least()), below))
        elif self._plateau_since is None:
            self._plateau_since, self._plateau_calls = now, 0
        elif self._step or (self._plateau_calls >= _PLATEAU_CALLS and now - self._plateau_since >= self._plateau):
            self._step = max(self._step * 2, self._least())
            self._to(self.value + self._step)
        self._plateau_calls += calls

    def _to(self, value: float) -> None:
        self._good = self.value
        self.value = min(value, self._most)

    def refuse(self, known: float | None = None) -> None:
        """It was refused at this value: back to the one before it, or a good piece down when that was refused, too.

        ``known`` is what was not refused at the same time, if that was counted.
        """
        same = self.refused is not None and abs(self.refused - self.value) <= 0.1 * self.value
        self._plateau = min(self._plateau * 2, _PLATEAU_LONGEST) if same else _PLATEAU_FIRST
        self.refused = self.value
        # A step back of a tenth at least in what is measured, because what was good for a round may have been so from a reserve.
        back = self._good * (0.97 if self._relative else 1.0)
        down = back if self._good < self.value else self.value * self._cut
        if known is not None:
            down = min(down, known)
        self.value = self._good = max(down, self._floor)
        self._step, self._plateau_since = 0.0, None

    def hold(self) -> None:
        """Something else went wrong: no proof of anything."""
        if self._plateau_since is not None:
            self._plateau_calls = 0


class Adaptive:
    """A cap on calls in flight that follows refusals, and a pace of starts once refusals show that the limit is a rate.

    Additive increase, multiplicative decrease around the remembered point of refusal; many refusals of one episode are one
    decrease. It is a rate when calls are refused at a number in flight that had just served two rounds of calls, or when a call
    is refused that was alone; it is none after all when refusals go on at a much lower rate.
    """

    def __init__(self, cap: int = START) -> None:
        self._caps = Search(float(cap), 1.0, MOST, 1.0, _CUT, relative=False)
        self._rates: Search | None = None
        self._next_start = -math.inf
        self._cool_until = -math.inf
        self._round = 0
        self._peak = 0
        self._clean = 0
        self._capped = self._paced = 0
        self._timeouts = 0
        self._accepted: deque[float] = deque(maxlen=512)
        self._ttft = self._best_ttft = 0.0

    @property
    def cap(self) -> int:
        """Calls in flight at once."""
        return max(int(self._caps.value), 1)

    @property
    def rate(self) -> float | None:
        """Starts a second, evenly; ``None`` while nothing says that the limit is a rate."""
        return None if self._rates is None else self._rates.value

    def wait(self, now: float) -> float:
        """Return the seconds until the pace allows the next start; 0 now."""
        return max(self._next_start - now, 0.0) if self._rates is not None else 0.0

    def started(self, now: float, in_flight: int) -> None:
        """A call was let in, which makes it ``in_flight``."""
        self._peak = max(self._peak, in_flight)
        if self._rates is not None:
            self._next_start = max(self._next_start, now - _CATCH_UP) + 1 / self._rates.value

    def held_back(self, *, by_pace: bool) -> None:
        """A call waits because of the pace, or because of the cap: that one is being used to the full."""
        if by_pace:
            self._paced += 1
        else:
            self._capped += 1

    def ok(self, now: float, ttft: float) -> None:
        """A call was served; its first text took ``ttft`` seconds (0: unknown)."""
        self._timeouts = 0
        self._accepted.append(now)
        if ttft > 0:
            self._ttft = ttft if not self._ttft else 0.9 * self._ttft + 0.1 * ttft
            self._best_ttft = min(self._best_ttft * 1.001, self._ttft) if self._best_ttft else ttft
        if now < self._cool_until:
            return
        self._clean += 1
        self._round += 1
        rates = self._rates
        pacing = rates is not None and self._paced >= self._capped
        calls = max(8, round(rates.value / 2)) if rates is not None and pacing else max(self.cap, 4)
        if self._round < calls:
            return
        if rates is not None and pacing:
            if self._paced:
                rates.clean(now, self._round)
        elif self._peak >= 0.8 * self.cap and not self._slowed():
            before = self.cap
            self._caps.clean(now, self._round)
            if self.cap != before:
                self._clean = 0
        self._new_round()

    def _slowed(self) -> bool:
        return self._best_ttft > 0 and self._ttft > 2 * self._best_ttft

    def _new_round(self) -> None:
        self._round = self._peak = self._capped = self._paced = 0

    def rejected(self, now: float, in_flight: int, held_until: float) -> None:
        """The server refused a call as one too many; nothing starts before ``held_until``."""
        if now < self._cool_until:
            self._cool_until = max(self._cool_until, held_until)
            return
        served = self._served(now)
        rates = self._rates
        if (
            rates is not None
            and served
            and rates.refused is not None
            and served < 0.6 * rates.refused
            and self._capped > self._paced
        ):
            self._rates = None
            self._caps.refuse()
        elif rates is not None and self._paced >= self._capped:
            rates.refuse(served * 0.98 if served else None)
        elif rates is None and (self._clean >= 2 * self.cap + 4 or in_flight <= 1 or self.cap == 1):
            self._rates = Search(max(served, 0.1), 0.02, 10_000.0, 0.01, 0.85, relative=True)
            self._rates.refuse(served * 0.95 if served else None)
        else:
            self._caps.refuse()
        self._cut(now, held_until)

    def _cut(self, now: float, held_until: float) -> None:
        self._cool_until = max(now + max(_COOLDOWN, min(2 * self._ttft, 10 * _COOLDOWN)), held_until)
        self._clean = self._timeouts = 0
        self._new_round()

    def _served(self, now: float) -> float:
        """Return how many calls a second were served lately."""
        accepted = self._accepted
        while accepted and accepted[0] <= now - _RATE_SPAN:
            accepted.popleft()
        return len(accepted) / _RATE_SPAN

    def timed_out(self, now: float) -> None:
        """A call took too long to begin: growth pauses, and several in a row are a refusal."""
        self._timeouts += 1
        self._pause()
        if self._timeouts >= _TIMEOUTS and now >= self._cool_until:
            self._caps.refuse()
            self._cut(now, now)

    def failed(self) -> None:
        """The server failed: growth pauses."""
        self._pause()

    def _pause(self) -> None:
        self._clean = 0
        self._caps.hold()
        self._new_round()
