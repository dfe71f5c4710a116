"""The real app on a small stage: a headless terminal, a paced server, a database of its own."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

from agents.models.names import parse_model
from agents.settings import Defaults, Endpoint, Locations, Screen, Settings
from agents.workspace import Workspace
from tui.app import StrettoApp

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from textual.pilot import Pilot


class Stage:
    """An app under a pilot."""

    def __init__(self, app: StrettoApp, pilot: Pilot[None]) -> None:
        self.app = app
        self.pilot = pilot

    async def until(self, condition: Callable[[], bool], turns: int = 400) -> None:
        """Let the app go on until ``condition`` holds."""
        for _ in range(turns):
            if condition():
                return
            # Not the pilot's pause: that waits for an idle processor, and a stream would be over by then.
            await asyncio.sleep(0.025)
        raise AssertionError(f"never came to be:\n{self.screen()}")

    async def send(self, text: str) -> None:
        """Put ``text`` into the prompt line and send it, without the wait for an idle processor that a pilot's key press has."""
        self.app.dashboard.prompt.focus()
        self.app.dashboard.prompt.value = text
        await self.app.dashboard.prompt.action_submit()

    def screen(self) -> str:
        """Return what the terminal shows."""
        return "\n".join(
            "".join(segment.text for segment in line) for line in self.app.screen._compositor.render_strips()
        )


@contextlib.asynccontextmanager
async def stage(
    folder: Path, base_url: str, *models: str, size: tuple[int, int] = (120, 36), theme: str = "stretto-dark"
) -> AsyncIterator[Stage]:
    """Open the app with a pane for each of ``models`` on the server at ``base_url``."""
    settings = Settings(
        defaults=Defaults(models=models, cache=False),
        endpoints={"lab": Endpoint(base_url=base_url, concurrency=8)},
        screen=Screen(theme=theme),
    )
    locations = Locations(config=folder / "config.toml", data=folder / "data", themes=folder / "themes")
    async with Workspace(settings, locations) as workspace:
        app = StrettoApp(workspace, [parse_model(name) for name in models])
        async with app.run_test(size=size) as pilot:
            yield Stage(app, pilot)
        app.feed.close()
