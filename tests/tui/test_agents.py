from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from agents.events import RunEnded
from tests.servers.paced import PacedServer, words
from tests.tui.room import hit
from tests.tui.stage import Stage, stage
from tui.places import parse_task

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from agents.runs import Run, Step
    from tui.views.agents import AgentsView

SIZE = (200, 40)
ROW = re.compile(r"^[▸ ](?P<glyph>.) (?P<state>\w+) +(?P<label>\S.*?) +(?P<times>(?:(?:\d+\.\d\d|–) *){4})(?:[·░█ ]*)$")


def reply(asked: dict[str, object]) -> str | None:
    """Answer summaries at once; reports, and what is asked for slowly, are left to the pace."""
    prompt = str(asked["messages"])
    if "Report on the task" in prompt or "slowly" in prompt:
        return None
    return "It is about cats." if "Cats" in prompt else "It is about dogs."


@pytest.fixture
async def server() -> AsyncIterator[PacedServer]:
    rules = [("slowly", "paced-8000-100"), ("Report on the task", "paced-60-100")]
    async with PacedServer(reply=reply, rules=rules) as server:
        yield server


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    contents = {"a.md": "# Cats\n\nAll about cats.\n", "b.txt": "All about dogs.\n", "c.md": "# Birds\n\nAll about birds.\n"}
    for name, text in contents.items():
        (tmp_path / name).write_text(text)
    return [tmp_path / name for name in contents]


def task(question: str, files: list[Path]) -> str:
    return " ".join([question, *(f"@{file}" for file in files)])


async def opened(at: Stage) -> AgentsView:
    """Show the Agents view once there is a model."""
    view = at.app.dashboard.agents
    await at.until(lambda: view.model is not None)
    await at.press("f4")
    return view


async def idle(at: Stage) -> None:
    """Wait until nothing runs and everything that happened was shown."""
    await at.until(lambda: not at.app.workspace.engine.runs)
    at.app.feed.pump()


async def started(at: Stage, text: str) -> Run:
    """Send a task and return its run."""
    before = set(at.app.workspace.engine.runs)
    await at.send(text)
    await at.until(lambda: len(set(at.app.workspace.engine.runs) - before) == 1)
    return next(run for name, run in at.app.workspace.engine.runs.items() if name not in before)


async def named(at: Stage, run: Run, name: str) -> Step:
    """Wait until the run has a step of this name, and return it."""
    await at.until(lambda: any(step.name == name for step in run.steps.values()))
    return next(step for step in run.steps.values() if step.name == name)


def rows(at: Stage) -> list[tuple[str, str, list[str]]]:
    """Return state, label and times of every row of the log on screen."""
    found = [ROW.match(line.rstrip()) for line in at.lines(at.app.dashboard.agents.log_rows)[1:-1]]
    return [(row["state"], row["label"], row["times"].split()) for row in found if row is not None]


def expected(run: Run, step: Step) -> str:
    """Return what the pane beside the log shows of a step that has text."""
    return f"› {run.title}\n\n{step.text}"


async def mark(at: Stage, step: Step) -> None:
    """Mark a step with the keys a person has."""
    log = at.app.dashboard.agents.log_rows
    for _ in range(len(log.steps)):
        await at.press("ctrl+up")
    assert log.marked == log.steps[0]
    for _ in range(len(log.steps)):
        if log.marked == step.id:
            return
        await at.press("ctrl+down")
    assert log.marked == step.id


async def test_what_a_tool_read_is_shown_as_it_is_and_what_a_model_wrote_as_markdown(
    tmp_path: Path, server: PacedServer, files: list[Path]
) -> None:
    async with stage(tmp_path, server.base_url, "lab/fast", size=SIZE) as at:
        view = await opened(at)
        run = await started(at, task("What are these about?", files[:1]))
        await run.wait()
        await idle(at)
        model = next(step for step in run.steps.values() if step.kind == "model")
        tool = next(step for step in run.steps.values() if step.kind != "model")
        tool.hits = (hit("a.md"),)
        view._show(model.id)
        assert view.text.pane.answer == str(model.text) != ""
        view._show(tool.id)
        assert "a.md" in view.text.pane.text
        assert view.text.pane.answer == ""


