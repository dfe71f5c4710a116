from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from textual.events import Key
from textual.geometry import Region
from textual.widgets import Static

from tests.servers.paced import PacedServer, words
from tests.tui.layouts import count_layouts
from tests.tui.stage import Stage, stage
from tui.prompts import Prompt

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tui.widgets.compare_pane import ComparePane


@pytest.fixture
async def server() -> AsyncIterator[PacedServer]:
    async with PacedServer(rules=[("short", "paced-5-0"), ("long", "paced-8000-100")]) as server:
        yield server


async def ready(at: Stage, count: int) -> list[ComparePane]:
    panes = at.app.dashboard.compare.answers
    await at.until(lambda: len(panes) == count and all(pane.is_attached for pane in panes))
    await at.settle()
    return panes


def states(panes: list[ComparePane]) -> list[str]:
    return [pane.state.state for pane in panes]


def said(pane: ComparePane) -> list[tuple[str, str]]:
    return [(turn.prompt.text, turn.answer) for turn in pane.turns]


def squeezed(text: str) -> str:
    return "".join(text.replace("›", "").split())


def shown(pane: ComparePane) -> str:
    """Return all the text of a pane, whatever stands between its sections."""
    return squeezed(pane.pane.text)


def marked(panes: list[ComparePane]) -> list[int]:
    return [number for number, pane in enumerate(panes) if pane.pane.has_class("-marked")]


def asked(server: PacedServer) -> list[list[tuple[str, str]]]:
    """Return the messages of every request so far, as role and content."""
    found = []
    for request in server.requests:
        messages = request.json()["messages"]
        assert isinstance(messages, list)
        found.append([(str(message["role"]), str(message["content"])) for message in messages])
    return found


async def streams(at: Stage, *panes: ComparePane) -> None:
    await at.until(lambda: all(pane.state.state == "streaming" and "soprano" in pane.pane.text for pane in panes))


async def idle(at: Stage) -> None:
    """Wait until nothing runs and everything that happened was shown."""
    await at.until(lambda: not at.app.workspace.engine.runs)
    at.app.feed.pump()


async def test_a_new_conversation_while_answers_stream_has_nothing_of_the_old_one(tmp_path: Path, server: PacedServer) -> None:
    async with stage(tmp_path, server.base_url, "lab/a", "lab/b") as at:
        panes = await ready(at, 2)
        await at.send("a long question")
        await streams(at, *panes)
        await at.press("ctrl+n")
        await idle(at)
        assert [said(pane) for pane in panes] == [[], []]
        assert [pane.pane.text for pane in panes] == ["", ""]
        await at.send("a short one")
        await at.until(lambda: states(panes) == ["saved", "saved"])
        answer = "".join(words(5))
        assert [said(pane) for pane in panes] == [[("a short one", answer)]] * 2
        assert [shown(pane) for pane in panes] == [squeezed(f"a short one{answer}")] * 2
        assert asked(server)[-2:] == [[("user", "a short one")]] * 2


async def test_a_prompt_sent_right_after_the_new_conversation_is_its_first(tmp_path: Path, server: PacedServer) -> None:
    async with stage(tmp_path, server.base_url, "lab/a") as at:
        (pane,) = await ready(at, 1)
        await at.send("a long question")
        await at.send("one that waits, short")
        await streams(at, pane)
        await at.press("ctrl+n")
        await at.send("a short one")
        await at.until(lambda: pane.state.state == "saved")
        await idle(at)
        answer = "".join(words(5))
        assert said(pane) == [("a short one", answer)]
        assert shown(pane) == squeezed(f"a short one{answer}")
        assert [messages[-1] for messages in asked(server)] == [("user", "a long question"), ("user", "a short one")]


async def test_a_pane_taken_away_while_it_streams_is_stopped_and_the_others_go_on(tmp_path: Path) -> None:
    async with (
        PacedServer() as server,
        stage(tmp_path, server.base_url, "lab/paced-8000-100", "lab/paced-8000-101", "lab/paced-80-100") as at,
    ):
        panes = await ready(at, 3)
        gone, other, last = panes
        await at.send("go")
        await streams(at, *panes)
        await at.press("f8")
        await at.until(lambda: server.counts.dropped == 1)
        assert at.app.dashboard.compare.answers == [other, last]
        await at.until(lambda: last.state.state == "saved")
        assert said(last) == [("go", "".join(words(80)))]
        assert marked(panes) == [0]
        assert other.state.state == "streaming"
        await at.press("f8")
        await at.until(lambda: server.counts.dropped == 2)
        await idle(at)
        await at.until(lambda: not gone.is_attached and not other.is_attached)
        await at.press("f8")
        assert at.app.dashboard.compare.answers == [last]
        assert marked(panes) == [0]
        await at.send("again")
        await at.until(lambda: len(last.turns) == 2 and last.state.state == "saved")
        assert server.counts.requests == 4


