"""Whether an answer is acceptable: its length here, a pattern and a schema in a process that is killed when it takes too long."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from typing import TYPE_CHECKING, Self

import msgspec

from agents.compare.check import Rules, Verdict
from agents.compare.conditions import check_lengths
from agents.errors import InputError, StrettoError
from agents.retrieval.pdf import child_environment

if TYPE_CHECKING:
    from types import TracebackType

    from agents.models.cache import Answer
    from agents.requests import Accept

CHECK_SECONDS = 3.0
"""What a pattern and a schema have for one answer."""
_START_SECONDS = 20.0


class Acceptance:
    """The tests of one :class:`~agents.requests.Accept`, all but its judge, which is a model call.

    An async context manager; entering starts nothing, leaving ends the process if there is one. Raises :class:`InputError` for
    limits that nothing can meet.
    """

    def __init__(self, accept: Accept) -> None:
        check_lengths(accept.min_chars, accept.max_chars)
        self._accept = accept
        schema = None if accept.schema is None else bytes(accept.schema).decode("utf-8", "replace")
        self._rules = Rules(pattern=accept.pattern, schema=schema)
        self._process: asyncio.subprocess.Process | None = None
        self._leaving: list[asyncio.subprocess.Process] = []
        self._turn = asyncio.Lock()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._dismiss()
        for process in self._leaving:
            await process.wait()

    @property
    def passed(self) -> str:
        """What an answer that has no fault has passed, in a few words."""
        accept = self._accept
        words = []
        if accept.min_chars is not None:
            words.append(f"at least {accept.min_chars:,} characters")
        if accept.max_chars is not None:
            words.append(f"at most {accept.max_chars:,} characters")
        if accept.pattern is not None:
            words.append("the pattern is in it")
        if accept.schema is not None:
            words.append("it follows the schema")
        return ", ".join(words) or "the first whole answer"

    async def prepare(self) -> None:
        """Start the process where one will be needed. Raises :class:`InputError` for a pattern or schema that is none."""
        async with self._turn:
            await self._started()

    async def fault(self, answer: Answer) -> str | None:
        """Return why ``answer`` is not acceptable, or ``None`` when it is. Raises as :meth:`prepare` does."""
        accept, text = self._accept, answer.text
        if not text.strip():
            return "it is blank"
        if answer.finish == "content_filter":
            return "the server's content filter stopped it"
        if accept.min_chars is not None and len(text) < accept.min_chars:
            return f"it has {len(text):,} characters, fewer than {accept.min_chars:,}"
        if accept.max_chars is not None and len(text) > accept.max_chars:
            return f"it has {len(text):,} characters, more than {accept.max_chars:,}"
        async with self._turn:
            return await self._check(text)

    async def _check(self, text: str) -> str | None:
        process = await self._started()
        if process is None:
            return None
        verdict: Verdict | None = None
        try:
            async with asyncio.timeout(CHECK_SECONDS):
                verdict = await _ask(process, msgspec.json.encode(text.encode("utf-8", "replace").decode()))
        except TimeoutError:
            return f"testing it takes longer than {CHECK_SECONDS:g} s: the pattern or schema is too costly"
        except (EOFError, ConnectionError):
            return "testing it takes more time or memory than it may: the pattern or schema is too costly"
        finally:
            if verdict is None:
                self._dismiss()  # what it says now would be taken for the next answer's verdict
        if verdict.error is not None:
            raise InputError(verdict.error)
        return verdict.fault

    async def _started(self) -> asyncio.subprocess.Process | None:
        """Return the process with the rules in it; ``None`` where no test needs one."""
        if self._process is not None:
            return self._process
        if self._rules.pattern is None and self._rules.schema is None:
            return None
        verdict: Verdict | None = None
        try:
            async with asyncio.timeout(_START_SECONDS):
                self._process = await _spawn()
                verdict = await _ask(self._process, msgspec.json.encode(self._rules))
        except (TimeoutError, EOFError, OSError):  # ConnectionError is an OSError
            raise StrettoError("the process that tests answers did not start: is the machine out of memory?") from None
        finally:
            if verdict is None or verdict.error is not None:
                self._dismiss()
        if verdict.error is not None:
            raise InputError(verdict.error)
        return self._process

    def _dismiss(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            self._leaving.append(process)


async def _spawn() -> asyncio.subprocess.Process:
    pipe = asyncio.subprocess.PIPE
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-m", "agents.compare.check", str(os.getpid())),
        stdin=pipe,
        stdout=pipe,
        stderr=asyncio.subprocess.DEVNULL,
        env=child_environment(),
        start_new_session=True,
    )


async def _ask(process: asyncio.subprocess.Process, line: bytes) -> Verdict:
    source, sink = process.stdout, process.stdin
    assert source is not None  # noqa: S101  # both were asked for as pipes
    assert sink is not None  # noqa: S101
    sink.write(line + b"\n")
    await sink.drain()
    reply = await source.readline()
    if not reply.endswith(b"\n"):
        raise EOFError
    return msgspec.json.decode(reply, type=Verdict)
