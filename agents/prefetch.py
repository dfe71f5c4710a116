"""Work ahead of a question that is still being typed: its sources are searched, and connections to its models are opened.

What is found is used when the question is asked as it was searched for, and thrown away otherwise. Nothing of what is typed leaves
this machine before Enter: sources that need a server, such as vectors that an endpoint makes, are not searched ahead.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple, Self, TypeVar

import msgspec

from agents.retrieval.terms import terms

if TYPE_CHECKING:
    from types import TracebackType

    from agents.events import Hit
    from agents.models.service import Models
    from agents.requests import Ask, ModelRef
    from agents.retrieval.library import Library
    from agents.retrieval.sources import Source

R = TypeVar("R")

DEPTH: Final = 30
"""Passages each source is asked for: enough for agreement between sources to show."""
_PAUSE: Final = 0.25
"""Seconds without a key before what is typed is searched for."""
_FEWEST: Final = 2
"""Words, without those every question has, that are worth a search."""
_FRESH: Final = 60.0
"""Seconds for which what was found is used."""
_CLAIMS: Final = 4
"""Questions that wait for their turn with what was found for them."""
_AGAIN: Final = 30.0
"""Seconds before connections to the same endpoint are opened again."""


class PrefetchFigures(msgspec.Struct, frozen=True, kw_only=True):
    """What working ahead came to in this session."""

    searched: int = 0
    used: int = 0
    wasted: int = 0
    """Searches for what was then not asked."""
    opened: int = 0
    """Times an endpoint was made ready because somebody began to type."""


class _Found(NamedTuple):
    hits: Sequence[Hit]
    told: list[str]


class Ahead:
    """One search that began before its question was asked."""

    def __init__(self, began: float) -> None:
        self.began = began
        self.tasks: dict[str, asyncio.Task[_Found | None]] = {}

    def source(self, own: Source, tell: Callable[[str], None], now: float) -> Source:
        """Return ``own``, or what answers in its place with what was found ahead; ``now``: when the question was asked."""
        task = self.tasks.get(own.name)
        return own if task is None else _AheadSource(own, task, tell, now - self.began)

    def stop(self) -> None:
        """Search no further."""
        for task in self.tasks.values():
            task.cancel()


class _AheadSource:
    """Answers with what was found ahead, and searches anew where that failed."""

    def __init__(self, own: Source, task: asyncio.Task[_Found | None], tell: Callable[[str], None], lead: float) -> None:
        self.name = own.name
        self._own, self._task, self._tell = own, task, tell
        self._lead = lead

    async def search(self, query: str, limit: int) -> Sequence[Hit]:
        """See :class:`~agents.retrieval.sources.Source`."""
        found = await self._task
        if found is None:
            return await self._own.search(query, limit)
        for line in found.told:
            self._tell(line)
        self._tell(f"searched ahead by {self._lead:.1f} s")
        return found.hits[:limit]


class Prefetch:
    """An async context manager that owns what goes on ahead; leaving stops it. ``clock`` counts seconds."""

    def __init__(self, library: Library, models: Models, clock: Callable[[], float]) -> None:
        self._library, self._models, self._clock = library, models, clock
        self._group: asyncio.TaskGroup
        self._tasks: set[asyncio.Task[object]] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._typed: tuple[_Key, Ahead] | None = None
        """The newest search, which nobody asked for yet."""
        self._claimed: dict[_Key, Ahead] = {}
        self._readied: dict[str, float] = {}
        self._searched = self._used = self._wasted = self._opened = 0

    async def __aenter__(self) -> Self:
        self._group = await asyncio.TaskGroup().__aenter__()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.forget()
        for task in self._tasks:
            task.cancel()
        await self._group.__aexit__(None, None, None)

    def typed(self, question: Ask | None) -> None:
        """Take what would be asked if Enter were pressed now; ``None``: nothing that can be searched for. Cheap."""
        self._rest()
        loop = asyncio.get_running_loop()
        if question is None:
            # Not at once: a prompt is empty as soon as it is sent, and before anybody hears of what was sent.
            self._timer = loop.call_later(_PAUSE, self._drop)
            return
        key = _Key.of(question)
        if self._typed is not None and self._typed[0].is_far_from(key):
            self._drop()
        if len(key.words) >= _FEWEST and (self._typed is None or self._typed[0] != key):
            self._timer = loop.call_later(_PAUSE, self._begin, key, question)

    def claim(self, question: Ask) -> None:
        """Keep what was found for ``question``, which is asked now and may have to wait for its turn."""
        self._rest()
        key = _Key.of(question)
        if self._typed is not None and self._typed[0] == key:
            self._claimed[key] = self._typed[1]
            self._typed = None
            while len(self._claimed) > _CLAIMS:
                self._waste(self._claimed.pop(next(iter(self._claimed))))
        else:
            self._drop()

    def take(self, question: Ask) -> Ahead | None:
        """Return what was searched ahead for ``question``, once."""
        ahead = self._claimed.pop(_Key.of(question), None)
        if ahead is None:
            return None
        if self._clock() - ahead.began > _FRESH:
            self._waste(ahead)
            return None
        self._used += 1
        return ahead

    def forget(self) -> None:
        """Throw away what was found: documents changed."""
        self._rest()
        self._drop()
        while self._claimed:
            self._waste(self._claimed.popitem()[1])

    def ready(self, models: Iterable[ModelRef]) -> None:
        """Open connections to the endpoints of ``models``, each at most every 30 seconds. What goes wrong is told by the calls."""
        now = self._clock()
        for model in models:
            if now - self._readied.get(model.endpoint, float("-inf")) >= _AGAIN:
                self._readied[model.endpoint] = now
                self._opened += 1
                self._start(self._ready(model), f"ready {model.endpoint}")

    def figures(self) -> PrefetchFigures:
        """Return what working ahead came to so far."""
        return PrefetchFigures(searched=self._searched, used=self._used, wasted=self._wasted, opened=self._opened)

    def _start(self, work: Coroutine[None, None, R], name: str) -> asyncio.Task[R]:
        task = self._group.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def _rest(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _drop(self) -> None:
        if self._typed is not None:
            self._waste(self._typed[1])
            self._typed = None

    def _waste(self, ahead: Ahead) -> None:
        ahead.stop()
        self._wasted += 1

    def _begin(self, key: _Key, question: Ask) -> None:
        self._timer = None
        self._drop()
        ahead = Ahead(self._clock())
        for name in question.sources:
            if name == "vector" and self._library.embedding_model is not None:
                continue
            ahead.tasks[name] = self._start(self._search(name, question), f"ahead {name}")
        self._searched += 1
        self._typed = (key, ahead)

    async def _search(self, name: str, question: Ask) -> _Found | None:
        # A worker whose request is cancelled is ended. That of the vectors takes a second to come back and milliseconds to
        # search, so its request is left to end by itself; one for files may take long and is stopped.
        searching = self._start(self._found(name, question), f"search {name}")
        if name == "vector":
            return await asyncio.shield(searching)
        return await searching

    async def _found(self, name: str, question: Ask) -> _Found | None:
        told: list[str] = []
        try:
            source = self._library.source(name, question.library, question.paths, told.append, question.source_timeout)
            async with asyncio.timeout(question.source_timeout):
                hits = await source.search(question.question, DEPTH)
        except Exception:  # noqa: BLE001  # the search that follows when the question is asked tells what is wrong
            return None
        return _Found(hits, told)

    async def _ready(self, model: ModelRef) -> None:
        try:
            await self._models.warm(model, lambda line: None)
            await self._models.connect(model)
        except Exception:  # noqa: BLE001  # as above: this is a favour, and the call that follows tells what is wrong
            return


class _Key(NamedTuple):
    """What a search depends on."""

    words: tuple[str, ...]
    text: str
    library: str
    sources: tuple[str, ...]
    paths: tuple[str, ...]

    @classmethod
    def of(cls, question: Ask) -> _Key:
        """Return the key of ``question``: space and a question mark at its end make no difference."""
        text = " ".join(question.question.split()).rstrip("? ")
        return cls(tuple(terms(text)), text, question.library, question.sources, question.paths)

    def is_far_from(self, other: _Key) -> bool:
        """Return whether most of what was searched for is gone."""
        kept = len(set(self.words) & set(other.words))
        return self[2:] != other[2:] or kept * 2 < len(self.words)
