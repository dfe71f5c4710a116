from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from agents.engine import Engine
from agents.events import AnyEvent, Log, RunEnded, RunStarted, Saved, StepEnded, StepQueued, StepStarted, Text
from agents.requests import Chat, Lane, Message, ModelRef
from tui.feed import Feed

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from agents.runs import Run


class Kept:
    """A follower that keeps what it is told."""

    def __init__(self) -> None:
        self.events: list[AnyEvent] = []

    def handle(self, event: AnyEvent) -> None:
        self.events.append(event)

    @property
    def kinds(self) -> list[type[AnyEvent]]:
        return [type(event) for event in self.events]


def said(text: str) -> Chat:
    return Chat(lanes=(Lane(model=ModelRef("lab", "m"), messages=(Message("user", text),)),))


async def handler(run: Run) -> None:
    """Write each word of the prompt, or as many lines as it says."""
    assert isinstance(run.request, Chat)
    text = run.request.lanes[0].messages[0].content
    with run.step("model", "m") as step:
        step.start()
        if text.isdigit():
            for number in range(int(text)):
                step.log(str(number))
            return
        for word in text.split():
            step.write(f"{word} ")
            await asyncio.sleep(0)


@pytest.fixture
async def engine() -> AsyncIterator[Engine]:
    async with Engine({Chat: handler}) as engine:
        yield engine


def save(engine: Engine, run: Run, *, step: str | None = None, error: str | None = None) -> None:
    engine.stream.emit(Saved, run=run.id, step=step, error=error)


async def test_each_follower_gets_the_events_of_its_own_run_in_order(engine: Engine) -> None:
    feed, one, two = Feed(engine), Kept(), Kept()
    first, second = feed.submit(said("a b"), one), feed.submit(said("c d"), two)
    unfollowed = engine.submit(said("e f"))
    for run in (first, second, unfollowed):
        await run.wait()
    while feed.pump():
        pass
    for run, follower, text in ((first, one, "a b "), (second, two, "c d ")):
        assert {event.run for event in follower.events} == {run.id}
        assert [event.seq for event in follower.events] == sorted(event.seq for event in follower.events)
        assert follower.kinds[:3] == [RunStarted, StepQueued, StepStarted]
        assert follower.kinds[-2:] == [StepEnded, RunEnded]
        assert "".join(event.text for event in follower.events if isinstance(event, Text)) == text
    assert feed.pump() is False


async def test_a_frame_hands_over_only_so_much_and_the_next_ones_bring_the_rest(engine: Engine) -> None:
    feed, kept = Feed(engine), Kept()
    run = feed.submit(said("1000"), kept)
    await run.wait()
    assert feed.pump()
    in_one = len(kept.events)
    assert 0 < in_one < 1000
    frames = 1
    while feed.pump():
        frames += 1
    assert frames == -(-1005 // in_one)
    assert [event.message for event in kept.events if isinstance(event, Log)] == [str(number) for number in range(1000)]


async def test_text_that_came_between_two_frames_is_one_piece(engine: Engine) -> None:
    feed, kept = Feed(engine), Kept()
    run = feed.submit(said("a b c d e f"), kept)
    await run.wait()
    feed.pump()
    assert [event.text for event in kept.events if isinstance(event, Text)] == ["a b c d e f "]


async def test_a_run_is_followed_until_its_end_is_on_disk_also_at_the_second_try(engine: Engine) -> None:
    feed, kept = Feed(engine), Kept()
    run = feed.submit(said("a"), kept)
    await run.wait()
    feed.pump()
    step = next(iter(run.steps))
    for fields in ({"step": step}, {"step": None, "error": "the disk is full"}, {"step": step}, {"step": None}):
        save(engine, run, **fields)
        feed.pump()
    told = [(event.step, event.error) for event in kept.events if isinstance(event, Saved)]
    assert told == [(step, None), (None, "the disk is full"), (step, None), (None, None)]
    save(engine, run)
    feed.pump()
    assert len([event for event in kept.events if isinstance(event, Saved)]) == 4


async def test_a_follower_may_start_the_next_run_while_it_is_told_of_an_end(engine: Engine) -> None:
    feed = Feed(engine)

    class Again(Kept):
        def handle(self, event: AnyEvent) -> None:
            super().handle(event)
            if isinstance(event, RunEnded) and self.kinds.count(RunEnded) < 3:
                runs.append(feed.submit(said("again"), self))

    kept, runs = Again(), []
    runs.append(feed.submit(said("first"), kept))
    while len(runs) < 3 or not runs[-1].ended.done():
        await asyncio.sleep(0)
        feed.pump()
    while feed.pump():
        pass
    assert kept.kinds.count(RunStarted) == kept.kinds.count(RunEnded) == 3


async def test_after_it_is_closed_nothing_is_handed_over(engine: Engine) -> None:
    feed, kept = Feed(engine), Kept()
    run = feed.submit(said("a"), kept)
    feed.close()
    await run.wait()
    feed.pump()
    assert kept.events == []
