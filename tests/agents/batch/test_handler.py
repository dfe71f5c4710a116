from __future__ import annotations

import asyncio
import json
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from agents.batch import handler
from agents.engine import Engine
from agents.events import AnyEvent, Log, Planned, Retried, RunEnded, Saved, StepEnded
from agents.models.names import parse_model
from agents.requests import Batch
from agents.settings import Endpoint, Locations, Price, Settings
from agents.workspace import Workspace
from storage.history import RunHistory
from storage.store import Store
from tests.servers.faults import FaultServer
from tests.servers.paced import PacedServer, words
from tests.servers.scripted import ScriptedServer, status

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from agents.models.service import Models
    from agents.runs import Run

Row = dict[str, Any]


@pytest.fixture
async def paced() -> AsyncIterator[PacedServer]:
    async with PacedServer() as server:
        yield server


@pytest.fixture
async def faults() -> AsyncIterator[FaultServer]:
    async with FaultServer() as server:
        yield server


class Desk:
    """A folder with a batch's files and a configuration."""

    def __init__(self, folder: Path, **endpoints: Endpoint) -> None:
        self.folder = folder
        self.settings = Settings(endpoints=endpoints)
        self.events: list[AnyEvent] = []

    @property
    def locations(self) -> Locations:
        return Locations(config=self.folder / "config.toml", data=self.folder / "data", themes=self.folder / "themes")

    def given(self, *rows: object) -> None:
        lines = (row if isinstance(row, str) else json.dumps(row) for row in rows)
        (self.folder / "in.jsonl").write_text("".join(f"{line}\n" for line in lines))

    def results(self, name: str = "out.jsonl") -> list[Row]:
        return [json.loads(line) for line in (self.folder / name).read_text().splitlines()]

    def names(self) -> list[str]:
        return sorted(path.name for path in self.folder.iterdir() if path.name.startswith(("in", "out")))

    async def batch(self, *models: str, meanwhile: Callable[[Run], Any] | None = None, **more: Any) -> RunEnded:
        given: dict[str, Any] = {"source": str(self.folder / "in.jsonl"), "use_cache": False, **more}
        request = Batch(out=str(self.folder / "out.jsonl"), models=tuple(map(parse_model, models)), names=models, **given)
        self.events.clear()
        async with Workspace(self.settings, self.locations) as workspace:
            with workspace.engine.subscribe(text=False) as reader:
                run = workspace.engine.submit(request)
                if meanwhile is not None:
                    await meanwhile(run)
                async for event in reader:
                    self.events.append(event)
                    if isinstance(event, Saved) and event.step is None:
                        break
            return await run.wait()


@pytest.fixture
def desk(tmp_path: Path, paced: PacedServer) -> Desk:
    return Desk(tmp_path, lab=Endpoint(base_url=paced.base_url, max_retries=0))


def prompts(count: int) -> list[Row]:
    return [{"prompt": f"question {number}"} for number in range(count)]


def asked(server: PacedServer) -> list[str]:
    bodies = [request.json() for request in server.requests]
    return [str(body["messages"][-1]["content"]) for body in bodies]  # type: ignore[index]  # a request


async def test_a_batch_is_one_run_whose_rows_the_journal_has(desk: Desk) -> None:
    desk.given(*prompts(5))
    ended = await desk.batch("lab/paced-3-0")
    async with Store(desk.locations.database) as store:
        history = RunHistory(store)
        (run,) = await history.list()
        steps = await history.steps(run.id)
    assert (ended.outcome, run.kind, run.outcome, run.title) == ("done", "batch", "done", "in.jsonl to out.jsonl")
    assert [(step.kind, step.name, step.text) for step in steps[1:]] == [
        ("model", str(number), "".join(words(3))) for number in range(1, 6)
    ]
    assert run.busy == pytest.approx(sum(e.timings.busy for e in desk.events if isinstance(e, StepEnded) and e.usage), rel=0.01)


async def test_rows_are_let_go_of_as_they_end(desk: Desk) -> None:
    held: list[int] = []

    async def watch(run: Run) -> None:
        while not run.ended.done():
            held.append(len(run.steps))
            await asyncio.sleep(0)

    desk.given(*prompts(100))
    await desk.batch("lab/paced-3-0", jobs=4, meanwhile=watch)
    assert len(desk.results()) == 100
    assert max(held) <= 5


