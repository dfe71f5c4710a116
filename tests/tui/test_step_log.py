from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from textual import events
from textual.geometry import Size

from agents.events import AnyEvent, FirstToken, Log, Retried, RunEnded, RunStarted, Saved, StepQueued, StepStarted, Text
from tests.tui.room import HOSTILE, ended, faults, make, plain, room
from tui.widgets.step_log import StepLog

if TYPE_CHECKING:
    from textual.strip import Strip

WIDTHS = (20, 21, 24, 30, 38, 39, 40, 55, 64, 79, 80, 99, 100, 119, 120, 160, 200)


class Sized(StepLog):
    """A log as large as a test says."""

    dimensions = Size(120, 12)

    @property
    def size(self) -> Size:
        return self.dimensions

    def strips(self) -> list[Strip]:
        return [self.render_line(y) for y in range(self.dimensions.height)]

    def lines(self) -> list[str]:
        return [plain(strip).rstrip() for strip in self.strips()]

    def feed(self, *events: AnyEvent) -> None:
        for event in events:
            self.handle(event)


def begun(at: float = 0.0) -> RunStarted:
    return make(RunStarted, at, kind="agent", title="t", wall=0.0, request="{}")


def queued(step: str, name: str = "", parent: str | None = None, at: float = 0.0, kind: str = "tool") -> StepQueued:
    return make(StepQueued, at, step=step, kind=kind, name=name or step, parent=parent)


def over(at: float = 9.0, **fields: Any) -> RunEnded:
    return make(RunEnded, at, **{"outcome": "done", "wall": 9.0, "busy": 12.5, **fields})


def words(line: str) -> list[str]:
    return re.sub(r"[▸·░█]", " ", line).split()


async def test_rows_stand_under_their_parents_in_the_order_they_came() -> None:
    log = Sized()
    async with room(log):
        assert "No steps yet." in log.lines()[-1]
        log.feed(begun(), queued("a"), queued("b"), queued("a1", parent="a"), queued("b1", parent="b"), queued("a2", parent="a"))
        log.feed(queued("a1x", parent="a1"), queued("c", parent="unknown"))
        assert log.steps == ["a", "a1", "a1x", "a2", "b", "b1", "c"]
        assert [re.sub(r"^[▸ ]◌ queued +", "", line)[:8].rstrip() for line in log.lines()[1:8]] == [
            *("a", "a1", "a1x", "a2", "b", "b1", "c"),
        ]
        depths = [line.index(step) for line, step in zip(log.lines()[1:8], log.steps, strict=True)]
        assert [depth - depths[0] for depth in depths] == [0, 2, 4, 2, 0, 2, 0]
        assert "7 steps" in log.lines()[-1]


async def test_a_step_tells_when_it_was_queued_started_gave_text_and_ended() -> None:
    log = Sized()
    async with room(log):
        log.feed(begun(100.0), queued("a", at=100.25))
        assert words(log.lines()[1]) == ["◌", "queued", "a", "0.25", "–", "–", "–"]
        log.feed(make(StepStarted, 100.5, step="a"))
        assert words(log.lines()[1]) == ["◍", "waiting", "a", "0.25", "0.50", "–", "–"]
        log.feed(make(FirstToken, 101.0, step="a"), make(Text, 101.0, step="a", offset=0, text="x"))
        assert words(log.lines()[1])[:2] == ["●", "streaming"]
        assert words(log.lines()[1])[-2:] == ["1.00", "–"]
        log.feed(ended("a", 100.25, at=103.0))
        assert words(log.lines()[1]) == ["◆", "saving", "a", "0.25", "0.50", "1.00", "3.00"]
        log.feed(make(Saved, step="a"))
        assert words(log.lines()[1])[:2] == ["✓", "saved"]
        log.feed(over(109.0))
        assert log.lines()[-1].strip() == "wall 9.00 s, sum of steps 12.50 s"


