"""An engine with model calls against given endpoints, and the events of what was asked."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Self, TypeVar

from agents.engine import Engine
from agents.errors import CallError
from agents.events import AnyEvent, Event, StepEnded, Text
from agents.models.names import parse_model
from agents.models.service import Models
from agents.requests import Chat, Lane, Message, ModelCall, Priority
from agents.settings import Defaults, Endpoint, Locations, Route, Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import TracebackType

    from agents.runs import Run
    from agents.stream import Subscription
    from storage.cache import ResponseCache

E = TypeVar("E", bound=Event)


class Asked:
    """One call in flight or over: its run, and what its events said."""

    def __init__(self, run: Run, reader: Subscription) -> None:
        self.run = run
        self.events: list[AnyEvent] = []
        self._reader = reader

    async def over(self) -> Self:
        """Wait for the end."""
        await self.run.wait()
        self.events += self._reader.drain()
        self._reader.close()
        return self

    def of(self, kind: type[E]) -> list[E]:
        """Return the events of one kind."""
        return [event for event in self.events if isinstance(event, kind)]

    @property
    def ended(self) -> StepEnded:
        """How the step ended."""
        (ended,) = self.of(StepEnded)
        return ended

    @property
    def text(self) -> str:
        """All text of the step, as a reader saw it."""
        return "".join(event.text for event in self.of(Text))


class Lab:
    """An async context manager; every call is a chat of one lane."""

    def __init__(
        self,
        folder: Path,
        endpoints: Mapping[str, Endpoint],
        *,
        cache: ResponseCache | None = None,
        environ: Mapping[str, str] | None = None,
        defaults: Defaults | None = None,
        routes: Mapping[str, Route] | None = None,
    ) -> None:
        settings = Settings(endpoints=dict(endpoints), routes=dict(routes or {}), defaults=defaults or Defaults())
        locations = Locations(config=folder / "config.toml", data=folder / "data", themes=folder / "themes")
        self.models = Models(settings, locations, cache, environ=environ or {})
        self.engine = Engine({Chat: self._answer})
        self._priorities: dict[str, Priority] = {}

    async def __aenter__(self) -> Self:
        await self.models.__aenter__()
        await self.engine.__aenter__()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.engine.__aexit__(None, None, None)
        await self.models.__aexit__(kind, error, trace)

    async def _answer(self, run: Run) -> None:
        request = run.request
        assert isinstance(request, Chat)
        lane = request.lanes[0]
        priority = self._priorities.get(request.session or "", Priority.INTERACTIVE)
        call = ModelCall(
            model=lane.model,
            messages=lane.messages,
            use_cache=request.use_cache,
            refresh=request.refresh,
            similar=True,
            priority=priority,
        )
        try:
            with run.step("model", lane.model.model, lane=str(lane.model)) as step:
                await self.models.call(step, call)
        except CallError:
            return

    async def until(self, predicate: Callable[[], bool]) -> None:
        """Wait until something of the engine's is so."""
        async with asyncio.timeout(10):
            while not predicate():  # noqa: ASYNC110  # what is looked at tells nobody when it changes
                await asyncio.sleep(0.001)

    def submit(
        self, model: str, prompt: str = "Hello", *, use_cache: bool = True, priority: Priority = Priority.INTERACTIVE
    ) -> Asked:
        """Start a call."""
        self._priorities[priority.name] = priority
        lane = Lane(model=parse_model(model), messages=(Message("user", prompt),))
        # The reader must be there before the run is, and belongs to this call alone.
        reader = self.engine.subscribe()
        run = self.engine.submit(Chat(lanes=(lane,), use_cache=use_cache, session=priority.name))
        asked = Asked(run, reader)
        asked_reader = self.engine.subscribe(run.id)
        asked.events += [event for event in reader.drain() if event.run == run.id]
        reader.close()
        asked._reader = asked_reader
        return asked

    async def ask(
        self, model: str, prompt: str = "Hello", *, use_cache: bool = True, priority: Priority = Priority.INTERACTIVE
    ) -> Asked:
        """Make a call and wait for its end."""
        return await self.submit(model, prompt, use_cache=use_cache, priority=priority).over()