async def test_a_line_that_cannot_be_asked_is_one_row_that_says_so(desk: Desk) -> None:
    desk.given({"prompt": "one"}, "", "nonsense", {"prompt": "two"})
    assert (await desk.batch("lab/paced-3-0", "lab/paced-4-0")).outcome == "done"
    rows = desk.results()
    assert [(row["id"], row["model"], row["error"] is None) for row in rows] == [
        (1, "lab/paced-3-0", True),
        (1, "lab/paced-4-0", True),
        (3, None, False),
        (4, "lab/paced-3-0", True),
        (4, "lab/paced-4-0", True),
    ]
    assert rows[2]["error"]["kind"] == "input"
    assert rows[2]["error"]["message"].startswith("line 3 is not a JSON object like")
    assert [event.total for event in desk.events if isinstance(event, Planned)][-1] == 5


async def test_as_many_rows_are_in_flight_as_the_endpoint_takes(desk: Desk, paced: PacedServer) -> None:
    desk.given(*prompts(20))
    await desk.batch("lab/delay-0.1-3")
    assert paced.counts.peak_in_flight == 8


async def test_resume_asks_only_what_is_not_there(desk: Desk, paced: PacedServer) -> None:
    desk.given(*prompts(6))
    await desk.batch("lab/paced-3-0")
    whole = (desk.folder / "out.jsonl").read_text().splitlines(keepends=True)
    (desk.folder / "out.jsonl").write_text("".join(whole[:2]) + whole[2][:20])
    (desk.folder / "out.jsonl.partial").write_text(whole[4] + whole[3][:-1])
    paced.requests.clear()
    await desk.batch("lab/paced-3-0", resume=True)
    assert sorted(asked(paced)) == ["question 2", "question 3", "question 5"]
    assert [row["id"] for row in desk.results()] == [1, 2, 3, 4, 5, 6]
    assert (desk.folder / "out.jsonl").read_text().startswith("".join(whole[:2]))
    assert desk.names() == ["in.jsonl", "out.jsonl"]
    planned = [event for event in desk.events if isinstance(event, Planned)][-1]
    assert (planned.total, planned.kept, planned.failed) == (6, 3, 0)


async def test_failures_stay_until_they_are_asked_again(desk: Desk, paced: PacedServer, faults: FaultServer) -> None:
    desk.settings.endpoints["bad"] = Endpoint(base_url=faults.base_url, max_retries=0)
    desk.given(*prompts(3))
    models = ("bad/status-500", "lab/paced-3-0")
    await desk.batch(*models)
    assert [row["error"] and row["error"]["kind"] for row in desk.results()] == ["server", None] * 3
    requests = faults.counts.requests
    await desk.batch(*models, resume=True)
    assert faults.counts.requests == requests
    assert [event.failed for event in desk.events if isinstance(event, Planned)][-1] == 3
    await desk.batch(*models, resume=True, retry_errors=True)
    assert faults.counts.requests == requests + 3
    assert [row["error"] and row["error"]["kind"] for row in desk.results()] == ["server", None] * 3
    assert paced.counts.requests == 3
    assert desk.names() == ["in.jsonl", "out.jsonl"]


async def test_an_answer_that_was_cut_keeps_its_text_and_says_so(tmp_path: Path, faults: FaultServer) -> None:
    desk = Desk(tmp_path, bad=Endpoint(base_url=faults.base_url, max_retries=0))
    desk.given(*prompts(1))
    await desk.batch("bad/reset-mid")
    (row,) = desk.results()
    assert (row["answer"], row["error"]["kind"], row["finish_reason"]) == ("Hello wörld", "cut", None)


async def test_a_budget_that_is_used_up_ends_it_and_the_rest_can_be_asked_later(tmp_path: Path, paced: PacedServer) -> None:
    desk = Desk(tmp_path, lab=Endpoint(base_url=paced.base_url, price=Price(output=1000.0)))
    desk.given(*prompts(20))
    ended = await desk.batch("lab/delay-0.02-10", jobs=1, budget=0.055)
    assert ended.outcome == "failed"
    assert "budget" in (ended.error or "")
    assert (ended.error or "").endswith("; the rest was not asked: go on with --resume, which begins a budget of its own")
    assert 0 < len(desk.results()) <= 6
    assert all(row["error"] is None and row["cost"] == pytest.approx(0.01) for row in desk.results())
    assert (await desk.batch("lab/delay-0.02-10", budget=9.0, resume=True)).outcome == "done"
    assert len(desk.results()) == 20


async def test_answers_that_belong_to_no_row_any_more_are_kept_aside_and_told_of(desk: Desk) -> None:
    desk.given(*prompts(3))
    await desk.batch("lab/paced-3-0")
    desk.given(*prompts(2))
    await desk.batch("lab/paced-3-0", resume=True)
    assert [row["id"] for row in desk.results()] == [1, 2]
    assert [row["id"] for row in desk.results("out.jsonl.partial")] == [3]
    (line,) = [event.message for event in desk.events if isinstance(event, Log)]
    assert line.startswith("1 lines of before belong to no row of")