async def test_three_files_are_a_tree_of_place_reading_and_summary_and_then_the_report(
    tmp_path: Path, server: PacedServer, files: list[Path]
) -> None:
    async with stage(tmp_path, server.base_url, "lab/fast", size=SIZE) as at:
        await opened(at)
        run = await started(at, task("What are these about?", files))
        end = await run.wait()
        await at.until(lambda: [state for state, _, _ in rows(at)] == ["saved"] * 10)
        labels = [re.sub(r" {2,}.*", "", label) for _, label, _ in rows(at)]
        assert labels == [
            *("a.md", "read a.md", "summarise Cats"),
            *("b.txt", "read b.txt", "summarise b.txt"),
            *("c.md", "read c.md", "summarise Birds"),
            "report",
        ]
        for _, label, times in rows(at):
            queued, begun, first, ended = times
            assert float(queued) <= float(begun) <= float(ended), label
            if label.startswith(("summarise", "report")):
                assert float(begun) <= float(first) <= float(ended), label
            else:
                assert first == "–", label
        total = at.lines(at.app.dashboard.agents.log_rows)[-1]
        assert f"wall {end.wall:.2f} s, sum of steps {end.busy:.2f} s" in total


async def test_the_text_of_every_step_is_shown_once_whoever_marks_it_and_when(
    tmp_path: Path, server: PacedServer, files: list[Path]
) -> None:
    async with stage(tmp_path, server.base_url, "lab/fast", size=SIZE) as at:
        view = await opened(at)
        run = await started(at, task("What are these about?", files))
        report = await named(at, run, "report")
        await at.until(lambda: "soprano" in view.text.pane.text)
        summary = await named(at, run, "summarise Cats")
        await mark(at, summary)
        await at.until(lambda: view.text.pane.text == f"› {run.title}\n\nIt is about cats.")
        await mark(at, report)
        await idle(at)
        await at.until(lambda: view.text.pane.text == expected(run, report))
        assert view.text.pane.text.startswith(f"› What are these about?\n\n{''.join(words(60))}")
        assert view.text.pane.text.count("Sources cited") + view.text.pane.text.count("Sources (") == 1
        for step in run.steps.values():
            await mark(at, step)
            if step.kind == "model":
                assert view.text.pane.text == expected(run, step)


async def test_the_report_is_followed_and_shown_once_when_nobody_marks_anything(
    tmp_path: Path, server: PacedServer, files: list[Path]
) -> None:
    async with stage(tmp_path, server.base_url, "lab/fast", size=SIZE) as at:
        view = await opened(at)
        run = await started(at, task("What are these about?", files))
        report = await named(at, run, "report")
        await idle(at)
        assert view.log_rows.marked == report.id
        assert view.text.pane.text == expected(run, report)
        await at.until(lambda: "✓ saved" in at.text_of(view.text.header))


async def test_the_header_tells_of_the_step_that_is_shown(tmp_path: Path, server: PacedServer, files: list[Path]) -> None:
    async with stage(tmp_path, server.base_url, "lab/fast", size=SIZE) as at:
        view = await opened(at)
        run = await started(at, task("Tell slowly what they are about", [*files[:1], tmp_path / "missing.md"]))
        summary = await named(at, run, "summarise Cats")
        missing = await named(at, run, str(tmp_path / "missing.md"))
        reading = await named(at, run, f"read {files[0]}")
        await at.until(lambda: summary.text.slice(0, 1) != "" and reading.outcome == "done" and missing.outcome == "failed")
        await mark(at, reading)
        await at.until(lambda: view.text.state.state == "saved")
        assert (view.text.state.ttft, view.text.state.rate, view.text.state.tokens) == (None, None, None)
        assert "read" in at.text_of(view.text.header)
        await mark(at, missing)
        await at.until(lambda: "✗ failed" in at.text_of(view.text.header))
        assert view.text.pane.text.count("✗") == 1
        await mark(at, summary)
        await at.until(lambda: "● streaming" in at.text_of(view.text.header))
        assert "summarise Cats" in at.text_of(view.text.header)
        assert "✗" not in view.text.pane.text
        await mark(at, reading)
        assert view.text.state.state == "saved"
        await at.press("escape")
        await idle(at)
        assert view.text.state.state == "saved"
        await mark(at, summary)
        await at.until(lambda: "■ stopped" in at.text_of(view.text.header))


