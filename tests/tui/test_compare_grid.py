from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from textual import events
from textual.geometry import Size

from tests.servers.paced import PacedServer, words
from tests.tui.stage import Stage, stage
from tui.compare.shape import LOWEST, NARROWEST
from tui.key_table import KEYS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tui.views.compare import CompareView
    from tui.widgets.compare_pane import ComparePane


@pytest.fixture
async def server() -> AsyncIterator[PacedServer]:
    async with PacedServer(rules=[("short", "paced-5-0"), ("long", "paced-8000-100")]) as server:
        yield server


def models(count: int) -> list[str]:
    return [f"lab/m{number}" for number in range(count)]


async def ready(at: Stage, count: int) -> CompareView:
    view = at.app.dashboard.compare
    await at.until(lambda: len(view.answers) == count and all(pane.is_attached for pane in view.answers))
    await laid_out(at, view)
    return view


async def laid_out(at: Stage, view: CompareView) -> None:
    """Wait until the panes that are to be shown have their places."""
    height = at.app.size.height
    await at.until(lambda: at.app.screen.size.height == height and at.app.dashboard.status.region.bottom == height - 1)
    await at.until(lambda: all(pane.region.area > 0 for pane in view.grid.shown))
    await at.settle()


async def act(at: Stage, name: str, *arguments: int) -> None:
    before = [pane.region for pane in at.app.dashboard.compare.answers]
    await at.app.action_act(name, *arguments)
    for _ in range(3):
        await at.settle()
        if [pane.region for pane in at.app.dashboard.compare.answers] != before:
            break


def keys(panes: list[ComparePane]) -> list[int]:
    return [pane.key for pane in panes]


def on_screen(view: CompareView) -> list[int]:
    return [pane.key for pane in view.answers if pane.display]


def sound(at: Stage, view: CompareView) -> None:
    """Check that what is shown stands in the view, each in a place of its own."""
    regions = [pane.region for pane in view.answers if pane.display]
    assert regions
    assert all(region.area > 0 for region in regions)
    assert all(view.region.contains_region(region) for region in regions)
    assert not any(one.overlaps(other) for number, one in enumerate(regions) for other in regions[number + 1 :])
    assert at.app.screen.region.contains_region(at.app.dashboard.prompt.region)


def test_every_action_of_compare_s_panes_has_a_key() -> None:
    actions = {key.action for key in KEYS if key.keys or key.leader}
    for name in ("move", "widen", "heighten", "turn", "limit"):
        assert {f"act('{name}', 1)", f"act('{name}', -1)"} <= actions
    assert {f"act('{name}')" for name in ("add", "remove", "zoom", "settings", "target", "new", "edit", "regenerate")} <= actions


async def test_panes_that_have_no_room_stand_on_further_pages(tmp_path: Path, server: PacedServer) -> None:
    async with stage(tmp_path, server.base_url, *models(9), size=(80, 24)) as at:
        view = await ready(at, 9)
        assert on_screen(view) == [1, 2, 3, 4, 5, 6]
        assert all(pane.region.width >= NARROWEST and pane.region.height >= LOWEST for pane in view.grid.shown)
        await laid_out(at, view)
        sound(at, view)
        await at.until(lambda: "panes 1–6 of 9 · Alt+PageDown shows the next" in at.screen())
        await at.press("alt+pagedown")
        assert on_screen(view) == [7, 8, 9]
        assert view.marked is view.answers[6]
        await at.until(lambda: "panes 7–9 of 9 · Alt+PageDown shows the first" in at.screen())
        await laid_out(at, view)
        sound(at, view)
        await at.press("alt+pagedown")
        assert on_screen(view) == [1, 2, 3, 4, 5, 6]
        await at.press("shift+f6")
        assert view.marked is view.answers[8]
        assert on_screen(view) == [7, 8, 9]
        await at.press("f8", "f8", "f8")
        assert on_screen(view) == [1, 2, 3, 4, 5, 6]
        await at.until(lambda: " of " not in at.lines(view)[-1])