async def test_a_pane_taken_away_before_its_answer_began_is_stopped_too(tmp_path: Path, server: PacedServer) -> None:
    async with stage(tmp_path, server.base_url, "lab/paced-8000-100", "lab/a") as at:
        panes = await ready(at, 2)
        _, left = panes
        at.app.dashboard.compare.submit(Prompt("go"))
        at.app.dashboard.compare.remove_marked()
        await at.until(lambda: left.state.state == "saved")
        await idle(at)
        assert panes == [left]
        await at.until(lambda: server.counts.in_flight == 0)


async def test_a_pane_that_is_gone_can_still_be_drawn_because_the_last_frame_may_ask_for_it(tmp_path: Path) -> None:
    async with PacedServer() as server, stage(tmp_path, server.base_url, "lab/a", "lab/b") as at:
        gone, _ = await ready(at, 2)
        await at.until(lambda: "No answer yet." in at.text_of(gone.pane))
        area = Region(0, 0, gone.pane.size.width, gone.pane.size.height)
        await at.press("f8")
        await at.until(lambda: not gone.is_attached)
        gone.pane.notify_style_update()
        gone.header.notify_style_update()
        assert len(gone.pane.render_lines(area)) == area.height
        assert gone.header.render() is not None


async def test_the_marked_pane_is_the_one_that_was_clicked_tabbed_or_walked_to(tmp_path: Path, server: PacedServer) -> None:
    async with stage(tmp_path, server.base_url, "lab/a", "lab/b", "lab/c") as at:
        panes = await ready(at, 3)
        assert marked(panes) == [0]
        for expected in (1, 2, 0):
            await at.press("f6")
            assert marked(panes) == [expected]
        await at.press("shift+f6")
        assert marked(panes) == [2]
        await at.click_at(panes[1].region.x + 3, panes[1].region.y + 3)
        assert marked(panes) == [1]
        at.app.dashboard.prompt.focus()
        await at.settle()
        for _ in range(8):
            await at.press("tab")
            focused = [number for number, pane in enumerate(panes) if pane.pane.has_focus]
            if focused:
                assert marked(panes) == focused
        assert [pane.has_class("-marked") for pane in panes] == [pane.pane.has_class("-marked") for pane in panes]


async def test_escape_stops_the_pane_that_was_clicked(tmp_path: Path, server: PacedServer) -> None:
    async with stage(tmp_path, server.base_url, "lab/a", "lab/b") as at:
        panes = await ready(at, 2)
        await at.send("a long one")
        await streams(at, *panes)
        await at.click_at(panes[1].region.x + 3, panes[1].region.y + 3)
        await at.press("escape")
        await at.until(lambda: panes[1].state.state == "cancelled")
        assert panes[0].state.state == "streaming"
        kept = panes[1].turns[-1].answer
        assert kept
        assert "".join(words(8000)).startswith(kept)
        await at.press("f9")
        await at.until(lambda: states(panes) == ["cancelled", "cancelled"])
        await idle(at)


async def test_what_was_stopped_is_part_of_the_conversation(tmp_path: Path, server: PacedServer) -> None:
    async with stage(tmp_path, server.base_url, "lab/a") as at:
        (pane,) = await ready(at, 1)
        await at.send("a long one")
        await streams(at, pane)
        await at.press("escape")
        await at.until(lambda: pane.state.state == "cancelled")
        await at.send("short now")
        await at.until(lambda: pane.state.state == "saved")
        roles = [role for role, _ in asked(server)[-1]]
        assert roles == ["user", "assistant", "user"]
        assert asked(server)[-1][1][1] == pane.turns[0].answer


