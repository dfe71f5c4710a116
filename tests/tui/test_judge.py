from __future__ import annotations

import json
from typing import TYPE_CHECKING

from textual.events import Key

from tests.tui.rounds_stage import answered, calls, closed, home, reply, shown
from tui.rounds.judging import JudgeScreen

if TYPE_CHECKING:
    from pathlib import Path


async def test_a_judge_scores_answers_whose_authors_it_cannot_see(tmp_path: Path) -> None:
    async with answered(tmp_path, "lab/m0", "lab/m1") as (at, _, server):
        before = len(calls(server))
        await at.press("ctrl+x", "j")
        await at.until(lambda: isinstance(at.app.screen, JudgeScreen) and "◂ lab/m0 ▸" in at.screen())
        await at.press("down", *"brevity", "enter")
        # Both orders give the same letters the same scores, so that the mean is the same for both.
        await at.until(lambda: "✓ done · 2 of 2 calls" in at.screen() and at.screen().count("8.5") == 2)
        assert "as A" in at.screen()
        asked = calls(server)[before:]
        assert len(asked) == 2
        assert all("brevity" in text and "@lab" not in text for text in asked)
        await closed(at)
        view = at.app.dashboard.compare
        view.act_judge()
        await at.until(lambda: "brevity" in at.screen())
        await closed(at)


async def test_a_judge_that_gives_no_scores_is_told_in_one_line(tmp_path: Path) -> None:
    def says(asked: dict[str, object]) -> str | None:
        return "I would rather not." if "Judge each" in json.dumps(asked["messages"]) else reply(asked)

    async with answered(tmp_path, "lab/m0", "lab/m1", size=(100, 30), says=says) as (at, view, _):
        view.act_judge()
        await at.until(lambda: isinstance(at.app.screen, JudgeScreen))
        await at.settle()
        await at.press("enter")
        await at.until(lambda: "no scores that can be read" in at.screen())
        assert "✗ failed" in at.screen()
        await closed(at)


async def test_a_judge_can_be_stopped_and_nothing_ticked_is_nothing_to_judge(tmp_path: Path) -> None:
    async with answered(tmp_path, "lab/m0", "lab/paced-40-0", size=(100, 30)) as (at, view, server):
        view.act_judge()
        await at.until(lambda: isinstance(at.app.screen, JudgeScreen))
        await at.settle()
        await at.press("down", "down", "space", "down", "space", "enter")
        await at.until(lambda: "Tick the answers" in at.screen())
        await at.press("space", "up", "space")
        server._reply = None
        server._rules = [("Judge each", "paced-8000-50")]
        await at.press("enter")
        await at.until(lambda: "● working" in at.screen() and server.counts.in_flight > 0)
        await at.until(lambda: "Esc stop" in shown(at) and "Esc close" not in shown(at))
        await at.press("escape")
        await at.until(lambda: "The judge was stopped." in at.screen() and server.counts.in_flight == 0)
        assert isinstance(at.app.screen, JudgeScreen)
        await at.until(lambda: "Esc close" in shown(at) and "Esc stop" not in shown(at))
        await at.press("escape")
        assert home(at)


async def test_enter_right_behind_what_is_typed_judges_by_all_of_it(tmp_path: Path) -> None:
    async with answered(tmp_path, "lab/m0", "lab/m1") as (at, view, server):
        view.act_judge()
        await at.until(lambda: isinstance(at.app.screen, JudgeScreen) and "m0 @lab" in at.screen())
        await at.press("down")
        for key in (*"brief", "enter"):
            at.app.post_message(Key(key, key if len(key) == 1 else None))
        await at.until(lambda: any(b"brief" in request.body for request in server.requests))
        await closed(at)
