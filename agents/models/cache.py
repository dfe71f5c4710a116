"""The exact cache of answers: a call's identity is a hash of everything that shapes its answer."""

from __future__ import annotations

import hashlib
import json
import time
from contextlib import suppress
from functools import lru_cache
from typing import TYPE_CHECKING, Final

import msgspec

from agents.events import Usage  # noqa: TC001  # msgspec reads annotations at run time
from storage.cache import SLICE, Lookups

if TYPE_CHECKING:
    from collections.abc import Callable

    from agents.requests import Message, ModelCall
    from storage.cache import CacheTotals, ResponseCache

_VERSION: Final = 2
_CACHEABLE: Final = frozenset({"stop", "tool_calls"})
_NOTED: Final = 128
"""So many answers used are written down at once, if no answer is kept before."""
_NOTED_SECONDS: Final = 5.0
"""So long the times of use wait to be written down, at least."""
_SLICES: Final = 32
"""Slices that one answer kept may remove; what is still too much is for the next one."""
_SHARE: Final = 8
"""An answer that takes more than this part of the room is not kept: it would drive out too many others."""


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What a model call gave."""

    text: str
    finish: str | None
    usage: Usage | None = None
    cached: bool = False
    """True when it came from the cache, without a call."""
    joined: bool = False
    """True when it shared another step's call."""
    similar: float | None = None
    """It was made for another question, this similar (cosine)."""
    similar_to: str = ""
    """That other question."""
    speculated: bool = False
    """It was made before it was asked for."""

    @property
    def kept(self) -> bool:
        """Whether it was there already, so that no call was made for it."""
        return self.cached or self.speculated


class CacheFigures(msgspec.Struct, frozen=True, kw_only=True):
    """What the cache holds and did."""

    limit: int
    """Bytes it may hold."""
    entries: int | None = None
    """Answers kept; this and what follows is as of the last write or :meth:`AnswerCache.look`, ``None`` before any."""
    bytes: int | None = None
    hits: int | None = None
    """Lookups that found an answer, by every stretto with this database since there is one; an answer for a similar question
    is among them."""
    misses: int | None = None
    similar: int | None = None
    """Answers given that were made for a similar question."""
    session_hits: int = 0
    session_misses: int = 0
    session_similar: int = 0
    evicted: int = 0
    """Answers removed in this session, because they were over or there was no room."""

    @property
    def hit_rate(self) -> float | None:
        """``hits / (hits + misses)`` since ever. Calls that shared another one's are not among them: they look nothing up."""
        if self.hits is None or self.misses is None or not self.hits + self.misses:
            return None
        return self.hits / (self.hits + self.misses)


class _Body(msgspec.Struct, frozen=True):
    text: str
    finish: str
    usage: Usage | None


def identity(base_url: str, call: ModelCall) -> str:
    """Return the SHA-256, in hexadecimal, of the endpoint's address, the model, the messages, the parameters and the schema.

    Calls that mean the same have the same: the order of keys does not count, and 1 is 1.0. A file counts by its name and the
    hash of its bytes.
    """
    return _digest(base_url, call, call.messages).hex()


def circle(base_url: str, call: ModelCall) -> bytes:
    """Return a hash of everything of the call but its last message: calls whose answers may stand for one another share it."""
    return _digest(base_url, call, call.messages[:-1])[:16]


def _digest(base_url: str, call: ModelCall, messages: tuple[Message, ...]) -> bytes:
    params = {name: _number(value) for name, value in msgspec.structs.asdict(call.model.params).items() if value is not None}
    schema = None if call.schema is None else _canonical(bytes(call.schema))
    parts = [_VERSION, base_url.rstrip("/"), call.model.model, messages, params, schema]
    return hashlib.sha256(msgspec.json.encode(parts, order="sorted")).digest()


def _number(value: float) -> float:
    return value if value % 1 else int(value)


@lru_cache(maxsize=64)
def _canonical(schema: bytes) -> str:
    """Return a JSON document in the one form that all documents of its meaning share; what is none, as it is."""
    try:
        return json.dumps(json.loads(schema, parse_float=lambda text: _number(float(text))), sort_keys=True)
    except (ValueError, RecursionError):
        return schema.decode("utf-8", "replace")


