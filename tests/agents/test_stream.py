from __future__ import annotations

import asyncio
import itertools
import tracemalloc
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from agents.events import AnyEvent, Log, Text
from agents.stream import EventStream, Subscription
from agents.text import TextBuffer

if TYPE_CHECKING:
    from collections.abc import Iterable


def stream_with_a_counting_clock() -> EventStream:
    return EventStream(itertools.count().__next__)


def texts(events: Iterable[AnyEvent], step: str = "s") -> list[Text]:
    return [event for event in events if isinstance(event, Text) and event.step == step]


def write(stream: EventStream, buffer: TextBuffer, piece: str, *, run: str = "r", step: str = "s") -> None:
    stream.write(run, step, buffer, piece)


def log(stream: EventStream, message: str, *, run: str = "r", step: str = "s") -> Log:
    return stream.emit(Log, run=run, step=step, message=message)


def test_waiting_text_of_one_step_is_one_piece() -> None:
    stream, buffer = stream_with_a_counting_clock(), TextBuffer()
    with stream.subscribe() as reader:
        for piece in ("one ", "two ", "three"):
            write(stream, buffer, piece)
        assert len(reader) == 1
        [text] = texts(reader.drain())
    assert (text.text, text.offset, text.seq) == ("one two three", 0, 1)


def test_text_after_another_event_of_its_step_is_a_piece_of_its_own() -> None:
    stream, buffer = stream_with_a_counting_clock(), TextBuffer()
    with stream.subscribe() as reader:
        write(stream, buffer, "before")
        log(stream, "between")
        write(stream, buffer, "after")
        write(stream, buffer, "wards")
        events = reader.drain()
    assert [event.text if isinstance(event, Text) else type(event) for event in events] == ["before", Log, "afterwards"]
    assert [event.seq for event in events] == [1, 2, 3]


def test_events_of_other_steps_do_not_part_the_text_of_a_step() -> None:
    stream, ours, theirs = stream_with_a_counting_clock(), TextBuffer(), TextBuffer()
    with stream.subscribe() as reader:
        write(stream, ours, "a")
        log(stream, "elsewhere", step="t")
        write(stream, theirs, "x", step="t")
        write(stream, ours, "b")
        events = reader.drain()
    assert [event.text for event in texts(events)] == ["ab"]
    assert len(events) == 3


def test_text_taken_is_never_handed_out_again_and_the_next_piece_begins_where_it_ended() -> None:
    stream, buffer = stream_with_a_counting_clock(), TextBuffer()
    with stream.subscribe() as reader:
        write(stream, buffer, "first")
        [first] = texts(reader.drain())
        write(stream, buffer, "second")
        [second] = texts(reader.drain())
    assert (first.text, second.text, second.offset) == ("first", "second", 5)


def test_a_reader_of_one_run_sees_nothing_of_another() -> None:
    stream, buffer = stream_with_a_counting_clock(), TextBuffer()
    with stream.subscribe("r") as reader:
        write(stream, buffer, "theirs", run="q", step="q.1")
        log(stream, "theirs", run="q", step="q.1")
        log(stream, "ours")
        assert [event.run for event in reader.drain()] == ["r"]


def test_a_reader_that_comes_late_sees_what_happens_from_then_on_with_true_offsets() -> None:
    stream, buffer = stream_with_a_counting_clock(), TextBuffer()
    write(stream, buffer, "missed ")
    with stream.subscribe() as reader:
        write(stream, buffer, "seen")
        [text] = texts(reader.drain())
    assert (text.text, text.offset) == ("seen", 7)


def test_a_subscription_that_was_left_takes_nothing_more_but_keeps_what_waited() -> None:
    stream = stream_with_a_counting_clock()
    with stream.subscribe() as reader:
        log(stream, "waiting")
    log(stream, "too late")
    assert [event.message for event in reader.drain() if isinstance(event, Log)] == ["waiting"]


async def test_iteration_ends_once_the_stream_is_closed_and_all_is_read() -> None:
    stream, buffer = stream_with_a_counting_clock(), TextBuffer()
    reader = stream.subscribe()
    log(stream, "one")
    write(stream, buffer, "two")
    stream.close()
    assert [type(event) async for event in reader] == [Log, Text]
    assert [event async for event in stream.subscribe()] == []


async def test_a_waiting_reader_is_woken_by_an_event_by_text_and_by_the_end() -> None:
    stream, buffer = stream_with_a_counting_clock(), TextBuffer()
    reader, seen = stream.subscribe(), asyncio.Queue[type[AnyEvent]]()

    async def read() -> None:
        async for event in reader:
            await seen.put(type(event))

    async with asyncio.timeout(5), asyncio.TaskGroup() as group:
        group.create_task(read())
        await asyncio.sleep(0)
        log(stream, "one")
        assert await seen.get() is Log
        write(stream, buffer, "two")
        assert await seen.get() is Text
        stream.close()