@pytest.mark.parametrize("view", ["f3", "f4"])
async def test_keys_of_compare_do_nothing_in_another_view(tmp_path: Path, server: PacedServer, view: str) -> None:
    async with stage(tmp_path, server.base_url, "lab/a", "lab/b") as at:
        panes = await ready(at, 2)
        await at.send("short")
        await at.until(lambda: states(panes) == ["saved", "saved"])
        before = [pane.pane.text for pane in panes]
        await at.press(view)
        await at.press("f7", "f8", "f8", "ctrl+n")
        assert len(at.app.dashboard.compare.answers) == 2
        await at.press("f2")
        assert [pane.pane.text for pane in panes] == before
        assert [len(pane.turns) for pane in panes] == [1, 1]


async def test_keys_of_the_dashboard_do_nothing_under_the_help(tmp_path: Path, server: PacedServer) -> None:
    async with stage(tmp_path, server.base_url, "lab/a", "lab/b") as at:
        panes = await ready(at, 2)
        await at.send("a long one")
        await streams(at, *panes)
        await at.press("f1")
        await at.until(lambda: "Keys and figures" in at.screen())
        await at.press("f7", "f8", "f9", "ctrl+n", "f3", "f6")
        assert len(panes) == 2
        assert marked(panes) == [0]
        assert at.app.dashboard.view.id == "compare"
        await at.press("escape")
        assert at.app.screen is at.app.dashboard
        assert states(panes) == ["streaming", "streaming"]
        await at.press("f9")
        await idle(at)


async def test_a_prompt_sent_before_there_are_panes_is_asked_once_they_are_there(tmp_path: Path, server: PacedServer) -> None:
    async with stage(tmp_path, server.base_url, "lab/a", "lab/b") as at:
        assert at.app.dashboard.compare.answers == []
        await at.send("short and early")
        panes = await ready(at, 2)
        await at.until(lambda: states(panes) == ["saved", "saved"])
        assert asked(server) == [[("user", "short and early")]] * 2


async def test_prompts_that_wait_are_asked_in_their_order_and_counted(tmp_path: Path, server: PacedServer) -> None:
    async with stage(tmp_path, server.base_url, "lab/a") as at:
        (pane,) = await ready(at, 1)
        await at.send("a long one")
        await at.send("short 2")
        await at.send("short 3")
        await streams(at, pane)
        await at.until(lambda: "prompts waiting 2" in at.screen())
        await at.press("escape")
        await at.until(lambda: len(pane.turns) == 3 and pane.state.state == "saved")
        assert [messages[-1][1] for messages in asked(server)] == ["a long one", "short 2", "short 3"]
        await at.until(lambda: "prompts waiting" not in at.screen())


async def test_stopping_all_forgets_the_prompts_that_wait_and_says_so(tmp_path: Path, server: PacedServer) -> None:
    async with stage(tmp_path, server.base_url, "lab/a") as at:
        (pane,) = await ready(at, 1)
        await at.send("a long one")
        await at.send("short 2")
        await streams(at, pane)
        await at.until(lambda: "prompts waiting 1" in at.screen())
        await at.press("f9")
        await at.until(lambda: pane.state.state == "cancelled")
        await idle(at)
        await at.until(lambda: "prompts waiting" not in at.screen())
        assert server.counts.requests == 1
        assert "short 2" not in pane.pane.text


async def test_eight_panes_stream_at_once_each_in_a_place_of_its_own(tmp_path: Path) -> None:
    models = [f"lab/paced-{number}00-100" for number in range(1, 9)]
    async with PacedServer() as server, stage(tmp_path, server.base_url, *models, size=(120, 40)) as at:
        panes = await ready(at, 8)
        await at.send("go")
        await at.until(lambda: server.counts.in_flight == 8 and all(len(pane.pane.text) > 10 for pane in panes))
        await at.until(lambda: all(f"paced-{number}00" in at.screen() for number in range(1, 9)))
        regions = [pane.region for pane in panes]
        assert all(region.width >= 30 and region.height >= 4 for region in regions)
        assert all(at.app.screen.region.contains_region(region) for region in regions)
        assert not any(one.overlaps(other) for number, one in enumerate(regions) for other in regions[number + 1 :])
        await at.press("f9")
        await at.until(lambda: "streaming" not in states(panes))
        await idle(at)
        assert server.counts.peak_in_flight == 8


