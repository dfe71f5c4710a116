from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.requests import Priority
from agents.settings import Endpoint
from tests.tui.queue_stage import crowd, directory, load
from tests.tui.room import HOSTILE
from tests.tui.still import Steady
from tui.load.doors import Door, bar, block, changes, minute, state
from tui.load.history import Sample
from tui.load.lines import size

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agents.models.directory import Directory
    from tui.load.lines import Line


def door_of(places: Directory, name: str, samples: Sequence[Sample] = (), again: str = "", shown: str = "") -> Door:
    gate = places.gates[name]
    endpoint = gate.target.endpoint
    return Door(shown or name, gate.door.figures(), gate.health.figures(), gate.first_tokens.mean, endpoint, again, samples)


def words(lines: Sequence[Line]) -> str:
    return "\n".join("".join(text for text, _ in line).rstrip() for line in lines)


async def test_a_full_door_says_who_waits_how_long_and_what_of_its_limits_is_used() -> None:
    clock = Steady()
    places = directory(clock)
    async with crowd() as people:
        await load(places, clock, people)
        clock.now += 1.0
        told = words(block(door_of(places, "lab"), 100, 6, marked=True))
        assert "4/4 in flight" in told
        assert "14 wait" in told
        assert "requests 4 of 40/min learnt · tokens 3,600 of 20,000/min" in told
        rows = {line.split()[1]: line.split() for line in told.split("\n") if line.lstrip()[:1] in "▓▒░┄"}
        assert {name: row[2] for name, row in rows.items()} == {"prompts": "2", "agents": "3", "batches": "8", "ahead": "1"}
        assert rows["agents"][3:5] == ["1.40", "s"]


async def test_an_ill_endpoint_says_when_it_is_tried_again_and_why_and_a_held_one_for_how_long() -> None:
    clock = Steady()
    places = directory(clock)
    async with crowd() as people:
        await load(places, clock, people)
        assert state(places.gates["ill"].health.figures()) == ("○", "ill", "bad")
        told = words(block(door_of(places, "ill"), 100, 6, marked=False))
        assert "○ tried again in 1 s: nothing listens at ill.example:443" in told
        told = words(block(door_of(places, "slow", again="slow: 429"), 100, 6, marked=False))
        assert "‖ held for 7 s: the server asks to wait" in told
        assert "⚠ refused 3 in the last minute, 3 ever" in told
        clock.now += 1.5
        assert state(places.gates["ill"].health.figures())[1] == "to be tried"


def test_an_endpoint_nobody_asked_is_not_called_well() -> None:
    places = directory(Steady())
    assert state(places.gates["unused"].health.figures())[1] == "not asked yet"
    assert len(block(door_of(places, "unused"), 100, 6, marked=False)) == 1


def test_what_was_changed_is_told_as_a_line_of_the_configuration() -> None:
    places = directory(Steady())
    lab, unused = places.gates["lab"], places.gates["unused"]
    assert changes(door_of(places, "lab")) == changes(door_of(places, "slow")) == ""
    lab.door.cap = 9
    places.set_limits("lab", None, 500)
    assert changes(door_of(places, "lab")) == "[endpoints.lab] concurrency = 9, no requests_per_minute, tokens_per_minute = 500"
    unused.door.adaptive = True
    assert changes(door_of(places, "unused", shown="my box")) == '[endpoints."my box"] concurrency = "adaptive"'


@pytest.mark.parametrize("width", [1, 8, 20, 33, 44, 60, 80, 100, 200])
async def test_nothing_is_wider_than_there_is_room_whatever_an_endpoint_is_called(width: int) -> None:
    clock = Steady()
    places = directory(clock)
    samples = [Sample(second % 9, 4, 4 + second % 3, second % 4, second % 2) for second in range(60)]
    async with crowd() as people:
        await load(places, clock, people)
        for name in HOSTILE:
            for endpoint in places.gates:
                each = door_of(places, endpoint, samples, again=name, shown=name)
                lines = block(each, width, 12, marked=True) + minute(each, width) + minute(each, width, 2)
                assert all(size(line) <= width for line in lines)
                told = words(lines)
                assert not any(char in told for char in "\x1b\x9b\u202e\r\t\x07")


@given(st.integers(0, 500), st.integers(1, 500), st.lists(st.integers(0, 2000), min_size=4, max_size=4), st.integers(0, 60))
def test_in_the_bar_everything_that_is_there_is_seen(in_flight: int, cap: int, depths: list[int], width: int) -> None:
    import msgspec

    figures = msgspec.structs.replace(
        directory(Steady()).gates["lab"].door.figures(),
        in_flight=in_flight,
        cap=cap,
        depth=dict(zip(Priority, depths, strict=True)),
    )
    drawn = bar(figures, width)
    assert size(drawn) <= width
    kinds = (in_flight > 0) + (cap > in_flight) + sum(depth > 0 for depth in depths)
    assert len(drawn) == (kinds if width >= kinds else 0)
    assert all(text for text, _ in drawn)


def test_the_last_minute_is_left_out_where_nothing_happened_and_shows_the_cap_where_it_moved() -> None:
    places = directory(Steady())
    quiet = [Sample(0, 0, 4, 0, 0)] * 5
    assert minute(door_of(places, "lab", quiet), 80) == []
    busy = [*quiet, Sample(7, 4, 4, 3, 0)]
    assert [line.split()[0] for line in words(minute(door_of(places, "lab", busy), 80)).split("\n")] == [
        "in",
        "queue",
        "answered/s",
    ]
    storm = [*busy, Sample(9, 2, 2, 0, 5)]
    told = words(minute(door_of(places, "lab", storm), 80))
    assert [line.split()[0] for line in told.split("\n")] == ["cap", "in", "queue", "answered/s", "refused/s"]
    assert "2 now, 4 most" in told


def test_an_endpoint_without_a_known_configuration_has_no_changes() -> None:
    places = directory(Steady())
    each = door_of(places, "lab")._replace(configured=None)
    assert changes(each) == ""
    assert changes(each._replace(configured=Endpoint(concurrency=4, requests_per_minute=60, tokens_per_minute=20_000))) == ""
