"""CPU per token from socket to event: stretto's path against the openai SDK's own event objects, in the same run.

Both read the same eight paced streams at once from a server in a process of its own and write every token to a step of a real
event stream with one reader. What is counted is this process's CPU time, requests included. ``uv run python -m bench.decode``
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from agents.engine import Engine
from agents.events import Text
from agents.models.service import Models
from agents.requests import Chat, Lane, Message, ModelCall, ModelRef
from agents.settings import Endpoint, Locations, Settings
from tests.servers.process import paced_process

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from agents.runs import Run, Step

STREAMS = 8
TARGET = 5.0


async def measure(tokens: int, model: str, follow: Callable[[Step, Lane], Awaitable[object]]) -> float:
    """Return the microseconds of CPU for each token of ``STREAMS`` concurrent answers."""

    async def handler(run: Run) -> None:
        request = run.request
        assert isinstance(request, Chat)

        async def one(lane: Lane) -> None:
            with run.step("model", lane.model.model) as step:
                await follow(step, lane)

        async with asyncio.TaskGroup() as group:
            for lane in request.lanes:
                group.create_task(one(lane))

    lanes = tuple(Lane(model=ModelRef("lab", model), messages=(Message("user", f"Voice {n}"),)) for n in range(STREAMS))
    async with Engine({Chat: handler}) as engine:
        reader = engine.subscribe()
        gc.collect()
        before = time.process_time()
        await engine.submit(Chat(lanes=lanes, use_cache=False)).wait()
        spent = time.process_time() - before
        text = sum(len(event.text.split()) for event in reader.drain() if isinstance(event, Text))
    assert text >= STREAMS * tokens / 2, "text is missing"
    return spent / (STREAMS * tokens) * 1e6


async def compare(base_url: str, tokens: int, rate: float, rounds: int) -> tuple[float, float]:
    """Return the CPU per token of stretto and of the SDK: the least of the rounds of each, taken in turns."""
    import openai

    folder = Path(tempfile.gettempdir())
    settings = Settings(endpoints={"lab": Endpoint(base_url=base_url, concurrency=STREAMS)})
    model = f"paced-{tokens}-{rate:g}"
    ours, theirs = [], []
    async with (
        Models(settings, Locations(config=folder, data=folder, themes=folder)) as models,
        openai.AsyncOpenAI(base_url=base_url, api_key="none") as client,
    ):

        async def raw(step: Step, lane: Lane) -> None:
            await models.call(step, ModelCall(model=lane.model, messages=lane.messages, use_cache=False))

        async def objects(step: Step, lane: Lane) -> None:
            step.start()
            stream = await client.chat.completions.create(
                model=lane.model.model,
                messages=[{"role": "user", "content": lane.messages[0].content}],
                stream=True,
                stream_options={"include_usage": True},
            )
            async with stream:
                async for chunk in stream:
                    if chunk.choices and chunk.choices[0].delta.content:
                        step.write(chunk.choices[0].delta.content)

        for follow in (raw, objects):
            await measure(5, "paced-5-0", follow)  # imports, connections
        for _ in range(rounds):
            ours.append(await measure(tokens, model, raw))
            theirs.append(await measure(tokens, model, objects))
    return min(ours), min(theirs)


def main() -> None:
    """Measure at a person's pace and flat out; print both and the ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="print one object instead of lines")
    options = parser.parse_args()
    figures: dict[str, dict[str, float]] = {}
    with paced_process() as base_url:
        for name, tokens, rate in (("paced", 200, 100.0), ("flat out", 1000, 0.0)):
            ours, theirs = asyncio.run(compare(base_url, tokens, rate, rounds=3))
            figures[name] = {"stretto_us": round(ours, 1), "sdk_us": round(theirs, 1), "ratio": round(theirs / ours, 2)}
    if options.json:
        print(json.dumps(figures))
        return
    print(f"CPU per token, {STREAMS} streams at once (target: at least {TARGET:g} times less than the SDK)")
    for name, figure in figures.items():
        print(
            f"  {name:9} stretto {figure['stretto_us']:6.1f} µs   openai SDK {figure['sdk_us']:6.1f} µs   ratio {figure['ratio']:.1f}"
        )


if __name__ == "__main__":
    main()
