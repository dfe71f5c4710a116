"""Runs the dashboard: the event loop, the workspace around the app, signals, and what becomes of exceptions nobody saw."""

from __future__ import annotations

import asyncio
import signal
from functools import partial
from typing import TYPE_CHECKING, Any

from agents.locations import LOG_NAME
from tui.app import StrettoApp

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agents.requests import ModelRef
    from agents.settings import Locations, Settings


def run_dashboard(settings: Settings, locations: Locations, models: Sequence[ModelRef] = ()) -> int:
    """Open the dashboard and return the exit code: 0, or 128 and the signal's number."""
    return asyncio.run(_run(settings, locations, models))


async def _run(settings: Settings, locations: Locations, models: Sequence[ModelRef]) -> int:
    from agents.allocator import configure
    from agents.workspace import Workspace

    configure()
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(partial(_keep_stray, locations))
    async with Workspace(settings, locations) as workspace:
        app = StrettoApp(workspace, models)
        for number in (signal.SIGTERM, signal.SIGHUP):
            # Textual itself would die with the terminal in its own mode and nothing closed.
            loop.add_signal_handler(number, partial(app.exit, return_code=128 + number))
        try:
            await app.run_async()
        finally:
            app.feed.close()
    return app.return_code or 0


def _keep_stray(locations: Locations, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Keep an exception that no task's owner saw, for example of a callback: it would be lost behind the screen."""
    from tui.faults import keep

    error = context.get("exception")
    keep(error if isinstance(error, BaseException) else RuntimeError(str(context.get("message"))), locations.data / LOG_NAME)
