from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from textual.geometry import Size

from agents.events import AnyEvent, Found, Log, Saved, StepEvent, StepQueued, StepStarted
from tests.tui.room import HOSTILE, ended, faults, hit, make, plain, room
from tui.widgets.source_lanes import SourceLanes

if TYPE_CHECKING:
    from textual.strip import Strip

NAMES = ("vector", "keyword", "files", "fuse")


class Sized(SourceLanes):
    """Lanes as large as a test says."""

    dimensions = Size(160, 6)

    @property
    def size(self) -> Size:
        return self.dimensions

    def strips(self) -> list[Strip]:
        return [self.render_line(y) for y in range(self.dimensions.height)]

    def lane(self, number: int, of: int = 4) -> list[str]:
        """Return the rows of one lane."""
        each = self.dimensions.width // of
        return [plain(strip)[number * each : (number + 1) * each].rstrip() for strip in self.strips()]

    def feed(self, *events: AnyEvent) -> None:
        for event in events:
            assert isinstance(event, StepEvent | Saved)
            self.handle(event)


def queued(step: str, name: str = "", at: float = 0.0) -> StepQueued:
    return make(StepQueued, at, step=step, kind="source", name=name or step)


def found(step: str, *names: str, at: float = 1.0) -> Found:
    return make(Found, at, step=step, hits=tuple(hit(name, number) for number, name in enumerate(names, 1)))


async def test_lanes_stand_side_by_side_in_the_order_of_their_sources() -> None:
    lanes = Sized()
    async with room(lanes):
        lanes.feed(*(queued(name) for name in NAMES))
        assert [lanes.lane(number)[0] for number in range(4)] == [f"◌ {name}: queued" for name in NAMES]
        assert all(lanes.knows(name) for name in NAMES)
        assert not lanes.knows("other")
        assert not lanes.knows(None)
        lanes.clear()
        assert not lanes.knows("vector")
        assert "".join(map(plain, lanes.strips())).strip() == ""


async def test_a_lane_tells_its_state_its_count_its_time_and_its_best_passages() -> None:
    lanes = Sized()
    async with room(lanes):
        lanes.feed(*(queued(name, at=10.0) for name in NAMES), make(StepStarted, 10.5, step="keyword"))
        lanes.flush(11.5)
        assert lanes.lane(1)[0] == "● keyword: searching 1.00 s"
        lanes.feed(found("keyword", *(f"note-{number}.md" for number in range(30))))
        lanes.feed(ended("keyword", 10.0, started=10.5, at=12.5), make(Saved, step="keyword"))
        lanes.flush(99.0)
        assert lanes.lane(1) == [
            "✓ keyword: found 30 2.00 s",
            "1 note-0.md:1  note-0.md",
            "2 note-1.md:2  note-1.md",
            "3 note-2.md:3  note-2.md",
            "4 note-3.md:4  note-3.md",
            "5 note-4.md:5  note-4.md",
        ]
        assert lanes.lane(0)[0] == "◌ vector: queued"


async def test_a_source_that_found_nothing_says_nought() -> None:
    lanes = Sized()
    async with room(lanes):
        lanes.feed(*(queued(name) for name in NAMES), found("files"), ended("files", at=0.02))
        assert lanes.lane(2)[0] == "✓ files: found 0 20 ms"


@pytest.mark.parametrize(("outcome", "shown"), [("late", "◷ files: late"), ("failed", "✗ files: failed"), ("cut", "✂ files: cut")])
async def test_a_source_that_did_not_come_says_why(outcome: str, shown: str) -> None:
    lanes = Sized()
    async with room(lanes):
        lanes.feed(*(queued(name) for name in NAMES), make(Log, step="files", message="12 files read"))
        assert lanes.lane(2)[1] == "12 files read"
        lanes.feed(ended("files", at=5.0, outcome=outcome, error="no answer within 5 s"))
        assert lanes.lane(2)[:2] == [f"{shown} 5.00 s", "no answer within 5 s"]


async def test_one_that_was_stopped_says_so() -> None:
    lanes = Sized()
    async with room(lanes):
        lanes.feed(*(queued(name) for name in NAMES), ended("files", at=0.5, outcome="cancelled"))
        assert lanes.lane(2)[0].startswith("■ files: stopped")


async def test_events_of_steps_it_does_not_know_are_passed_over() -> None:
    lanes = Sized()
    async with room(lanes):
        lanes.feed(found("x", "a.md"), ended("x", at=1.0), make(Saved, step="x"), make(Saved, step=None))
        assert "".join(map(plain, lanes.strips())).strip() == ""


@pytest.mark.parametrize("width", [80, 100, 120, 160, 200])
async def test_every_source_and_its_count_can_be_read(width: int) -> None:
    lanes = Sized()
    lanes.dimensions = Size(width, 6)
    async with room(lanes):
        for name in NAMES:
            lanes.feed(queued(name), found(name, *(f"{number}.md" for number in range(30))), ended(name, at=0.1))
        assert [f"{name}: found 30" in lanes.lane(number)[0] for number, name in enumerate(NAMES)] == [True] * 4


@pytest.mark.parametrize("width", [20, 33, 59, 80, 120, 200])
@pytest.mark.parametrize("count", [1, 4, 30])
async def test_every_row_is_as_wide_as_the_lanes_whatever_names_hold(width: int, count: int) -> None:
    lanes = Sized()
    lanes.dimensions = Size(width, 14)
    async with room(lanes):
        for number in range(count):
            name = HOSTILE[number % len(HOSTILE)]
            lanes.feed(queued(str(number), name), make(StepStarted, 1.0, step=str(number)))
            lanes.flush(123456.0)
            assert faults(lanes.strips(), width) == []
            lanes.feed(found(str(number), *HOSTILE), make(Log, step=str(number), message=name))
            if number % 2:
                lanes.feed(ended(str(number), at=1e6, outcome="failed", error=name))
        assert faults(lanes.strips(), width) == []


STEPS = st.sampled_from(["a", "b", "c", "d"])
TEXT = st.one_of(st.sampled_from(HOSTILE), st.text(max_size=30))
AT = st.floats(min_value=-10, max_value=1e7)
ANY = st.one_of(
    st.builds(queued, STEPS, TEXT, AT),
    st.builds(lambda at, step: make(StepStarted, at, step=step), AT, STEPS),
    st.builds(lambda step, names: found(step, *names), STEPS, st.lists(TEXT, max_size=4)),
    st.builds(lambda step, text: make(Log, step=step, message=text), STEPS, TEXT),
    st.builds(lambda step, at, text: ended(step, at=at, outcome="late", error=text), STEPS, AT, TEXT),
    st.builds(lambda step: make(Saved, step=step), STEPS),
)


async def test_no_order_of_events_and_no_size_breaks_the_drawing() -> None:
    lanes = Sized()
    async with room(lanes):

        @given(st.lists(ANY, max_size=12), st.integers(1, 210), st.integers(1, 8), AT)
        def check(happened: list[AnyEvent], width: int, height: int, now: float) -> None:
            lanes.dimensions = Size(width, height)
            lanes.clear()
            lanes.feed(*happened)
            lanes.flush(now)
            assert faults(lanes.strips(), width) == []

        check()