async def test_the_focus_goes_with_the_mark_from_page_to_page(tmp_path: Path, server: PacedServer) -> None:
    async with stage(tmp_path, server.base_url, *models(9), size=(80, 24)) as at:
        view = await ready(at, 9)
        await act(at, "focus")
        await at.until(lambda: view.answers[0].pane.has_focus)
        for number in (6, 0):
            await at.press("alt+pagedown")
            await at.until(lambda number=number: view.answers[number].pane.has_focus)  # type: ignore[misc]  # a default binds it
            assert view.marked is view.answers[number]
        await at.press("f8")
        await at.until(lambda: view.answers[0].pane.has_focus and len(view.answers) == 8)
        at.app.dashboard.prompt.focus()
        await at.press("f6")
        assert at.app.dashboard.prompt.has_focus


async def test_a_pane_shown_alone_leaves_the_others_streaming_and_brings_all_back(tmp_path: Path, server: PacedServer) -> None:
    async with stage(tmp_path, server.base_url, *models(3)) as at:
        view = await ready(at, 3)
        await at.send("a long one")
        await at.until(lambda: all(pane.state.state == "streaming" for pane in view.answers))
        await at.press("f6", "f12")
        await at.until(lambda: "pane 2 of 3 alone" in at.screen())
        assert on_screen(view) == [2]
        assert view.answers[1].region.width == 120
        before = [len(pane.turns[0].answer) for pane in view.answers]
        await at.until(lambda: all(len(pane.turns[0].answer) > much for pane, much in zip(view.answers, before, strict=True)))
        await at.press("f6")
        assert on_screen(view) == [3]
        await at.press("f12")
        assert on_screen(view) == [1, 2, 3]
        await at.press("f9")
        await at.until(lambda: not at.app.workspace.engine.runs)
        await at.settle()
        at.app.feed.pump()
        for pane in view.answers:
            pane.flush(0.0)
            assert "".join(pane.turns[0].answer.split()) in "".join(pane.pane.text.split())


async def test_a_pane_out_of_sight_draws_nothing(tmp_path: Path, server: PacedServer, monkeypatch: pytest.MonkeyPatch) -> None:
    async with stage(tmp_path, server.base_url, *models(2)) as at:
        view = await ready(at, 2)
        hidden = view.answers[1]
        await at.press("f12")
        drawn: list[str] = []
        monkeypatch.setattr(hidden.pane, "render_lines", lambda _: drawn.append("text"))
        monkeypatch.setattr(hidden.header, "render_lines", lambda _: drawn.append("header"))
        await at.send("short")
        await at.until(lambda: hidden.state.state == "saved" and view.answers[0].state.state == "saved")
        assert drawn == []
        monkeypatch.undo()
        await at.press("f12")
        await at.until(lambda: "✓ saved" in at.text_of(hidden.header) and "soprano" in at.text_of(hidden.pane))


async def test_the_first_pane_is_marked_from_the_start_and_a_sign_says_so(tmp_path: Path, server: PacedServer) -> None:
    async with stage(tmp_path, server.base_url, "lab/a", "lab/b") as at:
        view = await ready(at, 2)
        one, two = view.answers
        await at.until(lambda: at.text_of(one.header).startswith("▸1 ") and at.text_of(two.header).startswith(" 2 "))
        await at.press("f6")
        await at.until(lambda: at.text_of(one.header).startswith(" 1 ") and at.text_of(two.header).startswith("▸2 "))


async def test_panes_change_places_and_keep_their_text_and_their_place_in_it(tmp_path: Path) -> None:
    async with PacedServer() as server, stage(tmp_path, server.base_url, "lab/paced-600-0", "lab/paced-9-0", "lab/m") as at:
        view = await ready(at, 3)
        first, second, third = view.answers
        await at.send("go")
        await at.until(lambda: [pane.state.state for pane in view.answers] == ["saved"] * 3)
        await at.until(lambda: "soprano" in at.text_of(first.pane))
        await at.press("pageup")
        await at.until(lambda: not first.pane.follows and first.pane.settled)
        text, rows = first.pane.text, at.text_of(first.pane)
        await at.press("ctrl+shift+right")
        assert keys(view.answers) == [2, 1, 3]
        await at.until(lambda: second.region.x < first.region.x < third.region.x)
        assert view.marked is first
        await at.press("ctrl+shift+right", "ctrl+shift+right")
        assert keys(view.answers) == [2, 3, 1]
        await at.press("ctrl+shift+left", "ctrl+shift+left")
        assert keys(view.answers) == [1, 2, 3]
        await at.until(lambda: first.pane.region.x == 0 and rows.splitlines()[5] in at.text_of(first.pane))
        await at.press("f12", "f12")
        assert first.pane.text == text
        assert not first.pane.follows


