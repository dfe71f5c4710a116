from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from textual import events

from tests.servers.paced import PacedServer
from tests.tui.stage import Stage, stage
from tui.keys import shown_key

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


@pytest.fixture
async def server() -> AsyncIterator[PacedServer]:
    async with PacedServer() as server:
        yield server


def typed(at: Stage, *keys: str) -> None:
    """Give the app keys as one read of the terminal gives them: all at once."""
    for key in keys:
        at.app.post_message(events.Key(key, key if len(key) == 1 else None))


async def test_the_menu_lists_what_does_something_in_this_view(tmp_path: Path, server: PacedServer) -> None:
    async with stage(tmp_path, server.base_url, "lab/a", size=(120, 40)) as at:
        menu = at.app.dashboard.leader
        await at.until(lambda: len(at.app.dashboard.compare.answers) == 1)
        await at.press("ctrl+x")
        await at.until(lambda: menu.is_open and "Ctrl+X, then" in at.screen())
        shown = at.text_of(menu)
        for row in at.app.actions.after_leader():
            assert f"{shown_key(row.leader)} {row.label}" in shown
        assert "a Add pane" in shown
        assert "2 Ask" in shown
        assert "1 Compare" not in shown
        await at.press("escape", "f3", "ctrl+x")
        await at.until(lambda: menu.is_open and "1 Compare" in at.text_of(menu))
        assert "a Add pane" not in at.text_of(menu)


async def test_one_more_key_does_it_and_closes_the_menu(tmp_path: Path, server: PacedServer) -> None:
    async with stage(tmp_path, server.base_url, "lab/a") as at:
        dashboard = at.app.dashboard
        await at.until(lambda: len(dashboard.compare.answers) == 1)
        await at.press("ctrl+x", "a")
        await at.until(lambda: len(dashboard.compare.answers) == 2)
        assert not dashboard.leader.is_open
        assert dashboard.prompt.value == ""


async def test_keys_of_one_read_are_not_lost_and_do_not_reach_the_prompt(tmp_path: Path, server: PacedServer) -> None:
    async with stage(tmp_path, server.base_url, "lab/a") as at:
        dashboard = at.app.dashboard
        await at.until(lambda: len(dashboard.compare.answers) == 1)
        typed(at, "x", "ctrl+x", "3", "y", "ctrl+x", "1", "z", "ctrl+x", "escape", "w")
        await at.until(lambda: dashboard.prompt.value == "xyzw")
        assert dashboard.view.id == "compare"
        assert not dashboard.leader.is_open


async def test_it_works_while_answers_stream(tmp_path: Path, server: PacedServer) -> None:
    async with stage(tmp_path, server.base_url, "lab/paced-4000-200", "lab/paced-4000-200") as at:
        panes = at.app.dashboard.compare.answers
        await at.send("go")
        await at.until(lambda: [pane.state.state for pane in panes] == ["streaming", "streaming"])
        await at.press("ctrl+x")
        await at.until(lambda: "Ctrl+X, then" in at.screen())
        before = panes[1].pane.text
        await at.until(lambda: len(panes[1].pane.text) > len(before))
        await at.press("s")
        await at.until(lambda: panes[0].state.state == "cancelled")
        await at.press("ctrl+x", "S")
        await at.until(lambda: panes[1].state.state == "cancelled")


async def test_an_unknown_key_is_said_and_the_menu_stays(tmp_path: Path, server: PacedServer) -> None:
    async with stage(tmp_path, server.base_url, "lab/a") as at:
        menu = at.app.dashboard.leader
        await at.press("ctrl+x", "Ω")
        await at.until(lambda: menu.is_open and "does nothing here" in at.screen())
        await at.press("escape")
        assert not menu.is_open
        await at.press("ctrl+x", "ctrl+x")
        assert not menu.is_open
        assert at.app.dashboard.prompt.value == ""


async def test_a_key_of_its_own_closes_the_menu_and_does_what_it_does(tmp_path: Path, server: PacedServer) -> None:
    async with stage(tmp_path, server.base_url, "lab/a") as at:
        await at.press("ctrl+x", "f4")
        await at.until(lambda: at.app.dashboard.view.id == "agents")
        assert not at.app.dashboard.leader.is_open


async def test_pasting_closes_the_menu_and_reaches_the_prompt(tmp_path: Path, server: PacedServer) -> None:
    async with stage(tmp_path, server.base_url, "lab/a") as at:
        await at.press("ctrl+x")
        at.app.post_message(events.Paste("q"))
        await at.until(lambda: at.app.dashboard.prompt.value == "q")
        assert not at.app.dashboard.leader.is_open


@pytest.mark.parametrize("size", [(20, 12), (40, 24), (80, 24), (100, 30), (200, 50)])
async def test_the_menu_fits_and_leaves_the_last_line_free(tmp_path: Path, server: PacedServer, size: tuple[int, int]) -> None:
    async with stage(tmp_path, server.base_url, "lab/a", size=size) as at:
        await at.until(lambda: len(at.app.dashboard.compare.answers) == 1)
        await at.press("ctrl+x")
        menu = at.app.dashboard.leader
        await at.until(lambda: menu.is_open and menu.region.height > 2)
        assert menu.region.bottom == size[1] - 1
        assert menu.region.y >= 1
        assert menu.region.width == size[0]
        if size[0] >= 80:
            assert all(row.label[:5] in at.text_of(menu) for row in at.app.actions.after_leader())


async def test_a_click_does_what_it_is_on(tmp_path: Path, server: PacedServer) -> None:
    async with stage(tmp_path, server.base_url, "lab/a", size=(120, 40)) as at:
        await at.until(lambda: len(at.app.dashboard.compare.answers) == 1)
        await at.press("ctrl+x")
        await at.until(lambda: "Add pane" in at.screen())
        await at.click("Add pane")
        await at.until(lambda: len(at.app.dashboard.compare.answers) == 2)
        await at.click("F3 Ask")
        await at.until(lambda: at.app.dashboard.view.id == "ask")
        await at.click("F1 Help")
        await at.until(lambda: "Keys and figures" in at.screen())
