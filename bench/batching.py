"""Embeddings one by one, a few at a time, and batched: wall time and requests for the same texts.

The server takes a fixed time for each request and a little for each text in it, and works on a few requests at once, as one with a
single accelerator does. The batched way is the program's own: every text is asked for by itself, and nothing is told of the others.
``uv run python -m bench.batching``
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from agents.models.service import Models
from agents.requests import ModelRef, Priority
from agents.settings import Endpoint, Locations, Settings
from tests.servers.http import Connection, LoopbackServer, Request

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from agents.models.client import EndpointClient

REQUEST = 0.030
TEXT = 0.001
"""Seconds the server takes for a request, and for each text in it besides."""
WORKERS = 4
"""Requests it works on at once."""
REF = ModelRef("lab", "embedder")
_VECTOR = [0.0625] * 256


class Embedder:
    """The server: requests queue for its workers."""

    def __init__(self) -> None:
        self.requests = 0
        self._free = [0.0] * WORKERS

    def __call__(self, connection: Connection, request: Request) -> None:
        """Answer when a worker has had the time."""
        self.requests += 1
        texts = request.json()["input"]
        assert isinstance(texts, list)
        now = asyncio.get_running_loop().time()
        worker = min(range(WORKERS), key=self._free.__getitem__)
        at = self._free[worker] = max(self._free[worker], now) + REQUEST + TEXT * len(texts)
        data = [{"object": "embedding", "index": index, "embedding": _VECTOR} for index in range(len(texts))]
        payload = msgspec.json.encode({"object": "list", "data": data})
        connection.later(at, lambda: connection.respond(200, payload))


async def one_by_one(client: EndpointClient, count: int) -> None:
    for number in range(count):
        await client.embed(REF.model, [f"text {number}"])


async def capped(client: EndpointClient, count: int) -> None:
    room = asyncio.Semaphore(8)

    async def embed(number: int) -> None:
        async with room:
            await client.embed(REF.model, [f"text {number}"])

    async with asyncio.TaskGroup() as group:
        for number in range(count):
            group.create_task(embed(number))


async def batched(models: Models, count: int) -> None:
    async with asyncio.TaskGroup() as group:
        for number in range(count):
            group.create_task(models.embed(REF, [f"text {number}"], Priority.BATCH))


async def trickled(models: Models, count: int, seconds: float) -> None:
    """Ask for texts as they come, evenly over ``seconds``."""
    async with asyncio.TaskGroup() as group:
        for number in range(count):
            group.create_task(models.embed(REF, [f"text {number}"], Priority.BATCH))
            await asyncio.sleep(seconds / count)


async def measure(count: int) -> bool:
    embedder = Embedder()
    async with LoopbackServer(embedder) as server:
        with tempfile.TemporaryDirectory() as folder:
            place = Path(folder)
            settings = Settings(endpoints={"lab": Endpoint(base_url=server.base_url, models=("embedder",))})
            locations = Locations(config=place / "config.toml", data=place / "data", themes=place / "themes")
            async with Models(settings, locations, environ={}) as models:
                await models.warm(REF, lambda line: None)
                client = await models.directory.gates["lab"].ready(lambda line: None)  # the same client, without batches

                async def timed(name: str, work: Callable[[], Awaitable[None]]) -> float:
                    before, began = embedder.requests, time.perf_counter()
                    await work()
                    wall = time.perf_counter() - began
                    print(f"{name:<34} {wall:8.2f} s {embedder.requests - before:8} requests")
                    return wall

                print(f"{count} texts, {REQUEST * 1000:.0f} ms a request and {TEXT * 1000:.0f} ms a text, {WORKERS} at once")
                slow = await timed("one by one", lambda: one_by_one(client, count))
                some = await timed("at most 8 at once", lambda: capped(client, count))
                quick = await timed("batched", lambda: batched(models, count))
                await timed("batched, coming within 2 s", lambda: trickled(models, count, 2.0))
                figures = models.embeddings.figures()[REF.name]
                print(
                    f"batches {figures.batches}, size P50 {figures.size_p50 or 0:.0f} max {figures.size_max or 0:.0f}, wait P50 "
                    f"{(figures.wait_p50 or 0) * 1000:.0f} P95 {(figures.wait_p95 or 0) * 1000:.0f} max "
                    f"{(figures.wait_max or 0) * 1000:.0f} ms, late {figures.late}"
                )
    print(f"batched takes 1/{slow / quick:.0f} of one by one, 1/{some / quick:.1f} of at most 8 at once")
    return quick < some and not figures.late


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--texts", type=int, default=500)
    return 0 if asyncio.run(measure(parser.parse_args().texts)) else 1


if __name__ == "__main__":
    sys.exit(main())
