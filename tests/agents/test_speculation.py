"""Likely next questions asked beforehand, against a real server on loopback."""

from __future__ import annotations

import asyncio
import contextlib
import json
from time import monotonic
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from agents.events import StepEnded
from agents.models.gates import Gate
from agents.models.names import parse_model
from agents.models.turns import Turn
from agents.offers import WINDOW
from agents.requests import Chat, Lane, Message, ModelRef
from agents.settings import Defaults, Endpoint, Locations, Price, Route, Settings
from agents.workspace import Workspace
from tests.servers.paced import PacedServer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from agents.models.discovery import Target
    from agents.runs import Run
    from agents.speculation import Speculation

QUESTIONS = ["Why is that?", "Who said so?", "And then?"]
FIRST = "What is a stretto?"
SLOW = ("Who said so?", "paced-40-20")
"""Two seconds for the answer to one of them."""


class Clock:
    """Seconds that pass when they are told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Room:
    """A workspace, its server, and a person in one conversation."""

    def __init__(self, workspace: Workspace, server: PacedServer) -> None:
        self.workspace, self.server = workspace, server
        self.model = parse_model("lab/m")
        self.after: str | None = None
        self.text = ""

    @property
    def ahead(self) -> Speculation:
        return self.workspace.speculation

    def lane(self, *texts: str) -> Lane:
        return Lane(model=self.model, messages=tuple(Message("user", text) for text in texts), after=self.after)

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(10):
            while not condition():  # noqa: ASYNC110  # what is waited for happens in a server, too
                await asyncio.sleep(0.005)

    async def ask(self, text: str) -> StepEnded:
        """Ask as a person does, and go on from the answer."""
        with self.workspace.engine.subscribe() as reader:
            run = self.begin(text)
            await self.until(lambda: run.ended.done() or any(step.attempts for step in run.steps.values()))
            self.ahead.begun()
            await run.wait()
            (ended,) = [event for event in reader.drain() if isinstance(event, StepEnded)]
        (step,) = run.steps.values()
        self.after, self.text = step.id, step.text.slice(step.offset)
        return ended

    def begin(self, text: str) -> Run:
        lane = self.lane(text)
        self.ahead.asked([lane])
        return self.workspace.engine.submit(Chat(lanes=(lane,), use_cache=self.workspace.settings.defaults.cache))

    def look_ahead(self) -> None:
        self.ahead.look_ahead(self.lane(), use_cache=self.workspace.settings.defaults.cache)

    def offered(self) -> dict[str, str]:
        return {likely.text: likely.state for likely in self.ahead.offered(self.lane())}

    async def ready(self, *texts: str) -> None:
        await self.until(lambda: all(self.offered().get(text) == "ready" for text in texts or QUESTIONS))

    async def offer(self) -> None:
        """Have an answer, and all that is asked beforehand after it."""
        await self.ask(FIRST)
        self.look_ahead()
        await self.ready()

    def requests(self, text: str) -> int:
        """Return how often the server was asked ``text``."""
        asked: list[Any] = [request.json() for request in self.server.requests if request.method == "POST"]
        return sum(body["messages"][-1]["content"] == text for body in asked)


def reply(asked: dict[str, Any]) -> str | None:
    if "response_format" in asked:
        return json.dumps({"questions": QUESTIONS})
    last = asked["messages"][-1]["content"]
    return None if last == SLOW[0] else f"an answer to {last}"


@contextlib.asynccontextmanager
async def room(
    folder: Path,
    *,
    defaults: Defaults | None = None,
    endpoint: Callable[[str], Endpoint] = lambda base_url: Endpoint(base_url=base_url, max_retries=0),
    clock: Clock | None = None,
    rules: tuple[tuple[str, str], ...] = (),
    answers: Callable[[dict[str, Any]], str | None] = reply,
) -> AsyncIterator[Room]:
    async with PacedServer(reply=answers, rules=rules) as server:
        settings = Settings(
            defaults=defaults or Defaults(speculate="free", cache=False), endpoints={"lab": endpoint(server.base_url)}
        )
        locations = Locations(config=folder / "config.toml", data=folder / "data", themes=folder / "themes")
        async with Workspace(settings, locations) as workspace:
            await workspace.open()
            if clock is not None:
                workspace.speculation._clock = clock
            yield Room(workspace, server)


async def test_what_was_asked_beforehand_is_there_at_once_and_says_so(tmp_path: Path) -> None:
    async with room(tmp_path) as here:
        await here.offer()
        before = here.server.counts.requests
        ended = await here.ask(QUESTIONS[2])
        assert (ended.speculated, ended.outcome, here.text) == (True, "done", f"an answer to {QUESTIONS[2]}")
        assert here.server.counts.requests == before
        figures = here.ahead.figures()
        assert (figures.hits, figures.misses, figures.rate) == (1, 0, 1.0)
        assert figures.tokens > figures.wasted > 0
        assert figures.saved > 0
        assert here.offered() == {}


async def test_white_space_and_case_do_not_count(tmp_path: Path) -> None:
    async with room(tmp_path) as here:
        await here.offer()
        ended = await here.ask("and  THEN?")
        assert (ended.speculated, here.ahead.figures().hits) == (True, 1)


async def test_something_else_stops_all_of_it_at_once(tmp_path: Path) -> None:
    async with room(tmp_path, rules=(SLOW,)) as here:
        await here.ask(FIRST)
        here.look_ahead()
        await here.ready("And then?")
        await here.until(lambda: here.requests(SLOW[0]) == 1)
        ended = await here.ask("Something else")
        assert not ended.speculated
        await here.until(lambda: here.server.counts.dropped == 1)
        await here.until(lambda: here.ahead.figures().wasted == here.ahead.figures().tokens > 0)
        assert (here.ahead.figures().hits, here.ahead.figures().misses) == (0, 1)


async def test_a_question_in_flight_is_followed_and_not_asked_twice(tmp_path: Path) -> None:
    async with room(tmp_path, rules=(SLOW,)) as here:
        await here.ask(FIRST)
        here.look_ahead()
        await here.until(lambda: here.requests(SLOW[0]) == 1)
        ended = await here.ask(SLOW[0])
        # It is the person's own call from then on, with all it used.
        assert (ended.joined, ended.outcome) == (False, "done")
        assert ended.usage is not None
        assert not ended.usage.estimated
        assert len(here.text.split()) > 20
        assert (here.requests(SLOW[0]), here.server.counts.dropped) == (1, 0)
        assert here.ahead.figures().hits == 1


async def test_stopping_what_is_followed_closes_the_connection(tmp_path: Path) -> None:
    async with room(tmp_path, rules=(SLOW,)) as here:
        await here.ask(FIRST)
        here.look_ahead()
        await here.until(lambda: here.requests(SLOW[0]) == 1)
        run = here.begin(SLOW[0])
        await here.until(lambda: any(step.pieces for step in run.steps.values()))
        here.ahead.begun()
        run.cancel()
        await run.wait()
        await here.until(lambda: here.server.counts.dropped == 1)


async def test_it_is_off_unless_a_person_or_the_configuration_says_otherwise(tmp_path: Path) -> None:
    async with room(tmp_path, defaults=Defaults(cache=False)) as here:
        await here.ask(FIRST)
        here.look_ahead()
        assert (here.ahead.on, here.ahead.figures().reason) == (False, "it is off unless it is switched on")
        assert here.ahead._offer is None
        assert here.ahead.switch()
        here.look_ahead()
        await here.ready()
        assert not here.ahead.switch()
        assert here.offered() == {}


@pytest.mark.parametrize(
    ("speculate", "price", "asked"),
    [("free", Price(output=1.0), False), ("free", Price(), True), ("free", None, True), ("always", Price(output=1.0), True)],
)
async def test_what_costs_is_asked_beforehand_only_if_that_is_wanted(
    tmp_path: Path, speculate: Any, price: Price | None, asked: bool
) -> None:
    def endpoint(base_url: str) -> Endpoint:
        return Endpoint(base_url=base_url, price=price)

    async with room(tmp_path, defaults=Defaults(speculate=speculate), endpoint=endpoint) as here:
        assert here.ahead.allows(here.model) is asked


async def test_an_endpoint_with_a_key_over_the_network_is_not_taken_for_free(tmp_path: Path) -> None:
    def endpoint(base_url: str) -> Endpoint:
        return Endpoint(base_url="https://models.example/v1", api_key_env="MODELS_KEY")

    async with room(tmp_path, endpoint=endpoint) as here:
        assert not here.ahead.allows(here.model)


@pytest.mark.parametrize(("fallbacks", "free"), [((), True), (("lab/other",), True), (("paid/large",), False)])
async def test_a_route_is_free_only_where_its_fallbacks_are_free_too(
    tmp_path: Path, fallbacks: tuple[str, ...], free: bool
) -> None:
    async with room(tmp_path) as here:
        here.ahead._routes = {"pool": Route(members=("lab",), fallbacks=fallbacks)}
        gates = here.workspace.models.directory.gates
        gates["paid"] = Gate(_paid(gates["lab"].target), monotonic, Turn())
        assert here.ahead.allows(ModelRef("pool", "paced-1-0")) is free


def _paid(target: Target) -> Target:
    return msgspec.structs.replace(target, name="paid", base_url="https://models.example/v1", key_name="MODELS_KEY")


async def test_too_few_hits_switch_it_off_until_a_person_switches_it_on(tmp_path: Path) -> None:
    async with room(tmp_path) as here:
        await here.ask(FIRST)
        for number in range(WINDOW):
            here.look_ahead()
            await here.until(lambda: bool(here.offered()))
            assert here.ahead.on
            await here.ask(QUESTIONS[0] if number < WINDOW * 0.7 - 1 else f"Something else {number}")
            here.after = None
            await here.ask(FIRST)
        figures = here.ahead.figures()
        assert (figures.hits, figures.misses, figures.on) == (13, 7, False)
        assert here.ahead.notices() == ["Likely next questions are off: only 65% of the last 20 offers were right."]
        assert here.ahead.notices() == []
        here.look_ahead()
        assert here.ahead._offer is None
        assert here.ahead.switch()
        here.look_ahead()
        here.ahead.drop()
        assert here.ahead.on


async def test_an_offer_belongs_to_one_conversation_and_is_over_after_ten_minutes(tmp_path: Path) -> None:
    clock = Clock()
    async with room(tmp_path, clock=clock) as here:
        await here.offer()
        other = Lane(model=parse_model("lab/m,temperature=1"), messages=(), after=here.after)
        assert here.ahead.offered(other) == ()
        clock.now += 600
        assert len(here.offered()) == 3
        clock.now += 1
        assert here.offered() == {}
        assert here.ahead.figures().misses == 1
        assert not (await here.ask(QUESTIONS[0])).speculated


async def test_other_parameters_make_it_another_question(tmp_path: Path) -> None:
    async with room(tmp_path) as here:
        await here.offer()
        here.model = parse_model("lab/m,temperature=1")
        assert not (await here.ask(QUESTIONS[0])).speculated
        assert here.ahead.figures().misses == 1


async def test_what_this_person_asked_next_before_comes_first(tmp_path: Path) -> None:
    async with room(tmp_path) as here:
        prompts = here.workspace.prompts
        await prompts.add(FIRST, 1.0)
        await prompts.add("And who invented it?", 2.0)
        await here.ask(FIRST)
        here.look_ahead()
        await here.ready("And who invented it?", *QUESTIONS[:2])
        (first, *_) = here.ahead.offered(here.lane())
        assert (first.text, first.origin) == ("And who invented it?", "history")


async def test_a_model_that_guesses_nothing_costs_nothing_but_that(tmp_path: Path) -> None:
    def answers(asked: dict[str, Any]) -> str | None:
        return "I am a teapot" if "response_format" in asked else reply(asked)

    async with room(tmp_path, answers=answers) as here:
        await here.ask(FIRST)
        here.look_ahead()
        await here.until(lambda: here.ahead.figures().tokens > 0)
        assert here.offered() == {}
        await here.ask("Something else")
        assert (here.ahead.figures().hits, here.ahead.figures().misses) == (0, 0)


async def test_an_endpoint_that_is_gone_fails_quietly(tmp_path: Path) -> None:
    async with room(tmp_path, endpoint=lambda _: Endpoint(base_url="http://127.0.0.1:9/v1", max_retries=0)) as here:
        here.look_ahead()
        await here.until(lambda: here.ahead.figures().failed == 1)
        assert here.offered() == {}


async def test_only_what_was_asked_after_all_is_kept_in_the_cache(tmp_path: Path) -> None:
    async with room(tmp_path, defaults=Defaults(speculate="free")) as here:
        await here.offer()
        after = here.after
        assert (await here.ask(QUESTIONS[2])).speculated
        await here.until(lambda: not here.workspace.models._tasks)
        here.after = after
        assert (await here.ask(QUESTIONS[2])).cached
        here.after = after
        assert not (await here.ask(QUESTIONS[0])).cached


async def test_nothing_is_left_when_the_workspace_closes(tmp_path: Path) -> None:
    async with PacedServer(reply=reply, rules=(SLOW,)) as server:
        settings = Settings(defaults=Defaults(speculate="free"), endpoints={"lab": Endpoint(base_url=server.base_url)})
        locations = Locations(config=tmp_path / "config.toml", data=tmp_path / "data", themes=tmp_path / "themes")
        async with Workspace(settings, locations) as workspace:
            await workspace.open()
            here = Room(workspace, server)
            await here.ask(FIRST)
            here.look_ahead()
            await here.until(lambda: here.requests(SLOW[0]) == 1)
        await here.until(lambda: server.counts.open == 0)
