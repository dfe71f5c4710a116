"""The lean way to an endpoint: an HTTP transport for httpx2 over aiohttp's connections and its parser in C.

httpx2's own transport looks at every idle connection at every request and reads bytes through six layers of Python; at fifty
calls in flight that is two thirds of what a call costs. It keeps no cookies, follows nothing, unpacks nothing and asks no
environment; what fails is told in httpx2's exceptions, each with its true cause.

Imports aiohttp, which takes a third of a second: import it off the loop.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp
import httpx2
from yarl import URL

from agents.addresses import is_loopback

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator, Awaitable, Callable

    from aiohttp.client_proto import ResponseHandler

MAX_HEAD_BYTES = 64 * 1024
"""Of all headers of one answer."""
_READ_BYTES = 32 * 1024
"""At most twice as much waits in one connection before its sender has to wait."""
_BODY = "stretto.body"
_MOST_IN_BODY = 256 * 1024
"""A longer body is sent in pieces, which the connection takes one after the other."""


class HeadTooLargeError(httpx2.TransportError):
    """The headers of an answer are larger than any answer's should be."""


class HungUpError(httpx2.RemoteProtocolError):
    """The server closed the connection where an answer, or the rest of one, was due; the message says which."""


class LeanTransport(httpx2.AsyncBaseTransport):
    """Connections to one endpoint, ``most`` at once; ``connect`` is how many seconds one may take until it stands, TLS included.

    It belongs to the event loop of its first request.
    """

    def __init__(self, *, verify: ssl.SSLContext, connect: float, most: int, keep: float) -> None:
        self._verify = verify
        self._most = most
        self._keep = keep
        self._timeout = aiohttp.ClientTimeout(total=None, connect=connect, sock_connect=connect)
        self._opened: aiohttp.ClientSession | None = None
        self._bodies: dict[ResponseHandler, _Body] = {}

    def _session(self) -> aiohttp.ClientSession:
        if self._opened is None:
            connector = aiohttp.TCPConnector(
                limit=self._most, keepalive_timeout=self._keep, ssl=self._verify, resolver=aiohttp.ThreadedResolver()
            )
            self._opened = aiohttp.ClientSession(
                connector=connector,
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=self._timeout,
                auto_decompress=False,
                read_bufsize=_READ_BYTES,
                max_field_size=16 * 1024,
            )
        return self._opened

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send ``request``; its answer's body is yet to be read."""
        try:
            body: Any = request.content or None
        except httpx2.RequestNotRead:
            body = request.stream
        else:
            if body is not None and len(body) > _MOST_IN_BODY:
                body = _in_pieces(body)
        headers = [(name, value) for name, value in request.headers.multi_items() if name != "transfer-encoding"]
        try:
            response = await self._session().request(
                request.method, URL(str(request.url), encoded=True), headers=headers, data=body, allow_redirects=False
            )
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            raise _told(error) from _cause(error)
        head = response.raw_headers
        if sum(len(name) + len(value) for name, value in head) > MAX_HEAD_BYTES:
            response.close()
            raise HeadTooLargeError(f"sent headers too large to be an answer's (over {MAX_HEAD_BYTES // 1024} KiB)")
        stream = _Body(response)
        self._watch(stream)
        return httpx2.Response(response.status, headers=head, stream=stream, request=request, extensions={_BODY: stream})

    def _watch(self, body: _Body) -> None:
        """Let ``body`` know when its connection is lost: after bytes that are not HTTP aiohttp closes it, and tells no reader."""
        protocol = body.protocol
        if protocol is None:
            return
        if protocol not in self._bodies:
            closed = protocol.closed
            if closed is None:
                body.lost()
                return
            closed.add_done_callback(lambda done: self._lost(protocol, done))
        self._bodies[protocol] = body

    def _lost(self, protocol: ResponseHandler, done: asyncio.Future[None]) -> None:
        if not done.cancelled():
            done.exception()  # seen: whoever reads is told in the words of its own request
        self._bodies.pop(protocol).lost()

    async def connect(self, url: str) -> None:
        """Open one connection to the host of ``url`` and keep it for the next request; nothing is sent over it but TLS's own."""
        session = self._session()
        connector = session.connector
        if connector is None:
            return
        request = aiohttp.ClientRequest("GET", URL(url, encoded=True), loop=asyncio.get_running_loop(), session=session)
        try:
            connection = await connector.connect(request, [], self._timeout)
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            raise _told(error) from _cause(error)
        # Kept by the connector, with those that requests were done with.
        connection.release()

    async def aclose(self) -> None:
        """Close every connection."""
        if self._opened is not None:
            await self._opened.close()


