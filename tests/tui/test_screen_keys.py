"""Every key of the screens that stand over the dashboard, and of the fields there, pressed where its row belongs."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

from textual.actions import parse

from agents.requests import Candidate, Lane, Merge, Message
from agents.templates import load_templates
from tests.tui.key_cases_widgets import among_the_bars
from tests.tui.key_desk import Desk
from tests.tui.still import HITS, still
from tui.key_table import KEYS
from tui.keys import OF_DASHBOARD
from tui.prompts import Prompt
from tui.rounds.choice import Choice, Ticks
from tui.rounds.diff_text import DiffText
from tui.rounds.merging import MergedScreen
from tui.rounds.sweep_run import SweepRun
from tui.rounds.swept import SettingScreen, SweptScreen
from tui.rounds.table import Table
from tui.screens.code import CodeScreen
from tui.screens.endpoint import EndpointScreen, LimitScreen
from tui.screens.links import LinksScreen
from tui.screens.passage import PassageScreen
from tui.screens.queue import QueueScreen
from tui.screens.template import TemplateForm, TemplateList
from tui.widgets.slider import Slider

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import pytest
    from textual.dom import DOMNode
    from textual.screen import Screen
    from textual.widget import Widget

    Open = Callable[[Desk], object]

OF_SCREENS = sorted({key.scope for key in KEYS} - OF_DASHBOARD - {"app"})
FIELDS: dict[str, tuple[str, type[Widget]]] = {
    "choice": ("sheet.judge", Choice),
    "ticks": ("sheet.judge", Ticks),
    "slider": ("sheet.setup", Slider),
    "table": ("sheet.ratings", Table),
    "diff": ("sheet.diff", DiffText),
}


def over(make: Callable[[Desk], Screen[Any]]) -> Open:
    return lambda desk: desk.app.push_screen(make(desk))


def sweep(desk: Desk) -> SweepRun:
    lane = Lane(model=desk.panes[0].model, messages=(Message("user", "Why?"),), label="t=0")
    return SweepRun((lane, lane), None)


def merge(desk: Desk) -> Merge:
    answers = tuple(Candidate(label=name, prompt="Why?", text=f"{name} says so") for name in "ab")
    return Merge(candidates=answers, model=desk.panes[0].model)


def form(desk: Desk) -> TemplateForm:
    folder = desk.app.workspace.locations.templates
    return TemplateForm(load_templates(folder).loaded["letter"], "")


OPENERS: dict[str, Open] = {
    "sheet": lambda desk: desk.compare.act_settings(),
    "sheet.race": lambda desk: desk.compare.act_race(),
    "sheet.judge": lambda desk: desk.compare.act_judge(),
    "sheet.merge": lambda desk: desk.compare.act_merge(),
    "sheet.merged": over(lambda desk: MergedScreen(desk.compare, merge(desk))),
    "sheet.vote": lambda desk: desk.compare.act_vote(),
    "sheet.ratings": lambda desk: desk.compare.act_ratings(),
    "sheet.sweep": lambda desk: desk.compare.act_sweep(),
    "sheet.swept": over(lambda desk: SweptScreen(sweep(desk))),
    "sheet.setting": over(lambda desk: SettingScreen(sweep(desk), 0)),
    "sheet.diff": lambda desk: desk.compare.act_diff(),
    "sheet.queue": over(lambda _: QueueScreen(deque([Prompt("one"), Prompt("two")]))),
    "sheet.endpoint": over(lambda desk: EndpointScreen(lambda: desk.dashboard.queue._details("lab"))),
    "sheet.limit": over(lambda _: LimitScreen("lab", "requests", None)),
    "sheet.templates": over(lambda desk: TemplateList(desk.app.workspace.locations.templates)),
    "sheet.template": over(form),
    "sheet.setup": lambda desk: desk.compare.act_settings(),
    "code": over(lambda _: CodeScreen(["one\n", "two\n"])),
    "links": over(lambda _: LinksScreen(["https://example.org/a", "https://example.org/b"])),
    "passage": over(lambda _: PassageScreen(1, HITS[0])),
    "help": lambda desk: desk.app.action_show_help(),
}


async def opened(desk: Desk, scope: str) -> DOMNode:
    """Open what has the keys of a scope; return it, with the focus where it is a field."""
    await desk.afresh()
    if scope == "step":
        await among_the_bars(desk, first=True)
        await desk.press("enter")
    else:
        OPENERS[FIELDS[scope][0] if scope in FIELDS else scope](desk)
    await desk.at.until(lambda: desk.app.screen is not desk.dashboard and desk.app.screen.is_mounted)
    await desk.at.settle()
    if scope not in FIELDS:
        return desk.app.screen
    field = desk.app.screen.query(FIELDS[scope][1]).first()
    field.focus()
    await desk.at.until(lambda: field.has_focus)
    return field


def note(done: list[tuple[str, tuple[object, ...]]], name: str) -> Callable[..., None]:
    """Return what stands in for an action and notes that it was called for."""
    return lambda *given: done.append((name, given))


def test_every_such_scope_is_opened_here() -> None:
    assert {*OPENERS, *FIELDS, "step"} == set(OF_SCREENS)


async def test_every_key_of_a_screen_does_there_what_its_row_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "templates").mkdir()
    (tmp_path / "templates" / "letter.toml").write_text('prompt = "Write to ${who}."\n')
    async with still(tmp_path, "first", "second", "third") as at:
        await at.resize(100, 36)
        desk = Desk(at)
        for scope in OF_SCREENS:
            node = await opened(desk, scope)
            rows = [row for row in KEYS if row.scope == scope]
            done: list[tuple[str, tuple[object, ...]]] = []
            with monkeypatch.context() as patch:
                patch.setattr(node, "check_action", lambda *_: True)
                for row in rows:
                    owner, name, _ = parse(row.action)
                    patch.setattr(desk.app if owner == "app" else node, f"action_{name}", note(done, name))
                for row in rows:
                    _, name, given = parse(row.action)
                    for key in row.names:
                        done.clear()
                        await desk.press(key)
                        assert done == [(name, given)], f"{row.id} by {key}"
        await desk.afresh()
