from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from agents.requests import Accept, Attachment, Chat, Lane, Message, ModelRef, Params
from tests.servers.paced import PacedServer, words
from tests.tui.stage import Stage, stage
from tui.prompts import Prompt

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tui.views.compare import CompareView
    from tui.widgets.compare_pane import ComparePane

SHORT = "".join(words(5))


@pytest.fixture
async def server() -> AsyncIterator[PacedServer]:
    async with PacedServer(rules=[("short", "paced-5-0"), ("long", "paced-8000-100")]) as server:
        yield server


async def ready(at: Stage, count: int) -> CompareView:
    view = at.app.dashboard.compare
    await at.until(lambda: len(view.answers) == count and all(pane.is_attached for pane in view.answers))
    await at.settle()
    return view


async def act(at: Stage, name: str, *arguments: int) -> None:
    await at.app.action_act(name, *arguments)
    await at.settle()


async def saved(at: Stage, *panes: ComparePane) -> None:
    await at.until(lambda: all(pane.run is None and pane.state.state == "saved" for pane in panes))


async def streams(at: Stage, *panes: ComparePane) -> None:
    await at.until(lambda: all(pane.state.state == "streaming" for pane in panes))


def said(pane: ComparePane) -> list[tuple[str, str]]:
    return [(turn.prompt.text, turn.answer) for turn in pane.turns]


def bodies(server: PacedServer) -> list[dict[str, object]]:
    return [request.json() for request in server.requests]


def asked(body: dict[str, object]) -> list[str]:
    messages = body["messages"]
    assert isinstance(messages, list)
    return [str(message["content"]) for message in messages]


async def test_prompts_go_to_the_marked_pane_alone_until_they_go_to_all_again(tmp_path: Path, server: PacedServer) -> None:
    async with stage(tmp_path, server.base_url, "lab/a", "lab/b") as at:
        view = await ready(at, 2)
        one, two = view.answers
        await at.press("f6", "ctrl+t")
        assert view.targets == [two]
        await at.until(lambda: "Ask b alone" in at.screen() and "→ b" in at.text_of(two.header))
        await at.send("short for one")
        await saved(at, two)
        assert one.turns == []
        await at.press("f6")
        assert view.targets == [one]
        await at.until(lambda: "→ a" in at.text_of(one.header) and "→ b" not in at.text_of(two.header))
        await at.press("ctrl+t")
        assert view.targets == [one, two]
        await at.send("short for all")
        await saved(at, one, two)
        assert said(one) == [("short for all", SHORT)]
        assert said(two) == [("short for one", SHORT), ("short for all", SHORT)]


async def test_a_pane_that_is_free_does_not_wait_for_one_that_streams(tmp_path: Path, server: PacedServer) -> None:
    async with stage(tmp_path, server.base_url, "lab/paced-8000-100", "lab/m") as at:
        view = await ready(at, 2)
        slow, quick = view.answers
        await at.send("go")
        await saved(at, quick)
        await at.send("go on")
        await saved(at, quick)
        assert [prompt for prompt, _ in said(quick)] == ["go", "go on"]
        assert [prompt for prompt, _ in said(slow)] == ["go"]
        assert [(prompt.text, prompt.panes) for prompt in view.queue] == [("go on", (slow.key,))]
        await at.until(lambda: "waiting 1" in at.screen())
        view._lanes.stop(slow)
        await at.until(lambda: len(slow.turns) == 2)
        assert not view.queue
        await at.press("f9")


async def test_prompts_typed_in_a_row_reach_every_pane_in_their_order(tmp_path: Path, server: PacedServer) -> None:
    async with stage(tmp_path, server.base_url, "lab/a", "lab/b", "lab/c") as at:
        view = await ready(at, 3)
        for number in range(5):
            await at.send(f"short {number}")
        await at.until(lambda: all(len(pane.turns) == 5 for pane in view.answers))
        await saved(at, *view.answers)
        assert [said(pane) for pane in view.answers] == [[(f"short {number}", SHORT) for number in range(5)]] * 3


async def test_the_last_prompt_is_changed_and_its_answer_gives_way_to_the_new_one(tmp_path: Path, server: PacedServer) -> None:
    async with stage(tmp_path, server.base_url, "lab/a", "lab/b") as at:
        view = await ready(at, 2)
        await at.send("short 1")
        await saved(at, *view.answers)
        await at.send("a short typpo")
        await saved(at, *view.answers)
        await act(at, "edit")
        await at.until(lambda: at.app.dashboard.prompt.value == "a short typpo")
        await at.until(lambda: "✎" in at.screen())
        await at.send("a short typo")
        await at.until(lambda: all(pane.turns[-1].prompt.text == "a short typo" for pane in view.answers))
        await saved(at, *view.answers)
        for pane in view.answers:
            assert said(pane) == [("short 1", SHORT), ("a short typo", SHORT)]
            pane.flush(0.0)
            assert "typpo" not in pane.pane.text
            assert pane.pane.text.index("short 1") < pane.pane.text.index("a short typo")
        assert [asked(body) for body in bodies(server)[-2:]] == [["short 1", SHORT, "a short typo"]] * 2
        await at.until(lambda: "✎" not in at.screen())
        runs = await at.app.workspace.history.list()
        assert "a short typpo" in [run.title for run in runs]


