from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from rich.cells import cell_len
from textual.widgets import Input, OptionList, TextArea

from agents.requests import ModelRef, Params
from tests.servers.paced import PacedServer
from tests.tui.room import HOSTILE
from tests.tui.stage import Stage, stage
from tui.screens.pane_settings import PaneSettings
from tui.widgets.slider import Slider

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


@pytest.fixture
async def server() -> AsyncIterator[PacedServer]:
    async with PacedServer(models=["paced-5-0", "alto/tenor", "bass"], rules=[("long", "paced-8000-100")]) as server:
        yield server


async def opened(at: Stage, panes: int = 1) -> PaneSettings:
    view = at.app.dashboard.compare
    await at.until(lambda: len(view.answers) == panes)
    await at.app.action_act("settings")
    await at.until(lambda: isinstance(at.app.screen, PaneSettings) and at.app.screen.is_mounted)
    screen = at.app.screen
    assert isinstance(screen, PaneSettings)
    await at.until(lambda: screen.query_one(OptionList).option_count > 0)
    await at.until(lambda: "Asking every endpoint" not in at.screen())
    await at.settle()
    return screen


def line(screen: PaneSettings, name: str) -> Input:
    return screen.query_one(f"#setup-{name}", Input)


async def closed(at: Stage) -> None:
    await at.until(lambda: at.app.screen is at.app.dashboard)


async def test_a_model_is_found_by_typing_and_the_conversation_stays(tmp_path: Path, server: PacedServer) -> None:
    async with stage(tmp_path, server.base_url, "lab/paced-5-0") as at:
        pane_of = at.app.dashboard.compare.answers
        await at.until(lambda: len(pane_of) == 1)
        await at.send("go")
        await at.until(lambda: pane_of[0].state.state == "saved")
        text = pane_of[0].pane.text
        screen = await opened(at)
        count = screen.query_one(OptionList).option_count
        await at.until(lambda: f"{count} models known" in at.screen())
        assert [str(option.prompt) for option in screen.query_one(OptionList).options][:3] == [
            "lab/paced-5-0",
            "lab/alto/tenor",
            "lab/bass",
        ]
        line(screen, "model").value = "TENOR"
        await at.until(lambda: screen.query_one(OptionList).option_count == 1)
        await at.until(lambda: f"1 of {count} models known" in at.screen())
        line(screen, "model").value = "lab/another"
        await at.until(lambda: f"none of the {count} models known is called so" in at.screen())
        line(screen, "model").value = "TENOR"
        await at.until(lambda: screen.query_one(OptionList).option_count == 1)
        await at.press("down", "enter")
        await at.until(lambda: line(screen, "model").value == "lab/alto/tenor")
        await at.press("ctrl+s")
        await closed(at)
        assert pane_of[0].model == ModelRef("lab", "alto/tenor")
        await at.until(lambda: "alto/tenor" in at.text_of(pane_of[0].header))
        assert pane_of[0].pane.text == text
        await at.send("go on")
        await at.until(lambda: len(pane_of[0].turns) == 2 and pane_of[0].state.state == "saved")
        body = server.requests[-1].json()
        assert body["model"] == "alto/tenor"
        assert len(body["messages"]) == 3  # type: ignore[arg-type]  # a list, as the server is sent


async def test_parameters_limit_and_system_prompt_are_what_the_next_prompt_is_sent_with(
    tmp_path: Path, server: PacedServer
) -> None:
    async with stage(tmp_path, server.base_url, "lab/paced-5-0,temperature=0.5") as at:
        screen = await opened(at)
        assert line(screen, "temperature").value == "0.5"
        line(screen, "temperature").value = ""
        line(screen, "top-p").value = "0.25"
        line(screen, "seed").value = "7"
        screen.query_one(TextArea).text = "Be brief.\nSing."
        screen.query_one(Slider).focus()
        await at.press("left", "left")
        assert screen.query_one(Slider).value == 200
        await at.press("1", "2", "0")
        assert screen.query_one(Slider).value == 120
        await at.press("backspace", "right")
        assert screen.query_one(Slider).value == 50
        await at.press("end", "home", "right")
        assert screen.query_one(Slider).value == 100
        await at.press("ctrl+s")
        await closed(at)
        pane = at.app.dashboard.compare.answers[0]
        assert pane.model.params == Params(top_p=0.25, seed=7, max_tokens=100)
        assert pane.system == "Be brief.\nSing."
        await at.send("go")
        await at.until(lambda: pane.state.state == "saved")
        body = server.requests[-1].json()
        assert [body[name] for name in ("top_p", "seed", "max_tokens")] == [0.25, 7, 100]
        assert body["messages"] == [{"role": "system", "content": "Be brief.\nSing."}, {"role": "user", "content": "go"}]