async def test_escape_stops_the_run_and_keeps_what_there_was(tmp_path: Path, server: PacedServer, files: list[Path]) -> None:
    async with stage(tmp_path, server.base_url, "lab/fast", size=SIZE) as at:
        view = await opened(at)
        run = await started(at, task("Tell slowly what they are about", files))
        await at.until(lambda: sum("soprano" in str(step.text) for step in run.steps.values()) == 3)
        await at.press("escape")
        end = await run.wait()
        assert end.outcome == "cancelled"
        await idle(at)
        await at.until(lambda: server.counts.in_flight == 0)
        summaries = [step for step in run.steps.values() if step.name.startswith("summarise")]
        assert len(summaries) == 3
        for step in summaries:
            assert step.outcome == "cancelled"
            await mark(at, step)
            assert view.text.pane.text == expected(run, step)
            assert "soprano" in view.text.pane.text
        await at.until(lambda: [state for state, label, _ in rows(at) if label.startswith("summarise")] == ["stopped"] * 3)
        await at.until(lambda: "wall " in at.text_of(view.log_rows))


async def test_a_place_that_fails_is_named_and_the_report_comes_without_it(
    tmp_path: Path, server: PacedServer, files: list[Path]
) -> None:
    async with stage(tmp_path, server.base_url, "lab/fast", size=SIZE) as at:
        view = await opened(at)
        run = await started(at, task("What are these about?", [files[0], tmp_path / "missing.md"]))
        end = await run.wait()
        assert end.outcome == "done"
        await idle(at)
        await at.until(lambda: ("failed", "read missing.md") in [(s, lab[:15]) for s, lab, _ in rows(at)])
        assert f"Not searched: {tmp_path / 'missing.md'}" in view.text.pane.text
        assert "does not exist" in view.text.pane.text


async def test_when_no_place_can_be_read_that_is_told_once(tmp_path: Path, server: PacedServer) -> None:
    async with stage(tmp_path, server.base_url, "lab/fast", size=SIZE) as at:
        view = await opened(at)
        run = await started(at, "What is this about? @/no/such/file.md @~nosuchuser_x/file.md")
        assert (await run.wait()).outcome == "failed"
        await idle(at)
        text = view.text.pane.text
        assert text.count("no place could be read") == 1
        assert not re.search(r"\w+(Error|Exception): ", text), text
        await at.until(lambda: "✗ failed" in at.text_of(view.text.header))
        await at.until(lambda: "failed: no place could be read" in at.lines(view.log_rows)[-1])
        assert at.app.is_running


async def test_a_call_that_fails_is_told_once_in_its_step(tmp_path: Path, server: PacedServer, files: list[Path]) -> None:
    async with stage(tmp_path, server.base_url, "nowhere/model", size=SIZE) as at:
        view = await opened(at)
        run = await started(at, task("What is this about?", files[:1]))
        assert (await run.wait()).outcome == "failed"
        await idle(at)
        summary = await named(at, run, "summarise Cats")
        await mark(at, summary)
        assert view.text.pane.text.count("✗") == 1
        assert view.text.pane.text.count("nowhere") == 1