class _Body(httpx2.AsyncByteStream):
    """The body of one answer as it comes."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self._response = response
        self._content = response.content
        connection = response.connection
        self.protocol = None if connection is None else connection.protocol
        """The connection; ``None`` when the whole body came with its headers."""
        self._failed: httpx2.TransportError | None = None

    async def read(self) -> bytes:
        """Return the bytes that came, at least one, or none at the end."""
        if self._failed is not None:
            raise self._failed
        try:
            return await self._content.readany()
        except (aiohttp.ClientError, OSError) as error:
            # The body's own error is always that it is not whole; whether a reset or a bad frame broke it, the connection knows.
            lost = None if self.protocol is None else self.protocol.exception()
            self._failed = _told(lost if isinstance(lost, OSError) else error)
        # What came before the connection broke is text that a person may keep.
        self._content.set_exception(cast("BaseException", None))
        rest = self._content.read_nowait()
        if rest:
            return rest
        raise self._failed

    def lost(self) -> None:
        """Say that no more bytes will come, whether or not the body is whole."""
        if not self._content.is_eof() and self._content.exception() is None:
            self._content.set_exception(aiohttp.ClientPayloadError("what it sent is not HTTP"))

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while data := await self.read():
            yield data

    async def aclose(self) -> None:
        """Give the connection back when all was read, else close it at once."""
        if self._content.is_eof():
            self._response.release()
        else:
            self._response.close()


def reader_of(response: httpx2.Response) -> Callable[[], Awaitable[bytes]]:
    """Return what reads the next bytes of ``response``'s body in as few steps as there are; no bytes are its end."""
    body: _Body | None = response.extensions.get(_BODY)
    if body is not None:
        return body.read
    parts = response.aiter_raw()
    return lambda: anext(parts, b"")


def proxied(url: str) -> bool:
    """Return whether the environment (on some systems, the settings) names a proxy for ``url``; this machine never has one."""
    if is_loopback(url):
        return False
    parts = urlsplit(url)
    proxies = getproxies()
    if parts.scheme not in proxies and "all" not in proxies:
        return False
    return not proxy_bypass(parts.netloc.rpartition("@")[2])


async def _in_pieces(body: bytes) -> AsyncIterator[bytes]:
    for at in range(0, len(body), _MOST_IN_BODY):
        yield body[at : at + _MOST_IN_BODY]


_MEANINGS: tuple[tuple[type[BaseException], type[httpx2.TransportError]], ...] = (
    (aiohttp.ConnectionTimeoutError, httpx2.ConnectTimeout),
    (TimeoutError, httpx2.ReadTimeout),
    (aiohttp.ClientConnectorError, httpx2.ConnectError),
    (OSError, httpx2.ReadError),
    (aiohttp.ClientPayloadError, httpx2.RemoteProtocolError),
    (aiohttp.ClientResponseError, httpx2.RemoteProtocolError),
    (ValueError, httpx2.LocalProtocolError),
)
"""aiohttp's errors and httpx2's that mean the same, the more particular first."""


def _told(error: BaseException) -> httpx2.TransportError:
    if isinstance(error, aiohttp.ServerDisconnectedError):
        return HungUpError("closed the connection without an answer")
    if isinstance(error, aiohttp.ClientPayloadError) and error.__cause__ is not None:
        return HungUpError("closed the connection in the middle of its answer")
    meaning = next((meaning for kind, meaning in _MEANINGS if isinstance(error, kind)), httpx2.TransportError)
    words = error.message if isinstance(error, aiohttp.ClientResponseError) else str(error)
    # What follows the first line is the bytes themselves and an arrow at them.
    return meaning(words.partition("\n")[0].removesuffix(":") or type(error).__name__)


def _cause(error: BaseException) -> BaseException | None:
    # A time limit is kept by cancelling: neither that nor its own error says more than that it was reached.
    return None if isinstance(error, TimeoutError) else error
