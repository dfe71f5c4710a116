"""Keys that come quickly one after the other, as from a paste, a macro or a slow line, do what they do when they come slowly."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING

import pytest
from textual.command import CommandPalette
from textual.events import Key

from tests.servers.paced import PacedServer
from tests.tui.stage import Stage, stage
from tui.screens.endpoint import LimitScreen
from tui.screens.pane_settings import PaneSettings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


@pytest.fixture
async def server() -> AsyncIterator[PacedServer]:
    async with PacedServer() as server:
        yield server


def burst(at: Stage, *keys: str) -> None:
    """Press keys in the same moment."""
    for key in keys:
        if len(key) == 1:
            name = key if key.isalnum() else unicodedata.name(key).lower().replace(" ", "_")
            at.app.post_message(Key(name, key))
        else:
            at.app.post_message(Key(key, None))


async def opened(at: Stage) -> None:
    await at.until(lambda: at.app.workspace.opened and at.app.dashboard.is_complete and bool(at.app.dashboard.compare.answers))
    await at.settle()


async def test_a_field_is_applied_with_all_that_was_typed(tmp_path: Path, server: PacedServer) -> None:
    async with stage(tmp_path, server.base_url, "lab/a", size=(160, 45)) as at:
        await opened(at)
        await at.press("shift+f5")
        await at.until(lambda: "lab" in at.text_of(at.app.dashboard.queue.board) and at.app.dashboard.queue.board.has_focus)
        await at.press("r")
        await at.until(lambda: isinstance(at.app.screen, LimitScreen) and at.app.focused is not None)
        burst(at, "7", "1", "enter")
        await at.until(lambda: at.app.screen is at.app.dashboard)
        await at.settle()
        assert at.app.workspace.models.directory.gates["lab"].door.requests_per_minute == 71


async def test_settings_are_saved_with_all_that_was_typed(tmp_path: Path, server: PacedServer) -> None:
    async with stage(tmp_path, server.base_url, "lab/a", size=(120, 45)) as at:
        await opened(at)
        await at.app.action_act("settings")
        await at.until(lambda: isinstance(at.app.screen, PaneSettings) and at.app.focused is not None)
        at.app.screen.query_one("#setup-temperature").focus()
        await at.settle()
        burst(at, "0", ".", "9", "ctrl+s")
        await at.until(lambda: at.app.screen is at.app.dashboard)
        assert at.app.dashboard.compare.answers[0].model.params.temperature == 0.9


async def test_enter_in_the_palette_takes_what_the_words_fit(tmp_path: Path, server: PacedServer) -> None:
    async with stage(tmp_path, server.base_url, "lab/a", "lab/b") as at:
        await opened(at)
        await at.press("ctrl+p")
        await at.until(lambda: isinstance(at.app.screen, CommandPalette) and "Help" in at.screen())
        burst(at, *"zoom", "enter")
        await at.until(lambda: at.app.dashboard.compare.grid.zoomed)
        assert at.app.screen is at.app.dashboard


async def test_enter_takes_the_file_that_fits_what_is_typed(
    tmp_path: Path, server: PacedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a.jsonl", "b.py"):
        (tmp_path / name).write_text("x")
    monkeypatch.chdir(tmp_path)
    async with stage(tmp_path, server.base_url, "lab/a") as at:
        await opened(at)
        await at.press("@")
        await at.until(lambda: "a.jsonl" in at.screen() and "b.py" in at.screen())
        burst(at, "b", ".", "p", "enter")
        await at.until(lambda: at.app.dashboard.prompt.text == "@b.py ")
