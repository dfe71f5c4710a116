"""Long work on the event loop, a slice at a time: a generator that yields often, and the loop's turn after each slice."""

from __future__ import annotations

import asyncio
from time import perf_counter
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Generator

_T = TypeVar("_T")


async def in_slices(work: Generator[None, None, _T], seconds: float = 0.004) -> _T:
    """Return what ``work`` returns, giving the loop a turn after each slice of about ``seconds``."""
    while True:
        until = perf_counter() + seconds
        try:
            while perf_counter() < until:
                next(work)
        except StopIteration as done:
            result: _T = done.value
            return result
        await asyncio.sleep(0)


def at_once(work: Generator[None, None, _T]) -> _T:
    """Return what ``work`` returns; blocks until then."""
    while True:
        try:
            next(work)
        except StopIteration as done:
            result: _T = done.value
            return result
