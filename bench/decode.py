"""CPU per token from socket to event: stretto's path against the openai SDK's own event objects, in the same run.

Both read the same eight paced streams at once from a server in a process of its own and write every token to a step of a real
event stream with one reader. What is counted is this process's CPU time, requests included. "Flat out" is a server faster than
its reader, where decoding decides what a core can carry; "paced" is 100 tokens a second in each stream, where most of a token's
cost is the event loop waking for it. A bare socket that reads the same bytes and drops them shows how much that is.
``uv run python -m bench.decode``
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
from urllib.parse import urlsplit

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


class _Drop(asyncio.Protocol):
    """Reads an answer and keeps nothing of it but its end."""

    def __init__(self) -> None:
        self.ended = asyncio.get_running_loop().create_future()

    def data_received(self, data: bytes) -> None:
        if data.endswith(b"0\r\n\r\n") and not self.ended.done():
            self.ended.set_result(None)


async def drop(base_url: str, tokens: int, model: str) -> float:
    """Return the microseconds of CPU for each token of ``STREAMS`` answers that are only read."""
    url = urlsplit(base_url)
    assert url.hostname
    assert url.port
    host, port = url.hostname, url.port
    body = json.dumps({"model": model, "stream": True, "messages": []}).encode()
    request = b"POST /v1/chat/completions HTTP/1.1\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body)
    before = time.process_time()
    opened = [await asyncio.get_running_loop().create_connection(_Drop, host, port) for _ in range(STREAMS)]
    for transport, _ in opened:
        transport.write(request)
    for transport, protocol in opened:
        await protocol.ended
        transport.close()
    return (time.process_time() - before) / (STREAMS * tokens) * 1e6


async def compare(base_url: str, tokens: int, rate: float, rounds: int) -> tuple[float, float, float]:
    """Return the CPU per token of stretto, of the SDK and of a bare socket: the least of each one's rounds, taken in turns."""
    import openai

    folder = Path(tempfile.gettempdir())
    settings = Settings(endpoints={"lab": Endpoint(base_url=base_url, concurrency=STREAMS)})
    model = f"paced-{tokens}-{rate:g}"
    ours, theirs, bare = [], [], []
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
            bare.append(await drop(base_url, tokens, model))
    return min(ours), min(theirs), min(bare)


def main() -> None:
    """Measure at a person's pace and flat out; print both and the ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="print one object instead of lines")
    options = parser.parse_args()
    figures: dict[str, dict[str, float]] = {}
    with paced_process() as base_url:
        for name, tokens, rate in (("flat out", 1000, 0.0), ("paced", 150, 100.0)):
            ours, theirs, bare = asyncio.run(compare(base_url, tokens, rate, rounds=3))
            figures[name] = {
                "stretto_us": round(ours, 1),
                "sdk_us": round(theirs, 1),
                "bare_socket_us": round(bare, 1),
                "ratio": round(theirs / ours, 2),
            }
    if options.json:
        print(json.dumps(figures))
        return
    print(f"CPU per token, {STREAMS} streams at once (target, flat out: {TARGET:g} times less than the SDK)")
    for name, figure in figures.items():
        ours, theirs, bare = figure["stretto_us"], figure["sdk_us"], figure["bare_socket_us"]
        ratio = f"ratio {figure['ratio']:.1f}   (bare socket {bare:.1f} µs)"
        print(f"  {name:9} stretto {ours:6.1f} µs   openai SDK {theirs:6.1f} µs   {ratio}")


if __name__ == "__main__":
    main()
