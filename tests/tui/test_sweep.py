from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from agents.errors import InputError
from agents.requests import Accept, Lane, Message, ModelRef, Params
from agents.settings import Endpoint, Price, Settings
from tests.tui.room import ended, make
from tests.tui.rounds_stage import answered, calls, closed, home, shown
from tui.rounds.sweep_run import SweepRun
from tui.rounds.sweeping import MOST, SweepScreen, expense, lanes_of
from tui.rounds.swept import SettingScreen, SweptScreen

if TYPE_CHECKING:
    from pathlib import Path

    from tests.tui.stage import Stage

MODEL = ModelRef("lab", "m")


async def sweep_form(at: Stage) -> None:
    await at.press("ctrl+x", "w")
    await at.until(lambda: isinstance(at.app.screen, SweepScreen) and "Temperature" in at.screen())
    await at.settle()


async def test_a_sweep_fills_a_table_and_shows_the_answers_of_a_setting(tmp_path: Path) -> None:
    async with answered(tmp_path, "lab/m0", size=(120, 36)) as (at, _, server):
        before = len(calls(server))
        await sweep_form(at)
        assert "Why is the sky blue?" in at.screen()
        await at.press(*"0, 1", "enter")
        await at.until(lambda: isinstance(at.app.screen, SweptScreen) and "✓ done · 6 of 6 answers" in at.screen())
        assert at.screen().count("3/3 (44–100 %)") == 2
        assert "›t=0 " in at.screen()
        asked = [json.loads(body) for body in calls(server)[before:]]
        assert sorted(body["temperature"] for body in asked) == [0, 0, 0, 1, 1, 1]
        await at.press("down", "enter")
        await at.until(lambda: isinstance(at.app.screen, SettingScreen) and "2 of 2: t=1" in at.screen())
        await at.until(lambda: "#1 · accepted" in at.screen() and "air scatters" in at.screen())
        await at.press("right")
        await at.until(lambda: "1 of 2: t=0" in at.screen())
        for width in (40, 20, 80):
            await at.resize(width, 20)
        await at.press("escape")
        await at.until(lambda: isinstance(at.app.screen, SweptScreen))
        await closed(at)
        await sweep_form(at)
        assert "0, 1" in at.screen()
        await at.press("ctrl+l")
        await at.until(lambda: "6 of 6 answers" in at.screen())
        await closed(at)


async def test_escape_stops_a_sweep_and_keeps_what_came(tmp_path: Path) -> None:
    async with answered(tmp_path, "lab/m0") as (at, _, server):
        server._reply = None
        server._rules = [('"seed": 1', "paced-5-0"), ('"seed":1', "paced-5-0"), ("sky", "paced-8000-50")]
        await sweep_form(at)
        await at.press("down", "down", "down", *"1,2", "enter")
        await at.until(lambda: "3/3" in at.screen() and "● running" in at.screen() and server.counts.in_flight == 3)
        assert "Esc stop" in shown(at)
        await at.press("escape")
        await at.until(lambda: "■ stopped" in at.screen() and server.counts.in_flight == 0)
        assert "Esc close" in shown(at)
        assert "3/3" in at.screen()
        assert not home(at)
        await at.press("escape")
        assert home(at)


async def test_many_calls_are_confirmed_and_too_many_are_refused(tmp_path: Path) -> None:
    async with answered(tmp_path, "lab/m0") as (at, _, server):
        await sweep_form(at)
        await at.press("down", "down", "down", "down", "down", "end", "0", "0", "enter")
        await at.until(lambda: f"up to {MOST} answers" in at.screen() or "from 1 to" in at.screen())
        await at.press("backspace", "backspace", "backspace", *"51", "enter")
        await at.until(lambda: "51 answers, up to 20,400 output tokens: Enter again runs it" in at.screen())
        assert len(calls(server)) == 1
        await at.press("backspace", "backspace", *"1", "enter")
        await at.until(lambda: "1 of 1 answers" in at.screen())
        await closed(at)


async def test_a_pattern_says_which_answers_are_accepted(tmp_path: Path) -> None:
    def says(asked: dict[str, object]) -> str:
        return "yes" if asked.get("seed") == 1 else "no"

    async with answered(tmp_path, "lab/m0", says=says) as (at, _, _):
        await sweep_form(at)
        await at.press("down", "down", "down", *"1,2", "down", "down", "down", *"^y", "enter")
        await at.until(lambda: isinstance(at.app.screen, SweptScreen))
        await at.until(lambda: "3/3 (44–100 %)" in at.screen() and "0/3 (0–56 %)" in at.screen())
        await closed(at)


async def test_values_of_the_form_become_lanes(tmp_path: Path) -> None:
    file = tmp_path / "system.txt"
    file.write_text("from a file")
    values = {"prompt": "go", "temperature": "0, default", "max_tokens": "80", "system": f"be brief | @{file}", "repeat": "2"}
    lanes = await lanes_of(MODEL, values, None)
    assert len(lanes) == 8
    assert {lane.system for lane in lanes} == {"be brief", "from a file"}
    assert {lane.model.params for lane in lanes} == {Params(temperature=0.0, max_tokens=80), Params(max_tokens=80)}
    assert len(await lanes_of(MODEL, {"prompt": "go"}, "default system")) == 1


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({}, "needs a prompt"),
        ({"prompt": "go", "temperature": "warm"}, "must be a number"),
        ({"prompt": "go", "temperature": "-1"}, "from 0.0 up"),
        ({"prompt": "go", "seed": "1.5"}, "whole number"),
        ({"prompt": "go", "repeat": "0"}, "repeats must be"),
        ({"prompt": "go", "repeat": "x"}, "repeats must be"),
        ({"prompt": "go", "seed": "1,2", "repeat": "150"}, "fewer values or repeats"),
        ({"prompt": "go", "system": "@nowhere.txt"}, "does not exist"),
        ({"prompt": "go", "system": "@~nobody-of-that-name/x"}, "cannot be used"),
    ],
)
async def test_values_that_are_none_are_named(values: dict[str, str], told: str) -> None:
    with pytest.raises(InputError, match=told) as caught:
        await lanes_of(MODEL, values, None)
    assert "\n" not in str(caught.value)


def test_the_expense_is_told_with_the_cost_where_a_price_is_known() -> None:
    lanes = [Lane(model=MODEL, messages=(Message("user", "x" * 400),))] * 60
    assert expense(lanes, Settings()) == "60 answers, up to 24,000 output tokens"
    priced = Settings(endpoints={"lab": Endpoint(base_url="http://x", price=Price(input=1.0, output=10.0))})
    assert expense(lanes, priced) == "60 answers, up to 24,000 output tokens, ≈0.25 at most"


def test_figures_come_as_answers_end_and_one_alone_has_no_interval() -> None:
    lanes = tuple(Lane(model=MODEL, messages=(), label=f"t={t} #{number}") for t in (0, 1) for number in (1, 2))
    sweep = SweepRun(lanes, Accept(pattern="x"))
    from agents.events import StepQueued

    for number in range(4):
        sweep.handle(make(StepQueued, step=f"r.{number}", kind="model", name="x"))
    assert [row[:3] for row in sweep.rows()] == [("t=0", "0/2", "–"), ("t=1", "0/2", "–")]
    sweep.handle(ended("r.2", first=0.5, at=1.0, outcome="failed"))
    first, second = sweep.rows()
    assert first[1] == "0/2"
    assert second[1] == "1/2"
    assert second[2] == "0/1"
