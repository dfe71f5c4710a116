"""Figures from the event stream: what model calls take, how many run and wait, how fast text comes, what the cache saves.

A reader of events like any other. It keeps bounded memory however long the session is, and it never invents: a figure
without data is ``None``. Each field of a snapshot says how it is computed.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import msgspec

from agents.events import AnyEvent, Retried, RunEnded, RunStarted, StepEnded, StepQueued, StepStarted, Text
from agents.percentiles import AllSamples, Percentiles, RecentSamples
from agents.tokens import BYTES_A_TOKEN, size_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from agents.stream import Subscription

MINUTE = 60
_PERIOD = 0.2
_FLOW = 3.0
"""Seconds over which the present token rate is taken."""
_LANES = 256
"""How many lanes' characters per token are remembered."""
_MEASURES = ("total", "ttft", "itl", "wait")


class Window(msgspec.Struct, frozen=True, kw_only=True):
    """Figures of model calls that ended within one span of time."""

    span: float
    """Seconds covered: 60, or the session's age where that is less."""
    total: Percentiles = Percentiles()
    """Seconds from the first attempt's start to the end, of calls that ended ``done`` and were not answered from the cache.

    Percentiles of the minute are exact over its newest 4,096 calls; those of the session are within one percent."""
    ttft: Percentiles = Percentiles()
    """Seconds from the first attempt's start to the first text, of calls not answered from the cache, however they ended."""
    itl: Percentiles = Percentiles()
    """Each call's mean inter-token latency, in seconds, of the same calls as ``ttft``."""
    wait: Percentiles = Percentiles()
    """Seconds from queued to the first attempt's start, of calls that started and were not answered from the cache."""
    calls: int = 0
    """Calls that ended, from the cache too; those a person or a parent stopped are not counted."""
    calls_per_second: float | None = None
    """``calls / span``; ``None`` before the session's first call ended."""
    tokens_in: int = 0
    """Sum of the usage of calls not answered from the cache. A joined call's usage is counted once, with the call it joined."""
    tokens_out: int = 0
    tokens_cached: int = 0
    """Those of ``tokens_in`` that providers read from their own caches."""
    tokens_cached_share: float | None = None
    """``tokens_cached / tokens_in``."""
    tokens_estimated: bool = False
    """True when a server sent no usage and stream chunks were counted in its place."""
    hits: int = 0
    """Calls answered from the response cache."""
    joined: int = 0
    """Calls that shared another one's upstream call (single flight)."""
    misses: int = 0
    """Calls that asked the cache and went upstream; those of runs that turned the cache off, or asked anew, are not counted."""
    hit_rate: float | None = None
    """``(hits + joined) / (hits + joined + misses)``: the share of calls that cost no upstream call of their own."""
    errors: dict[str, int] = {}
    """Calls that ended ``failed``, ``cut`` or ``late``, by the error's kind or, where it has none, by that word."""
    error_rate: float | None = None
    """``sum(errors) / calls``."""
    retries: int = 0
    """Attempts that failed and were followed by another."""


class MetricsSnapshot(msgspec.Struct, frozen=True, kw_only=True):
    """The figures at one moment."""

    at: float
    """Seconds on the engine's clock."""
    minute: Window
    session: Window
    queued: int
    """Model steps that exist and have not started, or wait to be tried again."""
    in_flight: int
    """Model steps that started and have not ended."""
    tokens_per_second: float | None
    """Text of model steps over the last 3 seconds (less, when it began to flow within them), in tokens: characters divided by
    the lane's characters per token. Text from the cache is taken out as soon as it is known to be. ``None`` before any text."""
    tokens_per_second_estimated: bool
    """True while a lane that flows has not yet shown its characters per token by a server's own usage; until then it is
    4 bytes of UTF-8 a token."""

    @property
    def total(self) -> Percentiles:
        """The last minute's total times or, where it has none, the session's."""
        return self.minute.total if self.minute.total.count else self.session.total

    @property
    def ttft(self) -> Percentiles:
        """The last minute's times to first token or, where it has none, the session's."""
        return self.minute.ttft if self.minute.ttft.count else self.session.ttft

    @property
    def hit_rate(self) -> float | None:
        """The last minute's cache hit rate or, where it has none, the session's."""
        return self.session.hit_rate if self.minute.hit_rate is None else self.minute.hit_rate


