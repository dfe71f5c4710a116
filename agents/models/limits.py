"""Limits per minute: kept exactly over every window of 60 seconds, and learnt from what a server's headers say of them."""

from __future__ import annotations

import email.utils
import math
import re
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime

import msgspec

MINUTE = 60.0
_GRAIN = 0.1
"""Seconds that share one bucket. A bucket counts until its last moment is a minute old, so no window ever holds more."""
_MARGIN = 0.05
"""Seconds by which requests may come closer together on their way to the server."""
_RESERVE = 0.05
"""The share of a limit that batches and speculation leave to people and agents."""
LONGEST_HOLD = 3600.0
"""No server is believed that asks for more seconds than this."""


class Bucket:
    """What happened in one tenth of a second."""

    __slots__ = ("amount", "ends", "over")

    def __init__(self, ends: float, amount: float) -> None:
        self.ends, self.amount, self.over = ends, amount, False


class Window:
    """How much of something happened in the last minute, in bucketed time: some 600 numbers at most, however much it is."""

    def __init__(self) -> None:
        self._buckets: deque[Bucket] = deque()
        self._total = 0.0

    def add(self, now: float, amount: float = 1) -> Bucket:
        """Count ``amount`` at ``now``; times never go back. The bucket is for :meth:`correct`."""
        buckets = self._buckets
        if buckets and now < buckets[-1].ends:
            buckets[-1].amount += amount
        else:
            self._forget(now)
            buckets.append(Bucket(now + _GRAIN, amount))
        self._total += amount
        return buckets[-1]

    def correct(self, now: float, bucket: Bucket, by: float) -> None:
        """Change what was counted in ``bucket``. What is more than was counted then and can no longer be, counts now."""
        if not bucket.over:
            bucket.amount += by
            self._total += by
        elif by > 0:
            self.add(now, by)

    def total(self, now: float) -> float:
        """How much is in the window that ends ``now``."""
        self._forget(now)
        return self._total

    def until(self, now: float, room: float) -> float:
        """Return the seconds until no more than ``room`` is in the window; 0 when it is so now."""
        excess = self.total(now) - room
        for bucket in self._buckets:
            if excess <= 0:
                break
            excess -= bucket.amount
            ends = bucket.ends
            if excess <= 0:
                return ends + MINUTE + _MARGIN - now
        return 0.0

    def _forget(self, now: float) -> None:
        buckets, before = self._buckets, now - MINUTE - _MARGIN
        while buckets and buckets[0].ends <= before:
            gone = buckets.popleft()
            gone.over = True
            self._total -= gone.amount
        if not buckets:
            self._total = 0.0


class Told(msgspec.Struct, frozen=True):
    """What one response's headers say of one limit."""

    kind: str
    """``requests`` or ``tokens``."""
    limit: int | None
    """Per minute; ``None`` where the headers name another period or none."""
    remaining: int | None
    reset: float | None
    """Seconds until the server counts anew."""


class Limit:
    """One limit per minute: what is configured, what the server says of it, and how much was used."""

    def __init__(self, configured: int | None) -> None:
        self.configured = configured
        self.learnt: int | None = None
        self._window = Window()
        self._left = math.inf
        self._left_until = -math.inf

    @property
    def limit(self) -> int | None:
        """The lower of what is configured and what was learnt; ``None`` when neither is."""
        if self.configured is None or self.learnt is None:
            return self.learnt if self.configured is None else self.configured
        return min(self.configured, self.learnt)

    def used(self, now: float) -> int:
        """How much was used in the last minute."""
        return round(self._window.total(now))

    def hear(self, now: float, told: Told) -> None:
        """Learn from a response. What it says is left is counted down from here until the server counts anew."""
        if told.limit is not None:
            self.learnt = told.limit
        if told.remaining is not None and told.reset is not None and (now >= self._left_until or told.remaining < self._left):
            self._left, self._left_until = float(told.remaining), now + told.reset

    def exhausted(self, now: float) -> float:
        """Return the seconds until the server, which said that nothing is left, counts anew; 0 when something is."""
        return max(self._left_until - now, 0.0) if self._left < 1 else 0.0

    def wait(self, now: float, amount: float, *, reserve: bool) -> float:
        """Return the seconds until ``amount`` more keeps the limit; 0 now. More than the whole limit waits for a whole minute.

        ``reserve`` leaves a twentieth of the limit to others.
        """
        seconds = 0.0
        if now < self._left_until and amount > self._left:
            # More than the server ever has left goes with a fresh count: waiting longer would not help it.
            seconds = self._left_until - now
        limit = self.limit
        if limit is not None:
            room = limit - math.ceil(limit * _RESERVE) if reserve and limit >= 10 else limit
            seconds = max(seconds, self._window.until(now, max(room - amount, 0)))
        return seconds

    def take(self, now: float, amount: float) -> Bucket:
        """Count ``amount`` as used."""
        self._left -= amount
        return self._window.add(now, amount)

    def correct(self, now: float, bucket: Bucket, by: float) -> None:
        """Count ``by`` more, or less, than was taken."""
        self._left -= by
        self._window.correct(now, bucket, by)


