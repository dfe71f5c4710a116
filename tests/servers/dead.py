"""Places where no call gets through: a queue that is full, a listener that never speaks, a certificate nobody trusts."""

from __future__ import annotations

import asyncio
import shutil
import socket
import ssl
import subprocess
import tempfile
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

OPENSSL = shutil.which("openssl")
"""What makes the certificate nobody trusts; ``None`` where it is not installed."""


@contextmanager
def full() -> Iterator[int]:
    """Yield a port of this machine where connecting takes for ever: the queue of those who wait to be accepted is full."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        port = int(listener.getsockname()[1])
        waiting = [socket.socket() for _ in range(8)]
        try:
            for one in waiting:
                one.setblocking(False)
                one.connect_ex(("127.0.0.1", port))
            yield port
        finally:
            for one in waiting:
                one.close()


@contextmanager
def mute() -> Iterator[int]:
    """Yield a port of this machine where connecting succeeds and nothing is ever answered, no TLS handshake either."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(64)
        yield int(listener.getsockname()[1])


@contextmanager
def unused() -> Iterator[int]:
    """Yield a port of this machine where nothing listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield int(taken.getsockname()[1])


@asynccontextmanager
async def untrusted() -> AsyncIterator[int]:
    """Yield a port of this machine that speaks TLS with a certificate it signed itself. Needs the command ``openssl``."""
    with tempfile.TemporaryDirectory() as folder:
        context = await asyncio.to_thread(_self_signed, Path(folder))

    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.close()

    server = await asyncio.start_server(hang_up, "127.0.0.1", 0, ssl=context)
    try:
        yield int(server.sockets[0].getsockname()[1])
    finally:
        server.close()
        await server.wait_closed()


def _self_signed(folder: Path) -> ssl.SSLContext:
    key, own = folder / "key.pem", folder / "own.pem"
    kind = ["-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
    named = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    subprocess.run(["openssl", "req", *kind, *named, "-keyout", key, "-out", own], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(own, key)
    return context