@dataclass(slots=True)
class _Counts:
    calls: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    tokens_cached: int = 0
    estimated: int = 0
    hits: int = 0
    joined: int = 0
    misses: int = 0
    retries: int = 0
    errors: dict[str, int] = field(default_factory=dict)

    def add(self, other: _Counts) -> None:
        self.calls += other.calls
        self.tokens_in += other.tokens_in
        self.tokens_out += other.tokens_out
        self.tokens_cached += other.tokens_cached
        self.estimated += other.estimated
        self.hits += other.hits
        self.joined += other.joined
        self.misses += other.misses
        self.retries += other.retries
        for kind, count in other.errors.items():
            self.errors[kind] = self.errors.get(kind, 0) + count

    def window(self, span: float, measures: dict[str, Percentiles], *, any_call: bool) -> Window:
        free, failed = self.hits + self.joined, sum(self.errors.values())
        return Window(
            span=span,
            calls=self.calls,
            calls_per_second=self.calls / span if any_call and span > 0 else None,
            tokens_in=self.tokens_in,
            tokens_out=self.tokens_out,
            tokens_cached=self.tokens_cached,
            tokens_cached_share=self.tokens_cached / self.tokens_in if self.tokens_in else None,
            tokens_estimated=self.estimated > 0,
            hits=self.hits,
            joined=self.joined,
            misses=self.misses,
            hit_rate=free / (free + self.misses) if free + self.misses else None,
            errors=dict(self.errors),
            error_rate=failed / self.calls if self.calls else None,
            retries=self.retries,
            **measures,
        )


@dataclass(slots=True)
class _LiveStep:
    run: str
    lane: str
    waiting: bool = True
    chars: int = 0
    """Characters of the present attempt."""
    offset: int = 0
    """Characters of the attempts before it."""


class _Wants(msgspec.Struct):
    use_cache: bool = True
    refresh: bool = False