async def test_columns_and_rows_are_made_wider_and_lower_but_never_too_small(tmp_path: Path, server: PacedServer) -> None:
    async with stage(tmp_path, server.base_url, *models(4), size=(120, 40)) as at:
        view = await ready(at, 4)
        first, second, third, _ = view.answers
        width, height = first.region.size
        below = third.region.height
        await act(at, "widen", 1)
        await act(at, "heighten", 1)
        await at.until(lambda: first.region.width > width and first.region.height > height)
        assert second.region.width < width
        assert first.region.width == third.region.width
        assert third.region.height < below
        for _ in range(3):
            await act(at, "widen", 1)
            await act(at, "heighten", 1)
        await laid_out(at, view)
        assert second.region.width >= NARROWEST // 2
        assert third.region.height >= 3
        sound(at, view)
        for _ in range(3):
            await act(at, "widen", -1)
            await act(at, "heighten", -1)
        await laid_out(at, view)
        assert first.region.width >= NARROWEST // 2
        assert first.region.height >= 3
        sound(at, view)


async def test_a_click_on_a_header_marks_its_pane(tmp_path: Path, server: PacedServer) -> None:
    async with stage(tmp_path, server.base_url, *models(3)) as at:
        view = await ready(at, 3)
        at.app.dashboard.prompt.focus()
        await at.click_at(view.answers[2].region.x + 3, view.answers[2].region.y)
        await at.until(lambda: view.marked is view.answers[2])


async def test_word_of_a_size_that_is_no_more_comes_too_late_to_count(tmp_path: Path, server: PacedServer) -> None:
    async with stage(tmp_path, server.base_url, *models(5), size=(40, 24)) as at:
        view = await ready(at, 5)
        assert len(view.grid.shown) == 3
        before = view.size
        at.app._size = Size(40, 10)  # the app knows of it before anything is laid out anew
        view.on_resize()
        await at.resize(40, 10)
        await laid_out(at, view)
        view.post_message(events.Resize(before, before))
        await at.settle()
        await laid_out(at, view)
        assert len(view.grid.shown) == 1


@pytest.mark.parametrize("count", [1, 5, 16])
async def test_at_every_size_nothing_overlaps_and_nothing_is_lost(tmp_path: Path, server: PacedServer, count: int) -> None:
    async with stage(tmp_path, server.base_url, *models(count), size=(200, 50)) as at:
        view = await ready(at, count)
        await at.send("short")
        await at.until(lambda: all(pane.state.state == "saved" for pane in view.answers))
        answer = "".join(words(5))
        for width, height in ((20, 24), (80, 24), (20, 8), (200, 50), (40, 60), (100, 30)):
            await at.resize(width, height)
            await laid_out(at, view)
            sound(at, view)
            assert all(pane.turns[0].answer == answer for pane in view.answers)
        await at.resize(1, 1)
        await at.resize(200, 50)
        await at.until(lambda: len(on_screen(view)) == count)
        await at.until(lambda: all("soprano" in at.text_of(pane.pane) for pane in view.answers))


async def test_a_prompt_that_grows_takes_rows_but_no_pane_from_the_page(tmp_path: Path, server: PacedServer) -> None:
    async with stage(tmp_path, server.base_url, *models(6), size=(80, 24)) as at:
        view = await ready(at, 6)
        assert len(on_screen(view)) == 6
        at.app.dashboard.prompt.value = "\n".join(["a line"] * 8)
        await at.until(lambda: at.app.dashboard.prompt.region.height > 1)
        await at.settle()
        assert len(on_screen(view)) == 6
        await laid_out(at, view)
        sound(at, view)
