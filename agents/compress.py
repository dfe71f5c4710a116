"""Material made shorter before it is sent: passages, attached text and standard input; never a person's own words.

It is off unless chosen. What is left out is chosen in a worker process (:mod:`agents.retrieval.shorten`); here is decided what may
be shortened, and told what came of it. Shortening is a favour: where it fails, the whole is sent.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from importlib.util import find_spec
from pathlib import PurePath
from typing import TYPE_CHECKING, Final, Literal, get_args

import msgspec

from agents.errors import InputError, StrettoError
from agents.tokens import estimate_tokens, tokens_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agents.events import Level
    from agents.requests import Attachment, Message
    from agents.retrieval.pool import WorkerPool
    from agents.runs import Step
    from storage.attachments import AttachedFiles

Mode = Literal["off", "extract", "terse", "llmlingua"]
MODES: Final[tuple[Mode, ...]] = get_args(Mode)

KEEP: Final = 0.5
"""The share of the tokens of prose that is kept."""
_LEAST: Final = 150
"""Tokens; shorter material is not worth it."""
_MOST: Final = 4 << 20
"""Characters; longer material would take longer than anybody waits."""
_SECONDS: Final[dict[Mode, float]] = {"extract": 30.0, "terse": 30.0, "llmlingua": 600.0}
"""How long the worker has; llmlingua fetches its model when it is first used."""
_REMEMBERED: Final = 256
_CODE_NAMES = """
py pyi ipynb js mjs ts tsx jsx java kt c h cc cpp hpp cs go rs rb php pl sh bash zsh fish ps1 sql lua r jl swift scala hs ml ex
exs erl clj vim json jsonl ndjson csv tsv xml html htm css scss yaml yml toml ini cfg conf lock diff patch proto
tf tex ps svg
"""
_CODE: Final = frozenset(_CODE_NAMES.split())
"""Endings of the names of files that are no prose."""


def check(mode: Mode) -> None:
    """Raise :class:`InputError`, in one line, when what ``mode`` needs is not installed."""
    if mode == "llmlingua" and find_spec("llmlingua") is None:
        raise InputError("llmlingua is not installed: pip install 'stretto[llmlingua]', or choose extract, which needs nothing")


class Compressor:
    """Shortens what may be, in the way that ``mode`` says, and tells steps what that saved."""

    def __init__(self, pool: WorkerPool, files: AttachedFiles, mode: Mode) -> None:
        self._pool, self._files, self._mode = pool, files, mode
        self._shorter: OrderedDict[tuple[str, str], Attachment] = OrderedDict()
        """Files that were shortened, by digest and question."""
        self._one = asyncio.Lock()

    async def passages(self, step: Step | None, texts: Sequence[str], question: str) -> Sequence[str]:
        """Return ``texts`` shortened together: those that say more about ``question`` keep more. There are as many as before."""
        if self._mode == "off":
            return texts
        check(self._mode)
        before = sum(map(estimate_tokens, texts))
        shorter = await self._shorten(step, texts, question) if before >= _LEAST else texts
        if shorter is None:
            return texts
        _tell(step, before, sum(map(estimate_tokens, shorter)))
        return shorter

    async def messages(self, step: Step | None, messages: tuple[Message, ...]) -> tuple[Message, ...]:
        """Return ``messages`` with shorter files of text; what was written in them stays as it is."""
        if self._mode == "off" or not any(_is_prose(file) for message in messages for file in message.attachments):
            return messages
        check(self._mode)
        before = after = 0
        failed = False
        changed: list[Message] = []
        for message in messages:
            files: list[Attachment] = []
            for file in message.attachments:
                shorter = await self._file(step, file, message.content) if _is_prose(file) else file
                files.append(shorter or file)
                failed = failed or shorter is None
                if _is_prose(file):
                    before, after = before + tokens_of(file.size), after + tokens_of((shorter or file).size)
            changed.append(msgspec.structs.replace(message, attachments=tuple(files)))
        if after < before or not failed:
            _tell(step, before, after)
        return tuple(changed)

    async def _file(self, step: Step | None, file: Attachment, question: str) -> Attachment | None:
        """Return ``file`` shortened, ``None`` where that failed. The shorter one is stored like any file that was sent."""
        from agents.requests import Attachment
        from storage.attachments import digest_of

        if tokens_of(file.size) < _LEAST:
            return file
        # Several models are asked at once: the first does it for all.
        async with self._one:
            known = self._shorter.get((file.digest, question))
            if known is not None:
                return known
            data = await self._files.get(file.digest)
            if data is None:
                raise InputError(f"{file.name} is no longer stored: attach it again in a new conversation")
            shortened = await self._shorten(step, [data.decode("utf-8-sig", "replace")], question)
            if shortened is None:
                return None
            data = shortened[0].encode()
            shorter = file
            if len(data) < file.size:
                shorter = Attachment(name=f"{file.name}, shortened", media=file.media, digest=digest_of(data), size=len(data))
                await self._files.put(shorter.digest, shorter.media, data)
            self._shorter[file.digest, question] = shorter
            while len(self._shorter) > _REMEMBERED:
                self._shorter.popitem(last=False)
            return shorter

    async def _shorten(self, step: Step | None, texts: Sequence[str], question: str) -> Sequence[str] | None:
        from agents.retrieval.protocol import Shorten, Shortened

        assert self._mode != "off"  # noqa: S101  # the callers look
        if sum(map(len, texts)) > _MOST:
            _say(step, "sent whole: it is too long to be shortened", "warning")
            return None
        try:
            reply = await self._pool.ask(Shorten(tuple(texts), question, self._mode, KEEP), timeout=_SECONDS[self._mode])
        except StrettoError as error:
            _say(step, f"sent whole, because it could not be shortened: {error}", "warning")
            return None
        return reply.texts if isinstance(reply, Shortened) and len(reply.texts) == len(texts) else None


def _tell(step: Step | None, before: int, after: int) -> None:
    if after < before:
        _say(step, f"material shortened from ≈ {before:,} to ≈ {after:,} tokens")
    else:
        _say(step, f"nothing to shorten in ≈ {before:,} tokens of material")


def _say(step: Step | None, line: str, level: Level = "info") -> None:
    if step is not None:
        step.log(line, level, keep=True)


def _is_prose(file: Attachment) -> bool:
    return not file.media.startswith("image/") and PurePath(file.name).suffix.lower().removeprefix(".") not in _CODE
