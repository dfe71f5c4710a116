from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from textual.command import CommandList, CommandPalette

from tests.servers.paced import PacedServer
from tests.tui.stage import Stage, stage
from tui.key_table import KEYS, install
from tui.themes import load_themes

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

HOSTILE = ("lab/[/x]", "lab/[@click=app.quit]x", "lab/[$primary]\x1b]0;t\x07\x9b31m\u202ez")


@pytest.fixture
async def server() -> AsyncIterator[PacedServer]:
    async with PacedServer() as server:
        yield server


def listed(at: Stage) -> list[str]:
    """Return the first line of every command in the list."""
    found = at.app.screen.query_one(CommandList)
    prompts = (found.get_option_at_index(index).prompt for index in range(found.option_count))
    return [str(getattr(prompt, "plain", prompt)).split("\n")[0] for prompt in prompts]


def offered(at: Stage) -> list[str]:
    """Return the title of every command in the list, without its keys."""
    return [line.split("   ")[0] for line in listed(at)]


def is_open(at: Stage) -> bool:
    return isinstance(at.app.screen, CommandPalette)


async def palette(at: Stage, key: str = "ctrl+p") -> None:
    await at.until(lambda: len(at.app.dashboard.compare.answers) > 0)
    await at.press(key)
    await at.until(lambda: is_open(at) and len(offered(at)) > 0)


async def choose(at: Stage, title: str) -> None:
    """Open the palette, type a command's name and press Enter on it."""
    await palette(at)
    await at.press(*title)
    await at.until(lambda: offered(at)[:1] == [title])
    await at.press("enter")
    await at.until(lambda: not is_open(at))
    await at.settle()


@pytest.mark.parametrize("key", ["ctrl+p", "f10"])
async def test_everything_is_offered(tmp_path: Path, server: PacedServer, key: str) -> None:
    async with stage(tmp_path, server.base_url, "lab/a", "lab/b,temperature=0.9") as at:
        await palette(at, key)
        compare = at.app.dashboard.compare
        expected = set()
        for entry in KEYS:
            home = at.app.actions.home(entry)
            if home is not None and entry.scope != "app":
                expected.add(f"{entry.where}: {entry.label}")
            elif home is not None and entry.action != "command_palette":
                expected.add(entry.label if home is compare else f"{home.title}: {entry.label}")
        for number, name in enumerate(("lab/a", "lab/b,temperature=0.9"), 1):
            expected |= {f"Add pane: {name}", f"Pane {number}: {name}"}
        expected |= {f"Theme: {name}" for name in load_themes().loaded}
        expected |= {"Help: Status line", "Help: Terminals", "Agents: Step up", "Agents: Step down"}
        # Another view's rows are called after it; a view's own row is there by its title.
        expected -= {title for title in expected if title in {"Ask: Ask", "Agents: Agents", "Waterfall: Waterfall", "Queue: Queue"}}
        expected |= {"Ask", "Agents", "Waterfall", "Queue"}
        await at.until(lambda: set(offered(at)) >= expected)
        assert sorted(offered(at)) == sorted(expected)
        await at.press("escape")
        assert not is_open(at)


async def test_a_model_that_an_endpoint_has_is_found_by_name_and_gets_a_pane(tmp_path: Path, server: PacedServer) -> None:
    async with stage(tmp_path, server.base_url, "lab/a") as at:
        await at.until(lambda: at.app.workspace.opened)
        await at.app.workspace.models.available()
        await palette(at)
        assert "Add pane: lab/delay-1.0" not in offered(at), "all models there are would be too many"
        await at.press("escape")
        await choose(at, "Add pane: lab/delay-1.0")
        await at.until(lambda: [str(pane.model) for pane in at.app.dashboard.compare.answers] == ["lab/a", "lab/delay-1.0"])


async def test_the_keys_are_shown_as_they_are_in_force(tmp_path: Path, server: PacedServer) -> None:
    (tmp_path / "keymap.toml").write_text('"chat.new" = "alt+n"\n')
    async with stage(tmp_path, server.base_url, "lab/a") as at:
        await palette(at)
        assert "Add pane   F7  Ctrl+X a" in listed(at)
        assert "New   Alt+N  Ctrl+X n" in listed(at)
        assert "Theme: nocturne" in listed(at)
    install(KEYS)


async def test_what_another_view_does_is_done_there(tmp_path: Path, server: PacedServer) -> None:
    async with stage(tmp_path, server.base_url, "lab/a", "lab/b") as at:
        dashboard = at.app.dashboard
        await choose(at, "Agents: Step down")
        await at.until(lambda: dashboard.view.id == "agents")
        await choose(at, "Compare: Remove pane")
        await at.until(lambda: dashboard.view.id == "compare" and len(dashboard.compare.answers) == 1)


