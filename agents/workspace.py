"""Everything stretto needs at run time, wired once: what the dashboard, the command line and the benches open."""

from __future__ import annotations

import asyncio
import os
import time
from typing import TYPE_CHECKING, Self

from agents.allocator import return_memory
from agents.engine import Engine
from agents.errors import StrettoError
from agents.gpu import GpuProbe
from agents.lag import LagProbe
from agents.metrics import Metrics
from agents.requests import Ask, Batch, Chat, Index, Judge, Merge, Race, Request, Research
from storage.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from types import TracebackType

    from agents.compress import Compressor
    from agents.conversations import Conversations
    from agents.models.service import Models
    from agents.prefetch import Prefetch
    from agents.requests import ModelRef
    from agents.retrieval.library import Library
    from agents.runs import Run
    from agents.settings import Locations, Settings
    from agents.speculation import Speculation
    from storage.attachments import AttachedFiles
    from storage.history import RunHistory
    from storage.prompts import SentPrompts
    from storage.votes import Votes

_LATE = 0.05
"""Seconds of loop lag within the last second from which on work for the loop is cut smaller."""


class Workspace:
    """An async context manager around engine, journal, models, store and library.

    Entering opens nothing, so the first frame can be drawn; :meth:`open` (or the first run) opens the store and imports what
    calls need. Leaving cancels what runs, lets the journal finish, stops the embedded model and closes the store.
    """

    models: Models
    """Set by :meth:`open`, like ``library`` and ``history``."""
    library: Library
    prefetch: Prefetch
    history: RunHistory
    compressor: Compressor
    conversations: Conversations
    attached: AttachedFiles
    prompts: SentPrompts
    votes: Votes
    speculation: Speculation

    def __init__(self, settings: Settings, locations: Locations, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.settings = settings
        self.locations = locations
        handlers: dict[type[Request], Callable[[Run], Awaitable[None]]] = {
            Chat: self._chat,
            Race: self._race,
            Judge: self._judge,
            Merge: self._merge,
            Ask: self._ask,
            Research: self._research,
            Index: self._index,
            Batch: self._batch,
        }
        self.engine = Engine(handlers, clock=clock)
        self.metrics = Metrics(self.engine.clock)
        self.lag = LagProbe(busy=lambda: bool(self.engine.runs))
        self.gpu = GpuProbe()
        self.opened = False
        self._reader = self.engine.subscribe()
        self._group: asyncio.TaskGroup
        self._background: list[asyncio.Task[None]] = []
        self._opening: asyncio.Future[None] | None = None

    async def __aenter__(self) -> Self:
        self._group = await asyncio.TaskGroup().__aenter__()
        await self.engine.__aenter__()
        self._group.create_task(self.metrics.run(self.engine.subscribe()), name="metrics")
        self._group.create_task(return_memory(self.engine.stream, lambda: not self.engine.runs), name="memory")
        self._background = [
            self._group.create_task(self.lag.run(), name="loop lag"),
            self._group.create_task(self.gpu.run(), name="gpu"),
        ]
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        try:
            await self.engine.__aexit__(None, None, None)
        finally:
            for task in self._background:
                task.cancel()
            # Without the error: the group would cancel the journal, which still has to write what happened.
            await self._group.__aexit__(None, None, None)

    async def open(self) -> None:
        """Open the store and the services, once; concurrent callers wait for the same opening.

        Raises :class:`~agents.errors.StrettoError` when the data folder cannot be used.
        """
        if self._opening is None:
            self._opening = asyncio.get_running_loop().create_future()
            self._group.create_task(self._serve(self._opening), name="services")
        await asyncio.shield(self._opening)

    def fallback(self, ref: ModelRef) -> str | None:
        """Return a line when ``ref`` is the embedded model only because what a person set up has none: no answer may hide that."""
        from agents.models.presets import PRESETS

        wanted = [name for name, endpoint in self.settings.endpoints.items() if endpoint.kind != "embedded"]
        variables = [name for preset in PRESETS.values() for name in (preset.key, preset.own and preset.address_variable) if name]
        wanted += [name for name in variables if os.environ.get(name, "").strip()]
        if not wanted or ref.endpoint != "embedded" or self.settings.defaults.models:
            return None
        return f"{', '.join(wanted)}: no model there can be used, so the embedded one answers; see: stretto models"

    async def _serve(self, opening: asyncio.Future[None]) -> None:
        # One task enters and leaves all services, because a task group inside them must be left by the task that entered it.
        try:
            # Importing in a thread: it takes tens of milliseconds, and the loop has a screen to draw meanwhile.
            await asyncio.to_thread(_import_services)
            from agents.compress import Compressor
            from agents.conversations import Conversations
            from agents.journal import Journal
            from agents.models.service import Models
            from agents.prefetch import Prefetch
            from agents.retrieval.library import Library
            from agents.speculation import Speculation
            from storage.attachments import AttachedFiles
            from storage.cache import ResponseCache
            from storage.history import RunHistory
            from storage.prompts import SentPrompts
            from storage.store import Store
            from storage.votes import Votes

            async with (
                Store(self.locations.database) as store,
                Models(self.settings, self.locations, ResponseCache(store), AttachedFiles(store)) as models,
                Library(store, self.settings, models) as library,
                Prefetch(library, models, self.engine.clock) as prefetch,
            ):
                models.embeddings.late = self._is_late
                self.prefetch = prefetch
                self.models, self.library, self.history = models, library, RunHistory(store)
                self.attached, self.prompts = AttachedFiles(store), SentPrompts(store)
                self.compressor = Compressor(library.work, self.attached, self.settings.defaults.compress)
                self.conversations = Conversations(self.history, self.compressor)
                self.votes = Votes(store)
                ahead = Speculation(models, self.conversations, self.prompts, self.settings, clock=self.engine.clock)
                async with ahead as models.ahead:
                    self.speculation = ahead
                    self.opened = True
                    opening.set_result(None)
                    await Journal(self.engine.stream, store, self._reader).run()
        except Exception as error:
            if opening.done():
                raise
            self._reader.close()
            told = StrettoError(str(error) if isinstance(error, StoreError) else f"{type(error).__name__}: {error}")
            opening.set_exception(told)
            opening.exception()  # seen: whoever calls open() is told, and a person may leave before anyone does

    def _is_late(self) -> bool:
        lag = self.lag.snapshot().now
        return lag is not None and lag > _LATE

    async def _chat(self, run: Run) -> None:
        from agents.chat import chat

        await self.open()
        await chat(run, self.models, self.conversations)

    async def _race(self, run: Run) -> None:
        await self.open()
        from agents.compare.race import race

        await race(run, self.models, self.conversations)

    async def _judge(self, run: Run) -> None:
        await self.open()
        from agents.compare.judge import judge

        await judge(run, self.models)

    async def _merge(self, run: Run) -> None:
        await self.open()
        from agents.compare.merge import merge

        await merge(run, self.models)

    async def _ask(self, run: Run) -> None:
        await self.open()
        from agents.retrieval.ask import ask

        await ask(run, self.library, self.models, self.prefetch.take, self.compressor)

    async def _research(self, run: Run) -> None:
        await self.open()
        from agents.research import research

        await research(run, self.library, self.models)

    async def _index(self, run: Run) -> None:
        await self.open()
        await self.library.index(run)

    async def _batch(self, run: Run) -> None:
        await self.open()
        from agents.batch.handler import batch

        await batch(run, self.models)


def _import_services() -> None:
    import storage.history
    import storage.store  # noqa: F401
