from __future__ import annotations

from typing import TYPE_CHECKING

from tests.tui.rounds_stage import answered, calls, closed, shown
from tui.rounds.merging import MergedScreen, MergeScreen

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


async def test_one_answer_is_made_of_those_ticked_and_can_be_copied_and_asked_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copied: list[str] = []
    async with answered(tmp_path, "lab/m0", "lab/m1", "lab/m2") as (at, _, server):
        monkeypatch.setattr(at.app, "copy_to_clipboard", copied.append)
        before = len(calls(server))
        await at.press("ctrl+x", "M")
        await at.until(lambda: isinstance(at.app.screen, MergeScreen) and "Merge into one" in at.screen())
        await at.press("tab", "tab", "down", "down", "space", "enter")
        await at.until(lambda: isinstance(at.app.screen, MergedScreen) and "One text of all." in at.screen())
        await at.until(lambda: "✓ saved" in at.screen())
        (sent,) = calls(server)[before:]
        assert "molecules scatter" in sent
        assert "Nobody knows" not in sent
        await at.press("y")
        assert copied == ["One text of all."]
        await at.press("r")
        await at.until(lambda: len(calls(server)) == before + 2 and not at.app.workspace.engine.runs)
        await at.settle()
        await at.until(lambda: "p into the prompt" in shown(at))
        await at.press("p")
        await at.until(lambda: at.app.dashboard.prompt.value == "One text of all.")
        assert at.app.screen is at.app.dashboard


async def test_answers_to_different_prompts_are_merged_too(tmp_path: Path) -> None:
    async with answered(tmp_path, "lab/m0", "lab/m1") as (at, view, server):
        await at.press("ctrl+t")
        await at.send("And at sunset?")
        await at.until(lambda: len(view.answers[0].turns) == 2 and view.answers[0].turns[1].answered)
        view.act_merge()
        await at.until(lambda: "different prompts" in at.screen() and "← And at sunset?" in at.screen())
        await at.press("enter")
        await at.until(lambda: "One text of all." in at.screen())
        sent = calls(server)[-1]
        assert "And at sunset?" in sent
        assert "Why is the sky blue?" in sent
        await at.until(lambda: not at.app.workspace.engine.runs)
        await closed(at)


async def test_a_merge_can_be_stopped_and_what_came_stays(tmp_path: Path) -> None:
    async with answered(tmp_path, "lab/m0", "lab/m1", size=(80, 24)) as (at, view, server):
        server._reply = None
        server._rules = [("from these answers", "paced-8000-50")]
        view.act_merge()
        await at.until(lambda: isinstance(at.app.screen, MergeScreen))
        await at.settle()
        await at.press("enter")
        await at.until(lambda: "soprano" in at.screen() and "Esc stop" in shown(at))
        await at.press("escape")
        await at.until(lambda: "■ stopped" in at.screen() and "Esc close" in shown(at) and server.counts.in_flight == 0)
        assert "soprano" in at.screen()
        await closed(at)
