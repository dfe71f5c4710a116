"""Budgets against a real server: an answer is stopped where it would cost too much, and nothing further is begun."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from agents.events import Log, StepEnded
from agents.models.names import parse_model
from agents.requests import Chat, Lane, Message
from agents.settings import Defaults, Endpoint, Locations, Price, Settings
from agents.workspace import Workspace
from tests.servers.paced import PacedServer

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from agents.events import AnyEvent
    from agents.runs import Run

PRICE = Price(input=0.0, output=1000.0)
"""A thousandth a token."""


def workspace(folder: Path, server: PacedServer, budget: float | None = None, price: Price | None = PRICE) -> Workspace:
    endpoint = Endpoint(base_url=server.base_url, price=price, max_retries=2)
    settings = Settings(defaults=Defaults(budget=budget), endpoints={"lab": endpoint})
    locations = Locations(config=folder / "config.toml", data=folder / "data", themes=folder / "themes")
    return Workspace(settings, locations)


def lane(model: str, text: str = "Sing") -> Lane:
    return Lane(model=parse_model(f"lab/{model}"), messages=(Message("user", text),))


async def events_of(here: Workspace, *lanes: Lane, budget: float | None = None) -> tuple[Run, list[AnyEvent]]:
    with here.engine.subscribe() as reader:
        run = here.engine.submit(Chat(lanes=lanes, budget=budget))
        await run.wait()
        return run, reader.drain()


def ends(events: list[AnyEvent]) -> list[StepEnded]:
    return [event for event in events if isinstance(event, StepEnded)]


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110  # what is waited for happens in a server
            await asyncio.sleep(0.005)


async def test_an_answer_is_stopped_where_the_budget_ends_and_its_text_is_kept(tmp_path: Path) -> None:
    async with PacedServer() as server, workspace(tmp_path, server, budget=0.0205) as here:
        run, events = await events_of(here, lane("paced-4000-200"))
        (end,) = ends(events)
        (step,) = run.steps.values()
        assert (end.outcome, end.error_kind, end.attempts) == ("failed", "budget", 1)
        assert end.error is not None
        assert "budget of 0.02" in end.error
        assert 0 < len(step.text) < 200
        assert end.usage is not None
        assert end.usage.estimated
        await until(lambda: server.counts.dropped == 1)
        figures = here.models.spend.figures()
        assert 0.0205 < figures.spent < 0.025
        assert (figures.left, figures.stopped) == (0, 1)


async def test_nothing_further_is_begun_once_the_budget_is_used_up(tmp_path: Path) -> None:
    async with PacedServer() as server, workspace(tmp_path, server, budget=0.01) as here:
        await events_of(here, lane("paced-400-0"))
        before = server.counts.requests
        _, events = await events_of(here, lane("paced-4-0", "Another"))
        assert [end.error_kind for end in ends(events)] == ["budget"]
        assert server.counts.requests == before
        here.models.spend.budget = 1.0
        _, events = await events_of(here, lane("paced-4-0", "Another"))
        assert [end.outcome for end in ends(events)] == ["done"]


async def test_a_turns_own_budget_is_shared_by_its_lanes_and_ends_with_it(tmp_path: Path) -> None:
    async with PacedServer() as server, workspace(tmp_path, server) as here:
        run, events = await events_of(here, lane("paced-4000-200"), lane("paced-4001-200"), budget=0.03)
        assert [end.error_kind for end in ends(events)] == ["budget", "budget"]
        assert 0 < sum(step.pieces for step in run.steps.values()) <= 40
        _, events = await events_of(here, lane("paced-40-0"))
        assert [end.outcome for end in ends(events)] == ["done"]
        assert [end.cost for end in ends(events)] == [0.04]


async def test_the_servers_count_settles_what_was_estimated(tmp_path: Path) -> None:
    async with PacedServer() as server, workspace(tmp_path, server, budget=1.0) as here:
        await events_of(here, lane("paced-40-0"))
        figures = here.models.spend.figures()
        assert (round(figures.spent, 9), round(figures.estimated, 9)) == (0.04, 0)
        assert figures.endpoints == {"lab": 0.04}


async def test_answers_that_were_kept_or_shared_cost_nothing(tmp_path: Path) -> None:
    async with PacedServer() as server, workspace(tmp_path, server) as here:
        _, events = await events_of(here, lane("paced-40-200"), lane("paced-40-200"))
        assert sorted((end.joined, end.cost) for end in ends(events)) == [(False, 0.04), (True, 0.0)]
        await until(lambda: not here.models._tasks)
        _, events = await events_of(here, lane("paced-40-200"))
        assert [(end.cached, end.cost) for end in ends(events)] == [(True, 0.0)]
        assert round(here.models.spend.figures().spent, 9) == 0.04
        assert server.counts.requests == 1


async def test_that_calls_cannot_be_counted_is_said_once(tmp_path: Path) -> None:
    async with PacedServer() as server, workspace(tmp_path, server, budget=0.001, price=None) as here:
        told = []
        for text in ("One", "Two"):
            _, events = await events_of(here, lane("paced-40-0", text))
            assert [end.outcome for end in ends(events)] == ["done"]
            told += [event.message for event in events if isinstance(event, Log) and event.keep]
        assert told == ["the budget cannot count calls to lab, which has no price: set endpoints.lab.price"]


async def test_a_stopped_answer_closes_its_connection_keeps_its_text_and_counts_what_came(tmp_path: Path) -> None:
    async with PacedServer() as server, workspace(tmp_path, server) as here:
        with here.engine.subscribe() as reader:
            run = here.engine.submit(Chat(lanes=(lane("paced-4000-20"),)))
            await until(lambda: any(step.pieces >= 3 for step in run.steps.values()))
            (step,) = run.steps.values()
            run.cancel(step.id)
            await run.wait()
            pieces = step.pieces
            await until(lambda: server.counts.dropped == 1)
            (end,) = ends(reader.drain())
        assert (end.outcome, step.pieces) == ("cancelled", pieces)
        assert end.usage is not None
        assert (end.usage.output, end.usage.estimated) == (pieces, True)
        assert len(step.text) > 0
        figures = here.models.spend.figures()
        assert figures.spent == figures.estimated > 0


async def test_the_end_of_a_runs_budget_stops_nobody_else_who_asked_the_same(tmp_path: Path) -> None:
    async with PacedServer() as server, workspace(tmp_path, server) as here:
        tight = here.engine.submit(Chat(lanes=(lane("paced-100-100"),), budget=0.02))
        await until(lambda: server.counts.requests == 1)
        free = here.engine.submit(Chat(lanes=(lane("paced-100-100"),)))
        for run in (tight, free):
            await run.wait()
        kinds = [step.end.error_kind for run in (tight, free) for step in run.steps.values() if step.end is not None]
        assert kinds == ["budget", None]


async def test_lanes_of_a_run_with_a_budget_share_one_call(tmp_path: Path) -> None:
    async with PacedServer() as server, workspace(tmp_path, server) as here:
        _, events = await events_of(here, lane("paced-20-100"), lane("paced-20-100"), budget=1.0)
        assert [end.outcome for end in ends(events)] == ["done", "done"]
        assert server.counts.requests == 1
