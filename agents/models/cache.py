"""The exact cache of answers: a call's identity is a hash of everything that shapes its answer."""

from __future__ import annotations

import hashlib
import time
from contextlib import suppress
from typing import TYPE_CHECKING

import msgspec

from agents.events import Usage  # noqa: TC001  # msgspec reads annotations at run time

if TYPE_CHECKING:
    from collections.abc import Callable

    from agents.requests import ModelCall
    from storage.cache import ResponseCache

_VERSION = 1
_CACHEABLE = frozenset({"stop", "tool_calls"})


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What a model call gave."""

    text: str
    finish: str | None
    usage: Usage | None = None
    cached: bool = False
    """True when it came from the cache, without a call."""
    joined: bool = False
    """True when it shared another step's call."""


class _Body(msgspec.Struct, frozen=True):
    text: str
    finish: str
    usage: Usage | None


def identity(base_url: str, call: ModelCall) -> str:
    """Return the SHA-256, in hexadecimal, of the endpoint's address, the model, the messages, the parameters and the schema."""
    schema = None if call.schema is None else msgspec.json.decode(call.schema)
    parts = [_VERSION, base_url, call.model.model, call.messages, call.model.params, schema]
    return hashlib.sha256(msgspec.json.encode(parts, order="sorted")).hexdigest()


class AnswerCache:
    """Answers by identity, in the store. A store that fails makes calls slower, never wrong."""

    def __init__(self, store: ResponseCache, ttl: float) -> None:
        self._store = store
        self._ttl = ttl
        self._pruned = False

    async def get(self, key: str, warn: Callable[[str], None]) -> Answer | None:
        """Return the answer kept for ``key``, if there is one and it is not too old; ``warn`` hears why it cannot be read."""
        try:
            body = await self._store.get(key, time.time())
            if body is None:
                return None
            kept = msgspec.msgpack.decode(body, type=_Body)
        except Exception as error:  # noqa: BLE001  # whatever the disk does, the model can still be asked
            warn(f"the answer cache could not be read, so the model is asked: {error}")
            return None
        return Answer(text=kept.text, finish=kept.finish, usage=kept.usage, cached=True)

    async def put(self, key: str, answer: Answer) -> None:
        """Keep ``answer`` if it is a whole one; anything cut, filtered or empty of a finish reason is not kept.

        The first time, what is too old is removed: the cache grows only here, and nobody waits for it any more.
        """
        if answer.finish not in _CACHEABLE:
            return
        now = time.time()
        # The person has the answer already, and the journal tells of a disk that takes nothing.
        with suppress(Exception):
            body = msgspec.msgpack.encode(_Body(answer.text, answer.finish, answer.usage))
            await self._store.put(key, body, now=now, ttl=self._ttl)
            if not self._pruned:
                self._pruned = True
                await self._store.prune(now)