async def test_a_batch_that_drains_begins_nothing_new_and_is_told_as_cancelled(desk: Desk, paced: PacedServer) -> None:
    async def drain(run: Run) -> None:
        await paced.until(lambda: paced.counts.in_flight == 3)
        run.drain()

    desk.given(*prompts(10))
    ended = await desk.batch("lab/delay-0.2-3", jobs=3, meanwhile=drain)
    assert (ended.outcome, len(desk.results()), paced.counts.requests, paced.counts.dropped) == ("cancelled", 3, 3, 0)
    assert desk.names() == ["in.jsonl", "out.jsonl"]


async def test_a_batch_that_drains_waits_for_no_row_that_a_limit_holds_back(tmp_path: Path, paced: PacedServer) -> None:
    async def drain(run: Run) -> None:
        await paced.until(lambda: paced.counts.requests == 3)
        run.drain()

    desk = Desk(tmp_path, lab=Endpoint(base_url=paced.base_url, requests_per_minute=3))
    desk.given(*prompts(10))
    async with asyncio.timeout(20):
        ended = await desk.batch("lab/delay-0.2-3", jobs=10, meanwhile=drain)
    assert (ended.outcome, paced.counts.requests, paced.counts.dropped) == ("cancelled", 3, 0)
    assert [row["error"] for row in desk.results()] == [None] * 3
    desk.settings.endpoints["lab"] = Endpoint(base_url=paced.base_url)
    assert (await desk.batch("lab/delay-0.2-3", resume=True)).outcome == "done"
    assert (len(desk.results()), paced.counts.requests) == (10, 10)


async def test_a_batch_that_drains_waits_for_no_row_that_is_to_be_tried_again(tmp_path: Path, faults: FaultServer) -> None:
    async def drain(run: Run) -> None:
        async for event in run.stream.subscribe(run.id):
            if isinstance(event, Retried):
                break
        run.drain()

    desk = Desk(tmp_path, bad=Endpoint(base_url=faults.base_url, max_retries=9))
    desk.given(*prompts(2))
    async with asyncio.timeout(20):
        ended = await desk.batch("bad/status-503", jobs=2, meanwhile=drain)
    assert (ended.outcome, desk.results()) == ("cancelled", [])


async def test_a_batch_that_is_cancelled_keeps_what_was_done_aside(desk: Desk, paced: PacedServer) -> None:
    async def cancel(run: Run) -> None:
        ends = 0
        async for event in run.stream.subscribe(run.id):
            ends += isinstance(event, StepEnded)
            if ends == 4:
                break
        run.cancel()

    desk.given({"prompt": "first"}, *prompts(4))
    paced._rules = [("first", "delay-600")]
    ended = await desk.batch("lab/paced-3-0", jobs=2, meanwhile=cancel)
    assert (ended.outcome, desk.results()) == ("cancelled", [])
    assert sorted(row["id"] for row in desk.results("out.jsonl.partial")) == [2, 3, 4, 5]
    paced._rules = []
    paced.requests.clear()
    assert (await desk.batch("lab/paced-3-0", resume=True)).outcome == "done"
    assert asked(paced) == ["first"]
    assert [row["id"] for row in desk.results()] == [1, 2, 3, 4, 5]


async def test_one_row_that_is_stopped_says_so_and_the_others_go_on(desk: Desk, paced: PacedServer) -> None:
    async def stop(run: Run) -> None:
        await paced.until(lambda: paced.counts.requests == 3)
        run.cancel(next(step.id for step in run.steps.values() if step.name == "1"))

    desk.given({"prompt": "first"}, *prompts(2))
    paced._rules = [("first", "delay-600")]
    assert (await desk.batch("lab/paced-3-0", meanwhile=stop)).outcome == "done"
    assert [row["error"] and row["error"]["kind"] for row in desk.results()] == ["cancelled", None, None]


async def test_an_endpoint_that_takes_nobody_ends_it_after_some_rows(tmp_path: Path, faults: FaultServer) -> None:
    desk = Desk(tmp_path, bad=Endpoint(base_url=faults.base_url, max_retries=0))
    desk.given(*prompts(500))
    ended = await desk.batch("bad/status-401", jobs=4)
    assert ended.outcome == "failed"
    assert "50 rows failed one after the other" in (ended.error or "")
    assert (ended.error or "").endswith("the rest was not asked: go on with --resume --retry-errors")
    assert 50 <= len(desk.results()) <= 54
    assert faults.counts.requests <= 54


