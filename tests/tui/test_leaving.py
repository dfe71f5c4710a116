from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from textual.app import App

from agents.models.names import parse_model
from agents.models.service import Models
from tests.servers.paced import PacedServer
from tests.tui.stage import stage

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from agents.requests import ModelRef


async def test_models_that_are_found_while_the_screen_is_taken_apart_do_no_harm(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, found = asyncio.Event(), asyncio.Event()
    take_apart = App._close_all

    async def late(_: Models) -> tuple[ModelRef, ...]:
        asked.set()
        await found.wait()
        return (parse_model("lab/a"),)

    async def slowly(app: App[None]) -> None:
        await take_apart(app)
        found.set()
        for _ in range(50):
            await asyncio.sleep(0)

    monkeypatch.setattr(Models, "defaults", late)
    monkeypatch.setattr(App, "_close_all", slowly)
    async with PacedServer() as server, stage(tmp_path, server.base_url) as at:
        await at.until(asked.is_set)
        frames = at.app._clock.frames
        await at.until(lambda: at.app._clock.frames > frames)
    assert not (tmp_path / "data" / "errors.log").exists()
