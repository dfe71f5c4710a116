"""The handler of :class:`~agents.requests.Chat`: one turn to one model, or the same moment's turn to several at once."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

from agents.requests import Chat, ModelCall

if TYPE_CHECKING:
    from agents.models.service import Models
    from agents.requests import Lane
    from agents.runs import Run, Step


async def chat(run: Run, models: Models) -> None:
    """Answer every lane at once. A lane that fails or is stopped ends alone; the others go on."""
    request = run.request
    assert isinstance(request, Chat)  # noqa: S101  # the engine routes by type
    # All lanes are queued before the first one starts, so that a reader knows from the start how many there are.
    steps = [(run.step("model", lane.model.model, lane=str(lane.model)), lane) for lane in request.lanes]
    async with asyncio.TaskGroup() as group:
        for step, lane in steps:
            group.create_task(_answer(step, lane, models, use_cache=request.use_cache), name=step.id)


async def _answer(step: Step, lane: Lane, models: Models, *, use_cache: bool) -> None:
    # Whatever it is, a bug too, it must not cost the other lanes their answers; the step has told it.
    with suppress(Exception), step:
        await models.call(step, ModelCall(model=lane.model, messages=lane.messages, use_cache=use_cache))
