"""The real app on a small stage: a headless terminal, a paced server, a database of its own."""

from __future__ import annotations

import asyncio
import contextlib
import time
import unicodedata
from typing import TYPE_CHECKING

from rich.cells import cell_len
from textual import events
from textual.drivers.headless_driver import HeadlessDriver
from textual.geometry import Size

from agents.models.names import parse_model
from agents.settings import Defaults, Endpoint, LibrarySettings, Locations, Screen, Settings
from agents.workspace import Workspace
from tests.tui.picture import strips_of
from tui.app import StrettoApp

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from textual.geometry import Region
    from textual.pilot import Pilot
    from textual.widget import Widget


class Stage:
    """An app under a pilot."""

    def __init__(self, app: StrettoApp, pilot: Pilot[None]) -> None:
        self.app = app
        self.pilot = pilot

    async def until(self, condition: Callable[[], bool], turns: int = 400) -> None:
        """Let the app go on until ``condition`` holds."""
        for turn in range(turns + 20):
            assert self.app._exception is None, f"the app died of {self.app._exception!r}"
            if condition():
                return
            # Not the pilot's pause: that waits for an idle processor, and a stream would be over by then.
            await asyncio.sleep(0 if turn < 20 else 0.025)
        raise AssertionError(f"never came to be:\n{self.screen()}")

    async def settle(self) -> None:
        """Let everything that was posted to the app, and what that posts in turn, be handled."""
        for _ in range(2):
            focused = self.app.focused or self.app.screen
            for node in (self.app, *focused.ancestors_with_self):
                handled = asyncio.Event()
                if node.call_later(handled.set):
                    await self.until(handled.is_set)

    async def press(self, *keys: str) -> None:
        """Press keys, without the wait for an idle processor that a pilot's key press has; one character types itself."""
        for key in keys:
            name, character = key, None
            if len(key) == 1:
                character = key
                name = key if key.isalnum() and key.isascii() else unicodedata.name(key).lower().replace(" ", "_").replace("-", "_")
            self.app.post_message(events.Key(name, character))
            await self.settle()

    async def click(self, text: str, within: Widget | None = None) -> None:
        """Click on the first place where the screen shows ``text``."""
        await self.click_at(*self.find(text, within))

    async def click_at(self, x: int, y: int) -> None:
        """Click on a cell of the screen."""
        for kind in (events.MouseDown, events.MouseUp):
            button = kind(None, x, y, 0, 0, 1, shift=False, meta=False, ctrl=False, screen_x=x, screen_y=y)
            self.app.post_message(button)
            await self.settle()

    async def resize(self, width: int, height: int) -> None:
        """Give the terminal another size."""
        size = Size(width, height)
        driver = self.app._driver
        assert isinstance(driver, HeadlessDriver)
        driver._size = size
        self.app.post_message(events.Resize(size, size))
        await self.until(lambda: self.app.screen.size == size)
        await self.settle()

    def find(self, text: str, within: Widget | None = None) -> tuple[int, int]:
        """Return column and row of the first ``text`` on the screen."""
        area: Region = (within or self.app.screen).region
        for y, line in enumerate(self.lines(within), area.y):
            before, found, _ = line.partition(text)
            if found:
                return area.x + cell_len(before), y
        raise AssertionError(f"{text!r} is not on the screen:\n{self.screen()}")

    def lines(self, within: Widget | None = None) -> list[str]:
        """Return the rows of the screen, or of the part of it that a widget takes."""
        strips = strips_of(self.app)
        if within is not None:
            area = within.region
            strips = [strip.crop(area.x, area.right) for strip in strips[area.y : area.bottom]]
        return ["".join(segment.text for segment in strip) for strip in strips]

    def text_of(self, widget: Widget) -> str:
        """Return what a widget shows."""
        return "\n".join(line.rstrip() for line in self.lines(widget))

    async def send(self, text: str) -> None:
        """Put ``text`` into the prompt line and send it, without the wait for an idle processor that a pilot's key press has."""
        self.app.dashboard.prompt.focus()
        self.app.dashboard.prompt.value = text
        await self.app.dashboard.prompt.action_submit()
        await self.settle()

    def screen(self) -> str:
        """Return what the terminal shows."""
        return "\n".join(self.lines())


@contextlib.asynccontextmanager
async def stage(
    folder: Path,
    base_url: str,
    *models: str,
    size: tuple[int, int] = (120, 36),
    theme: str = "stretto-dark",
    source_timeout: float = 30.0,
    concurrency: int = 8,
    reduced_motion: bool = False,
    clock: Callable[[], float] = time.monotonic,
) -> AsyncIterator[Stage]:
    """Open the app with a pane for each of ``models`` on the server at ``base_url``."""
    settings = Settings(
        defaults=Defaults(models=models, cache=False),
        endpoints={"lab": Endpoint(base_url=base_url, concurrency=concurrency, max_retries=0)},
        screen=Screen(theme=theme, reduced_motion=reduced_motion),
        library=LibrarySettings(source_timeout=source_timeout),
    )
    locations = Locations(config=folder / "config.toml", data=folder / "data", themes=folder / "themes")
    async with Workspace(settings, locations, clock=clock) as workspace:
        app = StrettoApp(workspace, [parse_model(name) for name in models])
        async with app.run_test(size=size, notifications=True) as pilot:
            yield Stage(app, pilot)
        app.feed.close()