async def test_where_no_row_was_ever_answered_it_does_not_go_on_for_hours(
    tmp_path: Path, faults: FaultServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(handler, "_NOBODY", 0.0)
    desk = Desk(tmp_path, bad=Endpoint(base_url=faults.base_url, max_retries=0))
    desk.given(*prompts(500))
    ended = await desk.batch("bad/status-401", jobs=4)
    assert (ended.error or "").startswith("no row was answered so far (")
    assert 1 <= len(desk.results()) <= 8


async def test_calls_that_were_in_flight_together_do_not_end_it_by_failing_together(tmp_path: Path, faults: FaultServer) -> None:
    desk = Desk(tmp_path, bad=Endpoint(base_url=faults.base_url, max_retries=0, concurrency=40))
    desk.given(*prompts(70))
    ended = await desk.batch("bad/status-404")
    assert ended.error is None
    assert len(desk.results()) == 70


async def test_an_endpoint_that_asks_for_a_longer_wait_than_is_waited_does_not_fail_every_row(tmp_path: Path) -> None:
    async with ScriptedServer(status(429, "retry-after: 700\r\n")) as server:
        desk = Desk(tmp_path, bad=Endpoint(base_url=server.base_url))
        desk.given(*prompts(500))
        ended = await desk.batch("bad/any", jobs=4)
    assert ended.outcome == "failed"
    assert "it asks to wait 700 s" in (ended.error or "")
    assert len(desk.results()) <= 54


async def test_the_journal_has_the_beginning_of_a_long_id_and_the_output_all_of_it(desk: Desk) -> None:
    desk.given({"prompt": "one", "id": "i" * 5000})
    await desk.batch("lab/paced-3-0")
    async with Store(desk.locations.database) as store:
        history = RunHistory(store)
        (run,) = await history.list()
        steps = await history.steps(run.id)
    assert [len(step.name) for step in steps[1:]] == [200]
    assert [len(row["id"]) for row in desk.results()] == [5000]


@pytest.mark.parametrize("source", ["out.jsonl", "out.jsonl.partial", "link"])
async def test_what_is_read_is_never_written_to(desk: Desk, source: str) -> None:
    rows = '{"prompt":"one"}\n{"prompt":"two"}'
    (desk.folder / "link").symlink_to("out.jsonl")
    place = desk.folder / source
    place.write_text(rows)
    ended = await desk.batch("lab/paced-3-0", source=str(place), resume=True)
    assert ended.outcome == "failed"
    assert "cannot be read from and written to at once" in (ended.error or "")
    assert place.read_text() == rows
    assert len(desk.names()) == 1


async def test_an_input_that_goes_away_or_cannot_be_read_is_one_line(desk: Desk) -> None:
    ended = await desk.batch("lab/paced-3-0")
    assert (ended.outcome, ended.error) == ("failed", f"{desk.folder}/in.jsonl: there is no such file")
    assert desk.names() == []


async def test_an_engine_without_steps_below_it_forgets_nothing() -> None:
    seen: list[float] = []

    async def work(run: Run) -> None:
        with run.step("group", "top") as top:
            for number in range(3):
                with run.step("model", str(number), parent=top) as step:
                    step.start()
                run.let_go(step)
                run.let_go(step)
                seen.append(step.timings().busy)

    async with Engine({Batch: work}) as engine:
        run = engine.submit(Batch(source="a", out="b", models=(), names=()))
        ended = await run.wait()
    assert ended.busy == pytest.approx(sum(seen))
    assert len(run.steps) == 1


async def test_a_cap_that_is_changed_while_a_batch_runs_changes_how_many_rows_are_in_flight(
    tmp_path: Path, paced: PacedServer
) -> None:
    desk = Desk(tmp_path, lab=Endpoint(base_url=paced.base_url, concurrency=2))
    desk.given(*prompts(40))
    seen: list[int] = []

    def asks(run: Run, cap: int) -> bool:
        return paced.counts.in_flight == cap == sum(step.kind == "model" for step in run.steps.values())

    async def change(run: Run, models: Models) -> None:
        for cap in (2, 12, 3):
            models.set_cap("lab", cap)
            # It is used when it is high, and nobody waits at the door when it is low.
            await paced.until(partial(asks, run, cap))
            seen.append(cap)
        models.set_cap("lab", 100)

    async with Workspace(desk.settings, desk.locations) as workspace:
        await workspace.open()
        request = Batch(
            source=str(tmp_path / "in.jsonl"),
            out=str(tmp_path / "out.jsonl"),
            models=(parse_model("lab/paced-20-20"),),
            names=("lab/paced-20-20",),
            use_cache=False,
        )
        run = workspace.engine.submit(request)
        async with asyncio.timeout(20):
            await change(run, workspace.models)
            assert (await run.wait()).outcome == "done"
    assert (seen, len(desk.results())) == ([2, 12, 3], 40)
