"""A server that answers wrongly, one named way at a time: the model's name is the name of the fault.

Faults are what servers, proxies and networks really do to a streamed chat completion. :data:`SCENARIOS` names them all.
``status-NNN`` answers with that HTTP status, for any number. Run it in a process of its own with
``python -m tests.servers.faults ELSEWHERE``; it prints its address and ends with its parent's pipe.
"""

from __future__ import annotations

import asyncio
import gzip
import socket
import struct
import sys
from typing import TYPE_CHECKING

import msgspec

from tests.servers.http import Connection, LoopbackServer, Request
from tests.servers.paced import chunk
from tests.servers.process import serve

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    Scenario = Callable[[Connection, Request], None]

TEXT = "Hello wörld"
SSE = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n"
CHUNKED = SSE + b"transfer-encoding: chunked\r\n\r\n"
END = b"0\r\n\r\n"
DONE = b"data: [DONE]\n\n"
PING = b": ping\n\n"

SCENARIOS: dict[str, Scenario] = {}


def event(value: object) -> bytes:
    """Return one event with ``value`` as JSON."""
    return b"data: %b\n\n" % msgspec.json.encode(value)


def choice(delta: object, finish: object = None) -> dict[str, object]:
    """Return a chunk of a chat completion with one choice."""
    return {"id": "x", "object": "chat.completion.chunk", "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}


def said(text: object = TEXT) -> bytes:
    """Return an event that carries text."""
    return event(choice({"content": text}))


STOP = event(choice({}, "stop"))


def scenario(name: str) -> Callable[[Scenario], Scenario]:
    """Register a scenario."""

    def register(function: Scenario) -> Scenario:
        SCENARIOS[name] = function
        return function

    return register


def _whole(head: bytes, body: bytes = b"", *, close: bool = False) -> Scenario:
    def answer(connection: Connection, request: Request) -> None:
        connection.transport.write(head + body)
        connection.done()
        if close:
            connection.transport.close()

    return answer


def _stream(*events: bytes) -> Scenario:
    """Answer with these events, framed properly, each in a chunk of its own."""
    return _whole(CHUNKED, b"".join(map(chunk, events)) + END)


def _hang(data: bytes) -> Scenario:
    """Send ``data`` and then nothing more, for ever."""
    return lambda connection, request: connection.transport.write(data)


def _repeat(first: bytes, again: bytes, seconds: float) -> Scenario:
    """Send ``first``, then ``again`` every so often, for ever."""

    def answer(connection: Connection, request: Request) -> None:
        loop = asyncio.get_running_loop()

        def tick() -> None:
            connection.transport.write(again)
            connection.later(loop.time() + seconds, tick)

        connection.transport.write(first)
        tick()

    return answer


def _reset(data: bytes) -> Scenario:
    """Send ``data`` and then reset the connection."""

    def answer(connection: Connection, request: Request) -> None:
        def reset() -> None:
            raw = connection.transport.get_extra_info("socket")
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            connection.transport.abort()

        connection.transport.write(data)
        connection.done()
        connection.later(asyncio.get_running_loop().time() + 0.05, reset)

    return answer


def _flood(first: bytes, again: bytes, most: int | None = None) -> Scenario:
    """Send ``first``, then ``again`` as fast as it is taken, ``most`` times or for ever."""

    def answer(connection: Connection, request: Request) -> None:
        loop, transport = asyncio.get_running_loop(), connection.transport
        left = most

        def tick() -> None:
            nonlocal left
            while not transport.is_closing() and transport.get_write_buffer_size() < 1024 * 1024 and left != 0:
                transport.write(again)
                left = None if left is None else left - 1
            if left == 0:
                connection.done()
            else:
                connection.later(loop.time() + 0.001, tick)

        transport.write(first)
        tick()

    return answer


def _breaking(data: bytes, rest: bytes) -> Scenario:
    """Send ``data``, a moment later ``rest``, and close."""

    def answer(connection: Connection, request: Request) -> None:
        def finish() -> None:
            connection.transport.write(rest)
            connection.done()
            connection.transport.close()

        connection.transport.write(data)
        connection.later(asyncio.get_running_loop().time() + 0.05, finish)

    return answer


def _body(status: str, body: bytes, content_type: str = "application/json", extra: str = "") -> Scenario:
    head = f"HTTP/1.1 {status}\r\ncontent-type: {content_type}\r\ncontent-length: {len(body)}\r\n{extra}\r\n"
    return _whole(head.encode(), body)


def _split(pieces: Iterable[bytes]) -> Scenario:
    """Send the pieces as separate chunks, each in a write of its own."""
    parts = [chunk(piece) for piece in pieces]

    def answer(connection: Connection, request: Request) -> None:
        waiting = iter(parts)

        def tick() -> None:
            part = next(waiting, None)
            connection.transport.write(END if part is None else part)
            if part is None:
                connection.done()
            else:
                connection.later(asyncio.get_running_loop().time(), tick)

        connection.transport.write(CHUNKED)
        tick()

    return answer


_HTML = b"<!doctype html><html><body>Please log in to the network</body></html>"
_GOOD = said() + STOP + DONE
_BEGUN = b'data: {"choices":[{"index":0,"delta":{"content":"'
_SURROGATES = rb'data: {"choices":[{"index":0,"delta":{"content":"%b"}}]}' + b"\n\n"

SCENARIOS |= {
    # answers that are no stream
    "html-200": _body("200 OK", _HTML, "text/html"),
    "html-502": _body("502 Bad Gateway", _HTML, "text/html"),
    "json-200-null": _body("200 OK", b'{"id":"x","choices":null}'),
    "json-200-error": _body("200 OK", b'{"error":{"message":"model is loading"}}'),
    "json-200-whole": _body(
        "200 OK", msgspec.json.encode({"choices": [{"index": 0, "message": {"content": TEXT}, "finish_reason": "stop"}]})
    ),
    "json-200-cut": _whole(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n", b'{"choices":[{"mess', close=True),
    "sse-as-json": _body("200 OK", _GOOD),
    "empty-200": _body("200 OK", b"", "text/event-stream"),
    "no-content-204": _whole(b"HTTP/1.1 204 No Content\r\n\r\n"),
    "ndjson": _body(
        "200 OK", b"".join(msgspec.json.encode(choice({"content": TEXT})) + b"\n" for _ in range(3)), "application/x-ndjson"
    ),
    "single-newlines": _stream((_GOOD).replace(b"\n\n", b"\n")),
    "garbage": _whole(b"\x00\x01\x02 this is not HTTP\r\n\r\n", close=True),
    "quota-429": _body("429 Too Many Requests", b'{"error":{"message":"no money left","code":"insufficient_quota"}}'),
    "retry-after-300": _body("429 Too Many Requests", b"{}", extra="retry-after: 300\r\n"),
    "retry-after-bad": _body("429 Too Many Requests", b"{}", extra="retry-after: soon\r\n"),
    "context-400": _body("400 Bad Request", b'{"error":{"message":"9031 tokens exceed 8192","type":"exceed_context_size_error"}}'),
    "endless-error": _repeat(b"HTTP/1.1 500 Oops\r\ntransfer-encoding: chunked\r\n\r\n", chunk(b"x" * 10), 0.05),
    "huge-headers": _whole(b"HTTP/1.1 200 OK\r\n" + b"".join(b"x-h%d: %b\r\n" % (i, b"y" * 8000) for i in range(40)) + b"\r\n"),
    "interim-103": _whole(b"HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n" + CHUNKED, chunk(_GOOD) + END),
    # connections that end
    "fin-first": _whole(b"", close=True),
    "reset-first": _reset(b""),
    "reset-after-headers": _reset(CHUNKED),
    "reset-mid": _reset(CHUNKED + chunk(said())),
    "fin-mid-chunked": _whole(CHUNKED, chunk(said()), close=True),
    "fin-mid-unframed": _whole(SSE + b"connection: close\r\n\r\n", said(), close=True),
    "fin-mid-event": _whole(SSE + b"connection: close\r\n\r\n", said() + b'data: {"choices":[{"ind', close=True),
    "chunked-ended-early": _stream(said()),
    "bad-chunk": _breaking(CHUNKED + chunk(said()), b"zz\r\nnonsense\r\n"),
    "bad-chunk-at-once": _whole(CHUNKED, chunk(said()) + b"zz\r\nnonsense\r\n", close=True),
    "short-length": _whole(SSE + b"content-length: 9999\r\n\r\n", said(), close=True),
    "no-finish": _stream(said(), DONE),
    "only-done": _stream(DONE),
    "no-done": _stream(said(), STOP),
    "reset-after-finish": _reset(CHUNKED + chunk(said() + STOP)),
    # silence
    "stall-before-headers": _hang(b""),
    "stall-before-first": _hang(CHUNKED),
    "stall-mid": _hang(CHUNKED + chunk(said())),
    "finish-then-hang": _hang(CHUNKED + chunk(said() + STOP)),
    "done-then-hang": _hang(CHUNKED + chunk(_GOOD)),
    "ping-forever": _repeat(CHUNKED, chunk(PING), 0.05),
    "ping-mid-forever": _repeat(CHUNKED + chunk(said()), chunk(PING), 0.05),
    "loris-headers": _repeat(b"HTTP/1.1 200 OK\r\nx-slow: ", b"a", 0.05),
    "loris-body": _repeat(CHUNKED, chunk(b"d"), 0.05),
    "reasoning-forever": _repeat(CHUNKED, chunk(event(choice({"reasoning_content": "hm"}))), 0.05),
    "trickle-forever": _repeat(CHUNKED, chunk(said("a")), 0.05),
    "role-then-stall": _hang(CHUNKED + chunk(event(choice({"role": "assistant", "content": ""})))),
    # sizes and encodings
    "huge-chunk": _flood(CHUNKED + b"4000100\r\n" + _BEGUN, b"x" * 65536, 1024),
    "huge-error": _flood(b"HTTP/1.1 500 Oops\r\ncontent-length: 99999999\r\n\r\n", b"x" * 65536),
    "ping-flood": _flood(CHUNKED, chunk(PING) * 1000),
    "many-events": _stream(*[said("a")] * 2000, STOP, DONE),
    "endless-line": _flood(CHUNKED, chunk(b"x" * 65536)),
    "gzip": _body("200 OK", gzip.compress(_GOOD), "text/event-stream", "content-encoding: gzip\r\n"),
    "bad-gzip": _body("500 Oops", b"not gzip", extra="content-encoding: gzip\r\n"),
    "bom": _stream(b"\xef\xbb\xbf" + _GOOD),
    "crlf": _stream(_GOOD.replace(b"\n", b"\r\n")),
    "cr": _stream(_GOOD.replace(b"\n", b"\r")),
    "no-space": _stream(_GOOD.replace(b"data: ", b"data:")),
    "multi-line": _stream(said().replace(b',"choices"', b'\ndata: ,"choices"'), STOP, DONE),
    "split-bytes": _split(bytes([byte]) for byte in _GOOD),
    "invalid-utf8": _stream(b'data: {"choices":[{"index":0,"delta":{"content":"a\xff\xfeb"}}]}\n\n', STOP, DONE),
    "surrogates": _stream(_SURROGATES % rb"a\ud83d", _SURROGATES % rb"\ude00b", STOP, DONE),
    "lone-surrogate": _stream(_SURROGATES % rb"a\ud83d", _SURROGATES % b"b", STOP, DONE),
    "control-codes": _stream(said("\x1b]0;title\x07\x00"), STOP, DONE),
    # events that are not what they should be
    "bad-json": _stream(said(), b"data: {not json\n\n", STOP, DONE),
    "bad-json-first": _stream(b"data: {not json\n\n", STOP, DONE),
    "empty-data": _stream(b"data:\n\n", said(), b"data: \n\n", STOP, DONE),
    "ping-event": _stream(b"event: ping\n\n", b"event: ping\ndata: {}\n\n", said(), STOP, DONE),
    "id-and-retry": _stream(b"id: 1\n\n", b"retry: 100\n\n", said(), STOP, DONE),
    "event-error": _stream(said(), b'event: error\ndata: {"message":"overloaded"}\n\n'),
    "event-error-first": _stream(b'event: error\ndata: {"message":"overloaded"}\n\n'),
    "error-in-chunk": _stream(event({"error": {"message": "upstream died", "code": 502}})),
    "error-in-chunk-mid": _stream(said(), event({"choices": [], "error": {"message": "upstream died", "code": 502}})),
    "error-string": _stream(event({"error": "CUDA out of memory"})),
    "error-rate-limit": _stream(event({"error": {"message": "slow down", "code": "rate_limit_exceeded"}})),
    "choices-null": _stream(event({"choices": None}), said(), STOP, DONE),
    "choices-missing": _stream(event({"id": "x"}), said(), STOP, DONE),
    "choices-dict": _stream(event({"choices": {"0": {}}}), said(), STOP, DONE),
    "choice-null": _stream(event({"choices": [None]}), said(), STOP, DONE),
    "delta-null": _stream(event(choice(None)), said(), event(choice(None, "stop")), DONE),
    "content-int": _stream(said(5), said(), STOP, DONE),
    "content-list": _stream(said([{"type": "text", "text": TEXT}]), STOP, DONE),
    "odd-events": _stream(b"data: null\n\n", b"data: 5\n\n", b"data: []\n\n", b'data: "x"\n\n', said(), STOP, DONE),
    "deep-json": _stream(b"data: " + b"[" * 20000 + b"\n\n", STOP, DONE),
    "second-choice": _stream(event({"choices": [{"index": 1, "delta": {"content": "no"}}]}), said(), STOP, DONE),
    "usage-odd": _stream(said(), STOP, event({"choices": [], "usage": {"prompt_tokens": None, "completion_tokens": 3}}), DONE),
    "after-done": _stream(said(), STOP, DONE, said("more")),
    "finish-length": _stream(said(), event(choice({}, "length")), DONE),
    "finish-filter": _stream(said(), event(choice({}, "content_filter")), DONE),
    "finish-unknown": _stream(said(), event(choice({}, "eos_token")), DONE),
    "finish-empty": _stream(said(), event(choice({}, "")), DONE),
    "finish-number": _stream(said(), event(choice({}, 1)), DONE),
    "reasoning": _stream(event(choice({"reasoning_content": "hm"})), said(), STOP, DONE),
}


@scenario("gzip-bomb")
def _gzip_bomb(connection: Connection, request: Request) -> None:
    # 256 MiB of zeros in 256 KiB, as sixteen members: packed files may be joined.
    packed = gzip.compress(bytes(16 * 1024 * 1024), 9) * 16
    _body("200 OK", packed, "text/event-stream", "content-encoding: gzip\r\n")(connection, request)


@scenario("secret-echoed")
def _secret_echoed(connection: Connection, request: Request) -> None:
    key = request.headers.get("authorization", "").removeprefix("Bearer ")
    body = msgspec.json.encode({"error": {"message": f"bad request from {key}, ending in {key[-6:]}"}})
    connection.respond(400, body)


@scenario("no-stream-options")
def _no_stream_options(connection: Connection, request: Request) -> None:
    if "stream_options" in request.json():
        connection.respond(400, b'{"error":{"message":"Unrecognized request argument supplied: stream_options"}}')
    else:
        SCENARIOS["no-done"](connection, request)


@scenario("new-token-limit")
def _new_token_limit(connection: Connection, request: Request) -> None:
    if "max_tokens" in request.json():
        connection.respond(400, b'{"error":{"message":"\'max_tokens\' is not supported: use \'max_completion_tokens\'"}}')
    else:
        SCENARIOS["no-done"](connection, request)


class FaultServer(LoopbackServer):
    """The fault server, on the loop that enters it. ``elsewhere`` is where its redirects point."""

    def __init__(self, *, port: int = 0, elsewhere: str = "http://127.0.0.1:9/v1") -> None:
        super().__init__(self._answer, port=port)
        self._elsewhere = elsewhere

    def _answer(self, connection: Connection, request: Request) -> None:
        name = str(request.json().get("model", ""))
        if name.startswith("status-"):
            connection.respond(int(name.removeprefix("status-")), b'{"error":{"message":"the server\'s own words"}}')
        elif name.startswith("redirect-"):
            head = f"HTTP/1.1 {name.removeprefix('redirect-')} Moved\r\nlocation: {self._elsewhere}/chat/completions\r\n"
            _whole(f"{head}content-length: 0\r\n\r\n".encode())(connection, request)
        elif name.startswith("failing-"):
            # failing-N: HTTP 503 for N requests, then an answer.
            failures = int(name.removeprefix("failing-"))
            good = self.counts.requests > failures
            SCENARIOS["no-done"](connection, request) if good else connection.respond(503, b"{}")
        else:
            SCENARIOS[name](connection, request)


if __name__ == "__main__":
    serve(lambda: FaultServer(elsewhere=sys.argv[1]))