async def test_tasks_wait_their_turn_and_one_without_words_does_not_hold_up_the_rest(
    tmp_path: Path, server: PacedServer, files: list[Path]
) -> None:
    async with stage(tmp_path, server.base_url, "lab/fast", size=SIZE) as at:
        view = await opened(at)
        ends: list[RunEnded] = []
        reader = at.app.workspace.engine.subscribe(text=False)

        def ended() -> int:
            ends.extend(event for event in reader.drain() if isinstance(event, RunEnded))
            return len(ends)

        await at.send(task("Tell slowly what they are about", files[:1]))
        await at.send(f"@{files[1]}")
        await at.send(task("And this?", files[1:2]))
        await at.until(lambda: "soprano" in view.text.pane.text)
        await at.until(lambda: "prompts waiting" in at.screen())
        await at.press("escape")
        await at.until(lambda: ended() == 2)
        await idle(at)
        assert [end.outcome for end in ends] == ["cancelled", "done"]
        assert view.text.pane.text.startswith("› And this?")
        await at.until(lambda: "summarise Cats" not in at.text_of(view.log_rows))


async def test_a_task_without_words_is_not_run_and_says_what_is_missing(
    tmp_path: Path, server: PacedServer, files: list[Path]
) -> None:
    async with stage(tmp_path, server.base_url, "lab/fast", size=(120, 36)) as at:
        await opened(at)
        await at.send(f"@{files[0]}")
        await at.until(lambda: "Say what to find out" in at.screen())
        assert at.app.workspace.engine.runs == {}


async def test_the_step_under_the_pointer_is_marked_by_a_click(tmp_path: Path, server: PacedServer, files: list[Path]) -> None:
    async with stage(tmp_path, server.base_url, "lab/fast", size=SIZE) as at:
        view = await opened(at)
        run = await started(at, task("What are these about?", files))
        await run.wait()
        await at.until(lambda: len(rows(at)) == 10)
        await idle(at)
        await at.click("summarise Birds", view.log_rows)
        assert view.text.pane.text == f"› {run.title}\n\nIt is about dogs."
        await at.until(lambda: "summarise Birds" in at.text_of(view.text.header))


HERE = Path.cwd()


@pytest.mark.parametrize(
    ("text", "question", "places"),
    [
        ("What is it?", "What is it?", ("library:default",)),
        ("What? @a.md @b/c.md", "What?", (str(HERE / "a.md"), str(HERE / "b/c.md"))),
        ("Compare @a.md, @b.md.", "Compare", (str(HERE / "a.md"), str(HERE / "b.md"))),
        ("Read @. and @..", "Read and", (str(HERE), str(HERE / ".."))),
        ("Compare @a.md and @b.md", "Compare and", (str(HERE / "a.md"), str(HERE / "b.md"))),
        ("See https://a.org/x, then", "See then", ("https://a.org/x",)),
        ("See https://a.org/x.", "See", ("https://a.org/x",)),
        ("See (https://a.org/x)", "See", ("https://a.org/x",)),
        ("See https://a.org/x?q=1&r=2", "See", ("https://a.org/x?q=1&r=2",)),
        ("See HTTPS://A.org/x", "See", ("HTTPS://A.org/x",)),
        ("Ask library:letters, please", "Ask please", ("library:letters",)),
        ("mail me @ home", "mail me @ home", ("library:default",)),
        ('Read @"my notes/a b.md" well', "Read well", (str(HERE / "my notes/a b.md"),)),
        ("@a.md", "", (str(HERE / "a.md"),)),
        ("  spread \n over\tlines ", "spread over lines", ("library:default",)),
        ("", "", ("library:default",)),
    ],
)
def test_a_task_is_parted_into_words_and_places(text: str, question: str, places: tuple[str, ...]) -> None:
    assert parse_task(text) == (question, places)


def test_a_home_that_is_not_there_is_left_for_the_reader_to_tell(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert parse_task("x @~/a.md @~nosuchuser_x/b.md") == ("x", (str(tmp_path / "a.md"), "~nosuchuser_x/b.md"))