async def test_a_prompt_is_changed_while_its_answer_streams(tmp_path: Path, server: PacedServer) -> None:
    async with stage(tmp_path, server.base_url, "lab/a", "lab/b") as at:
        view = await ready(at, 2)
        one, two = view.answers
        await at.send("a long one")
        await streams(at, one, two)
        await at.press("ctrl+t")
        await act(at, "edit")
        await at.send("a short one")
        await saved(at, one)
        assert said(one) == [("a short one", SHORT)]
        assert asked(bodies(server)[-1]) == ["a short one"]
        assert two.state.state == "streaming"
        await at.press("f9")


async def test_changing_is_left_by_escape_and_the_next_prompt_is_a_turn_of_its_own(tmp_path: Path, server: PacedServer) -> None:
    async with stage(tmp_path, server.base_url, "lab/a") as at:
        view = await ready(at, 1)
        await act(at, "edit")
        assert view.hint()[0] != "✎"
        await at.send("short 1")
        await saved(at, *view.answers)
        await act(at, "edit")
        await at.until(lambda: view.hint()[0] == "✎")
        await at.press("escape")
        assert view.hint()[0] != "✎"
        await at.send("short 2")
        await at.until(lambda: len(view.answers[0].turns) == 2)
        await saved(at, *view.answers)


async def test_an_answer_is_asked_again_past_the_cache_and_alone(tmp_path: Path, server: PacedServer) -> None:
    async with stage(tmp_path, server.base_url, "lab/a", "lab/b") as at:
        view = await ready(at, 2)
        one, two = view.answers
        await at.send("short 1")
        await saved(at, one, two)
        before = one.turns[0].step
        await act(at, "regenerate")
        await at.until(lambda: one.turns[0].step not in {before, None})
        await saved(at, one, two)
        assert said(one) == said(two) == [("short 1", SHORT)]
        assert len(server.requests) == 3
        assert asked(bodies(server)[-1]) == ["short 1"]


async def test_a_question_that_failed_is_asked_again_and_its_error_is_gone(tmp_path: Path) -> None:
    replies = iter([None])
    async with PacedServer(reply=lambda _: next(replies, "well") or "") as server, stage(tmp_path, server.base_url, "lab/a") as at:
        view = await ready(at, 1)
        (pane,) = view.answers
        pane.set_up(ModelRef("nowhere", "a"), None)
        await at.send("hello")
        await at.until(lambda: pane.state.state == "failed")
        assert "✗" in pane.pane.text
        pane.set_up(ModelRef("lab", "a"), None)
        await act(at, "regenerate")
        await at.until(lambda: pane.run is None and pane.state.state == "saved")
        assert "✗" not in pane.pane.text
        assert len(pane.turns) == 1


async def test_one_pane_that_fails_leaves_the_others_as_they_are(tmp_path: Path, server: PacedServer) -> None:
    async with stage(tmp_path, server.base_url, "lab/a", "nowhere/b", "lab/c") as at:
        view = await ready(at, 3)
        one, two, three = view.answers
        await at.send("short 1")
        await saved(at, one, three)
        await at.until(lambda: two.state.state == "failed")
        await at.send("short 2")
        await at.until(lambda: len(two.turns) == 2)
        await saved(at, one, three)
        assert said(one) == said(three) == [("short 1", SHORT), ("short 2", SHORT)]
        assert two.last is None
        assert one.last is one.turns[1]


async def test_a_pane_that_joins_late_starts_empty(tmp_path: Path, server: PacedServer) -> None:
    async with stage(tmp_path, server.base_url, "lab/a") as at:
        view = await ready(at, 1)
        await at.send("a long one")
        await streams(at, *view.answers)
        await at.send("short 2")
        await at.press("f7")
        await ready(at, 2)
        assert view.answers[1].turns == []
        await at.press("escape")
        await at.until(lambda: len(view.answers[0].turns) == 2)
        await saved(at, view.answers[0])
        assert view.answers[1].turns == []
        await at.send("short 3")
        await saved(at, *view.answers)
        assert asked(bodies(server)[-1]) == ["short 3"] or asked(bodies(server)[-2]) == ["short 3"]


async def test_what_a_template_brings_shapes_its_turn_alone(tmp_path: Path, server: PacedServer) -> None:
    async with stage(tmp_path, server.base_url, "lab/a,temperature=0.5") as at:
        view = await ready(at, 1)
        file = Attachment(name="no\x1bte.txt", media="text/plain", digest="0" * 64, size=3)
        assert Prompt("x", (file,)).attachments == (file,)
        view.submit(Prompt("short 1", system="Sing.", params=Params(max_tokens=7)))
        await saved(at, *view.answers)
        await at.send("short 2")
        await at.until(lambda: len(view.answers[0].turns) == 2)
        await saved(at, *view.answers)
        first, second = bodies(server)
        assert (asked(first), first["max_tokens"], first["temperature"]) == (["Sing.", "short 1"], 7, 0.5)
        assert (asked(second), second["max_tokens"]) == (["short 1", SHORT, "short 2"], 400)