async def test_a_pause_ends_with_the_stream() -> None:
    stream = stream_with_a_counting_clock()
    reader = stream.subscribe()
    async with asyncio.timeout(5), asyncio.TaskGroup() as group:
        group.create_task(reader.pause(3600))
        await asyncio.sleep(0)
        stream.close()
    await reader.pause(3600)


async def test_a_pause_ends_after_its_time() -> None:
    reader = stream_with_a_counting_clock().subscribe()
    async with asyncio.timeout(5):
        await reader.pause(0.001)


def test_a_reader_that_never_reads_costs_two_million_tokens_neither_memory_nor_text() -> None:
    stream, steps = stream_with_a_counting_clock(), 4
    buffers = [TextBuffer() for _ in range(steps)]
    names = [f"r.{number}" for number in range(steps)]
    idle = stream.subscribe()
    for name in names:
        log(stream, "queued", step=name)
    token = "token "
    for round_ in range(2_000_000 // steps):
        for name, buffer in zip(names, buffers, strict=True):
            stream.write("r", name, buffer, token)
        if round_ == 1000:
            assert len(idle) == 2 * steps
    assert len(idle) == 2 * steps
    tracemalloc.start()
    [before, _] = tracemalloc.get_traced_memory()
    for _ in range(25_000):
        stream.write("r", names[0], buffers[0], token)
    [after, _] = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert after - before < 2 * 25_000 * len(token) + len(buffers[0])  # the text itself, however it is folded
    drained = texts(idle.drain(), names[0]), len(buffers[0])
    assert drained[0][0].text == token * (drained[1] // len(token))


class Model:
    def __init__(self, readers: int, steps: int) -> None:
        self.stream = stream_with_a_counting_clock()
        self.buffers = [TextBuffer() for _ in range(steps)]
        self.readers: list[Subscription] = [self.stream.subscribe() for _ in range(readers)]
        self.seen: list[list[AnyEvent]] = [[] for _ in range(readers)]
        self.happened: list[tuple[str, str]] = []

    def write(self, step: int, piece: str) -> None:
        self.stream.write("r", f"r.{step}", self.buffers[step], piece)
        self.happened.append((f"r.{step}", piece))

    def log(self, step: int) -> None:
        event = log(self.stream, "said", step=f"r.{step}")
        self.happened.append((event.step, f"<{event.seq}>"))

    def drain(self, reader: int, limit: int | None) -> None:
        self.seen[reader] += self.readers[reader].drain(limit)


ACTS = st.one_of(
    st.tuples(st.just("write"), st.integers(0, 2), st.text(min_size=1, max_size=4)),
    st.tuples(st.just("log"), st.integers(0, 2)),
    st.tuples(st.just("drain"), st.integers(0, 1), st.none() | st.integers(0, 4)),
)


@given(st.lists(ACTS, max_size=120))
def test_whatever_a_readers_pace_each_steps_text_and_order_are_whole(acts: list[tuple[str, int] | tuple[str, int, object]]) -> None:
    model = Model(readers=2, steps=3)
    for name, *details in acts:
        getattr(model, name)(*details)
    for reader in range(2):
        model.drain(reader, None)
    for seen in model.seen:
        numbers = [event.seq for event in seen]
        assert numbers == sorted(set(numbers))
        for step in ("r.0", "r.1", "r.2"):
            told = "".join(
                event.text if isinstance(event, Text) else f"<{event.seq}>"
                for event in seen
                if isinstance(event, Text | Log) and event.step == step
            )
            assert told == "".join(what for where, what in model.happened if where == step)
        for number, buffer in enumerate(model.buffers):
            pieces = texts(seen, f"r.{number}")
            assert [piece.offset for piece in pieces] == list(
                itertools.accumulate([len(piece.text) for piece in pieces], initial=0)
            )[:-1]
            assert "".join(piece.text for piece in pieces) == str(buffer)


async def test_a_reader_without_text_gets_everything_else() -> None:
    stream = EventStream(iter(range(100)).__next__)
    reader = stream.subscribe(text=False)
    stream.emit(Log, run="r", step="s", message="before")
    stream.write("r", "s", TextBuffer(), "text")
    stream.emit(Log, run="r", step="s", message="after")
    assert [event.message for event in reader.drain() if isinstance(event, Log)] == ["before", "after"]
    assert len(reader) == 0


async def test_what_a_reader_does_not_want_is_not_kept_for_it() -> None:
    stream = EventStream(iter(range(100)).__next__)
    reader = stream.subscribe(text=False, only=lambda event: isinstance(event, Log) and event.level == "warning")
    for level in ("info", "warning", "info"):
        stream.emit(Log, run="r", step="s", message="said", level=level)
        stream.write("r", "s", TextBuffer(), "text")
    assert len(reader) == 1
    assert [event.level for event in reader.drain() if isinstance(event, Log)] == ["warning"]