_FIELDS = ("limit", "remaining", "reset")
_OTHER_PERIODS = {"second", "hour", "day", "month"}
_KINDS = {"requests": "requests", "request": "requests", "req": "requests", "tokens": "tokens", "token": "tokens"}


def read_limits(headers: Mapping[str, str], wall: Callable[[], float] = time.time) -> Iterator[Told]:
    """Yield what ``x-ratelimit-…`` and ``anthropic-ratelimit-…`` headers say; what makes no sense is left out.

    ``wall`` is asked only where a date must become a duration and the response has no date of its own.
    """
    found: dict[tuple[str, ...], dict[str, str]] = {}
    for name in headers:
        if "ratelimit" not in name.lower():
            continue
        words = tuple(name.lower().split("-"))
        field = next((field for field in _FIELDS if field in words), None)
        if field is not None:
            found.setdefault(tuple(word for word in words if word != field), {})[field] = headers[name].strip()[:64]
    for words, fields in found.items():
        named = next((_KINDS[word] for word in words if word in _KINDS), None)
        remaining = _number(fields.get("remaining", ""))
        # A limit without a kind may be of any period, and one of input or output alone is not of both.
        minute = named is not None and not _OTHER_PERIODS & set(words) and not {"input", "output"} & set(words)
        limit = _number(fields.get("limit", "")) if minute else None
        yield Told(
            named or "requests",
            int(limit) if limit is not None and limit >= 1 else None,
            None if remaining is None else int(remaining),
            read_reset(fields.get("reset", ""), lambda: _server_time(headers, wall)),
        )


_UNITS = {"d": 86400.0, "h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}
_PART = re.compile(r"(\d{1,12}(?:\.\d{1,12})?)(ms|us|µs|ns|d|h|m|s)", re.ASCII)
_DURATION = re.compile(rf"(?:{_PART.pattern})+", re.ASCII)


def read_reset(text: str, now: Callable[[], float]) -> float | None:
    """Return the seconds that ``6m0s``, ``20ms``, ``1.5``, a Unix time or an RFC 3339 date mean; ``None`` for anything else.

    ``now`` gives the Unix time, for dates. Never more than :data:`LONGEST_HOLD`.
    """
    number = _number(text)
    if number is None and _DURATION.fullmatch(text):
        seconds = sum(float(value) * _UNITS[unit] for value, unit in _PART.findall(text))
    elif number is None:
        at = _date(text)
        if at is None:
            return None
        seconds = at - now()
    elif number >= 1e12:
        seconds = number / 1000 - now()
    else:
        seconds = number - now() if number >= 1e9 else number
    return min(max(seconds, 0.0), LONGEST_HOLD)


def _number(text: str) -> float | None:
    if not re.fullmatch(r"\d{1,20}(?:\.\d{1,20})?", text, re.ASCII):
        return None
    return float(text)


def _date(text: str) -> float | None:
    if not re.match(r"\d{4}-\d\d-\d\dT", text, re.ASCII | re.IGNORECASE):
        return None
    try:
        at = datetime.fromisoformat(text.upper())
        return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None


def _server_time(headers: Mapping[str, str], wall: Callable[[], float]) -> float:
    parsed = email.utils.parsedate_tz(headers.get("date", ""))
    try:
        return wall() if parsed is None else float(email.utils.mktime_tz(parsed))
    except (ValueError, OverflowError):
        return wall()
