"""A server that speaks the OpenAI API and keeps an exact pace, for tests and measurements.

How it answers is in the model's name:

- ``paced-400-100``: 400 tokens at 100 tokens a second, the first at once; ``paced-400-100-250`` waits 250 ms before it
- ``markdown-400-100``: the same with the text of a Markdown document instead of plain words
- ``delay-3.0``: the whole answer (40 tokens) after 3.0 seconds; ``delay-3.0-8`` gives 8 tokens
- anything else: 40 tokens as fast as they can be written

Tokens go out against a schedule counted from the request, so a late one does not delay those after it, and each is one
event in one chunk in one write. ``GET /pages/NAME?delay=1.0`` is a small HTML page after a delay, ``?held`` one that comes once
a chat is asked, and ``GET /stats`` the counts.
Run it in a process of its own with ``python -m tests.servers.paced``; it prints its address and ends with its parent's pipe.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import hashlib
import re
import struct
import sys
import threading
from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

import msgspec

from tests.servers.http import Connection, LoopbackServer, Request

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_WORDS = (
    *(" the", " sop", "rano", " enters", ",", " the", " alto", " answers", ",", " and", " the", " tenor", " rests", " while"),
    *(" a", " new", " voice", " begins", ":", " can", "ons", " over", "lap", " in", " stret", "to", ".\n"),
)
"""Pieces of the length that tokens have, four characters on average."""
_DOCUMENT = """\
## Why overlap matters

