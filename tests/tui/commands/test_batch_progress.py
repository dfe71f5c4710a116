from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import pytest

from agents.events import Log, Planned, Retried, StepEnded, StepQueued, StepStarted, Timings, Usage
from tui.commands import batch_progress
from tui.commands.batch_progress import Progress, clock
from tui.terminal import Terminal

if TYPE_CHECKING:
    from agents.events import AnyEvent, Outcome

_numbers = itertools.count(1)


def event(kind: type[Any], /, **fields: Any) -> AnyEvent:
    made: AnyEvent = kind(run="r", seq=next(_numbers), at=0.0, **fields)
    return made


class Clock:
    """The time, as the test says."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(batch_progress, "time", clock)
    return clock


@pytest.fixture
def progress(time: Clock) -> Progress:
    made = Progress()
    made.take(event(StepQueued, step="r.1", kind="group", name="out"))
    return made


def begin(progress: Progress, step: str, kind: str = "model") -> None:
    progress.take(event(StepQueued, step=step, kind=kind, name=step, parent="r.1"))
    if kind == "model":
        progress.take(event(StepStarted, step=step))


def end(progress: Progress, step: str, outcome: Outcome = "done", **more: Any) -> None:
    timings = Timings(queued=0.0, started=0.0, ended=2.0)
    progress.take(event(StepEnded, step=step, outcome=outcome, timings=timings, **more))


def test_the_line_says_how_far_it_is_and_when_it_will_be_done(progress: Progress, time: Clock) -> None:
    terminal = Terminal()
    progress.take(event(Planned, total=100, kept=20))
    begin(progress, "a")
    begin(progress, "b")
    progress.tell(terminal)
    time.now = 5.0
    for step in "ab":
        end(progress, step, usage=Usage(input=5, output=7), cost=0.25)
    begin(progress, "c")
    end(progress, "c", "failed", error_kind="rate_limit")
    begin(progress, "d", "tool")
    end(progress, "d", "failed")
    begin(progress, "e")
    progress.take(event(StepStarted, step="e", attempt=2))
    end(progress, "f", "cancelled")
    progress.tell(terminal)
    line = "24 of 100 rows (24 %), 0.8/s, ETA 1:35, 1 in flight, 2 failed: rate_limit 1, input 1, cost 0.5"
    assert progress.line() == line
    progress.draining = True
    assert progress.line() == line.replace("ETA 1:35, ", "").replace("flight", "flight, stopping")


def test_the_line_says_what_holds_it_back_and_when_it_does_guesses_no_end(progress: Progress, time: Clock) -> None:
    progress.take(event(Planned, total=10))
    progress.tell(Terminal())
    time.now = 1.0
    begin(progress, "a")
    end(progress, "a")
    begin(progress, "b")
    progress.take(event(Retried, step="b", attempt=1, reason="slow down", delay=9.0))
    progress.held = "waiting 0:09 for lab (the server asks to wait)"
    progress.tell(Terminal())
    assert progress.line() == "1 of 10 rows (10 %), 1/s, 0 in flight, waiting 0:09 for lab (the server asks to wait)"
    progress.held = ""
    progress.take(event(StepStarted, step="b", attempt=2))
    assert progress.line() == "1 of 10 rows (10 %), 1/s, ETA 0:09, 1 in flight"


def test_the_end_says_what_became_of_it(progress: Progress, time: Clock) -> None:
    progress.take(event(Planned, total=4, kept=1, failed=1))
    begin(progress, "a")
    time.now = 2.0
    end(progress, "a", usage=Usage(input=5, output=7), cost=0.25)
    begin(progress, "b")
    end(progress, "b", cached=True, usage=Usage(input=5, output=7), cost=0.0)
    begin(progress, "c")
    end(progress, "c", "cut", error_kind="cut")
    assert progress.summary() == [
        "3 rows in 2.00 s (1.5/s): 2 fine, 1 failed (cut 1), 1 from the cache; 1 kept from before",
        "5 tokens in, 7 out, cost 0.25, a call took 2.00 s (P50), 2.00 s (P95)",
    ]
    assert (progress.left, progress.failed) == (0, 2)


def test_nothing_is_made_up_where_nothing_is_known(progress: Progress) -> None:
    assert progress.line() == "0 rows, 0 in flight"
    assert progress.left is None
    assert progress.summary() == ["0 rows in 0.00 s: 0 fine, 0 failed"]


def test_without_a_terminal_a_line_comes_every_ten_seconds_and_each_warning_once(
    progress: Progress, time: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    terminal = Terminal()
    for _ in range(3):
        progress.take(event(Log, step="a", level="warning", message="no price"))
    for now in range(25):
        time.now = float(now)
        progress.tell(terminal)
    assert capsys.readouterr().err == "stretto: no price\n" + "0 rows, 0 in flight\n" * 2


@pytest.mark.parametrize(("seconds", "shown"), [(0.4, "0:00"), (59.6, "1:00"), (754, "12:34"), (3661, "1:01:01")])
def test_spans_are_shown_as_on_a_clock(seconds: float, shown: str) -> None:
    assert clock(seconds) == shown
