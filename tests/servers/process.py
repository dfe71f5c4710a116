"""Starts a loopback server in a process of its own, so that a measurement counts only the client's work."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.servers.http import LoopbackServer


def serve(make: Callable[[], LoopbackServer]) -> None:
    """Serve, in the process this is called in, until standard input ends; prints the address first."""
    asyncio.run(_serve(make))


async def _serve(make: Callable[[], LoopbackServer]) -> None:
    async with make() as server:
        server.keep_requests = 0
        print(server.base_url, flush=True)
        loop = asyncio.get_running_loop()
        ended = asyncio.Event()

        def watch() -> None:
            while sys.stdin.readline():
                pass
            loop.call_soon_threadsafe(ended.set)

        threading.Thread(target=watch, daemon=True).start()
        await ended.wait()


@contextmanager
def _process(module: str, *arguments: str) -> Iterator[str]:
    command = [sys.executable, "-m", module, *arguments]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.stdin.close()
            try:
                process.wait(timeout=5)
            except subprocess.TimeoutExpired:
                process.kill()


@contextmanager
def paced_process(*arguments: str) -> Iterator[str]:
    """Run the paced server beside this process; yields its base URL and ends it on leaving."""
    with _process("tests.servers.paced", *arguments) as address:
        yield address


@contextmanager
def fault_process(elsewhere: str) -> Iterator[str]:
    """Run the fault server, whose redirects lead ``elsewhere``, beside this process; yields its base URL and ends it on leaving."""
    with _process("tests.servers.faults", elsewhere) as address:
        yield address


@contextmanager
def limited_process(*arguments: str) -> Iterator[str]:
    """Run the server with a limit beside this process; yields its base URL and ends it on leaving."""
    with _process("tests.servers.limited", *arguments) as address:
        yield address