async def test_the_output_limit_is_changed_for_what_comes_and_not_for_what_is_in_flight(
    tmp_path: Path, server: PacedServer
) -> None:
    async with stage(tmp_path, server.base_url, "lab/a,max_tokens=150", "lab/b") as at:
        view = await ready(at, 2)
        await at.send("a long one")
        await streams(at, *view.answers)
        await act(at, "limit", 1)
        assert [pane.model.params.max_tokens for pane in view.answers] == [175, 600]
        await at.until(lambda: "max 175" in at.screen() and "max 600" in at.screen())
        await at.press("ctrl+t")
        await act(at, "limit", -1)
        assert [pane.model.params.max_tokens for pane in view.answers] == [150, 600]
        assert [body["max_tokens"] for body in bodies(server)] == [150, 400]
        await at.press("f9")
        await at.until(lambda: not at.app.workspace.engine.runs)


async def test_the_figures_of_an_answer_stand_in_its_header(tmp_path: Path, server: PacedServer) -> None:
    async with stage(tmp_path, server.base_url, "lab/paced-60-100", size=(160, 24)) as at:
        view = await ready(at, 1)
        (pane,) = view.answers
        await at.send("go")
        await at.until(lambda: pane.state.state == "streaming" and pane.state.ttft is not None)
        await at.until(lambda: "≈" in at.text_of(pane.header))
        await saved(at, pane)
        ended = pane.turns[0].ended
        assert ended is not None
        assert ended.usage is not None
        await at.until(lambda: f"{ended.usage.input}→60 tok" in at.text_of(pane.header) if ended.usage else False)
        shown = at.text_of(pane.header)
        assert "TTFT" in shown
        assert "tok/s" in shown
        assert "cost –" in shown


async def test_a_run_of_others_streams_into_the_panes_it_is_given(tmp_path: Path, server: PacedServer) -> None:
    async with stage(tmp_path, server.base_url, "lab/a", "lab/b", "lab/c") as at:
        view = await ready(at, 3)
        _, two, three = view.answers
        lanes = tuple(Lane(model=pane.model, messages=(Message("user", "short"),)) for pane in (three, two))
        run = at.app.feed.submit(Chat(lanes=lanes), view)
        view.follow(run, [three, two], Prompt("short, from elsewhere"))
        await saved(at, two, three)
        assert view.answers[0].turns == []
        assert said(two) == said(three) == [("short, from elsewhere", SHORT)]
        assert [run.steps[str(pane.turns[0].step)].name for pane in (three, two)] == ["c", "b"]


async def test_a_race_goes_to_all_at_once_and_says_who_won(tmp_path: Path, server: PacedServer) -> None:
    async with stage(tmp_path, server.base_url, "lab/paced-8000-100", "lab/paced-9-0") as at:
        view = await ready(at, 2)
        slow, quick = view.answers
        view.submit(Prompt("go", accept=Accept()))
        await saved(at, quick)
        await at.until(lambda: slow.state.state == "cancelled")
        assert quick.turns[0].answer == "".join(words(9))
        await at.until(lambda: "won" in at.text_of(quick.header))


async def test_a_stop_before_the_step_is_there_still_stops_it(tmp_path: Path, server: PacedServer) -> None:
    async with stage(tmp_path, server.base_url, "lab/a", "lab/b") as at:
        view = await ready(at, 2)
        view.submit(Prompt("a long one"))
        assert view.stop()
        await at.until(lambda: view.answers[0].state.state == "cancelled")
        await streams(at, view.answers[1])
        await at.press("f9")
        await at.until(lambda: not at.app.workspace.engine.runs)


async def test_sixteen_panes_stream_at_once_and_every_one_is_whole_and_none_starves(tmp_path: Path) -> None:
    models = [f"lab/paced-{50 + number}-50" for number in range(16)]
    async with PacedServer() as server, stage(tmp_path, server.base_url, *models, size=(200, 50), concurrency=16) as at:
        view = await ready(at, 16)
        await at.send("go")
        await at.until(lambda: server.counts.in_flight == 16)
        steps = {pane.key: 0 for pane in view.answers}
        for _ in range(400):
            if all(pane.state.state == "saved" for pane in view.answers):
                break
            for pane in view.answers:
                steps[pane.key] += pane.state.state == "streaming"
            await asyncio.sleep(0.02)
        await saved(at, *view.answers)
        assert server.counts.peak_in_flight == 16
        assert min(steps.values()) * 3 >= max(steps.values())
        for number, pane in enumerate(view.answers):
            answer = "".join(words(50 + number))
            assert said(pane) == [("go", answer)]
            pane.flush(0.0)
            assert "".join(answer.split()) in "".join(pane.pane.text.split())
