"""The smallest HTTP/1.1 server that tests and benches need: one protocol per connection, requests handed over whole.

It keeps nothing between the socket and the behaviour under test: what a handler writes goes out as it is, when it is written.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, Self

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

_REASONS = {200: "OK", 400: "Bad Request", 401: "Unauthorized", 404: "Not Found"}


@dataclass
class Request:
    """One request, read whole."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes = b""

    def json(self) -> dict[str, object]:
        """Return the body's JSON object; empty for an empty body."""
        return msgspec.json.decode(self.body, type=dict[str, object]) if self.body else {}


@dataclass
class Counts:
    """What a server saw. ``dropped`` counts connections that the client closed while an answer was in flight."""

    connections: int = 0
    open: int = 0
    requests: int = 0
    in_flight: int = 0
    peak_in_flight: int = 0
    dropped: int = 0
    by_path: dict[str, int] = field(default_factory=dict)


class Behaviour(Protocol):
    """What answers a request on a connection: writes to its transport and calls ``connection.done()`` at the end."""

    def __call__(self, connection: Connection, request: Request) -> None:
        """Begin to answer; must not block."""


class Connection(asyncio.Protocol):
    """One client's connection: splits requests and keeps the server's counts."""

    def __init__(self, server: LoopbackServer) -> None:
        self.server = server
        self.transport: asyncio.Transport
        self.timer: asyncio.TimerHandle | None = None
        self._buffer = b""
        self._busy = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Note the connection."""
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.server.connected(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """Note the end; an answer in flight is a dropped one."""
        if self.timer is not None:
            self.timer.cancel()
        self.server.disconnected(self, dropped=self._busy)
        self._busy = False

    def data_received(self, data: bytes) -> None:
        """Collect bytes until a request is whole."""
        self._buffer += data
        self._next()

    def _next(self) -> None:
        if self._busy or b"\r\n\r\n" not in self._buffer:
            return
        head, rest = self._buffer.split(b"\r\n\r\n", 1)
        first, *lines = head.decode("latin-1").split("\r\n")
        method, path, _ = first.split(" ", 2)
        headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        length = int(headers.get("content-length", "0"))
        if len(rest) < length:
            return
        self._buffer = rest[length:]
        self._busy = True
        self.server.begun(self, Request(method, path, headers, rest[:length]))

    def respond(self, status: int, body: bytes, content_type: str = "application/json") -> None:
        """Answer at once and whole."""
        reason = _REASONS.get(status, "Status")
        head = f"HTTP/1.1 {status} {reason}\r\ncontent-type: {content_type}\r\ncontent-length: {len(body)}\r\n\r\n"
        self.transport.write(head.encode() + body)
        self.done()

    def later(self, when: float, call: Callable[[], None]) -> None:
        """Call ``call`` at loop time ``when``, unless the connection ends before."""
        self.timer = asyncio.get_running_loop().call_at(when, call)

    def done(self) -> None:
        """Say that the answer is complete; the connection takes its next request."""
        if self._busy:
            self._busy = False
            self.server.answered()
            self._next()


class LoopbackServer:
    """An async context manager: a server on a free loopback port that hands every request to its behaviour."""

    def __init__(self, behaviour: Behaviour, *, port: int = 0) -> None:
        self.counts = Counts()
        self.requests: list[Request] = []
        self.keep_requests = 1000
        self._behaviour = behaviour
        self._port = port
        self._changed = asyncio.Event()
        self._connections: set[Connection] = set()
        self._server: asyncio.Server

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: Connection(self), "127.0.0.1", self._port, backlog=4096)
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._server.close()
        for connection in list(self._connections):
            connection.transport.abort()
        await self._server.wait_closed()
        await self.until(lambda: not self._connections)

    @property
    def port(self) -> int:
        """The port it listens on."""
        return int(self._server.sockets[0].getsockname()[1])

    @property
    def url(self) -> str:
        """Scheme, host and port."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def base_url(self) -> str:
        """The address an endpoint is configured with."""
        return f"{self.url}/v1"

    async def until(self, predicate: Callable[[], bool]) -> None:
        """Wait until ``predicate`` holds; it is looked at whenever a count changes."""
        while not predicate():
            self._changed.clear()
            await self._changed.wait()

    def connected(self, connection: Connection) -> None:
        """Count a new connection."""
        self.counts.connections += 1
        self.counts.open += 1
        self._connections.add(connection)
        self._changed.set()

    def disconnected(self, connection: Connection, *, dropped: bool) -> None:
        """Count the end of a connection."""
        self.counts.open -= 1
        self._connections.discard(connection)
        if dropped:
            self.counts.dropped += 1
            self.counts.in_flight -= 1
        self._changed.set()

    def begun(self, connection: Connection, request: Request) -> None:
        """Count a request and answer it."""
        counts = self.counts
        counts.requests += 1
        counts.in_flight += 1
        counts.peak_in_flight = max(counts.peak_in_flight, counts.in_flight)
        path = request.path.split("?")[0]
        counts.by_path[path] = counts.by_path.get(path, 0) + 1
        if len(self.requests) < self.keep_requests:
            self.requests.append(request)
        self._changed.set()
        self._behaviour(connection, request)

    def answered(self) -> None:
        """Count the end of an answer."""
        self.counts.in_flight -= 1
        self._changed.set()
