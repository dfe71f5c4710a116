"""Worker processes as the event loop sees them: started when needed, killed when late or no longer wanted, never left behind."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Self

import msgspec

from agents.errors import InputError, StrettoError
from agents.retrieval.pdf import child_environment
from agents.retrieval.protocol import HEADER, Done, Failed, Reply, Request, frame

if TYPE_CHECKING:
    from types import TracebackType

_PATIENCE = 0.2
"""Seconds a request waits for a process that is busy before one more is started: starting takes longer than most requests."""

_decoder = msgspec.msgpack.Decoder(Reply)


class WorkerError(StrettoError):
    """A worker process ended or gave no answer in time; the same request may do better in a fresh one."""


class WorkerPool:
    """At most ``limit`` worker processes, each serving one request at a time.

    An async context manager; entering starts nothing. A request whose caller is cancelled, or that gives no reply in time, costs
    its process: there is no other way to stop what it is doing.
    """

    def __init__(self, limit: int = 1, *, patience: float = _PATIENCE) -> None:
        self._room = asyncio.Semaphore(limit)
        self._patience = patience
        self._working = 0
        self._freed = asyncio.Event()
        self._idle: list[asyncio.subprocess.Process] = []
        self._leaving: list[asyncio.subprocess.Process] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.close()

    @property
    def processes(self) -> tuple[int, ...]:
        """Process ids of the workers that wait for work."""
        return tuple(process.pid for process in self._idle)

    async def close(self) -> None:
        """End all processes and wait until they are gone."""
        for process in self._idle:
            self._dismiss(process)
        self._idle.clear()
        for process in self._leaving:
            await process.wait()
        self._leaving.clear()

    async def call(self, request: Request, each: Callable[[Reply], None], *, timeout: float = 60.0) -> None:
        """Serve ``request``, giving every reply to ``each`` as it comes; ``timeout`` is the longest wait for one reply, in seconds.

        Raises :class:`InputError` with the worker's own words when it cannot serve the request, :class:`WorkerError` when the
        process ends or a reply is late.
        """
        async with self._room:
            process = await self._take()
            self._working += 1
            served = False
            try:
                await _talk(process, frame(request), each, timeout)
                served = True
            except InputError:
                served = True
                raise
            except (EOFError, ConnectionError):
                raise WorkerError(
                    "the worker process ended: the input may be broken or too much for this machine's memory"
                ) from None
            finally:
                self._working -= 1
                if served:
                    self._idle.append(process)
                else:
                    self._dismiss(process)
                self._freed.set()

    async def ask(self, request: Request, *, timeout: float = 60.0) -> Reply:
        """Serve a request that has one reply, and return it."""
        replies: list[Reply] = []
        await self.call(request, replies.append, timeout=timeout)
        return replies[0]

    async def _take(self) -> asyncio.subprocess.Process:
        """Return a process that is free: one that waits, one that is done soon, or a new one."""
        if not self._idle and self._working:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._patience):
                    while self._working and not self._idle:
                        self._freed.clear()
                        await self._freed.wait()
        return self._idle.pop() if self._idle else await self._start()

    async def _start(self) -> asyncio.subprocess.Process:
        command = (sys.executable, "-P", "-m", "agents.retrieval.worker")
        pipe = asyncio.subprocess.PIPE
        try:
            # A session of its own, so that Ctrl+C in the terminal reaches only the program, which then ends its workers.
            return await asyncio.create_subprocess_exec(
                *command,
                stdin=pipe,
                stdout=pipe,
                stderr=asyncio.subprocess.DEVNULL,
                env=child_environment(),
                start_new_session=True,
            )
        except OSError as error:
            raise WorkerError(f"no worker process could be started: {error.strerror}") from None

    def _dismiss(self, process: asyncio.subprocess.Process) -> None:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        self._leaving = [left for left in self._leaving if left.returncode is None]
        self._leaving.append(process)


async def _talk(process: asyncio.subprocess.Process, request: bytes, each: Callable[[Reply], None], timeout: float) -> None:
    source, sink = process.stdout, process.stdin
    assert source is not None  # noqa: S101  # both were asked for as pipes
    assert sink is not None  # noqa: S101
    failure: str | None = None
    try:
        async with asyncio.timeout(timeout) as limit:
            sink.write(request)
            await sink.drain()
            while True:
                header = await source.readexactly(HEADER)
                reply = _decoder.decode(await source.readexactly(int.from_bytes(header, "big")))
                limit.reschedule(asyncio.get_running_loop().time() + timeout)
                if isinstance(reply, Done):
                    break
                if isinstance(reply, Failed):
                    failure = reply.message
                else:
                    each(reply)
    except TimeoutError:
        raise WorkerError(f"takes longer than {timeout:g} s") from None
    except msgspec.DecodeError:
        raise WorkerError("the worker process gave an answer that cannot be read") from None
    if failure is not None:
        raise InputError(failure)