A voice that *enters* before the last one has **finished** makes a `stretto`; see [the score](https://example.org/score) for it.

1. The first voice states the subject.
2. The second enters, and the first goes on:
   - in another key,
   - at half the distance.

```python
async def enter(voices: list[Voice], distance: float) -> None:
    # Each begins before the one before it ends.
    async with asyncio.TaskGroup() as group:
        for number, voice in enumerate(voices):
            group.create_task(voice.sing(after=number * distance))
```

| voice | enters at | ends at |
|:------|----------:|--------:|
| alto  |       0.0 |     4.0 |
| tenor |       1.5 |     5.5 |

> What blocks is heard at once: a rest where no rest was written.

"""
_MARKDOWN = tuple(re.findall(r" ?\S{1,5}|\s", _DOCUMENT))
"""The document in pieces of the length that tokens have."""
_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncache-control: no-cache\r\ntransfer-encoding: chunked\r\n\r\n"
_END = b"0\r\n\r\n"
DIMENSIONS = 64


class Pace(msgspec.Struct, frozen=True):
    """How one answer is timed: seconds before the first token, then tokens at ``rate`` a second (0: all at once)."""

    tokens: int = 40
    rate: float = 0.0
    ttft: float = 0.0
    markdown: bool = False


def pace_of(model: str) -> Pace:
    """Read the pace from a model's name."""
    kind, *numbers = model.split("-")
    try:
        values = [float(number) for number in numbers]
    except ValueError:
        return Pace()
    if kind in {"paced", "markdown"} and len(values) in {2, 3}:
        return Pace(int(values[0]), values[1], values[2] / 1000 if len(values) == 3 else 0.0, kind == "markdown")
    if kind == "delay" and len(values) in {1, 2}:
        return Pace(int(values[1]) if len(values) == 2 else 40, 0.0, values[0])
    return Pace()


def words(count: int, *, markdown: bool = False) -> list[str]:
    """Return the tokens of an answer of ``count`` tokens; the same for every answer of that length."""
    source = _MARKDOWN if markdown else _WORDS
    return [source[index % len(source)] for index in range(count)]


def event(delta: str, finish: str = "null") -> bytes:
    """Return one SSE event of a chat completion, not yet framed."""
    return (
        b'data: {"id":"chatcmpl-paced","object":"chat.completion.chunk","created":1795262181,"model":"paced",'
        b'"system_fingerprint":"fp_paced","choices":[{"index":0,"delta":%b,"logprobs":null,"finish_reason":%b}]}\n\n'
        % (delta.encode(), finish.encode())
    )


def chunk(data: bytes) -> bytes:
    """Return ``data`` framed as one chunk of a chunked body."""
    return b"%x\r\n%b\r\n" % (len(data), data)


def _content(token: str) -> bytes:
    return chunk(event(f'{{"content":{msgspec.json.encode(token).decode()}}}'))


_READY = {word: _content(word) for word in (*_WORDS, *_MARKDOWN)}


class PacedServer(LoopbackServer):
    """The paced server, on the loop that enters it. ``models`` are the names ``/v1/models`` lists.

    ``rules`` are pairs (text, model name): a chat request whose body contains the text is answered at that pace, whatever model
    it names. ``reply`` may give the text of an answer to a request's JSON; it is cut into words, which are its tokens.
    """

    def __init__(
        self,
        *,
        port: int = 0,
        models: Sequence[str] = ("paced-400-100", "paced-40-100", "delay-1.0"),
        rules: Sequence[tuple[str, str]] = (),
        reply: Callable[[dict[str, object]], str | None] | None = None,
    ) -> None:
        super().__init__(self._answer, port=port)
        self._models = models
        self._rules = rules
        self._reply = reply
        self._asked = False
        self._held: list[Callable[[], None]] = []

    def _answer(self, connection: Connection, request: Request) -> None:
        url = urlsplit(request.path)
        match request.method, url.path:
            case "POST", "/v1/chat/completions":
                self._chat(connection, request)
            case "POST", "/v1/embeddings":
                connection.respond(200, _embeddings(request.json()))
            case "GET", "/v1/models":
                data = [{"id": name, "object": "model", "created": 0, "owned_by": "paced"} for name in self._models]
                connection.respond(200, msgspec.json.encode({"object": "list", "data": data}))
            case "GET", "/stats":
                connection.respond(200, msgspec.json.encode(asdict(self.counts)))
            case "GET", path if path.startswith("/pages/"):
                seconds = float(parse_qs(url.query).get("delay", ["0"])[0])
                page = _page(path.removeprefix("/pages/"))
                send = partial(connection.respond, 200, page, "text/html; charset=utf-8")
                if url.query == "held" and not self._asked:
                    self._held.append(send)
                else:
                    connection.later(asyncio.get_running_loop().time() + seconds, send)
            case _:
                connection.respond(404, b'{"error":{"message":"no such path"}}')

    def _chat(self, connection: Connection, request: Request) -> None:
        self._asked = True
        while self._held:
            self._held.pop()()
        asked = request.json()
        body = request.body.decode("utf-8", "replace")
        model = next((name for text, name in self._rules if text in body), str(asked.get("model", "")))
        pace = pace_of(model)
        reply = self._reply(asked) if self._reply else None
        tokens = words(pace.tokens, markdown=pace.markdown) if reply is None else _cut(reply)
        if asked.get("stream"):
            options = asked.get("stream_options")
            usage = isinstance(options, dict) and bool(options.get("include_usage"))
            _Paced(connection, tokens, pace, _usage(len(body), len(tokens)) if usage else None).begin()
            return
        answer = {
            "id": "chatcmpl-paced",
            "object": "chat.completion",
            "created": 1795262181,
            "model": model,
            "choices": [{"index": 0, "message": {"role": "assistant", "content": "".join(tokens)}, "finish_reason": "stop"}],
            "usage": _usage(len(body), len(tokens)),
        }
        seconds = pace.ttft + (len(tokens) / pace.rate if pace.rate else 0.0)
        payload = msgspec.json.encode(answer)
        connection.later(asyncio.get_running_loop().time() + seconds, lambda: connection.respond(200, payload))


class _Paced:
    """One streamed answer on its schedule."""

    def __init__(self, connection: Connection, tokens: list[str], pace: Pace, usage: dict[str, int] | None) -> None:
        self._connection = connection
        self._chunks = [_READY.get(token) or _content(token) for token in tokens]
        self._pace = pace
        self._usage = usage
        self._next = 0
        self._loop = asyncio.get_running_loop()
        self._start = self._loop.time() + pace.ttft

    def begin(self) -> None:
        """Send the head and the role, and wait for the first token's time."""
        self._connection.transport.write(_HEAD + chunk(event('{"role":"assistant","content":""}')))
        self._connection.later(self._start, self._tick)

    def _tick(self) -> None:
        write = self._connection.transport.write
        rate, total, chunks = self._pace.rate, len(self._chunks), self._chunks
        due = min(int((self._loop.time() - self._start) * rate + 1e-6) + 1, total) if rate else total
        index = self._next
        while index < due:
            write(chunks[index])
            index += 1
        self._next = index
        if index < total:
            self._connection.later(self._start + index / rate, self._tick)
            return
        tail = chunk(event("{}", '"stop"'))
        if self._usage is not None:
            tail += chunk(b'data: {"id":"chatcmpl-paced","choices":[],"usage":%b}\n\n' % msgspec.json.encode(self._usage))
        write(tail + chunk(b"data: [DONE]\n\n") + _END)
        self._connection.done()


def _cut(text: str) -> list[str]:
    words_of = text.split(" ")
    return [word if index == 0 else f" {word}" for index, word in enumerate(words_of)]


def _usage(characters: int, tokens: int) -> dict[str, int]:
    prompt = characters // 4
    return {"prompt_tokens": prompt, "completion_tokens": tokens, "total_tokens": prompt + tokens}


def vector(text: str) -> list[float]:
    """Return the embedding the server gives to ``text``: the same for the same text, length 1."""
    raw = hashlib.shake_256(text.encode()).digest(DIMENSIONS)
    values = [byte / 127.5 - 1.0 for byte in raw]
    norm = sum(value * value for value in values) ** 0.5
    return [value / norm for value in values]


def _embeddings(asked: dict[str, object]) -> bytes:
    given = asked.get("input", [])
    texts = [given] if isinstance(given, str) else [str(text) for text in given] if isinstance(given, list) else []
    packed = asked.get("encoding_format") == "base64"

    def encode(values: list[float]) -> object:
        return base64.b64encode(struct.pack(f"<{len(values)}f", *values)).decode() if packed else values

    data = [{"object": "embedding", "index": index, "embedding": encode(vector(text))} for index, text in enumerate(texts)]
    count = sum(len(text) // 4 + 1 for text in texts)
    return msgspec.json.encode({"object": "list", "data": data, "usage": {"prompt_tokens": count, "total_tokens": count}})


def _page(name: str) -> bytes:
    paragraphs = "\n".join(f"<p>{name}, part {part}:{''.join(words(60))}</p>" for part in range(1, 6))
    head = f"<!doctype html><html><head><title>{name}</title></head><body><article><h1>{name}</h1>\n"
    return f"{head}{paragraphs}</article></body></html>".encode()


async def _serve(port: int, rules: list[tuple[str, str]]) -> None:
    async with PacedServer(port=port, rules=rules) as server:
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


def main() -> None:
    """Serve until standard input ends."""
    parser = argparse.ArgumentParser(description="A server with an exact pace; it ends when its standard input does.")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument(
        "--rule", action="append", default=[], metavar="TEXT=MODEL", help="answer requests containing TEXT like MODEL"
    )
    options = parser.parse_args()
    rules = [(text, model) for text, _, model in (rule.rpartition("=") for rule in options.rule)]
    asyncio.run(_serve(options.port, rules))


if __name__ == "__main__":
    main()
