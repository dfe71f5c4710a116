from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from agents.errors import InputError
from agents.requests import ModelRef, Race
from tests.servers.paced import words
from tests.tui.rounds_stage import answered, closed, home
from tui.rounds.racing import RaceScreen, accept_of

if TYPE_CHECKING:
    from pathlib import Path

    from tests.tui.stage import Stage
    from tui.views.compare import CompareView

QUICK, SLOW = "lab/paced-30-100", "lab/paced-8000-50"


async def race_form(at: Stage) -> None:
    await at.press("ctrl+x", "R")
    await at.until(lambda: isinstance(at.app.screen, RaceScreen) and "first acceptable" in at.screen())
    await at.settle()


def states(view: CompareView) -> list[str]:
    return [pane.state.state for pane in view.answers]


async def test_the_first_acceptable_answer_wins_and_the_others_are_stopped(tmp_path: Path) -> None:
    async with answered(tmp_path, "lab/a", "lab/b", "lab/c", size=(140, 36)) as (at, view, server):
        server._rules = [("a race", "paced-8000-50")]
        server._reply = lambda asked: "".join(words(30)) if asked["model"] == "b" else None
        await race_form(at)
        await at.press("2", "0", "enter")
        await at.until(lambda: home(at) and "race › The first acceptable" in at.screen())
        server._rules = [('"a"', "paced-8000-50"), ('"c"', "paced-8000-50")]
        await at.send("a race please")
        await at.until(lambda: states(view) == ["cancelled", "saved", "cancelled"])
        await at.until(lambda: "b @lab won: at least 20" in at.screen() and "saved." in at.screen())
        await at.until(lambda: "★ won" in at.text_of(view.answers[1].header))
        assert all("■ stopped" in at.text_of(view.answers[number].header) for number in (0, 2))
        await at.until(lambda: server.counts.in_flight == 0)
        assert "race ›" not in at.screen()
        assert (await at.app.workspace.history.list(1))[0].kind == "race"


async def test_only_the_next_prompt_is_a_race_and_the_form_is_remembered(tmp_path: Path) -> None:
    async with answered(tmp_path, "lab/a", "lab/b") as (at, view, _):
        await race_form(at)
        await at.press("down", "down", *"voice", "enter")
        await at.until(lambda: home(at) and view.races)
        view.act_race()
        assert not view.races
        await race_form(at)
        assert "voice" in at.screen()
        await at.press("escape")
        assert home(at)
        assert not view.races
        await at.send("no race")
        await at.until(lambda: states(view) == ["saved", "saved"] and len(view.answers[0].turns) == 2)
        assert all("won" not in at.text_of(pane.header) for pane in view.answers)


async def test_one_race_has_one_winner_also_when_all_answers_come_at_once(tmp_path: Path) -> None:
    async with answered(tmp_path, "lab/a", "lab/b", "lab/c") as (at, view, _):
        await race_form(at)
        await at.press("enter")
        await at.until(lambda: view.races)
        await at.send("now")
        await at.until(lambda: not at.app.workspace.engine.runs and len(view.answers[0].turns) == 2)
        at.app.feed.pump()
        assert [pane.state.won for pane in view.answers].count(True) == 1


async def test_a_race_that_nobody_wins_says_why(tmp_path: Path) -> None:
    async with answered(tmp_path, "lab/a", "lab/b") as (at, view, _):
        await race_form(at)
        await at.press("down", "down", *"xyzzy", "enter")
        await at.until(lambda: view.races)
        await at.send("now")
        await at.until(lambda: "no answer was acceptable" in at.screen())
        assert all(not pane.state.won for pane in view.answers)


async def test_what_is_wrong_in_the_form_is_told_in_one_line(tmp_path: Path) -> None:
    async with answered(tmp_path, "lab/a", "lab/b", size=(60, 24)) as (at, _, _):
        await race_form(at)
        await at.press("x", "enter")
        await at.until(lambda: "not a number of characters" in at.screen())
        assert isinstance(at.app.screen, RaceScreen)
        await at.press("backspace")
        await at.until(lambda: "not a number of characters" not in at.screen())
        await closed(at)


async def test_one_pane_cannot_race(tmp_path: Path) -> None:
    async with answered(tmp_path, "lab/a") as (at, view, _):
        view.act_race()
        await at.until(lambda: "A race needs two panes" in at.screen())


async def test_conditions_are_read_as_they_are_meant(tmp_path: Path) -> None:
    schema = tmp_path / "schema.json"
    schema.write_text('{"type": "object"}')
    judge = ModelRef("lab", "j")
    values = {"least": " 1,000 ", "most": "2000", "pattern": "a|b", "schema": str(schema), "criterion": "it is short"}
    accept = await accept_of(values, judge)
    assert (accept.min_chars, accept.max_chars, accept.pattern) == (1000, 2000, "a|b")
    assert (accept.judge, accept.criterion) == (judge, "it is short")
    assert accept.schema is not None
    assert bytes(accept.schema) == b'{"type": "object"}'
    assert await accept_of({}, None) == Race(lanes=()).accept


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"least": "-1"}, "not a number"),
        ({"least": "9" * 40}, "not a number"),
        ({"least": "9", "most": "8"}, "at least 9 and at most 8"),
        ({"pattern": "("}, "no regular expression"),
        ({"criterion": "good"}, "needs a judge"),
        ({"schema": "nowhere.json"}, "does not exist"),
        ({"schema": "\0"}, "cannot be used"),
        ({"schema": "/"}, "not a regular file"),
        ({"schema": "~nobody-of-that-name/x"}, "cannot be used"),
        ({"schema": "BROKEN"}, "not UTF-8"),
        ({"schema": "LIST"}, "no JSON schema"),
    ],
)
async def test_conditions_that_are_none_are_named(tmp_path: Path, values: dict[str, str], told: str) -> None:
    (tmp_path / "BROKEN").write_bytes(b"\xff{")
    (tmp_path / "LIST").write_text("[]")
    if values.get("schema") in {"BROKEN", "LIST"}:
        values = {"schema": str(tmp_path / values["schema"])}
    with pytest.raises(InputError, match=told) as caught:
        await accept_of(values, None)
    assert "\n" not in str(caught.value)
