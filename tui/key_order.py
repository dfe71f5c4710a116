"""A key acts only when those typed before it have been taken: Enter applies what stands in a field, not what stood there."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from textual.app import App

_LONGEST = 0.2
"""Seconds; a widget that is busy for longer, for example because it waits for the app itself, is not waited for."""


async def typed_before(app: App[None]) -> None:
    """Wait until what has the focus has taken the keys that were passed on to it.

    The app hands a key to the widget's own queue and goes on; the next one, if it is a binding with priority, would overtake it.
    """
    focused = app.focused
    if focused is None or not focused.message_queue_size:
        return
    taken = asyncio.Event()
    if focused.call_later(taken.set):
        with suppress(TimeoutError):
            async with asyncio.timeout(_LONGEST):
                await taken.wait()
