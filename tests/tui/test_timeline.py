from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.engine import Engine
from agents.events import FirstToken, Log, Retried, RunEnded, RunStarted, Saved, StepEnded, StepQueued, StepStarted
from agents.requests import Chat, Lane, Message, ModelRef
from tests.tui.room import HOSTILE, ended, make
from tui.overlap import critical_path, most_at_once, overlap, shares, waited_for
from tui.overlap_words import path, sums, waiting
from tui.timeline import Bar, Timeline, Track

if TYPE_CHECKING:
    from agents.runs import Run


def began(timeline: Timeline, run: str = "r", at: float = 0.0, title: str = "why") -> Track:
    timeline.handle(make(RunStarted, at, run=run, kind="chat", title=title, wall=1e9, request="{}"))
    found = timeline.latest()
    assert found is not None
    return found


def over(timeline: Timeline, run: str = "r", at: float = 1.0, outcome: str = "done") -> None:
    timeline.handle(make(RunEnded, at, run=run, outcome=outcome, wall=at, busy=at))


def step(
    timeline: Timeline, name: str, queued: float, started: float | None = None, end: float | None = None, **fields: Any
) -> Bar:
    run = fields.setdefault("run", "r")
    fields = {"kind": "model", "lane": "lab/m", **fields}
    first = fields.pop("first", None)
    timeline.handle(make(StepQueued, queued, step=name, name=name, **fields))
    if started is not None:
        timeline.handle(make(StepStarted, started, run=run, step=name))
    if first is not None:
        timeline.handle(make(FirstToken, first, run=run, step=name))
    if end is not None:
        timeline.handle(ended(name, queued, at=end, run=run, started=started) if run == "r" else _ended(run, name, queued, end))
    return next(track for track in timeline.tracks if track.run == run).bars[name]


def _ended(run: str, name: str, queued: float, end: float) -> StepEnded:
    from agents.events import Timings

    return make(StepEnded, end, run=run, step=name, outcome="done", timings=Timings(queued=queued, ended=end))


def phases(bar: Bar, now: float = 10.0) -> list[tuple[str, float, float]]:
    return [phase for phase in bar.phases(now) if phase[2] > phase[1]]


def test_a_call_is_queued_then_waits_for_its_first_token_then_streams() -> None:
    timeline = Timeline()
    began(timeline)
    bar = step(timeline, "a", 0.0, 1.0, 4.0, first=2.0)
    assert phases(bar) == [("queued", 0.0, 1.0), ("waiting", 1.0, 2.0), ("streaming", 2.0, 4.0)]
    assert (bar.wait(10), bar.busy(10), bar.until(10)) == (1.0, 3.0, 4.0)


def test_what_goes_on_reaches_to_the_present() -> None:
    timeline = Timeline()
    began(timeline)
    assert phases(step(timeline, "a", 1.0)) == [("queued", 1.0, 10.0)]
    assert phases(step(timeline, "b", 1.0, 2.0)) == [("queued", 1.0, 2.0), ("waiting", 2.0, 10.0)]
    assert phases(step(timeline, "c", 1.0, 2.0, first=3.0), 5)[-1] == ("streaming", 3.0, 5.0)
    assert phases(step(timeline, "d", 1.0, 2.0, kind="tool", lane="fetch")) == [("queued", 1.0, 2.0), ("working", 2.0, 10.0)]


