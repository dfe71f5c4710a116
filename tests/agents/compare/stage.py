"""An engine with the handlers of races, judges and merges, real endpoints behind it, and the events of what was asked."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Self, TypeVar

from agents.compare.judge import judge
from agents.compare.merge import merge
from agents.compare.race import race
from agents.conversations import Conversations
from agents.engine import Engine
from agents.events import AnyEvent, Event, RunEnded, StepEnded, StepQueued, Text
from agents.models.service import Models
from agents.requests import Judge, Lane, Merge, Message, ModelRef, Params, Race, Request
from agents.settings import Defaults, Endpoint, Locations, Settings
from storage.history import RunHistory
from storage.store import Store

if TYPE_CHECKING:
    from types import TracebackType

    from agents.runs import Run

E = TypeVar("E", bound=Event)


def lane(model: str, prompt: str = "Hello", *, label: str = "", limit: int | None = None) -> Lane:
    """Return a lane of a model on the endpoint ``lab``."""
    ref = ModelRef("lab", model, Params(max_tokens=limit))
    return Lane(model=ref, messages=(Message("user", prompt),), label=label or model)


class Told:
    """What a run told."""

    def __init__(self, run: Run, ended: RunEnded, events: list[AnyEvent]) -> None:
        self.run, self.ended, self.events = run, ended, events
        self.names = {event.step: event.name for event in self.of(StepQueued)}

    def of(self, kind: type[E]) -> list[E]:
        """Return the events of one kind, in order."""
        return [event for event in self.events if isinstance(event, kind)]

    def text(self, name: str) -> str:
        """Return the text of the step of this name."""
        return "".join(event.text for event in self.of(Text) if self.names[event.step] == name)

    def ends(self) -> dict[str, StepEnded]:
        """Return how each step ended, by its name."""
        return {self.names[event.step]: event for event in self.of(StepEnded)}


class Stage:
    """An async context manager with the endpoint ``lab`` at ``base_url`` and whatever ``more`` names."""

    def __init__(self, folder: Path, base_url: str, *, defaults: Defaults | None = None, **more: str) -> None:
        endpoints = {name: Endpoint(base_url=url, max_retries=0, concurrency=16) for name, url in {"lab": base_url, **more}.items()}
        self.settings = Settings(endpoints=endpoints, defaults=defaults or Defaults())
        self._store = Store(folder / "stretto.db")
        locations = Locations(config=folder / "config.toml", data=folder / "data", themes=folder / "themes")
        self.models = Models(self.settings, locations, environ={})
        self.engine = Engine({Race: self._race, Judge: self._judge, Merge: self._merge})

    async def __aenter__(self) -> Self:
        await self._store.__aenter__()
        self.conversations = Conversations(RunHistory(self._store))
        await self.models.__aenter__()
        await self.engine.__aenter__()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.engine.__aexit__(None, None, None)
        await self.models.__aexit__(kind, error, trace)
        await self._store.__aexit__(kind, error, trace)

    async def _race(self, run: Run) -> None:
        await race(run, self.models, self.conversations)

    async def _judge(self, run: Run) -> None:
        await judge(run, self.models)

    async def _merge(self, run: Run) -> None:
        await merge(run, self.models)

    async def run(self, request: Request) -> Told:
        """Run ``request`` to its end."""
        with self.engine.subscribe() as reader:
            run = self.engine.submit(request)
            ended = await run.wait()
            return Told(run, ended, reader.drain())
