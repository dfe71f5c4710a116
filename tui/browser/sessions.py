"""Sessions: for each browser window a process of its own, started without a shell and ended with the window or the server.

The protocol on the pipes is Textual's: one byte of kind, four of length, the payload; ``D`` is what a terminal shows or sends,
``M`` a small JSON object about the terminal.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, Final

import msgspec

from tui.safe import safe_link

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

_READY: Final = b"__GANGLION__\n"
"""The line after which a Textual program speaks packets."""
_START: Final = 60.0
_WRITE: Final = 20.0
_END: Final = (20.0, 5.0)
"""Seconds a session has to end by itself, and then after it was told to."""
_LARGEST: Final = 32 * 2**20
"""Bytes of the largest packet that is believed to be one."""
_SIZES: Final = ((2, 1000), (2, 500))
_SAID: Final = 4096
"""Bytes kept of what a session says to standard error."""


class SessionError(Exception):
    """A session broke; the message is one line for a person."""


class Show(msgspec.Struct, frozen=True):
    """Bytes for the browser's terminal."""

    data: bytes


class Open(msgspec.Struct, frozen=True):
    """A web address to open in a new tab."""

    url: str


class _Meta(msgspec.Struct):
    type: str
    url: str = ""


def environment(width: int, height: int) -> dict[str, str]:
    """Return the environment of a session: a person's own, and what makes the dashboard draw for a browser."""
    return {
        **os.environ,
        "TEXTUAL_DRIVER": "tui.browser.driver:BrowserDriver",
        "TEXTUAL_COLOR_SYSTEM": "truecolor",
        "TERM": "xterm-256color",
        "COLUMNS": str(width),
        "ROWS": str(height),
    }


def fitting(width: object, height: object) -> tuple[int, int] | None:
    """Return a terminal's size within what can be drawn; ``None`` when these are no whole numbers."""
    if type(width) is not int or type(height) is not int:
        return None
    (least, most), (low, high) = _SIZES
    return min(max(width, least), most), min(max(height, low), high)


class Session:
    """One dashboard. The one who starts it must :meth:`end` it."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._said: deque[bytes] = deque()

    @classmethod
    async def start(cls, arguments: Sequence[str], size: tuple[int, int]) -> Session:
        """Start the process."""
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-P",  # a module of the folder we stand in must not be taken for ours
            "-m",
            "tui.browser.session",
            *arguments,
            stdin=pipe,
            stdout=pipe,
            stderr=pipe,
            env=environment(*size),
            # A session of its own, so that Ctrl+C in the terminal reaches only the server, which then ends this.
            start_new_session=True,
        )
        return cls(process)

    @property
    def pid(self) -> int:
        """The process."""
        return self._process.pid

    async def output(self) -> AsyncIterator[Show | Open]:
        """Yield what the dashboard wants of the browser, until it ends. Raises :class:`SessionError` when it does not start."""
        out = self._process.stdout
        assert out is not None  # noqa: S101
        try:
            async with asyncio.timeout(_START):
                line = await out.readline()
                while line and line != _READY:
                    line = await out.readline()
        except (TimeoutError, ValueError):
            line = b""
        if not line:
            raise SessionError("the dashboard did not start")
        with suppress(asyncio.IncompleteReadError):
            while True:
                head = await out.readexactly(5)
                length = int.from_bytes(head[1:], "big")
                if length > _LARGEST:
                    raise SessionError("the dashboard wrote what is no packet")
                payload = await out.readexactly(length)
                if head[:1] == b"D":
                    yield Show(payload)
                elif head[:1] == b"M" and (wanted := _wanted(payload)) is not None:
                    yield wanted

    async def errors(self) -> None:
        """Keep the last of what the process says to standard error, until it ends."""
        err = self._process.stderr
        assert err is not None  # noqa: S101
        while data := await err.read(_SAID):
            self._said.append(data)
            while sum(map(len, self._said)) - len(self._said[0]) > _SAID:
                self._said.popleft()

    @property
    def said(self) -> str:
        """The last line of what the process said to standard error."""
        lines = b"".join(self._said)[-_SAID:].decode("utf-8", "replace").split("\n")
        return next((line.strip() for line in reversed(lines) if line.strip()), "")

    async def type(self, text: str) -> None:
        """Send what a terminal would: keys, the mouse, what is pasted."""
        await self._send(b"D", text.encode("utf-8", "replace"))

    async def tell(self, **fields: object) -> None:
        """Tell of the terminal: its size, whether it has the focus."""
        await self._send(b"M", msgspec.json.encode(fields))

    async def _send(self, kind: bytes, payload: bytes) -> None:
        pipe = self._process.stdin
        assert pipe is not None  # noqa: S101
        try:
            async with asyncio.timeout(_WRITE):
                pipe.write(kind + len(payload).to_bytes(4, "big") + payload)
                await pipe.drain()
        except (OSError, TimeoutError) as error:
            raise SessionError("the dashboard takes no more input") from error

    async def end(self) -> int:
        """End the process: it is told by the end of its input, then by signals. Returns its exit code."""
        pipe = self._process.stdin
        assert pipe is not None  # noqa: S101
        pipe.close()
        async with asyncio.TaskGroup() as group:
            # What it still writes would otherwise wait for a reader for ever.
            draining = [group.create_task(work, name="the last of a session") for work in (self._drain(), self.errors())]
            code = await self._ended()
            for task in draining:
                task.cancel()
        return code

    async def _ended(self) -> int:
        for seconds, stop in zip(_END, (self._process.terminate, self._process.kill), strict=True):
            try:
                async with asyncio.timeout(seconds):
                    return await self._process.wait()
            except TimeoutError:
                with suppress(ProcessLookupError):
                    stop()
        return await self._process.wait()

    async def _drain(self) -> None:
        out = self._process.stdout
        assert out is not None  # noqa: S101
        while await out.read(65536):
            pass


def _wanted(payload: bytes) -> Open | None:
    """Return what a message about the terminal asks of the browser; only web addresses may be opened."""
    try:
        meta = msgspec.json.decode(payload, type=_Meta)
    except msgspec.MsgspecError:
        return None
    url = safe_link(meta.url) if meta.type == "open_url" else None
    return None if url is None else Open(url)