def test_a_retry_is_a_pause_and_a_queue_and_its_reason_is_kept() -> None:
    timeline = Timeline()
    began(timeline)
    bar = step(timeline, "a", 0.0, 1.0)
    timeline.handle(make(Retried, 2.0, step="a", attempt=1, reason="429 [/]\x1b", delay=1.5))
    assert (bar.state, phases(bar, 3)[-1]) == ("queued", ("paused", 2.0, 3.0))
    assert phases(bar, 4)[-2:] == [("paused", 2.0, 3.5), ("queued", 3.5, 4.0)]
    timeline.handle(make(StepStarted, 5.0, step="a", attempt=2))
    timeline.handle(make(FirstToken, 6.0, step="a"))
    timeline.handle(ended("a", 0.0, at=7.0))
    assert phases(bar) == [
        ("queued", 0.0, 1.0),
        ("waiting", 1.0, 2.0),
        ("paused", 2.0, 3.5),
        ("queued", 3.5, 5.0),
        ("waiting", 5.0, 6.0),
        ("streaming", 6.0, 7.0),
    ]
    assert [(attempt.started, attempt.failed, attempt.delay) for attempt in bar.attempts] == [(1.0, 2.0, 1.5), (5.0, None, 0.0)]
    assert bar.attempts[0].reason.startswith("429")
    assert "\x1b" not in bar.attempts[0].reason


moments = st.floats(0, 100, allow_nan=False)


@given(st.lists(moments, min_size=1, max_size=12), st.booleans(), moments, st.floats(0, 30))
def test_phases_have_no_gaps_and_never_run_backwards(times: list[float], over_now: bool, now: float, delay: float) -> None:
    timeline = Timeline()
    began(timeline)
    times = sorted(times)
    bar = step(timeline, "a", times[0])
    for number, at in enumerate(times[1:-1]):
        if number % 2 == 0:
            timeline.handle(make(StepStarted, at, step="a"))
        else:
            timeline.handle(make(Retried, at, step="a", attempt=1, reason="", delay=delay))
    if over_now:
        timeline.handle(ended("a", times[0], at=times[-1]))
    now = max(now, times[-1])
    found = list(bar.phases(now))
    assert found[0][1] == times[0]
    assert found[-1][2] == bar.until(now)
    assert all(one[2] == other[1] for one, other in itertools.pairwise(found))
    assert all(begin <= end for _, begin, end in found)


def test_steps_stand_in_the_order_of_their_tree_however_late_they_come() -> None:
    timeline = Timeline()
    began(timeline)
    step(timeline, "a", 0, kind="group")
    step(timeline, "b", 0, kind="group")
    step(timeline, "a1", 1, parent="a")
    step(timeline, "b1", 1, parent="b")
    step(timeline, "a2", 2, parent="a")
    step(timeline, "a1x", 3, parent="a1")
    rows = [timeline.row(index) for index in range(len(timeline))]
    assert [row.step if isinstance(row, Bar) else row.run for row in rows] == ["r", "a", "a1", "a1x", "a2", "b", "b1"]
    assert [row.depth for row in rows if isinstance(row, Bar)] == [0, 1, 2, 1, 0, 1]
    assert [timeline.index(row) for row in rows] == list(range(7))
    with pytest.raises(IndexError):
        timeline.row(7)
    with pytest.raises(IndexError):
        timeline.row(-1)


@given(st.lists(st.integers(0, 5), max_size=30))
def test_every_row_is_found_where_it_stands(sizes: list[int]) -> None:
    timeline = Timeline(limit=20)
    for number, size in enumerate(sizes):
        began(timeline, f"r{number}", number)
        for one in range(size):
            step(timeline, f"s{one}", number, number, number, run=f"r{number}")
        over(timeline, f"r{number}", number)
    assert len(timeline.tracks) == min(len(sizes), 20)
    assert [timeline.index(timeline.row(index)) for index in range(len(timeline))] == list(range(len(timeline)))
    assert len(timeline.calls("lab")) == len(timeline) - len(timeline.tracks)


def test_the_oldest_run_that_is_over_goes_first_and_what_runs_stays() -> None:
    timeline = Timeline(limit=2)
    first = began(timeline, "a")
    kept = step(timeline, "x", 0, run="a")
    gone = began(timeline, "b")
    step(timeline, "y", 0, 0, 1, run="b")
    over(timeline, "b")
    began(timeline, "c")
    assert [track.run for track in timeline.tracks] == ["a", "c"]
    assert timeline.index(gone) is None
    assert timeline.index(kept) == 1
    assert timeline.calls("lab") == [kept]
    began(timeline, "d")
    assert len(timeline.tracks) == 3
    assert timeline.running
    assert first in timeline.tracks
    timeline.handle(make(Log, 1.0, run="b", step="y", message="late"))


