"""The handler of :class:`~agents.requests.Chat`: one turn to one model, or the same moment's turn to several at once."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

from agents.requests import Chat, ModelCall, Priority

if TYPE_CHECKING:
    from agents.conversations import Conversations
    from agents.models.service import Models
    from agents.requests import Lane
    from agents.runs import Run, Step


async def chat(run: Run, models: Models, conversations: Conversations) -> None:
    """Answer every lane at once. A lane that fails or is stopped ends alone; the others go on."""
    request = run.request
    assert isinstance(request, Chat)  # noqa: S101  # the engine routes by type
    steps = queue_lanes(run, request.lanes)
    async with asyncio.TaskGroup() as group:
        for step, lane in steps:
            group.create_task(_answer(step, lane, models, conversations, request), name=step.id)


def queue_lanes(run: Run, lanes: tuple[Lane, ...]) -> list[tuple[Step, Lane]]:
    """Queue a step for each lane, in their order, before the first one starts: a reader knows from the start how many there are."""
    return [(run.step("model", lane.label or lane.model.model, lane=str(lane.model)), lane) for lane in lanes]


async def _answer(step: Step, lane: Lane, models: Models, conversations: Conversations, request: Chat) -> None:
    # Whatever it is, a bug too, it must not cost the other lanes their answers; the step has told it.
    with suppress(Exception), step:
        try:
            messages = await conversations.messages(lane, step)
            call = ModelCall(
                model=lane.model,
                messages=messages,
                use_cache=request.use_cache,
                refresh=request.refresh,
                similar=request.priority is Priority.INTERACTIVE and not lane.label,  # a label: one of a sweep
                priority=request.priority,
            )
            await models.call(step, call)
        finally:
            conversations.remember(step, lane)
