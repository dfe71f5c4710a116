"""What the C library's allocator is told, so that memory of answers that are gone goes back to the system.

By default glibc keeps an arena a thread and raises its own threshold for returning large blocks each time one is freed; a program
that lives for hours and frees megabytes at a time keeps far more than it uses. Elsewhere than on glibc nothing is done.
"""

from __future__ import annotations

import asyncio
import ctypes
from typing import TYPE_CHECKING

from agents.events import Saved

if TYPE_CHECKING:
    from collections.abc import Callable

    from agents.events import AnyEvent
    from agents.stream import EventStream

# malloc.h of glibc
_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3
_M_ARENA_MAX = -8

_LARGE = 64 * 1024
_PAUSE = 5.0
"""Seconds between two returns of memory."""


def configure() -> None:
    """Return large blocks at once, and share one arena. Call it before threads start."""
    libc = ctypes.CDLL(None)
    if hasattr(libc, "mallopt"):
        for option, value in ((_M_MMAP_THRESHOLD, _LARGE), (_M_TRIM_THRESHOLD, 2 * _LARGE), (_M_ARENA_MAX, 1)):
            libc.mallopt(option, value)


async def return_memory(stream: EventStream, idle: Callable[[], bool]) -> None:
    """Give freed memory back after runs were saved, once nothing runs; ends with the stream.

    Only then, because the allocator is locked for some 10 ms meanwhile, whichever thread asks for it.
    """
    libc = ctypes.CDLL(None)
    if not hasattr(libc, "malloc_trim"):
        return
    with stream.subscribe(text=False, only=_is_saved_run) as reader:
        due = False
        while await reader.wait():
            due = bool(reader.drain()) or due
            if due and idle():
                due = False
                await asyncio.to_thread(libc.malloc_trim, 0)
            await reader.pause(_PAUSE)


def _is_saved_run(event: AnyEvent) -> bool:
    return isinstance(event, Saved) and event.step is None