def test_ends_and_what_is_saved_are_told_by_state() -> None:
    timeline = Timeline()
    track = began(timeline)
    bar, bad = step(timeline, "a", 0, 0, 1), step(timeline, "b", 0, 0)
    timeline.handle(ended("b", 0.0, at=1.0, outcome="failed", error="no such model"))
    assert (bar.state, bad.state, bad.note) == ("done", "failed", "no such model")
    timeline.handle(make(Saved, 1.0, step="a", error="disk full"))
    assert (bar.state, bar.note) == ("done", "not saved: disk full")
    for name in ("a", "b", "unknown"):
        timeline.handle(make(Saved, 1.0, step=name))
    assert (bar.state, bad.state) == ("saved", "failed")
    over(timeline)
    timeline.handle(make(Saved, 1.0, step=None))
    assert track.saved
    assert not timeline.running


@pytest.mark.parametrize("name", HOSTILE)
def test_names_from_outside_are_kept_safe(name: str) -> None:
    timeline = Timeline()
    track = began(timeline, title=name)
    bar = step(timeline, name, 0, lane=f"lab/{name}")
    for text in (track.title, bar.name, bar.lane):
        assert not any(ord(char) < 32 or 127 <= ord(char) < 160 or 0xD800 <= ord(char) < 0xE000 for char in text)


intervals = st.lists(st.tuples(moments, moments).map(lambda pair: (min(pair), max(pair))), max_size=30)


@given(intervals)
def test_most_at_once_is_what_counting_at_every_beginning_gives(found: list[tuple[float, float]]) -> None:
    counted = max((sum(one <= begin < end for one, end in found) for begin, _ in found), default=0)
    assert most_at_once(found) == max(counted, min(len(found), 1))


@given(intervals)
def test_sums_ratio_and_the_critical_path_fit_together(found: list[tuple[float, float]]) -> None:
    timeline = Timeline()
    track = began(timeline)
    for number, (begin, end) in enumerate(found):
        step(timeline, f"s{number}", begin, begin, end)
    wall = max((end for _, end in found), default=0.0)
    over(timeline, at=wall)
    figures = overlap(track, 1000.0)
    assert figures.steps == len(found)
    assert figures.busy == pytest.approx(sum(end - begin for begin, end in found))
    assert figures.busy <= figures.wall * max(most_at_once(found), 1) + 1e-6
    if figures.ratio is not None:
        assert figures.ratio == pytest.approx(figures.busy / wall)
    chain = figures.critical
    assert len(set(chain)) == len(chain)
    assert bool(chain) == bool(found)
    if chain:
        assert chain[-1].ended == wall
    assert all(one.until(0) <= other.queued for one, other in itertools.pairwise(chain))
    assert sum(shares(chain, 1000.0)) <= wall + 1e-6
    assert figures.waiter is None


def test_parents_are_not_counted_beside_their_steps() -> None:
    timeline = Timeline()
    track = began(timeline)
    step(timeline, "group", 0, 0, 4, kind="group", lane="")
    step(timeline, "read", 0, 0, 1, parent="group", kind="tool", lane="fetch")
    step(timeline, "tell", 1, 1, 4, parent="group")
    over(timeline, at=4)
    figures = overlap(track, 9)
    assert (figures.steps, figures.busy, figures.wall, figures.most) == (2, 4.0, 4.0, 1)
    assert [bar.step for bar in figures.critical] == ["read", "tell"]


def test_the_critical_path_prefers_the_step_beside_over_one_that_ended_by_chance() -> None:
    timeline = Timeline()
    track = began(timeline)
    for name in ("a", "b"):
        step(timeline, name, 0, 0, kind="group", lane="")
    step(timeline, "read a", 0, 0, 1.0, parent="a", kind="tool", lane="read")
    step(timeline, "read b", 0, 0, 1.001, parent="b", kind="tool", lane="read")
    step(timeline, "tell a", 1.002, 1.1, 5.0, parent="a")
    step(timeline, "tell b", 1.003, 1.1, 3.0, parent="b")
    step(timeline, "report", 5.01, 5.02, 7.0)
    chain = critical_path(track.leaves, 9)
    assert [bar.step for bar in chain] == ["read a", "tell a", "report"]
    assert shares(chain, 9) == pytest.approx([1.0, 4.0, 2.0])


