"""How much an endpoint bears, found out by asking for more until it refuses: calls in flight, and where that is what it limits,
calls a second. Pure: told what happened and when, it says what is allowed; it starts and waits for nothing.
"""

from __future__ import annotations

import math
from collections import deque

START = 8
MOST = 256
_CUT = 0.8
_COOLDOWN = 0.5
"""Seconds after a cut in which refusals belong to the same episode and successes prove nothing; longer where answers begin late."""
_PLATEAU_FIRST, _PLATEAU_LONGEST = 2.5, 10.0
_PLATEAU_CALLS = 16
"""Just below where it was refused it stays for so many seconds, and for so many calls a second of them; twice as long each time
the same point refuses again."""
_STEP = 1.0
"""Seconds of each step beyond it, at least, so that a reserve of the server's does not hide what it bears."""
_TIMEOUTS = 3
"""Timeouts in a row, without a success between them, that count as a refusal."""
_RATE_SPAN = 2.0
_SPREAD = 0.1
"""Seconds between starts, at most, while no rate is known."""
_UNPACED = 200
"""Calls served without the pace holding one back after which it is forgotten."""
_CATCH_UP = 0.02
"""Seconds of starts that are made up for when timers are late, so that a busy machine does not slow them down; a tenth of a step
where steps are longer, because there evenness counts."""
_TIMED = 16
"""Measured first texts before their smoothed time means something."""
_PROMPT = 0.3
"""Seconds within which a refusal comes."""
_EVIDENCE = 24
"""Starts without a refusal that say something of what the server limits."""
_SEVERAL = 4
"""Starts with as many in flight as a refused one had, from which it follows that their number was not the reason. One may be
chance: a call ended at the server while it was on its way."""


