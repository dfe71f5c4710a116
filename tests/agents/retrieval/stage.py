"""What retrieval tests share: a workspace of real parts around a loopback model server, and documents made from scratch."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from agents.engine import Engine
from agents.events import Found, Log, StepEnded, StepQueued, Text
from agents.models.service import Models
from agents.requests import Ask, Index, ModelRef, Request, Research
from agents.research import research
from agents.retrieval.ask import ask
from agents.retrieval.library import Library
from agents.settings import Endpoint, LibrarySettings, Locations, Settings
from storage.store import Store
from tests.servers.paced import PacedServer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from agents.events import AnyEvent, RunEnded
    from agents.prefetch import Prefetch
    from agents.runs import Run

    Reply = Callable[[dict[str, object]], str | None]

MODEL = ModelRef("lab", "fast")
E = TypeVar("E")


class Told(NamedTuple):
    """What a run said, read from its events."""

    ended: RunEnded
    events: list[AnyEvent]

    def all(self, kind: type[E]) -> list[E]:
        return [event for event in self.events if isinstance(event, kind)]

    @property
    def logs(self) -> list[str]:
        return [event.message for event in self.all(Log)]

    @property
    def names(self) -> dict[str, str]:
        return {event.step: event.name for event in self.all(StepQueued)}

    @property
    def outcomes(self) -> dict[str, str]:
        return {self.names[event.step]: event.outcome for event in self.all(StepEnded)}

    def errors(self) -> dict[str, str | None]:
        return {self.names[event.step]: event.error for event in self.all(StepEnded)}

    def text(self, name: str) -> str:
        return "".join(event.text for event in self.all(Text) if self.names[event.step] == name)

    def found(self, name: str) -> Found:
        return next(event for event in self.all(Found) if self.names[event.step] == name)


class Stage(NamedTuple):
    engine: Engine
    library: Library
    server: PacedServer
    store: Store
    ahead: list[Prefetch]
    """What questions take from that was searched ahead, if anything."""

    async def run(self, request: Request, during: Callable[[Run], None] = lambda run: None) -> Told:
        with self.engine.subscribe() as reader:
            run = self.engine.submit(request)
            during(run)
            ended = await run.wait()
            return Told(ended, [event for event in reader.drain() if event.run == run.id])


@asynccontextmanager
async def stage(
    folder: Path, *, reply: Reply | None = None, library: LibrarySettings | None = None, rules: tuple[tuple[str, str], ...] = ()
) -> AsyncIterator[Stage]:
    async with PacedServer(reply=reply, rules=rules) as server:
        settings = Settings(
            endpoints={"lab": Endpoint(base_url=server.base_url, models=("fast",), max_retries=0)},
            library=library or LibrarySettings(),
        )
        data = folder / "data"
        locations = Locations(config=folder / "config.toml", data=data, themes=folder / "themes")
        async with (
            Store(locations.database) as store,
            Models(settings, locations) as models,
            Library(store, settings, models) as shelf,
        ):
            ahead: list[Prefetch] = []

            async def on_ask(run: Run) -> None:
                if ahead:
                    await ask(run, shelf, models, ahead[0].take)
                else:
                    await ask(run, shelf, models)

            async def on_research(run: Run) -> None:
                await research(run, shelf, models)

            async with Engine({Index: shelf.index, Ask: on_ask, Research: on_research}) as engine:
                yield Stage(engine, shelf, server, store, ahead)


def make_pdf(pages: list[str]) -> bytes:
    """Return a PDF with one line of text a page."""
    objects = [b"<< /Type /Catalog /Pages 2 0 R >>", b""]
    kids: list[bytes] = []
    for text in pages:
        stream = f"BT /F1 12 Tf 72 720 Td ({text}) Tj ET".encode("latin-1")
        objects.append(b"<< /Length %d >>\nstream\n%b\nendstream" % (len(stream), stream))
        objects.append(
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents %d 0 R /Resources << /Font << /F1 "
            b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >> >> >> >>" % len(objects)
        )
        kids.append(b"%d 0 R" % len(objects))
    objects[1] = b"<< /Type /Pages /Kids [%b] /Count %d >>" % (b" ".join(kids), len(kids))
    return assemble(objects)


def assemble(objects: list[bytes]) -> bytes:
    """Return a PDF file of numbered ``objects``, the first of which is the catalogue."""
    body = b"%PDF-1.4\n"
    offsets: list[int] = []
    for number, content in enumerate(objects, 1):
        offsets.append(len(body))
        body += b"%d 0 obj\n%b\nendobj\n" % (number, content)
    table = b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    start = len(body)
    size = len(objects) + 1
    return body + b"xref\n0 %d\n0000000000 65535 f \n%btrailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF" % (
        size,
        table,
        size,
        start,
    )
