"""The server behind ``stretto serve``: every request passes one guard, and every window gets a session of its own."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

import msgspec
from aiohttp import WSCloseCode, WSMsgType, web

from tui.browser import page
from tui.browser.sessions import Open, Session, SessionError, Show, fitting

if TYPE_CHECKING:
    import socket
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

    from tui.browser.access import Access

_ORIGIN: Final = web.RequestKey("origin", str)
_STALLED: Final = 20.0
"""Seconds a browser may take nothing before its session ends; the dashboard waits for it meanwhile."""
_LARGEST: Final = 2**20
"""Bytes of one message from a browser: more than anybody pastes into a prompt."""
_TOKEN: Final = 4096
"""Bytes of the one thing that is posted."""
_BEATS: Final = 20.0
"""Seconds between two signs of life that a browser is asked for."""
_GOODBYE: Final = 2.0
"""Seconds a browser has to agree to a close."""
_DEFAULT_SIZE: Final = (80, 24)


class BrowserServer:
    """Serves the dashboard to the browsers that know the token."""

    def __init__(
        self, access: Access, arguments: Sequence[str], *, most: int = 4, idle: float = 3600.0, tell: Callable[[str], None]
    ) -> None:
        self.access = access
        self._arguments = tuple(arguments)
        self._most = most
        self._idle = idle
        self._tell = tell
        self._open: set[web.WebSocketResponse] = set()
        self._held = 0
        self._closing = False
        self._none = asyncio.Event()
        self._none.set()

    @property
    def sessions(self) -> int:
        """How many there are, those that are ending too."""
        return self._held

    @asynccontextmanager
    async def serving(self, bound: socket.socket) -> AsyncIterator[None]:
        """Answer on a socket that is bound, for the length of the block; then end every session and wait for it."""
        app = web.Application(middlewares=[self._guard], client_max_size=_TOKEN)
        app.router.add_get("/", self._index, allow_head=False)
        app.router.add_get("/ws", self._socket, allow_head=False)
        app.router.add_get("/static/{name}", self._static, allow_head=False)
        app.router.add_post("/token", self._token)
        quiet = logging.getLogger("stretto.serve")
        quiet.addHandler(logging.NullHandler())
        quiet.propagate = False  # what anybody may send us is not worth a traceback on a person's terminal
        runner = web.AppRunner(app, access_log=None, logger=quiet, handle_signals=False, shutdown_timeout=1.0)
        await runner.setup()
        try:
            await web.SockSite(runner, bound).start()
            yield
        finally:
            self._closing = True
            for window in list(self._open):
                await window.close(code=WSCloseCode.GOING_AWAY, message=b"stretto serve has ended")
            await self._none.wait()
            await runner.cleanup()

    @web.middleware
    async def _guard(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        """Answer only what is meant for us and comes from our own page, and always with the headers that keep it so."""
        ours = self.access.origin_for(request.headers.getall("Host", []))
        response: web.StreamResponse
        if ours is None or not self._is_welcome(request, ours):
            response = web.Response(status=403, text="This request did not come from the page of stretto serve.\n")
        else:
            request[_ORIGIN] = ours
            try:
                response = await handler(request)
            except web.HTTPException as error:
                response = web.Response(status=error.status, text=f"{error.reason}\n")
            except Exception as error:  # noqa: BLE001  # one request's bug is told in one line, and the others go on
                self._tell(f"a request of a browser failed: {type(error).__name__}")
                response = web.Response(status=500, text="Something went wrong; stretto serve has said what.\n")
        if not response.prepared:
            response.headers.update(page.headers(ours))
        return response

    def _is_welcome(self, request: web.Request, ours: str) -> bool:
        changing = request.method != "GET" or request.path == "/ws"
        origins, site = request.headers.getall("Origin", []), request.headers.get("Sec-Fetch-Site")
        if request.path == "/" and request.method == "GET" and not origins:
            return True  # a link to the first page may stand anywhere: without the cookie, which stays here, it is only the gate
        return self.access.is_own(ours, origins, site, required=changing)

    def _is_known(self, request: web.Request) -> bool:
        return self.access.knows_cookie(request.cookies.get(self.access.cookie_name))

    async def _index(self, request: web.Request) -> web.Response:
        if not self._is_known(request):
            return web.Response(status=401, text=page.gate(), content_type="text/html")
        if self._held >= self._most:
            return web.Response(status=503, text=page.full(self._most), content_type="text/html")
        return web.Response(text=page.terminal(request[_ORIGIN]), content_type="text/html")

    async def _static(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        if name not in page.OPEN_ASSETS and not self._is_known(request):
            raise web.HTTPUnauthorized
        if name not in page.ASSETS:
            raise web.HTTPNotFound
        data, media = await asyncio.to_thread(page.read, name)
        return web.Response(body=data, headers={"Content-Type": media})

    async def _token(self, request: web.Request) -> web.Response:
        # Not as text: that would be decoded as the sender says, which may be no encoding at all.
        if not self.access.knows_token((await request.read()).decode("utf-8", "replace")):
            raise web.HTTPForbidden
        return web.Response(status=204, headers={"Set-Cookie": self.access.set_cookie(request[_ORIGIN])})

    async def _socket(self, request: web.Request) -> web.StreamResponse:
        if not self._is_known(request):
            raise web.HTTPUnauthorized
        if self._held >= self._most or self._closing:
            raise web.HTTPServiceUnavailable
        window = web.WebSocketResponse(heartbeat=_BEATS, max_msg_size=_LARGEST, compress=False, timeout=_GOODBYE)
        window.headers.update(page.headers(request[_ORIGIN]))
        size = fitting(_whole(request.query.get("width")), _whole(request.query.get("height"))) or _DEFAULT_SIZE
        self._held += 1
        self._none.clear()
        try:
            await window.prepare(request)
            self._open.add(window)
            if not self._closing:  # or the end, which waits for every session, would not see this one
                await self._serve(window, size)
        finally:
            self._open.discard(window)
            self._held -= 1
            if not self._held:
                self._none.set()
        return window

    async def _serve(self, window: web.WebSocketResponse, size: tuple[int, int]) -> None:
        """Run a session until its window closes, it ends by itself, or nobody uses it any more."""
        session = await Session.start(self._arguments, size)
        why = ""
        try:
            async with asyncio.TaskGroup() as group:
                errors = group.create_task(session.errors(), name="errors of a session")
                shown = group.create_task(self._show(session, window), name="screen of a session")
                try:
                    why = await self._follow(session, window)
                finally:
                    shown.cancel()
                    errors.cancel()
        except* (SessionError, OSError, TimeoutError) as group_error:
            why = str(group_error.exceptions[0]) or "the browser takes nothing"
        finally:
            code = await session.end()
            if code and session.said:
                self._tell(f"a session ended with code {code}: {session.said}")
            if not window.closed:
                await window.close(code=WSCloseCode.OK, message=why.encode()[:120])

    async def _show(self, session: Session, window: web.WebSocketResponse) -> None:
        """Send what the dashboard draws; when it has ended, close the window."""
        async for wanted in session.output():
            async with asyncio.timeout(_STALLED):
                match wanted:
                    case Show(data):
                        await window.send_bytes(data)
                    case Open(url):
                        await window.send_str(msgspec.json.encode(["open_url", {"url": url, "new_tab": True}]).decode())
        await window.close(code=WSCloseCode.OK, message=b"the dashboard was closed")

    async def _follow(self, session: Session, window: web.WebSocketResponse) -> str:
        """Hand over what a person does in the window, until it closes; return why it was ended, if it was."""
        until = time.monotonic() + self._idle
        while True:
            try:
                async with asyncio.timeout(until - time.monotonic()):
                    message = await window.receive()
            except TimeoutError:
                return "nobody used it for a long time"
            if message.type in {WSMsgType.CLOSE, WSMsgType.CLOSING, WSMsgType.CLOSED, WSMsgType.ERROR}:
                return ""
            if message.type is not WSMsgType.TEXT or not await self._handle(session, window, message.data):
                await window.close(code=WSCloseCode.POLICY_VIOLATION, message=b"that is no message of a terminal")
                return ""
            until = time.monotonic() + self._idle

    @staticmethod
    async def _handle(session: Session, window: web.WebSocketResponse, data: str) -> bool:
        """Do what one message says; False when it is none."""
        try:
            said = json.loads(data)  # msgspec would refuse half of a surrogate pair, which a browser may well send
        except (ValueError, RecursionError):
            return False
        match said:
            case ["stdin", str(text)]:
                await session.type(text)
            case ["resize", {"width": width, "height": height}] if (size := fitting(width, height)) is not None:
                await session.tell(type="resize", width=size[0], height=size[1])
            case ["focus" | "blur" as kind]:
                await session.tell(type=kind)
            case ["ping", str(stamp)] if len(stamp) <= 40:
                await window.send_str(msgspec.json.encode(["pong", stamp]).decode())
            case _:
                return False
        return True


def _whole(text: str | None) -> int | None:
    return int(text) if text is not None and text.isascii() and text.isdigit() and len(text) < 9 else None