class Search:
    """Looks for the largest value that is not refused.

    Doubles until the first refusal; then halves the distance to just below the refused value, stays there, and looks beyond it in
    steps that double, so that the same point is asked about seldom and a limit that was raised is found soon.
    """

    def __init__(self, value: float, floor: float, most: float, grain: float, cut: float, *, relative: bool) -> None:
        self.value = value
        self.refused: float | None = None
        self._good = value
        self._proved = False
        self._floor, self._most = floor, most
        self._grain, self._relative, self._cut = grain, relative, cut
        self._step = 0.0
        self._base = value
        self._plateau_since: float | None = None
        self._plateau_calls = 0
        self._plateau = _PLATEAU_FIRST

    def _least(self) -> float:
        return self.value * self._grain if self._relative else self._grain

    def clean(self, now: float, calls: int) -> None:
        """A whole round of ``calls`` went well at this value, and all of the value was used: go on."""
        self._proved = True
        if self.refused is None:
            self._to(self.value * 2)
            return
        below = self.refused - (self.refused * self._grain if self._relative else self._grain)
        if self.value < below and not self._step:
            self._to(min(self.value + max((below - self.value) / 2, self._least()), below))
        elif self._plateau_since is None:
            self._plateau_since, self._plateau_calls = now, 0
        elif now - self._plateau_since >= (_STEP if self._step else self._plateau) and (
            self._step or self._plateau_calls >= _PLATEAU_CALLS * self._plateau
        ):
            self._plateau_since = now
            self._base = self._base if self._step else self.value
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
        if self.refused is None and not self._proved and known is None:
            self.value = max(self.value / 2, self._floor)  # nothing is known: a burst may have been too much, not the number
            return
        same = self.refused is not None and abs(self.refused - self.value) <= 0.1 * self.value
        self._plateau = min(self._plateau * 2, _PLATEAU_LONGEST) if same else _PLATEAU_FIRST
        self.refused = self.value
        # A step back of a tenth at least in what is measured, because what was good for a round may have been so from a reserve.
        back = (self._base if self._step else self._good) * (0.97 if self._relative else 1.0)
        down = back if back < self.value else self.value * self._cut
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
    decrease. A server that limits calls in flight refuses one when more are in flight than ever while it refused none; one that
    refuses a call with fewer in flight, or one that is alone, limits the rate. Starts are spread a little in any case, because a
    burst is refused by servers that would serve the same calls one after another.
    """

    def __init__(self, cap: int = START) -> None:
        self._caps = Search(float(cap), 1.0, MOST, 1.0, _CUT, relative=False)
        self._rates: Search | None = None
        self._next_start = self._cool_until = -math.inf
        self._round = self._peak = self._capped = self._paced = self._unpaced = self._timeouts = 0
        self._recent: deque[tuple[float, int]] = deque()
        self._borne, self._borne_before = [0] * (MOST + 1), [0] * (MOST + 1)
        self._starts: deque[float] = deque(maxlen=512)
        self._ttft = self._best_ttft = 0.0
        self._timed = 0
        self._refused = False

    @property
    def cap(self) -> int:
        """Calls in flight at once."""
        return max(int(self._caps.value), 1)

    @property
    def rate(self) -> float | None:
        """Starts a second, evenly; ``None`` while nothing says that the limit is a rate."""
        return None if self._rates is None else self._rates.value

    def wait(self, now: float) -> float:
        """Return the seconds until the next start; 0 now."""
        return max(self._next_start - now, 0.0)

    def started(self, now: float, in_flight: int, waited: float) -> None:
        """A call was let in after it ``waited``, which makes it ``in_flight``."""
        if in_flight == 1 and not waited:
            self._starts.clear()  # nobody asked before: how little was served says nothing
        self._starts.append(now)
        self._peak = max(self._peak, in_flight)
        self._recent.append((now, in_flight))
        self._settle(now)
        if self._rates is not None:
            step = 1 / self._rates.value
        elif in_flight > START or self._refused:
            gain = 2.5 if self._caps.refused is None else 1.5
            step = min(1 / (gain * self._served(now)), _SPREAD)
        else:
            return
        late = _CATCH_UP if step < _CATCH_UP else step / 10
        self._next_start = max(self._next_start, now - late) + step

    def _settle(self, now: float) -> None:
        """Count starts that would have been refused by now, by the calls in flight they made."""
        recent = self._recent
        while recent and recent[0][0] <= now - _PROMPT:
            self._borne[min(recent.popleft()[1], MOST)] += 1

    def held_back(self, *, by_pace: bool) -> None:
        """A call waits because of the pace, or because of the cap: that one is being used to the full."""
        if by_pace:
            self._paced += 1
        else:
            self._capped += 1

    def ok(self, now: float, ttft: float) -> None:
        """A call was served; its first text took ``ttft`` seconds (0: unknown)."""
        self._timeouts = 0
        if ttft > 0:
            self._ttft = ttft if not self._ttft else 0.9 * self._ttft + 0.1 * ttft
            self._timed += 1
            if self._timed >= _TIMED:
                self._best_ttft = min(self._best_ttft * 1.0001, self._ttft) if self._best_ttft else self._ttft
        if now < self._cool_until:
            return
        self._round += 1
        rates = self._rates
        if rates is not None and self._paced >= self._capped:
            if self._round >= max(8, round(rates.value / 2)):
                self._pace_round(now, rates)
        elif self._round >= max(self.cap, 4):
            self._cap_round(now)

    def _pace_round(self, now: float, rates: Search) -> None:
        if self._paced:
            self._unpaced = 0
            rates.clean(now, self._round)
        else:
            self._unpaced += self._round
            if self._unpaced >= _UNPACED:
                self._rates = None
        self._new_round()

    def _cap_round(self, now: float) -> None:
        if self._peak >= 0.8 * self.cap and not self._slowed():
            self._caps.clean(now, self._round)
        self._new_round()

    def _slowed(self) -> bool:
        return self._best_ttft > 0 and self._ttft > 2 * self._best_ttft

    def _new_round(self) -> None:
        self._round = self._peak = self._capped = self._paced = 0

    def rejected(self, now: float, in_flight: int, held_until: float) -> None:
        """The server refused a call as one too many; nothing starts before ``held_until``."""
        self._refused = True
        if self._starts:
            self._starts.pop()
        if now < self._cool_until:
            self._cool_until = max(self._cool_until, held_until)
            self._recent.clear()
            return
        served = self._served(now)
        self._settle(now)
        known = sum(self._borne) + sum(self._borne_before) >= _EVIDENCE
        as_many = sum(self._borne[in_flight:]) + sum(self._borne_before[in_flight:])
        if self._rates is None and (in_flight <= 1 or (known and as_many >= _SEVERAL)):
            self._rates = Search(served or 1.0, 0.02, 10_000.0, 0.01, 0.85, relative=True)
            self._rates.refuse(0.95 * served or 0.5)
            self._caps = Search(max(self._caps.value, START), 1.0, MOST, 1.0, _CUT, relative=False)
            self._borne = [0] * (MOST + 1)
        elif self._rates is not None and known and as_many <= 1:
            self._rates = None
            self._caps = Search(float(in_flight), 1.0, MOST, 1.0, _CUT, relative=False)
            self._caps.refuse(in_flight - 1.0)
            self._borne = [0] * (MOST + 1)
        elif self._rates is not None and self._paced >= self._capped:
            self._rates.refuse(0.98 * served or self._rates.value / 2)
        else:
            self._caps.refuse()
        self._cut(now, held_until)

    def _cut(self, now: float, held_until: float) -> None:
        self._cool_until = max(now + max(_COOLDOWN, min(2 * self._ttft, 10 * _COOLDOWN)), held_until)
        self._timeouts = 0
        self._borne_before, self._borne = self._borne, [0] * (MOST + 1)
        self._recent.clear()
        self._new_round()

    def _served(self, now: float) -> float:
        """Return how many calls a second were begun and not refused lately: in the last two seconds, or of the last eight."""
        starts = self._starts
        while len(starts) > 8 and starts[0] <= now - _RATE_SPAN:
            starts.popleft()
        return len(starts) / max(now - starts[0], _COOLDOWN) if starts else 0.0

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
        self._caps.hold()
        self._new_round()
