from __future__ import annotations

import asyncio
from itertools import pairwise

import httpx2
import pytest

from tests.servers.paced import PacedServer, pace_of, words
from tests.servers.process import paced_process


@pytest.mark.parametrize(
    ("model", "pace"),
    [
        ("paced-400-100", (400, 100.0, 0.0)),
        ("paced-4-2.5-250", (4, 2.5, 0.25)),
        ("delay-3.0", (40, 0.0, 3.0)),
        ("other", (40, 0.0, 0.0)),
    ],
)
def test_the_pace_is_in_the_name(model: str, pace: tuple[int, float, float]) -> None:
    found = pace_of(model)
    assert (found.tokens, found.rate, found.ttft) == pace


async def test_tokens_come_one_by_one_and_never_before_their_time() -> None:
    loop = asyncio.get_running_loop()
    async with PacedServer() as server, httpx2.AsyncClient(trust_env=False) as client:
        began = loop.time()
        body = {"model": "paced-20-100", "stream": True, "stream_options": {"include_usage": True}}
        async with client.stream("POST", f"{server.base_url}/chat/completions", json=body) as response:
            times = [loop.time() - began async for line in response.aiter_lines() if '{"content":"' in line]
        assert len(times) == 20
        assert all(at >= number / 100 - 0.002 for number, at in enumerate(times))
        assert all(earlier <= later for earlier, later in pairwise(times))
        assert (server.counts.requests, server.counts.in_flight, server.counts.dropped) == (1, 0, 0)


async def test_a_request_can_be_answered_by_what_it_says() -> None:
    async with (
        PacedServer(rules=[("Combine", "paced-3-0")], reply=lambda body: "one two" if "say" in str(body) else None) as server,
        httpx2.AsyncClient(trust_env=False) as client,
    ):

        async def ask(text: str) -> str:
            body = {"model": "paced-5-0", "messages": [{"role": "user", "content": text}]}
            answer = (await client.post(f"{server.base_url}/chat/completions", json=body)).json()
            return str(answer["choices"][0]["message"]["content"])

        assert await ask("Combine these") == "".join(words(3))
        assert await ask("Summarise") == "".join(words(5))
        assert await ask("say it") == "one two"


def test_the_server_runs_in_a_process_of_its_own_and_ends_with_its_pipe() -> None:
    with paced_process("--rule", "a=b=paced-2-0") as base_url:
        body = {"model": "x", "messages": [{"role": "user", "content": "a=b"}]}
        answer = httpx2.post(f"{base_url}/chat/completions", json=body, trust_env=False).json()
        assert answer["usage"]["completion_tokens"] == 2
        page = httpx2.get(f"{base_url.removesuffix('/v1')}/pages/one", trust_env=False)
        assert "<h1>one</h1>" in page.text
    with pytest.raises(httpx2.ConnectError):
        httpx2.get(f"{base_url}/models", trust_env=False)
