from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

from agents.chat import chat
from agents.conversations import Conversations
from agents.engine import Engine
from agents.events import StepEnded
from agents.requests import Chat, Lane, Message, ModelRef

if TYPE_CHECKING:
    from agents.requests import ModelCall
    from agents.runs import Run, Step


async def test_a_bug_in_one_lane_ends_that_lane_only() -> None:
    async def call(step: Step, asked: ModelCall) -> None:
        step.start()
        if asked.model.model == "bad":
            raise ZeroDivisionError("a bug")
        step.write("fine")

    async def handle(run: Run) -> None:
        await chat(run, cast("Any", SimpleNamespace(call=call)), Conversations(cast("Any", None)))

    lanes = tuple(Lane(model=ModelRef("lab", name), messages=(Message("user", "hi"),)) for name in ("a", "bad", "b"))
    async with Engine({Chat: handle}) as engine:
        with engine.subscribe() as reader:
            ended = await engine.submit(Chat(lanes=lanes)).wait()
            told = [(event.outcome, event.error) for event in reader.drain() if isinstance(event, StepEnded)]
    assert ended.outcome == "done"
    assert told == [("done", None), ("failed", "ZeroDivisionError: a bug"), ("done", None)]