@pytest.mark.parametrize(("outcome", "word"), [("cut", "cut"), ("late", "late"), ("failed", "failed"), ("cancelled", "stopped")])
async def test_a_bad_end_stays_what_it_is_when_it_is_on_disk_and_says_why(outcome: str, word: str) -> None:
    log = Sized()
    async with room(log):
        log.feed(begun(), queued("a"), ended("a", at=1.0, outcome=outcome, error="the reason"), make(Saved, step="a"))
        assert words(log.lines()[1])[1] == word
        assert "the reason" in log.lines()[1]


async def test_what_is_not_saved_says_so_until_it_is() -> None:
    log = Sized()
    async with room(log):
        log.feed(begun(), queued("a"), ended("a", at=1.0), make(Saved, step="a", error="the disk is full"))
        assert "not saved: the disk is full" in log.lines()[1]
        assert words(log.lines()[1])[1] != "saved"
        log.feed(make(Saved, step="a"))
        assert words(log.lines()[1])[1] == "saved"
        assert "not saved" not in log.lines()[1]


async def test_attempts_and_logs_are_told_beside_the_name() -> None:
    log = Sized()
    async with room(log):
        log.feed(begun(), queued("a"), make(StepStarted, 1.0, step="a"))
        log.feed(make(Retried, 2.0, step="a", attempt=1, reason="HTTP 503", delay=1.5))
        assert "again in 1.5 s: HTTP 503" in log.lines()[1]
        log.feed(make(StepStarted, 3.5, step="a", attempt=2), make(Log, 4.0, step="a", message="7,000 characters"))
        assert "a (2 attempts)  7,000 characters" in log.lines()[1]
        assert words(log.lines()[1])[-4:] == ["0.00", "1.00", "–", "–"]
        log.feed(ended("a", at=5.0, cached=True))
        assert "from the cache" in log.lines()[1]
        log.feed(ended("a", at=5.0, cached=True, similar=0.91, similar_to="why?"))
        assert "≈ 0.91 alike: why?" in log.lines()[1]


async def test_the_end_of_a_run_that_failed_is_the_reason_and_a_new_run_starts_empty() -> None:
    log = Sized()
    async with room(log):
        log.feed(begun(), queued("a"), over(outcome="failed", error="no place could be read"))
        assert "failed: no place could be read" in log.lines()[-1]
        log.mark("a")
        log.feed(begun())
        assert (log.steps, log.marked) == ([], None)
        assert "No steps yet." in log.lines()[-1]


async def test_events_of_steps_it_does_not_know_are_passed_over() -> None:
    log = Sized()
    async with room(log):
        log.feed(begun(), make(StepStarted, step="x"), ended("x", at=1.0), make(Saved, step="x"), make(Saved, step=None))
        log.mark("x")
        assert (log.steps, log.marked) == ([], None)
        log.move(1)
        assert log.marked is None


async def test_the_mark_moves_with_its_row_in_view_and_stops_at_both_ends() -> None:
    log = Sized()
    log.dimensions = Size(80, 7)
    async with room(log):
        log.feed(begun(), *(queued(f"step-{number:02}") for number in range(20)))
        log.move(-1)
        assert log.marked == "step-00"
        for _ in range(30):
            log.move(1)
            assert any(line.startswith("▸") and str(log.marked) in line for line in log.lines()[1:-1])
        assert log.marked == "step-19"
        for _ in range(30):
            log.move(-1)
            assert any(line.startswith("▸") and str(log.marked) in line for line in log.lines()[1:-1])
        assert log.marked == "step-00"
        for _ in range(50):
            log.on_mouse_scroll_down()
        assert [line[13:20] for line in log.lines()[1:-1]] == [f"step-{number}" for number in range(15, 20)]
        for _ in range(50):
            log.on_mouse_scroll_up()
        assert "step-00" in log.lines()[1]


