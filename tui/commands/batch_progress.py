"""How far a batch is, from its events: one line that is redrawn, or a line now and then, and what is said at the end."""

from __future__ import annotations

import time
from collections import Counter, deque
from typing import TYPE_CHECKING

from agents.events import Log, Planned, Retried, StepEnded, StepQueued, StepStarted
from agents.percentiles import AllSamples

if TYPE_CHECKING:
    from agents.events import AnyEvent
    from tui.terminal import Terminal

_EVERY = 10.0
"""Seconds between two lines where no line can be redrawn."""
_SPAN = 15.0
"""Seconds over which the present rate is taken."""
_WARNINGS = 20
"""Different warnings that are passed on."""


class Progress:
    """Counts one batch. Rows of several models count once for each."""

    def __init__(self) -> None:
        self.total: int | None = None
        self.kept = 0
        """Results an earlier batch left."""
        self.done = 0
        """Results of this one, failures too."""
        self.in_flight = 0
        self.draining = False
        self.held = ""
        """Why nothing is sent now, in a few words; empty when nothing holds the calls back."""
        self.first_error = ""
        self.errors: Counter[str] = Counter()
        self.cached = 0
        self.cost: float | None = None
        self.tokens_in = 0
        self.tokens_out = 0
        self._kept_failed = 0
        self._top: str | None = None
        self._bad: set[str] = set()
        """Steps of lines that ask nothing."""
        self._started: set[str] = set()
        self._times = AllSamples()
        self._warnings: dict[str, bool] = {}
        self._began = time.monotonic()
        self._first: float | None = None
        self._last = self._began
        self._told = self._began
        self._marks: deque[tuple[float, int]] = deque()

    @property
    def failed(self) -> int:
        """Failures in the output, those an earlier batch left too."""
        return self.errors.total() + self._kept_failed

    @property
    def left(self) -> int | None:
        """Results still to come; ``None`` while nobody knows."""
        return None if self.total is None else max(self.total - self.kept - self.done, 0)

    def take(self, event: AnyEvent) -> None:
        """Take note of one event."""
        match event:
            case Planned(total=total, kept=kept, failed=failed):
                self.total, self.kept, self._kept_failed = total, kept, failed
            case StepQueued(parent=None, step=step):
                self._top = self._top or step
            case StepQueued(kind="tool", step=step):
                self._bad.add(step)
            case StepStarted(step=step):
                if step not in self._started:
                    self._started.add(step)
                    self.in_flight += 1
                    if self._first is None:
                        self._first = time.monotonic()
            case Retried(step=step) if step in self._started:
                self._started.discard(step)
                self.in_flight -= 1
            case StepEnded() if event.step != self._top:
                self._end(event)
            case Log(level="warning" | "error", message=message) if len(self._warnings) < _WARNINGS:
                self._warnings.setdefault(message, False)
            case _:
                pass

    def _end(self, event: StepEnded) -> None:
        self._last = time.monotonic()
        if event.step in self._started:
            self._started.discard(event.step)
            self.in_flight -= 1
        if event.outcome == "cancelled" or event.error_kind == "budget":
            return
        self.done += 1
        if event.outcome != "done":
            self.errors["input" if event.step in self._bad else event.error_kind or event.outcome] += 1
            self._bad.discard(event.step)
            self.first_error = self.first_error or event.error or ""
        self.cached += event.cached
        if event.cost is not None:
            self.cost = (self.cost or 0.0) + event.cost
        if event.usage is not None and not event.cached and not event.joined:
            self.tokens_in += event.usage.input
            self.tokens_out += event.usage.output
        if event.outcome == "done" and not event.cached:
            self._times.add(event.timings.busy)

    def tell(self, terminal: Terminal) -> None:
        """Redraw the line, or where that makes no sense write one every ten seconds; pass on warnings, each once."""
        for message in [message for message, told in self._warnings.items() if not told]:
            self._warnings[message] = True
            terminal.complain(message)
        now = time.monotonic()
        self._marks.append((now, self.done))
        while now - self._marks[0][0] > _SPAN:
            self._marks.popleft()
        if terminal.live:
            terminal.status(self.line())
        elif now - self._told >= _EVERY:
            self._told = now
            terminal.note(self.line())

    def line(self) -> str:
        """Return where the batch is, in one line."""
        done = self.done + self.kept
        if self.total is None:
            parts = [f"{done:,} rows"]
        else:
            parts = [f"{done:,} of {self.total:,} rows ({100 * done // max(self.total, 1)} %)"]
        rate = self._rate()
        if rate:
            parts.append(f"{rate:.3g}/s" if rate < 100 else f"{rate:.0f}/s")
            if self.left and not self.draining and not self.held:
                parts.append(f"ETA {clock(self.left / rate)}")
        parts.append(f"{self.in_flight} in flight")
        if self.draining:
            parts.append("stopping")
        elif self.held:
            parts.append(self.held)
        if self.errors:
            parts.append(f"{self.errors.total():,} failed: {self._classes()}")
        if self.cost is not None:
            parts.append(f"cost {self.cost:.4g}")
        return ", ".join(parts)

    def _rate(self) -> float | None:
        if len(self._marks) < 2:
            return None
        (first, before), (last, now) = self._marks[0], self._marks[-1]
        return (now - before) / (last - first) if last > first else None

    def _classes(self) -> str:
        return ", ".join(f"{kind} {count:,}" for kind, count in self.errors.most_common())

    def summary(self) -> list[str]:
        """Return what is said at the end: rows and time, then tokens, cost and how long calls took."""
        seconds = self._last - (self._first or self._began)
        fine = self.done - self.errors.total()
        head = f"{self.done:,} rows in {seconds:.{1 if seconds >= 100 else 2}f} s"
        if self.done and seconds > 0:
            head += f" ({self.done / seconds:.1f}/s)"
        head += f": {fine:,} fine, {self.errors.total():,} failed" + (f" ({self._classes()})" if self.errors else "")
        if self.cached:
            head += f", {self.cached:,} from the cache"
        if self.kept:
            head += f"; {self.kept:,} kept from before"
        parts = [f"{self.tokens_in:,} tokens in, {self.tokens_out:,} out"]
        if self.cost is not None:
            parts.append(f"cost {self.cost:.4g}")
        times = self._times.read()
        if times.p50 is not None and times.p95 is not None:
            parts.append(f"a call took {times.p50:.2f} s (P50), {times.p95:.2f} s (P95)")
        return [head, ", ".join(parts)] if self.done else [head]


def clock(seconds: float) -> str:
    """Return a span of time as minutes and seconds, or with hours."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
