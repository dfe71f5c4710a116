"""One way of asking many prompts at once, in a process of its own: run by path with any interpreter, imports only what it measures.

``python bench/ways.py WAY BASE_URL MODEL PROMPTS IN_FLIGHT`` prints one line of JSON: the seconds from the first request to the
last byte, the processor seconds meanwhile, and the peak of resident memory in bytes. The ways: ``aiohttp`` (streams without
reading them, the floor), ``sdk`` (openai's client, a stream each, behind a semaphore), ``litellm`` (the same with litellm) and
``stretto`` (runs through the engine with journal and metrics on, its cap the number in flight).
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import os
import resource
import sys
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

One = "Callable[[int], Awaitable[None]]"


def body(model: str, number: int) -> dict[str, Any]:
    """Return the request for prompt ``number``: no two are the same."""
    return {"model": model, "stream": True, "messages": [{"role": "user", "content": f"Prompt {number}"}]}


def burned() -> float:
    """Return the processor seconds of this process so far."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


@contextlib.asynccontextmanager
async def by_aiohttp(base: str, model: str) -> AsyncIterator[Callable[[int], Awaitable[None]]]:
    """Send with a bare HTTP client and throw away what comes."""
    import aiohttp

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:

        async def one(number: int) -> None:
            async with session.post(f"{base}/chat/completions", json=body(model, number)) as response:
                async for _ in response.content.iter_any():
                    pass

        yield one


@contextlib.asynccontextmanager
async def by_sdk(base: str, model: str) -> AsyncIterator[Callable[[int], Awaitable[None]]]:
    """Send with openai's client and iterate over its events."""
    import openai

    async with openai.AsyncOpenAI(api_key="none", base_url=base, max_retries=0) as client:

        async def one(number: int) -> None:
            text = ""
            async with await client.chat.completions.create(**body(model, number)) as stream:
                async for chunk in stream:
                    if chunk.choices and chunk.choices[0].delta.content:
                        text += chunk.choices[0].delta.content

        yield one


@contextlib.asynccontextmanager
async def by_litellm(base: str, model: str) -> AsyncIterator[Callable[[int], Awaitable[None]]]:
    """Send with litellm and iterate over its events."""
    os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
    import litellm  # type: ignore[import-not-found]  # it lives in an environment of its own

    async def one(number: int) -> None:
        text = ""
        asked = body(f"openai/{model}", number)
        async for chunk in await litellm.acompletion(**asked, api_base=base, api_key="none", num_retries=0):
            text += chunk.choices[0].delta.content or ""

    yield one


@contextlib.asynccontextmanager
async def by_stretto(base: str, model: str, in_flight: int) -> AsyncIterator[Callable[[int], Awaitable[None]]]:
    """Submit runs to the engine of a workspace, which keeps each of them in its database."""
    import tempfile
    from pathlib import Path

    from agents.requests import Chat, Lane, Message, ModelRef
    from agents.settings import Defaults, Endpoint, Locations, Settings
    from agents.workspace import Workspace

    endpoint = Endpoint(base_url=base, concurrency=in_flight, models=(model,))
    settings = Settings(endpoints={"lab": endpoint}, defaults=Defaults(cache=False))
    ref = ModelRef("lab", model)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        async with Workspace(settings, Locations(config=folder / "none.toml", data=folder, themes=folder)) as workspace:
            await workspace.open()
            await workspace.models.warm(ref, lambda _: None)

            async def one(number: int) -> None:
                lane = Lane(model=ref, messages=(Message("user", f"Prompt {number}"),))
                ended = await workspace.engine.submit(Chat(lanes=(lane,), use_cache=False)).wait()
                assert ended.outcome == "done", ended.error

            yield one


async def measure(way: str, base: str, model: str, prompts: int, in_flight: int) -> dict[str, float]:
    """Ask ``prompts`` prompts, ``in_flight`` at a time, once every connection is open."""
    opening = by_stretto(base, model, in_flight) if way == "stretto" else _WAYS[way](base, model)
    async with opening as one:
        await _ask(one, iter(range(-in_flight, 0)), in_flight)
        # The engine has a queue of its own: a few more than its places wait in it, as they would in real work.
        workers = in_flight + 8 if way == "stretto" else in_flight
        cpu, began = burned(), time.perf_counter()
        await _ask(one, iter(range(prompts)), workers)
        wall, cpu = time.perf_counter() - began, burned() - cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    return {"wall": wall, "cpu": cpu, "peak": peak}


async def _ask(one: Callable[[int], Awaitable[None]], numbers: itertools.count[int] | Any, workers: int) -> None:
    async def work() -> None:
        for number in numbers:
            await one(number)

    async with asyncio.TaskGroup() as group:
        for _ in range(workers):
            group.create_task(work())


_WAYS = {"aiohttp": by_aiohttp, "sdk": by_sdk, "litellm": by_litellm}


if __name__ == "__main__":
    found = asyncio.run(measure(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]), int(sys.argv[5])))
    print(json.dumps(found))
