from __future__ import annotations

import gc
from typing import TYPE_CHECKING

import pytest
from rich.cells import cell_len

from tests.servers.paced import PacedServer, words
from tests.tui.stage import stage
from tui.collecting import hold_off, resume

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


@pytest.fixture
async def server() -> AsyncIterator[PacedServer]:
    async with PacedServer() as server:
        yield server


async def test_the_first_ctrl_c_asks_where_something_would_be_lost_and_the_second_keeps_the_draft(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with PacedServer() as server, stage(tmp_path, server.base_url, "lab/paced-4-100") as at:
        left: list[bool] = []
        monkeypatch.setattr(at.app, "exit", lambda: left.append(True))
        await at.until(lambda: at.app.workspace.opened)
        at.app.dashboard.prompt.value = "half a tho"
        await at.press("ctrl+c")
        await at.until(lambda: "again leaves" in at.screen())
        assert not left
        await at.press("ctrl+c")
        await at.until(lambda: bool(left))
        assert await at.app.workspace.prompts.recent() == ["half a tho"]
        at.app.dashboard.prompt.value = ""
        at.app._leaving = float("-inf")
        await at.press("ctrl+c")
        await at.until(lambda: len(left) == 2)


async def test_the_same_prompt_streams_into_every_pane_and_ends_saved(tmp_path: Path, server: PacedServer) -> None:
    async with stage(tmp_path, server.base_url, "lab/paced-20-200", "lab/paced-30-200") as at:
        compare = at.app.dashboard.compare
        await at.until(lambda: len(compare.answers) == 2)
        await at.send("sing")
        await at.until(lambda: [pane.state.state for pane in compare.answers] == ["saved", "saved"])
        for pane, count in zip(compare.answers, (20, 30), strict=True):
            assert [(turn.prompt.text, turn.answer) for turn in pane.turns] == [("sing", "".join(words(count)))]
            assert "sing" in pane.pane.text
            assert "".join(words(count)) in pane.pane.text


async def test_a_prompt_typed_while_answers_stream_waits_its_turn_and_then_runs(tmp_path: Path, server: PacedServer) -> None:
    async with stage(tmp_path, server.base_url, "lab/paced-60-100") as at:
        pane_of = at.app.dashboard.compare.answers
        await at.until(lambda: len(pane_of) == 1)
        await at.send("first")
        await at.until(lambda: pane_of[0].state.state == "streaming")
        await at.send("second")
        assert "second" not in pane_of[0].pane.text
        await at.until(lambda: "second" in pane_of[0].pane.text)
        await at.until(lambda: len(pane_of[0].turns) == 2 and pane_of[0].state.state == "saved")
        assert [turn.prompt.text for turn in pane_of[0].turns] == ["first", "second"]


async def test_escape_stops_the_marked_pane_alone_and_keeps_its_text(tmp_path: Path, server: PacedServer) -> None:
    async with stage(tmp_path, server.base_url, "lab/paced-4000-100", "lab/paced-60-100") as at:
        panes = at.app.dashboard.compare.answers
        await at.until(lambda: len(panes) == 2)
        await at.send("go")
        await at.until(lambda: panes[0].state.state == "streaming" and len(panes[0].turns) == 1)
        await at.press("escape")
        await at.until(lambda: panes[0].state.state == "cancelled")
        kept = panes[0].pane.text
        assert panes[0].turns[0].answer
        await at.until(lambda: panes[1].state.state == "saved")
        assert panes[0].pane.text == kept
        assert panes[1].turns[0].answer == "".join(words(60))


async def test_a_pane_whose_endpoint_is_dead_fails_alone(tmp_path: Path, server: PacedServer) -> None:
    async with stage(tmp_path, server.base_url, "lab/paced-10-100", "nowhere/model") as at:
        panes = at.app.dashboard.compare.answers
        await at.until(lambda: len(panes) == 2)
        await at.send("go")
        await at.until(lambda: panes[0].state.state == "saved" and panes[1].state.state == "failed")
        assert "nowhere" in panes[1].pane.text


async def test_panes_can_be_added_and_removed_up_to_sixteen(tmp_path: Path, server: PacedServer) -> None:
    async with stage(tmp_path, server.base_url, "lab/paced-10-100", size=(200, 50)) as at:
        compare = at.app.dashboard.compare
        await at.until(lambda: len(compare.answers) == 1)
        await at.press(*["f7"] * 17)
        assert len(compare.answers) == 16
        await at.press(*["f8"] * 17)
        assert len(compare.answers) == 1


async def test_views_and_help_come_by_key_and_the_prompt_line_keeps_the_focus(tmp_path: Path, server: PacedServer) -> None:
    async with stage(tmp_path, server.base_url, "lab/paced-10-100") as at:
        for key, name in (("f3", "ask"), ("f4", "agents"), ("f2", "compare")):
            await at.press(key)
            assert at.app.dashboard.view.id == name
            assert at.app.focused is at.app.dashboard.prompt
        await at.press("f1")
        await at.until(lambda: "Keys and figures" in at.screen())
        await at.press("escape")
        assert at.app.screen is at.app.dashboard


@pytest.mark.parametrize(
    ("size", "theme"),
    [((80, 24), "stretto-dark"), ((120, 36), "stretto-light"), ((200, 50), "stretto-dark"), ((20, 10), "stretto-light")],
)
async def test_every_view_draws_at_every_size(tmp_path: Path, server: PacedServer, size: tuple[int, int], theme: str) -> None:
    async with stage(tmp_path, server.base_url, "lab/paced-10-100", "lab/paced-10-100", size=size, theme=theme) as at:
        await at.until(lambda: len(at.app.dashboard.compare.answers) == 2)
        width, height = size
        dashboard = at.app.dashboard
        for key, view in (("f2", "Compare"), ("f3", "Ask"), ("f4", "Agents")):
            await at.press(key)
            await at.settle()
            assert dashboard.view.title == view
            await at.until(lambda: any(line.strip() for line in at.lines()[1:-4]))
            await at.until(lambda: at.lines()[-4].startswith(f" › {dashboard.prompt.placeholder.split()[0]} "))
            lines = at.lines()
            assert [cell_len(line) for line in lines] == [width] * height
            assert view in lines[0]
            if width >= 80:
                assert all(title in lines[0] for title in ("Compare", "Ask", "Agents"))
            _, calls, machine, footer = lines[-4:]
            assert calls.split()[:3] == ["queue", "0", "in"]
            assert "CPU" in machine or "…" in machine  # a notice may stand before it
            assert footer.strip()
        await at.press("f1")
        await at.until(lambda: "Keys and" in at.screen())
        assert [cell_len(line) for line in at.lines()] == [width] * height


HOSTILE = "[/] [@click=app.quit]x[/] [ @click=app.bell]y \x1b]52;c;cm0gLXJm\x07 \x1b[2J \x9b31m \u202eevil [$primary]z"


async def test_hostile_text_from_a_model_is_shown_as_text_and_does_nothing(tmp_path: Path) -> None:
    async with PacedServer(reply=lambda _: HOSTILE) as server, stage(tmp_path, server.base_url, "lab/a") as at:
        panes = at.app.dashboard.compare.answers
        await at.until(lambda: len(panes) == 1)
        await at.send("[/] go \x1b[31m")
        await at.until(lambda: panes[0].state.state == "saved")
        await at.pilot.pause(0.1)
        shown = at.screen()
        assert "[@click=app.quit]x[/]" in shown
        assert not any(ord(char) < 32 or 127 <= ord(char) < 160 for char in shown if char != "\n")
        assert "\u202e" not in shown


async def test_a_screen_that_is_told_twice_to_leave_leaves_once(tmp_path: Path, server: PacedServer) -> None:
    async with stage(tmp_path, server.base_url, "lab/a") as at:
        await at.press("ctrl+p")
        await at.until(lambda: at.app.screen is not at.app.dashboard)
        palette = at.app.screen

        def leave() -> None:
            palette.dismiss()

        for _ in range(2):  # as two keys in one read do
            palette.call_later(leave)
        await at.until(lambda: at.app.screen is at.app.dashboard)
        await at.settle()
        await at.press("a")
        await at.until(lambda: at.app.dashboard.prompt.value == "a")


async def test_a_click_on_what_was_just_taken_away_does_no_harm(tmp_path: Path, server: PacedServer) -> None:
    async with stage(tmp_path, server.base_url, "lab/a") as at:
        await at.until(lambda: len(at.app.dashboard.compare.answers) == 1)
        at.app.notify("taken away")
        await at.until(lambda: "taken away" in at.screen())
        x, y = at.find("taken away")
        toast, _ = at.app.screen.get_widget_at(x, y)
        parent, toast._parent = toast._parent, None  # as while it is removed, before the screen is laid out again
        await at.click_at(x, y)
        toast._parent = parent
        assert at.app.is_running


@pytest.mark.parametrize("usable", [True, False])
async def test_garbage_is_looked_for_again_however_the_start_goes(tmp_path: Path, server: PacedServer, *, usable: bool) -> None:
    if not usable:
        (tmp_path / "data").write_text("in the way")
    hold_off()
    try:
        async with stage(tmp_path, server.base_url, "lab/m") as at:
            await at.until(gc.isenabled)
            frozen = gc.get_freeze_count()
            assert frozen > 1000
            await at.until(lambda: bool(at.app.dashboard.compare.answers) is usable)
            resume()
            assert gc.get_freeze_count() <= frozen
    finally:
        gc.enable()
        gc.unfreeze()