class Metrics:
    """Running figures of one session. Feed it events, or let :meth:`run` take them from a reader."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._began = clock()
        self._live: dict[str, _LiveStep] = {}
        self._uncached_runs: set[str] = set()
        self._session = _Counts()
        self._seconds: deque[tuple[int, _Counts]] = deque()
        self._recent = {name: RecentSamples(MINUTE) for name in _MEASURES}
        self._ever = {name: AllSamples() for name in _MEASURES}
        self._flow: deque[tuple[float, str, str, int, int]] = deque()
        """Text that came lately: when, of which step and lane, how many characters and bytes."""
        self._flows_since: float | None = None
        self._chars_per_token: dict[str, tuple[int, int]] = {}
        """By lane: characters and the tokens a server counted for them."""

    async def run(self, reader: Subscription) -> None:
        """Feed on ``reader``, five times a second while anything happens, until the stream closes."""
        while await reader.wait():
            for event in reader.drain():
                self.feed(event)
            await reader.pause(_PERIOD)

    def feed(self, event: AnyEvent) -> None:
        """Take note of one event."""
        match event:
            case Text(step=id) if step := self._live.get(id):
                step.chars += len(event.text)
                self._note_text(event.at, id, step.lane, event.text)
            case StepQueued(kind="model"):
                self._live[event.step] = _LiveStep(event.run, event.lane)
            case StepStarted(step=id) if step := self._live.get(id):
                # What comes before the offset is an attempt that failed; one that goes on where it was cut keeps its offset.
                step.chars = max(step.offset + step.chars - event.offset, 0)
                step.waiting, step.offset = False, event.offset
            case Retried(step=id) if step := self._live.get(id):
                step.waiting = True
                self._count(event.at, _Counts(retries=1))
            case StepEnded(step=id) if step := self._live.pop(id, None):
                self._end(event, step)
            case RunStarted() if not _asks_cache(event.request):
                self._uncached_runs.add(event.run)
            case RunEnded():
                self._uncached_runs.discard(event.run)
                for id in [id for id, step in self._live.items() if step.run == event.run]:  # noqa: A001
                    del self._live[id]
            case _:
                pass

    def _note_text(self, at: float, id: str, lane: str, text: str) -> None:  # noqa: A002
        if self._flows_since is None or not self._flow or at - self._flow[-1][0] > _FLOW:
            self._flows_since = at
        self._flow.append((at, id, lane, len(text), size_of(text)))
        self._forget_flow(at)

    def _forget_flow(self, now: float) -> None:
        while self._flow and self._flow[0][0] <= now - _FLOW:
            self._flow.popleft()

    def _end(self, event: StepEnded, step: _LiveStep) -> None:
        usage, timings = event.usage, event.timings
        self._forget_added(event, step)
        counts = _Counts(calls=event.outcome != "cancelled")
        if event.outcome in {"failed", "cut", "late"}:
            counts.errors[event.error_kind or event.outcome] = 1
        if event.cached or event.speculated:
            counts.hits = int(event.cached)  # what was made beforehand was paid for, and nobody can say when
            self._forget_step(event.step, step.offset + step.chars)
        else:
            self._measure(event)
            if event.joined:
                counts.joined = 1
            elif timings.started is not None and event.run not in self._uncached_runs:
                counts.misses = 1
        if usage is not None and not event.cached and not event.joined:
            counts.tokens_in, counts.tokens_out, counts.estimated = usage.input, usage.output, usage.estimated
            counts.tokens_cached = min(usage.cached, usage.input)
            if not usage.estimated and usage.output and 0.5 <= step.chars / usage.output <= 12:  # beyond: tokens nobody was shown
                chars, tokens = self._chars_per_token.get(step.lane, (0, 0))
                self._chars_per_token[step.lane] = (chars + step.chars, tokens + usage.output)
                if len(self._chars_per_token) > _LANES:
                    del self._chars_per_token[next(iter(self._chars_per_token))]
        self._count(event.at, counts)

    def _forget_added(self, event: StepEnded, step: _LiveStep) -> None:
        """Take back what was counted of text that no model gave."""
        if event.own_chars is None:
            return
        added = max(step.chars - max(event.own_chars - step.offset, 0), 0)
        if not added:
            return
        step.chars -= added
        for index in range(len(self._flow) - 1, -1, -1):
            at, id, lane, chars, size = self._flow[index]  # noqa: A001
            if id == event.step and added and chars:
                taken = min(chars, added)
                self._flow[index] = (at, id, lane, chars - taken, size * (chars - taken) // chars)
                added -= taken

    def _forget_step(self, id: str, chars: int) -> None:  # noqa: A002
        """Take back all of a step's text, which came lately if it came from the cache: its entries are among the newest."""
        index = len(self._flow) - 1
        while chars > 0 and index >= 0:
            entry = self._flow[index]
            if entry[1] == id:
                chars -= entry[3]
                del self._flow[index]
            index -= 1

    def _measure(self, event: StepEnded) -> None:
        timings = event.timings
        samples = {
            "total": timings.busy if event.outcome == "done" and timings.started is not None else None,
            "ttft": timings.ttft,
            "itl": timings.itl_mean,
            "wait": None if timings.started is None else timings.wait,
        }
        for name, value in samples.items():
            if value is not None:
                self._recent[name].add(event.at, value)
                self._ever[name].add(value)

    def _count(self, at: float, counts: _Counts) -> None:
        self._session.add(counts)
        if not self._seconds or self._seconds[-1][0] != int(at):
            self._seconds.append((int(at), _Counts()))
        self._seconds[-1][1].add(counts)
        self._forget_seconds(at)

    def _forget_seconds(self, now: float) -> None:
        while self._seconds and self._seconds[0][0] <= int(now) - MINUTE:
            self._seconds.popleft()

    def snapshot(self) -> MetricsSnapshot:
        """Return the figures as of now. Cheap enough for ten times a second."""
        now = self._clock()
        self._forget_seconds(now)
        minute = _Counts()
        for _, counts in self._seconds:
            minute.add(counts)
        age = now - self._began
        any_call = self._session.calls > 0
        rate, estimated = self._tokens_per_second(now)
        waiting = sum(step.waiting for step in self._live.values())
        recent = {name: samples.read(now) for name, samples in self._recent.items()}
        ever = {name: samples.read() for name, samples in self._ever.items()}
        return MetricsSnapshot(
            at=now,
            minute=minute.window(min(age, float(MINUTE)), recent, any_call=any_call),
            session=self._session.window(age, ever, any_call=any_call),
            queued=waiting,
            in_flight=len(self._live) - waiting,
            tokens_per_second=rate,
            tokens_per_second_estimated=estimated,
        )

    def _tokens_per_second(self, now: float) -> tuple[float | None, bool]:
        self._forget_flow(now)
        if self._flows_since is None:
            return None, False
        tokens, estimated = 0.0, False
        for _, _, lane, chars, size in self._flow:
            known, counted = self._chars_per_token.get(lane, (0, 0))
            estimated = estimated or not counted
            tokens += chars * counted / known if counted else size / BYTES_A_TOKEN
        # Half a second at least, so that a first burst does not show as a rate nobody sees.
        return tokens / min(max(now - self._flows_since, 0.5), _FLOW), estimated


def _asks_cache(request: str) -> bool:
    """Return whether the run that ``request`` describes looks its calls up in the cache."""
    try:
        wants = msgspec.json.decode(request, type=_Wants)
    except msgspec.MsgspecError:
        return True
    return wants.use_cache and not wants.refresh