class AnswerCache:
    """Answers by identity, in the store. A store that fails makes calls slower, never wrong.

    Times of use and counts gather in memory and go to disk with the next answer kept, or by :meth:`settle` when many gathered.
    """

    def __init__(self, store: ResponseCache, ttl: float, limit: int = 512 << 20, *, clock: Callable[[], float] = time.time) -> None:
        """``ttl`` in seconds, ``limit`` in bytes; ``clock`` gives Unix time."""
        self._store = store
        self._ttl = ttl
        self._limit = limit
        self._clock = clock
        self._lookups = Lookups()
        self._noted = clock()
        self._totals: CacheTotals | None = None
        self._session = Lookups()
        self._evicted = 0

    async def get(self, key: str, warn: Callable[[str], None]) -> Answer | None:
        """Return the answer kept for ``key``, if there is one and it is not too old; ``warn`` hears why it cannot be read."""
        answer = await self.find(key, warn)
        if answer is None:
            self._lookups.misses += 1
            self._session.misses += 1
        else:
            self._lookups.hits += 1
            self._session.hits += 1
        return answer

    async def find(self, key: str, warn: Callable[[str], None]) -> Answer | None:
        """Do as :meth:`get`, but count nothing."""
        now = self._clock()
        try:
            body = await self._store.get(key, now)
            if body is None:
                return None
            kept = msgspec.msgpack.decode(body, type=_Body)
        except Exception as error:  # noqa: BLE001  # whatever the disk does, the model can still be asked
            warn(f"the answer cache could not be read, so the model is asked: {error}")
            return None
        if len(self._lookups.used) < 16 * _NOTED:
            self._lookups.used[key] = now
        return Answer(text=kept.text, finish=kept.finish, usage=kept.usage, cached=True)

    def resembled(self) -> None:
        """Count the last miss as a hit after all: an answer for a similar question was given."""
        for lookups in (self._lookups, self._session):
            lookups.misses -= 1
            lookups.hits += 1
            lookups.similar += 1

    async def put(self, key: str, answer: Answer) -> bool:
        """Keep ``answer`` if it is a whole one of a size that fits; anything cut, filtered or empty of a finish reason is not kept.

        Returns whether it is kept. What is over, or was not used for longest when there is no room, is removed in slices:
        nobody waits for it any more.
        """
        if answer.finish not in _CACHEABLE:
            return False
        body = msgspec.msgpack.encode(_Body(answer.text, answer.finish, answer.usage))
        if len(body) > self._limit // _SHARE:
            return False
        lookups, now = self._take(), self._clock()
        # The person has the answer already, and the journal tells of a disk that takes nothing.
        with suppress(Exception):
            self._totals, removed = await self._store.put(key, body, now=now, ttl=self._ttl, lookups=lookups, limit=self._limit)
            self._evicted += removed
            for _ in range(_SLICES):
                if not removed or (self._totals.bytes <= self._limit and removed < SLICE):
                    break
                self._totals, removed = await self._store.trim(now, self._limit)
                self._evicted += removed
            return True
        self._give_back(lookups)
        return False

    async def settle(self, *, closing: bool = False) -> None:
        """Write down what answers were used, when many or old uses gathered, or before ``closing``. Nobody waits for it."""
        due = closing or len(self._lookups.used) >= _NOTED or self._clock() - self._noted >= _NOTED_SECONDS
        if not self._lookups or not due:
            if self._totals is None and not closing:
                await self.look()
            return
        lookups = self._take()
        try:
            self._totals = await self._store.note(lookups)
        except Exception:  # noqa: BLE001  # as with answers: it may be written later, and costs nothing but the order of removal
            self._give_back(lookups)

    async def look(self) -> None:
        """Read what is held anew, for :meth:`figures`; a store that cannot be read leaves them as they are."""
        with suppress(Exception):
            self._totals = await self._store.totals()

    async def clear(self) -> int:
        """Remove every answer; returns how many there were. Raises :class:`~storage.errors.StoreError`."""
        removed = await self._store.clear()
        await self.look()
        return removed

    def _take(self) -> Lookups:
        lookups, self._lookups, self._noted = self._lookups, Lookups(), self._clock()
        return lookups

    def _give_back(self, lookups: Lookups) -> None:
        """Take what could not be written, within bounds, to what is written next."""
        self._lookups.hits += lookups.hits
        self._lookups.misses += lookups.misses
        self._lookups.similar += lookups.similar
        if len(self._lookups.used) + len(lookups.used) <= 16 * _NOTED:
            self._lookups.used = lookups.used | self._lookups.used

    def figures(self) -> CacheFigures:
        """Return what the cache holds and did; cheap enough for every frame."""
        held, waiting, session = self._totals, self._lookups, self._session
        figures = CacheFigures(
            limit=self._limit,
            session_hits=session.hits,
            session_misses=session.misses,
            session_similar=session.similar,
            evicted=self._evicted,
        )
        if held is None:
            return figures
        return msgspec.structs.replace(
            figures,
            entries=held.entries,
            bytes=held.bytes,
            hits=held.hits + waiting.hits,
            misses=held.misses + waiting.misses,
            similar=held.similar + waiting.similar,
        )