async def test_what_needs_the_focus_is_reached_by_name_too(tmp_path: Path, server: PacedServer) -> None:
    async with stage(tmp_path, server.base_url, "lab/a") as at:
        await at.until(lambda: len(at.app.dashboard.compare.answers) == 1)
        await at.send("hello")
        await at.until(lambda: not at.app.workspace.engine.runs and at.app.dashboard.compare.answers[0].last is not None)
        await choose(at, "A pane with the focus: Select")
        pane = at.app.dashboard.compare.answers[0].pane
        assert pane.has_focus
        assert pane.selected
        await choose(at, "Waterfall: Follow now")
        assert at.app.dashboard.view is at.app.dashboard.waterfall
        assert at.app.dashboard.waterfall.bars.window.mode == "follow"


async def test_a_pane_can_be_gone_to_by_its_number(tmp_path: Path, server: PacedServer) -> None:
    async with stage(tmp_path, server.base_url, "lab/a", "lab/b", "lab/c") as at:
        await choose(at, "Ask")
        await choose(at, "Pane 3: lab/c")
        await at.until(lambda: at.app.dashboard.view.id == "compare")
        assert at.app.dashboard.compare.answers[2].pane.has_class("-marked")


async def test_the_parts_of_help_can_be_opened(tmp_path: Path, server: PacedServer) -> None:
    async with stage(tmp_path, server.base_url, "lab/a") as at:
        await choose(at, "Help: Status line")
        await at.until(lambda: "time to first token" in at.screen() and "app.quit" not in at.screen())


async def test_commands_do_what_their_keys_do(tmp_path: Path, server: PacedServer) -> None:
    async with stage(tmp_path, server.base_url, "lab/paced-8000-100") as at:
        compare = at.app.dashboard.compare
        await choose(at, "Agents")
        await at.until(lambda: at.app.dashboard.view.id == "agents")
        await choose(at, "Ask")
        await at.until(lambda: at.app.dashboard.view.id == "ask")
        await choose(at, "Compare")
        await at.until(lambda: at.app.dashboard.view.id == "compare")
        await choose(at, "Add pane")
        await at.until(lambda: len(compare.answers) == 2)
        await choose(at, "Next pane")
        await at.until(lambda: compare.answers[1].pane.has_class("-marked"))
        await at.send("go")
        await at.until(lambda: [pane.state.state for pane in compare.answers] == ["streaming", "streaming"])
        await choose(at, "Stop")
        await at.until(lambda: compare.answers[1].state.state == "cancelled")
        assert compare.answers[0].state.state == "streaming"
        await choose(at, "Remove pane")
        await at.until(lambda: len(compare.answers) == 1)
        await choose(at, "New")
        await at.until(lambda: compare.answers[0].pane.text == "" and not at.app.workspace.engine.runs)
        await choose(at, "Theme: stretto-light")
        await at.until(lambda: at.app.theme == "stretto-light")
        await choose(at, "Help")
        await at.until(lambda: "Keys and figures" in at.screen())


async def test_one_can_leave_by_name(tmp_path: Path, server: PacedServer, monkeypatch: pytest.MonkeyPatch) -> None:
    left: list[bool] = []
    async with stage(tmp_path, server.base_url, "lab/a") as at:
        with monkeypatch.context() as patch:
            patch.setattr(at.app, "exit", lambda: left.append(True))
            await choose(at, "Quit")
            await at.until(lambda: left == [True])


@pytest.mark.parametrize("model", HOSTILE)
async def test_a_model_whose_name_is_markup_is_a_name_and_nothing_else(tmp_path: Path, server: PacedServer, model: str) -> None:
    async with stage(tmp_path, server.base_url, model) as at:
        await palette(at)
        await at.until(lambda: any(title.startswith("Add pane: lab/[") for title in offered(at)))
        await at.press(*"lab/[")
        await at.until(lambda: [title.split(":")[0] for title in offered(at)] == ["Pane 1", "Add pane"])
        shown = at.screen()
        assert model.partition("\x1b")[0] in shown
        assert not any(ord(char) < 32 or 127 <= ord(char) < 160 or char == "\u202e" for char in shown if char != "\n")
        await at.click("Add pane: lab/[")
        await at.until(lambda: len(at.app.dashboard.compare.answers) == 2)
        assert at.app.is_running
        assert not is_open(at)


@pytest.mark.parametrize("size", [(5, 3), (1, 1)])
async def test_in_a_terminal_without_room_for_a_list_no_key_does_harm(
    tmp_path: Path, server: PacedServer, size: tuple[int, int]
) -> None:
    async with stage(tmp_path, server.base_url, "lab/a") as at:
        await at.until(lambda: len(at.app.dashboard.compare.answers) == 1)
        await at.resize(*size)
        for opens in (at.app.action_command_palette, at.app.dashboard.compare.act_settings):
            opens()
            await at.until(lambda: at.app.screen is not at.app.dashboard)
            await at.settle()
            await at.press("down", "pagedown", "pageup", "end", "pagedown")
            at.app.pop_screen()
            await at.settle()
        assert at.app.is_running