async def test_a_click_marks_the_row_under_it_and_nothing_beside_the_rows() -> None:
    log = StepLog()
    async with room(log, (80, 10)) as app:
        for event in (begun(), queued("a"), queued("b")):
            log.handle(event)
        log.flush(0.0)

        def click(y: int) -> None:
            log.on_click(events.Click(log, 5, y, 0, 0, 1, shift=False, meta=False, ctrl=False))

        for y, marked in ((0, None), (3, None), (9, None), (2, "b"), (1, "a"), (8, "a")):
            click(y)
            assert log.marked == marked, y
        assert app.is_running


@pytest.mark.parametrize("width", WIDTHS)
async def test_every_row_is_as_wide_as_the_log_whatever_names_and_notes_hold(width: int) -> None:
    log = Sized()
    log.dimensions = Size(width, 6 * len(HOSTILE) + 2)
    async with room(log):
        log.feed(begun())
        for number, name in enumerate(HOSTILE):
            parent: str | None = None
            for depth, kind in enumerate(("group", "tool", "model")):
                step = f"{number}.{depth}"
                log.feed(queued(step, name, parent, kind=kind), make(StepStarted, 1.0, step=step), make(FirstToken, 2.0, step=step))
                log.feed(make(Log, 2.0, step=step, message=name), make(Retried, 3.0, step=step, attempt=1, reason=name, delay=1.0))
                log.feed(make(StepStarted, 123456.0, step=step, attempt=12))
                parent = step
            log.feed(ended(f"{number}.1", at=200000.0, outcome="failed", error=name), make(Saved, step=f"{number}.1", error=name))
            log.feed(ended(f"{number}.2", at=200000.0))
        log.mark("3.1")
        assert faults(log.strips(), width) == []
        log.feed(over(300000.0, outcome="failed", error=HOSTILE[4]))
        assert faults(log.strips(), width) == []


@pytest.mark.parametrize("width", WIDTHS)
async def test_state_and_name_can_be_read_at_every_width(width: int) -> None:
    log = Sized()
    log.dimensions = Size(width, 5)
    async with room(log):
        log.feed(begun(), queued("a", "read /some/where/notes.md"), make(StepStarted, 1.0, step="a"))
        assert "◍" in log.lines()[1]
        assert "read" in log.lines()[1] if width > 50 else "rea" in log.lines()[1]
        if width >= 80:
            assert words(log.lines()[1])[-4:] == ["0.00", "1.00", "–", "–"]


STEPS = st.sampled_from(["a", "b", "c"])
TEXT = st.one_of(st.sampled_from(HOSTILE), st.text(max_size=30))
AT = st.floats(min_value=-10, max_value=1e7)
ANY = st.one_of(
    st.builds(begun, AT),
    st.builds(queued, STEPS, TEXT, st.one_of(st.none(), STEPS), AT),
    st.builds(lambda at, step, attempt: make(StepStarted, at, step=step, attempt=attempt), AT, STEPS, st.integers(1, 99)),
    st.builds(lambda at, step: make(FirstToken, at, step=step), AT, STEPS),
    st.builds(lambda at, step, text: make(Log, at, step=step, message=text), AT, STEPS, TEXT),
    st.builds(lambda step, at, text: ended(step, at=at, outcome="cut", error=text), STEPS, AT, TEXT),
    st.builds(lambda step, text: make(Saved, step=step, error=text or None), STEPS, TEXT),
    st.builds(lambda at, text: over(at, error=text or None), AT, TEXT),
)


async def test_no_order_of_events_and_no_size_breaks_the_drawing() -> None:
    log = Sized()
    async with room(log):

        @given(st.lists(ANY, max_size=15), st.integers(1, 210), st.integers(1, 12), st.integers(-3, 3))
        def check(happened: list[AnyEvent], width: int, height: int, by: int) -> None:
            log.dimensions = Size(width, height)
            seen: set[str] = set()
            log.feed(begun())
            for event in happened:
                if isinstance(event, RunStarted):
                    seen.clear()
                if isinstance(event, StepQueued):  # a step is queued once
                    if event.step in seen:
                        continue
                    seen.add(event.step)
                log.feed(event)
                log.move(by)
            assert faults(log.strips(), width) == []

        check()
