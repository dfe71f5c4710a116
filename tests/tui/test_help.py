from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from textual.widgets import Input

from tests.servers.paced import PacedServer
from tests.tui.stage import Stage, stage
from tui.key_table import KEYS, install
from tui.keymap import Keymap, resolve
from tui.screens.help import FIGURES, PANE_FIGURES, HelpScreen, sections
from tui.widgets.entry_list import EntryList

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


@pytest.fixture
async def server() -> AsyncIterator[PacedServer]:
    async with PacedServer() as server:
        yield server


def whole(at: Stage) -> str:
    """Return all rows of help, also those out of view."""
    found = at.app.screen.query_one(EntryList)
    return "\n".join("".join(text for text, _ in line) for line in found._lines)


async def opened(at: Stage) -> None:
    await at.press("f1")
    await at.until(lambda: isinstance(at.app.screen, HelpScreen) and "Everywhere" in at.screen())


def test_every_figure_is_explained() -> None:
    told = {entry.keys for _, entries in sections(Keymap()) for entry in entries}
    assert {name for name, _ in (*PANE_FIGURES, *FIGURES)} <= told


def test_help_is_the_registry_with_the_keys_in_force() -> None:
    found = {entry.name: entry for _, entries in sections(resolve({"pane.zoom": "ctrl+w", "leader": "alt+l"})) for entry in entries}
    assert {key.id for key in KEYS} == set(found) - {""}
    assert found["pane.zoom"] == ("Ctrl+W", "Alt+L z", "Show the marked pane alone, or all again", "pane.zoom")
    assert found["text.up"].keys == "Up or k"
    assert [title for title, _ in sections(Keymap())] == [
        *dict.fromkeys(key.where for key in KEYS),
        *("Typed in the prompt", "Over a pane", "Status line", "Terminals and settings"),
    ]


@pytest.mark.parametrize("size", [(20, 10), (40, 24), (80, 24), (100, 30), (200, 50)])
async def test_help_shows_everything_at_any_width(tmp_path: Path, server: PacedServer, size: tuple[int, int]) -> None:
    async with stage(tmp_path, server.base_url, "lab/a", size=size) as at:
        await opened(at)
        rows = whole(at)
        words, joined = set(rows.split()), "".join(rows.split())
        for _, entries in sections(Keymap()):
            for entry in entries:
                assert entry.name in joined
                assert {word for word in entry.text.split() if len(word) < size[0] // 3} <= words
        width = at.app.screen.query_one(EntryList).size.width
        assert max(map(len, rows.split("\n"))) <= width
        assert at.app.screen.query_one("#help").region.right <= size[0]


async def test_typing_keeps_what_fits_and_escape_clears_then_closes(tmp_path: Path, server: PacedServer) -> None:
    async with stage(tmp_path, server.base_url, "lab/a", size=(120, 40)) as at:
        await opened(at)
        await at.press(*"zoom")
        await at.until(lambda: "pane.zoom" in whole(at) and "app.quit" not in whole(at))
        await at.press("q", "q")
        await at.until(lambda: "Nothing fits" in whole(at))
        await at.press("escape")
        await at.until(lambda: at.app.screen.query_one(Input).value == "" and "app.quit" in whole(at))
        await at.press("escape")
        await at.until(lambda: at.app.screen is at.app.dashboard)


async def test_the_arrows_and_pages_scroll_while_one_types(tmp_path: Path, server: PacedServer) -> None:
    async with stage(tmp_path, server.base_url, "lab/a", size=(80, 24)) as at:
        await opened(at)
        found = at.app.screen.query_one(EntryList)
        await at.press("down", "down")
        await at.until(lambda: found.scroll_offset.y == 2)
        await at.press("pagedown")
        await at.until(lambda: found.scroll_offset.y > 10)
        await at.press("pageup", "up", "up")
        await at.until(lambda: found.scroll_offset.y == 0)
        await at.press("f1")
        await at.until(lambda: at.app.screen is at.app.dashboard)


async def test_every_figure_of_the_status_line_is_explained(tmp_path: Path, server: PacedServer) -> None:
    async with stage(tmp_path, server.base_url, "lab/a", size=(160, 40)) as at:
        await opened(at)
        assert [name for name, _ in FIGURES if name not in whole(at)] == []
        for command in ("/add", "/library"):
            assert command in whole(at)


async def test_help_shows_ones_own_keys(tmp_path: Path, server: PacedServer) -> None:
    (tmp_path / "keymap.toml").write_text('"chat.new" = "alt+n"\nleader = "alt+l"\n')
    async with stage(tmp_path, server.base_url, "lab/a", size=(120, 40)) as at:
        await opened(at)
        assert "Alt+N" in whole(at)
        assert "Alt+L n" in whole(at)
    install(KEYS)