async def test_all_panes_take_the_parameters_and_keep_their_models(tmp_path: Path, server: PacedServer) -> None:
    async with stage(tmp_path, server.base_url, "lab/paced-5-0", "lab/bass,temperature=0.9") as at:
        screen = await opened(at, 2)
        line(screen, "temperature").value = "0.1"
        screen.query_one(TextArea).text = "Sing."
        await at.press("ctrl+t")
        await closed(at)
        panes = at.app.dashboard.compare.answers
        assert [str(pane.model) for pane in panes] == ["lab/paced-5-0,temperature=0.1", "lab/bass,temperature=0.1"]
        assert [pane.system for pane in panes] == ["Sing.", "Sing."]


async def test_a_form_that_is_left_changes_nothing_and_one_that_is_not_touched_neither(tmp_path: Path, server: PacedServer) -> None:
    async with stage(tmp_path, server.base_url, "lab/paced-5-0,temperature=0.123456789") as at:
        screen = await opened(at)
        before = at.app.dashboard.compare.answers[0].model
        line(screen, "temperature").value = "1"
        await at.press("escape")
        await closed(at)
        assert at.app.dashboard.compare.answers[0].model == before
        await opened(at)
        await at.press("enter")
        await closed(at)
        assert at.app.dashboard.compare.answers[0].model == before
        assert at.app.dashboard.compare.answers[0].system is None


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("model", "nothing", "not a model's name"),
        ("model", "nowhere/m", "no endpoint 'nowhere'"),
        ("model", "lab/m,heat=1", "no parameter 'heat'"),
        ("temperature", "hot", "temperature must be a number"),
        ("temperature", "-1", "temperature must be"),
        ("seed", "1.5", "seed must be a whole number"),
    ],
)
async def test_what_cannot_be_is_said_in_the_form(tmp_path: Path, server: PacedServer, field: str, value: str, reason: str) -> None:
    async with stage(tmp_path, server.base_url, "lab/paced-5-0") as at:
        screen = await opened(at)
        line(screen, field).value = value
        await at.press("ctrl+s")
        await at.until(lambda: reason in " ".join(at.screen().split()))
        assert at.app.screen is screen


async def test_an_endpoint_that_does_not_answer_is_named_with_its_reason(tmp_path: Path) -> None:
    async with stage(tmp_path, "http://127.0.0.1:9/v1", "lab/m") as at:
        await opened(at)
        await at.until(lambda: "lab: " in at.screen())


@pytest.mark.parametrize("size", [(20, 10), (40, 20), (80, 24), (200, 50)])
async def test_names_from_outside_are_data_at_every_size(tmp_path: Path, size: tuple[int, int]) -> None:
    names = [name for name in HOSTILE if name.strip() and "\ud800" not in name]
    async with PacedServer(models=names) as server, stage(tmp_path, server.base_url, "lab/m", size=size) as at:
        screen = await opened(at)
        await at.until(lambda: screen.query_one(OptionList).option_count > 5)
        assert [cell_len(row) for row in at.lines()] == [size[0]] * size[1]
        assert not any(ord(char) < 32 or 127 <= ord(char) < 160 or char == "\u202e" for char in at.screen() if char != "\n")
        line(screen, "model").value = "click"
        await at.until(lambda: screen.query_one(OptionList).option_count == 1)
        screen.query_one(OptionList).focus()
        await at.press("down", "enter", "ctrl+s")
        await closed(at)
        assert at.app.dashboard.compare.answers[0].model == ModelRef("lab", "[@click=app.quit]x[/]")
