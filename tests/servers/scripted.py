"""A server that plays one scene a request, in the order they were given: whole answers, answers that are cut, refusals, silence."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

import msgspec

from tests.servers.faults import CHUNKED, DONE, END, STOP, said
from tests.servers.http import Connection, LoopbackServer, Request
from tests.servers.paced import chunk

Scene = Callable[[Connection, Request], None]


def whole(*pieces: str) -> Scene:
    """Give these pieces, the finish reason and the end."""

    def play(connection: Connection, request: Request) -> None:
        events = [said(piece) for piece in pieces]
        connection.transport.write(CHUNKED + b"".join(map(chunk, (*events, STOP, DONE))) + END)
        connection.done()

    return play


def cut(*pieces: str) -> Scene:
    """Give these pieces and close the connection."""

    def play(connection: Connection, request: Request) -> None:
        connection.transport.write(CHUNKED + b"".join(chunk(said(piece)) for piece in pieces))
        connection.done()
        connection.transport.close()

    return play


def status(code: int, headers: str = "", message: str = "no", kind: str = "") -> Scene:
    """Refuse with this status; ``headers`` are lines that end in CRLF."""

    def play(connection: Connection, request: Request) -> None:
        body = msgspec.json.encode({"error": {"message": message, "code": kind}})
        head = f"HTTP/1.1 {code} Status\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n{headers}\r\n"
        connection.transport.write(head.encode() + body)
        connection.done()

    return play


def silence(connection: Connection, request: Request) -> None:
    """Say nothing, for ever."""


def after(event: asyncio.Event, scene: Scene) -> Scene:
    """Play ``scene`` once ``event`` is set."""

    def play(connection: Connection, request: Request) -> None:
        def look() -> None:
            if event.is_set():
                scene(connection, request)
            else:
                connection.later(asyncio.get_running_loop().time() + 0.002, look)

        look()

    return play


class ScriptedServer(LoopbackServer):
    """Plays ``scenes`` in order, the last one again and again; the list may be changed meanwhile."""

    def __init__(self, *scenes: Scene, port: int = 0) -> None:
        super().__init__(self._play, port=port)
        self.scenes = list(scenes)

    def _play(self, connection: Connection, request: Request) -> None:
        scene = self.scenes.pop(0) if len(self.scenes) > 1 else self.scenes[0]
        scene(connection, request)

    def then(self, scenes: Sequence[Scene]) -> None:
        """Play these from now on."""
        self.scenes = list(scenes)
