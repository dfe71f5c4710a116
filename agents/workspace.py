"""Everything stretto needs at run time, wired once: what the dashboard, the command line and the benches open."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Self

from agents.engine import Engine
from agents.requests import Ask, Chat, Index, Research

if TYPE_CHECKING:
    from types import TracebackType

    from storage.store import Store

    from agents.journal import Journal
    from agents.models.service import Models
    from agents.retrieval.library import Library
    from agents.runs import Run
    from agents.settings import Locations, Settings


class Workspace:
    """An async context manager around engine, models, store and library.

    Entering opens nothing, so the first frame can be drawn; :meth:`open` (or the first run) opens the store and imports what
    calls need. Leaving cancels what runs, lets the journal finish, closes the store and stops the embedded model.
    """

    def __init__(self, settings: Settings, locations: Locations) -> None:
        self.settings = settings
        self.locations = locations
        self.engine = Engine({Chat: self._chat, Ask: self._ask, Research: self._research, Index: self._index})
        self._group: asyncio.TaskGroup
        self._opening: asyncio.Task[None] | None = None
        self._store: Store | None = None
        self._models: Models | None = None
        self._library: Library | None = None
        self._journal: Journal | None = None

    async def __aenter__(self) -> Self:
        self._group = await asyncio.TaskGroup().__aenter__()
        await self.engine.__aenter__()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        raise NotImplementedError

    async def open(self) -> None:
        """Open the store and the services, once; concurrent callers wait for the same opening.

        Raises :class:`storage.store.StoreError` when the data folder cannot be used.
        """
        raise NotImplementedError

    async def _chat(self, run: Run) -> None:
        raise NotImplementedError

    async def _ask(self, run: Run) -> None:
        raise NotImplementedError

    async def _research(self, run: Run) -> None:
        raise NotImplementedError

    async def _index(self, run: Run) -> None:
        raise NotImplementedError