async def test_a_call_that_fails_is_told_once_and_its_question_can_be_sent_again(tmp_path: Path, server: PacedServer) -> None:
    async with stage(tmp_path, server.base_url, "nowhere/model") as at:
        (pane,) = await ready(at, 1)
        await at.send("hello")
        await at.until(lambda: pane.state.state == "failed")
        await idle(at)
        assert pane.pane.text.count("✗") == 1
        assert pane.last is None
        await at.until(lambda: "✗ failed" in at.text_of(pane.header))


async def test_a_window_made_small_and_large_again_keeps_panes_and_prompt(tmp_path: Path, server: PacedServer) -> None:
    async with stage(tmp_path, server.base_url, *[f"lab/m{number}" for number in range(8)]) as at:
        panes = await ready(at, 8)
        await at.send("a long one")
        for width, height in ((20, 8), (40, 12), (200, 60), (80, 24)):
            await at.resize(width, height)
            assert at.app.dashboard.prompt.region.height == 1
            assert at.app.screen.region.contains_region(at.app.dashboard.prompt.region)
            assert at.app.query_one("#mark", Static).region.height == 1
        await streams(at, *panes)
        await at.press("f9")
        await idle(at)


async def test_neither_typing_nor_streaming_lays_the_screen_out_anew(
    server: PacedServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with stage(tmp_path, server.base_url, "lab/paced-8000-100", "lab/paced-8000-100") as at:
        panes = await ready(at, 2)
        await at.press(*"go", "enter")
        await at.until(lambda: all(len(pane.pane.answer) > 200 for pane in panes))
        laid = count_layouts(monkeypatch)
        size = len(panes[0].pane.answer)
        await at.press(*"what next")
        await at.until(lambda: len(panes[0].pane.answer) > size + 500)
        assert laid == []
        await at.press("ctrl+j")  # a prompt of two rows takes one from the panes
        await at.until(lambda: bool(laid))
        for name, character in (("ctrl+f", None), ("o", "o")):  # quickly one after the other
            at.app.post_message(Key(name, character))
        await at.until(lambda: panes[0].pane.matches > 10)
        laid.clear()
        await at.until(lambda: panes[0].pane.matches > 90)
        assert len(laid) <= 3  # while the count of what is found has the digits it had, nothing moves


async def test_a_prompt_sent_while_panes_still_come_goes_to_all_of_them(server: PacedServer, tmp_path: Path) -> None:
    async with stage(tmp_path, server.base_url, "lab/first") as at:
        panes = await ready(at, 1)
        view = at.app.dashboard.compare

        async with asyncio.TaskGroup() as group:
            group.create_task(view.set_models([panes[0].model] * 4))
            await asyncio.sleep(0)
            assert 1 < len(panes) < 5
            view.submit(Prompt("a short one"))
            assert all(pane.run is None for pane in panes)
        await at.until(lambda: len(panes) == 5 and all(len(pane.turns) == 1 and pane.last is not None for pane in panes))
        assert not view.queue


async def test_a_prompt_sent_to_one_pane_while_others_still_come_goes_to_that_one_alone(
    server: PacedServer, tmp_path: Path
) -> None:
    async with stage(tmp_path, server.base_url, "lab/first") as at:
        panes = await ready(at, 1)
        view = at.app.dashboard.compare
        view.act_target()
        async with asyncio.TaskGroup() as group:
            group.create_task(view.set_models([panes[0].model] * 4))
            await asyncio.sleep(0)
            view.submit(Prompt("a short one"))
        await at.until(lambda: len(panes) == 5 and panes[0].last is not None)
        assert [len(pane.turns) for pane in panes] == [1, 0, 0, 0, 0]


async def test_a_prompt_shows_its_answer_also_in_a_pane_that_was_scrolled_away(server: PacedServer, tmp_path: Path) -> None:
    async with stage(tmp_path, server.base_url, "lab/paced-900-0", size=(80, 24)) as at:
        (pane,) = await ready(at, 1)
        await at.send("first")
        await at.until(lambda: pane.last is not None and pane.pane.settled and len(pane.pane._shown) > 10)
        pane.pane.scroll_to_start()
        await at.until(lambda: not pane.pane.follows)
        await at.send("a short one")
        await at.until(lambda: len(pane.turns) == 2 and pane.turns[-1].answered)
        assert pane.pane.follows
        await at.until(lambda: "a short one" in at.text_of(pane.pane))
