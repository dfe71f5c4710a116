"""Further attempts after failures that may pass: when, how often, and never once text has come."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING

from agents.errors import CallError

if TYPE_CHECKING:
    from agents.models.admission import Admission
    from agents.models.client import Reply
    from agents.models.flights import Flight
    from agents.models.service import Ready

_BASE = 1.0
_CAP = 60.0
_PATIENCE = 120.0
"""A server that asks to wait longer than this is told to the person instead of being waited for."""


def backoff(attempt: int, retry_after: float | None, chance: random.Random) -> float:
    """Return the seconds to wait after failed ``attempt`` (1-based): full jitter, doubling, ``retry_after`` at least."""
    jitter = chance.uniform(0.0, min(_CAP, _BASE * 2 ** (attempt - 1)))
    return jitter if retry_after is None else max(jitter, retry_after * chance.uniform(1.0, 1.1))


async def attempt_until_done(flight: Flight, door: Admission, ready: Ready, max_retries: int, chance: random.Random) -> Reply:
    """Execute the flight's call: wait for a place, attempt, and attempt again while that can help.

    The place is given back while waiting for the next attempt. Raises the last attempt's :class:`CallError`.
    """
    attempt = 1
    while True:
        async with door.place(flight.call.priority):
            try:
                return await _attempt(flight, ready)
            except CallError as error:
                if not error.retryable or flight.text or attempt > max_retries:
                    raise
                if error.retry_after is not None and error.retry_after > _PATIENCE:
                    raise
                reason, delay = str(error), backoff(attempt, error.retry_after, chance)
        flight.retried(reason, delay)
        await asyncio.sleep(delay)
        attempt += 1


async def _attempt(flight: Flight, ready: Ready) -> Reply:
    # What goes with the messages is read now, and not while hundreds of calls wait for a place: each may carry megabytes.
    client, files = await ready(flight.log)
    flight.start()
    return await client.answer(flight.call, flight.write, files)