def test_a_call_that_waited_for_a_place_follows_the_one_that_left_it() -> None:
    timeline = Timeline()
    track = began(timeline)
    step(timeline, "a", 0, 0.0, 2.0)
    step(timeline, "b", 0, 0.0, 3.0)
    waiter = step(timeline, "c", 0, 2.0, 6.0)
    over(timeline, at=6)
    figures = overlap(track, 9)
    assert [bar.step for bar in figures.critical] == ["a", "c"]
    assert figures.most == 2
    assert figures.waiter is waiter
    found = waited_for(waiter, timeline, 2, 9)
    assert found is not None
    assert (found.endpoint, found.held, found.full) == ("lab", 2, True)
    assert waiting(figures, timeline, 2, 9) == "longest wait 2.00 s for a place at lab (cap 2, all taken): c"
    assert waiting(figures, timeline, 8, 9) == "longest wait 2.00 s for lab to be ready (cap 8, 2 taken): c"
    assert waiting(figures, timeline, None, 9) == "longest wait 2.00 s for lab to be ready (cap not known): c"
    assert sums(figures, going_on=False) == "sum 9.00 s in 6.00 s wall = 1.5×, 2 of 3 at once"
    assert path(figures, 9, 80) == "critical: a 2.00 s › c 4.00 s"
    assert path(figures, 9, 28) == "critical: … › c 4.00 s"


def test_the_cap_counts_calls_of_other_runs_too() -> None:
    timeline = Timeline()
    began(timeline, "other")
    step(timeline, "x", 0, 0, run="other")
    began(timeline, "r", 1)
    waiter = step(timeline, "a", 1)
    found = waited_for(waiter, timeline, 1, 5)
    assert found is not None
    assert found.full
    tool = step(timeline, "t", 1, 3, kind="tool", lane="fetch")
    assert waited_for(tool, timeline, 1, 5) is None


def test_without_steps_there_is_nothing_to_divide_and_nothing_is_made_up() -> None:
    timeline = Timeline()
    figures = overlap(began(timeline), 0.0)
    assert (figures.ratio, figures.waiter, figures.critical, figures.most) == (None, None, (), 0)
    assert waiting(figures, timeline, None, 0) == "no step waited in a queue"
    assert path(figures, 0, 80) == "critical: nothing has begun"


async def test_the_sum_is_the_one_the_engine_tells_at_the_end() -> None:
    async def handler(run: Run) -> None:
        with run.step("group", "g") as group:
            group.start()
            for name in "ab":
                with run.step("model", name, parent=group, lane="lab/m") as inner:
                    inner.start()
                    inner.write("text")

    async with Engine({Chat: handler}) as engine:
        with engine.subscribe(text=False) as reader:
            run = engine.submit(Chat(lanes=(Lane(model=ModelRef("lab", "m"), messages=(Message("user", "x"),)),)))
            told = await run.wait()
            timeline = Timeline()
            for event in reader.drain():
                timeline.handle(event)
    track = timeline.latest()
    assert track is not None
    figures = overlap(track, engine.clock())
    assert figures.busy == pytest.approx(told.busy, abs=0.002)
    assert figures.wall == pytest.approx(told.wall, abs=0.005)


def test_thousands_of_steps_are_taken_and_counted_without_a_square() -> None:
    timeline = Timeline()
    track = began(timeline)
    for number in range(5000):
        step(timeline, f"s{number}", number, number, number + 1)
    figures = overlap(track, 6000)
    assert (figures.steps, figures.busy, len(figures.critical)) == (5000, 5000.0, 64)
    assert len(timeline) == 5001
