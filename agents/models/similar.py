"""Answers that were made for a similar question: the words that tell it apart must agree, then its vector decides how alike it is.

Only calls that are equal in everything but a short last question are compared, and what is given is always labelled. Off unless
the settings name a likeness. Vectors are made in a worker process, and only when there is something to compare.
"""

from __future__ import annotations

import asyncio
import hashlib
from contextlib import suppress
from typing import TYPE_CHECKING, Final, Self

import msgspec

from agents.errors import StrettoError
from agents.models.cache import Answer, circle
from agents.models.wording import telling
from storage.errors import StoreError

if TYPE_CHECKING:
    from types import TracebackType

    from agents.models.cache import AnswerCache
    from agents.requests import ModelCall
    from agents.retrieval.pool import WorkerPool
    from storage.cache import ResponseCache

LONGEST: Final = 500
"""Characters of a question. A mean of many words says what a text is about and nothing of what it asks."""
_CANDIDATES: Final = 8
_SECONDS: Final = 2.0
"""Longest wait for the worker; then the model is asked as if nothing similar were kept."""
_STARTING: Final = 30.0
"""Seconds the worker has to start, in which questions wait for it no longer than for an answer."""


class SimilarAnswers:
    """An async context manager; leaving it ends the worker process, which :meth:`warm` or the first comparison starts."""

    def __init__(self, cache: AnswerCache, store: ResponseCache, least: float) -> None:
        """``least`` is the cosine from which on a question may have another's answer."""
        self._cache = cache
        self._store = store
        self._least = least
        self._pool: WorkerPool | None = None
        self._group = asyncio.TaskGroup()
        self._starting: asyncio.Task[None] | None = None
        self._ready = asyncio.Event()

    async def __aenter__(self) -> Self:
        await self._group.__aenter__()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._starting is not None:
            self._starting.cancel()
        await self._group.__aexit__(None, None, None)
        if self._pool is not None:
            await self._pool.close()

    def warm(self) -> None:
        """Start the worker, unless it is there or is being started; nobody waits for it."""
        if not self._ready.is_set() and (self._starting is None or self._starting.done()):
            self._starting = self._group.create_task(self._start(), name="worker for similar questions")

    async def _start(self) -> None:
        with suppress(StrettoError, OSError):
            await self._send("a question", ["another one"], _STARTING)
            self._ready.set()

    async def find(self, where: str, call: ModelCall) -> Answer | None:
        """Return the answer kept for the most similar question with the same telling words, labelled; ``None`` without one.

        ``where`` is the endpoint's address as for :func:`~agents.models.cache.identity`. Never raises and never takes long.
        """
        question = _question(call)
        words = None if question is None else _words(where, call, question)
        if question is None or words is None:
            return None
        try:
            known = await self._store.questions(words, _CANDIDATES)
        except (StoreError, OSError):
            return None
        cosines = await self._compare(question, [text for _, text in known]) if known else []
        for cosine, (key, text) in sorted(zip(cosines, known, strict=False), reverse=True):
            answer = await self._cache.find(key, lambda _: None) if cosine >= self._least else None
            if answer is not None:
                self._cache.resembled()
                return msgspec.structs.replace(answer, similar=round(cosine, 4), similar_to=text)
        return None

    async def add(self, where: str, call: ModelCall, key: str) -> None:
        """Let the answer that is kept under ``key`` be found by its question from now on."""
        question = _question(call)
        words = None if question is None else _words(where, call, question)
        if question is not None and words is not None:
            with suppress(StoreError, OSError):
                await self._store.add_question(key, words, question)

    async def _compare(self, question: str, others: list[str]) -> list[float]:
        self.warm()
        try:
            async with asyncio.timeout(_SECONDS):
                await self._ready.wait()
            return await self._send(question, others, _SECONDS)
        except TimeoutError:
            return []
        except (StrettoError, OSError):
            self._ready.clear()
            return []

    async def _send(self, question: str, others: list[str], seconds: float) -> list[float]:
        from agents.retrieval.pool import WorkerPool
        from agents.retrieval.protocol import Alike, Cosines

        if self._pool is None:
            self._pool = WorkerPool(1)
        reply = await self._pool.ask(Alike(question, others), timeout=seconds)
        return reply.cosines if isinstance(reply, Cosines) else []


def _question(call: ModelCall) -> str | None:
    """Return the question of a call whose answer another may have, or ``None`` for a call that is not of that kind."""
    messages = call.messages
    if not (call.similar and call.use_cache and messages) or messages[-1].role != "user":
        return None
    if call.schema is not None or any(message.attachments for message in messages):
        return None
    question = messages[-1].content.strip()
    return question if 0 < len(question) <= LONGEST else None


def _words(where: str, call: ModelCall, question: str) -> bytes | None:
    """Return what questions share that may stand for one another; ``None`` for one that has no telling words."""
    words = telling(question)
    return hashlib.sha256(b"\0".join([circle(where, call), *(word.encode() for word in words)])).digest()[:16] if words else None
