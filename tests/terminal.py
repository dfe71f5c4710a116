"""A real terminal for the whole program: a pty, a screen that understands what is written to it, and keys."""

from __future__ import annotations

import os
import select
import time
from typing import TYPE_CHECKING, Self

import psutil
import pyte
from ptyprocess import PtyProcess

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from types import TracebackType

KEYS = {
    "enter": "\r",
    "escape": "\x1b",
    "tab": "\t",
    "up": "\x1b[A",
    "down": "\x1b[B",
    "f1": "\x1bOP",
    "f2": "\x1bOQ",
    "f3": "\x1bOR",
    "f4": "\x1bOS",
    "f6": "\x1b[17~",
    "f7": "\x1b[18~",
    "f8": "\x1b[19~",
    "f9": "\x1b[20~",
    "pageup": "\x1b[5~",
    "pagedown": "\x1b[6~",
    "ctrl+c": "\x03",
    "ctrl+n": "\x0e",
    "ctrl+p": "\x10",
    "ctrl+q": "\x11",
}


class Terminal:
    """Runs a command in a pty of a given size and keeps the screen it draws."""

    def __init__(
        self, command: Sequence[str], env: Mapping[str, str], *, columns: int = 120, rows: int = 40, cwd: str | None = None
    ) -> None:
        self._screen = pyte.Screen(columns, rows)
        self._stream = pyte.ByteStream(self._screen)
        self.raw = bytearray()
        self.reads: list[tuple[float, int]] = []
        """When each piece was read (``time.perf_counter``), and the length of ``raw`` after it."""
        self._drawn = 0
        full = {**env, "TERM": "xterm-256color", "COLORTERM": "truecolor", "LANG": "C.UTF-8"}
        self.process = PtyProcess.spawn(list(command), env=full, dimensions=(rows, columns), cwd=cwd)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self.process.isalive():
            self.process.kill(9)
            self.process.wait()
        self.process.close(force=True)

    def read_some(self, seconds: float = 1.0) -> bytes:
        """Take one piece of what the program writes, waiting at most ``seconds`` for it; the screen is not updated."""
        ready, _, _ = select.select([self.process.fd], [], [], max(seconds, 0))
        if not ready:
            return b""
        try:
            data = os.read(self.process.fd, 65536)
        except OSError:  # the other end is gone
            return b""
        self.raw += data
        self.reads.append((time.perf_counter(), len(self.raw)))
        return data

    def read(self, seconds: float) -> None:
        """Take what the program writes for about ``seconds``, or until it is silent, and draw it."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            if not self.read_some(left):
                break
        self.draw()

    def forget(self) -> None:
        """Drop what was read and not drawn, for runs that write more than is worth keeping."""
        self.raw.clear()
        self.reads.clear()
        self._drawn = 0

    def draw(self, upto: int | None = None) -> None:
        """Bring the screen up to what was read, or to the first ``upto`` bytes of it."""
        end = len(self.raw) if upto is None else upto
        self._stream.feed(bytes(self.raw[self._drawn : end]))
        self._drawn = max(self._drawn, end)

    @property
    def drawn(self) -> int:
        """How many of the bytes read the screen has taken in."""
        return self._drawn

    @property
    def text(self) -> str:
        """The screen as lines of text."""
        columns, buffer = range(self._screen.columns), self._screen.buffer  # pyte's own way fails on half of a wide character
        return "\n".join("".join(buffer[y][x].data for x in columns).rstrip() for y in range(self._screen.lines))

    def press(self, *keys: str) -> None:
        """Press named keys."""
        for key in keys:
            self.process.write(KEYS[key].encode())
            self.read(0.05)

    def type(self, text: str) -> None:
        """Type text."""
        self.process.write(text.encode())

    def wait_for(self, what: str | Callable[[str], bool], seconds: float = 60) -> str:
        """Read until the screen holds ``what``; raises AssertionError with the screen when it never does."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            self.read(0.1)
            if what in self.text if isinstance(what, str) else what(self.text):
                return self.text
            if not self.process.isalive():
                break
        raise AssertionError(f"never saw {what!r} on this screen:\n{self.text}")

    def children(self) -> list[psutil.Process]:
        """Return the program's child processes, and theirs."""
        return psutil.Process(self.process.pid).children(recursive=True)

    def wait(self, seconds: float = 20) -> int:
        """Wait for the program's end and return its exit code (128 + signal when one ended it)."""
        until = time.monotonic() + seconds
        while self.process.isalive():
            assert time.monotonic() < until, f"still running:\n{self.text}"
            self.read(0.1)
        self.read(0.2)
        code = self.process.exitstatus
        return 128 + (self.process.signalstatus or 0) if code is None else code
