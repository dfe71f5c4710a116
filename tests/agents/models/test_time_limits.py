from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from agents.settings import Endpoint, Timeouts
from tests.agents.models.lab import Lab
from tests.servers.faults import CHUNKED, DONE, END, PING, STOP, FaultServer, said
from tests.servers.http import Connection, LoopbackServer, Request
from tests.servers.paced import chunk

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

LONG = 30.0
"""Seconds that no test here waits for."""


async def _told(tmp_path: Path, fault: str, timeout: Timeouts) -> tuple[str, str]:
    async with FaultServer() as server:
        endpoint = Endpoint(base_url=server.base_url, timeout=timeout, max_retries=0)
        async with Lab(tmp_path, {"lab": endpoint}) as lab:
            ended = (await lab.ask(f"lab/{fault}")).ended
            await server.until(lambda: server.counts.open == 0)
    return ended.outcome, str(ended.error)


@pytest.mark.parametrize("fault", ["stall-before-headers", "stall-before-first", "loris-headers", "loris-body", "role-then-stall"])
async def test_the_first_token_has_its_own_limit(fault: str, tmp_path: Path) -> None:
    outcome, told = await _told(tmp_path, fault, Timeouts(first_token=0.2, idle=LONG, total=LONG))
    assert (outcome, told) == ("failed", "lab: no text within 0.2 s (endpoints.lab.timeout.first_token)")


async def test_comments_are_no_first_token(tmp_path: Path) -> None:
    outcome, told = await _told(tmp_path, "ping-forever", Timeouts(first_token=0.2, idle=LONG, total=LONG))
    assert (outcome, told) == ("failed", "lab: no text within 0.2 s (endpoints.lab.timeout.first_token)")


@pytest.mark.parametrize("fault", ["stall-mid", "ping-mid-forever"])
async def test_silence_between_texts_has_its_own_limit_and_comments_are_silence(fault: str, tmp_path: Path) -> None:
    outcome, told = await _told(tmp_path, fault, Timeouts(first_token=LONG, idle=0.2, total=LONG))
    assert outcome == "cut"
    assert "no text for 0.2 s (endpoints.lab.timeout.idle)" in told


@pytest.mark.parametrize(("fault", "outcome"), [("trickle-forever", "cut"), ("reasoning-forever", "failed")])
async def test_what_never_ends_ends_at_the_limit_of_the_whole_call_and_thinking_is_life(
    fault: str, outcome: str, tmp_path: Path
) -> None:
    # Text or thought comes every 50 ms; the other limits would end it sooner if they did not count it.
    ended, told = await _told(tmp_path, fault, Timeouts(first_token=0.4, idle=0.4, total=1.0))
    assert ended == outcome
    assert "not finished after 1 s (endpoints.lab.timeout.total)" in told


async def test_the_whole_call_is_limited_while_nothing_has_come_too(tmp_path: Path) -> None:
    outcome, told = await _told(tmp_path, "stall-before-headers", Timeouts(first_token=LONG, idle=LONG, total=0.2))
    assert (outcome, told) == ("failed", "lab: not finished after 0.2 s (endpoints.lab.timeout.total)")


def _paced(parts: Sequence[bytes], seconds: float) -> LoopbackServer:
    """Return a server that sends each part so long after the one before."""

    def answer(connection: Connection, request: Request) -> None:
        waiting = iter(parts)
        connection.transport.write(CHUNKED)

        def tick() -> None:
            part = next(waiting, None)
            if part is None:
                connection.transport.write(END)
                connection.done()
                return
            connection.transport.write(chunk(part))
            connection.later(asyncio.get_running_loop().time() + seconds, tick)

        tick()

    return LoopbackServer(answer)


async def test_each_text_begins_the_silence_anew_however_long_the_answer_takes(tmp_path: Path) -> None:
    async with _paced([said("a ")] * 12 + [STOP + DONE], 0.1) as server:
        timeout = Timeouts(first_token=1.0, idle=1.0, total=LONG)
        async with Lab(tmp_path, {"lab": Endpoint(base_url=server.base_url, timeout=timeout, max_retries=0)}) as lab:
            asked = await lab.ask("lab/x")
    assert (asked.ended.outcome, asked.text) == ("done", "a " * 12)


async def test_a_finished_answer_is_whole_however_long_the_server_holds_the_connection(tmp_path: Path) -> None:
    async with _paced([said("a"), STOP, *[PING] * 1000], 0.02) as server:
        timeout = Timeouts(first_token=LONG, idle=0.3, total=LONG)
        async with Lab(tmp_path, {"lab": Endpoint(base_url=server.base_url, timeout=timeout, max_retries=0)}) as lab:
            asked = await lab.ask("lab/x")
            await server.until(lambda: server.counts.open == 0)
    assert (asked.ended.outcome, asked.ended.finish, asked.text) == ("done", "stop", "a")
