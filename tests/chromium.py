"""A real browser without a window, driven over its DevTools protocol: enough to open a page, type, and read a terminal in it."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import shutil
import signal
import subprocess
from typing import TYPE_CHECKING, Any, Self

import aiohttp

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")

_COPIED = """
(() => {
  let text = "";
  const keep = (event) => { text = event.clipboardData.getData("text/plain"); };
  document.addEventListener("copy", keep);
  document.execCommand("copy");
  document.removeEventListener("copy", keep);
  return text;
})()
"""
_SHIFT = 8


def find() -> str | None:
    """Return where a browser is, if there is one."""
    return next(filter(None, map(shutil.which, NAMES)), None)


class Tab:
    """One page."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse, size: tuple[int, int]) -> None:
        self._socket = socket
        self._numbers = itertools.count(1)
        self._answers: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self.size = size
        self.requests: list[str] = []
        """Addresses the page asked for."""
        self.complaints: list[str] = []
        """What the browser has logged as an error: exceptions, what a policy refused."""

    async def listen(self) -> None:
        """Take what the browser says, until it is closed."""
        async for message in self._socket:
            said = message.json()
            if (number := said.get("id")) is not None:
                if not self._answers[number].done():
                    self._answers[number].set_result(said)
                continue
            match said["method"], said["params"]:
                case "Network.requestWillBeSent", params:
                    self.requests.append(params["request"]["url"])
                case "Network.webSocketCreated", params:
                    self.requests.append(params["url"])
                case "Runtime.exceptionThrown", params:
                    details = params["exceptionDetails"]
                    self.complaints.append(str(details.get("exception", {}).get("description", details)))
                case "Log.entryAdded", {"entry": {"level": "error"} as entry}:
                    self.complaints.append(entry["text"])
                case _:
                    pass

    async def call(self, method: str, **parameters: object) -> dict[str, Any]:
        """Have the browser do something and return what it says to that."""
        number = next(self._numbers)
        answer = self._answers[number] = asyncio.get_running_loop().create_future()
        await self._socket.send_json({"id": number, "method": method, "params": parameters})
        async with asyncio.timeout(30):
            said = await answer
        assert "error" not in said, (method, said)
        return dict(said["result"])

    async def open(self, url: str) -> None:
        """Go to an address."""
        await self.call("Page.navigate", url=url)

    async def evaluate(self, script: str) -> Any:
        """Return what a script of the page gives."""
        result = await self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True, userGesture=True)
        assert "exceptionDetails" not in result, result
        return result["result"].get("value")

    async def type(self, text: str) -> None:
        """Type text."""
        await self.call("Input.insertText", text=text)

    async def press(self, key: str, code: int) -> None:
        """Press a named key."""
        shared = {"key": key, "code": key, "windowsVirtualKeyCode": code}
        await self.call("Input.dispatchKeyEvent", type="keyDown", **shared, **({"text": "\r"} if key == "Enter" else {}))
        await self.call("Input.dispatchKeyEvent", type="keyUp", **shared)

    async def click(self, x: int, y: int) -> None:
        """Click somewhere."""
        for kind in ("mousePressed", "mouseReleased"):
            await self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    async def terminal_text(self) -> str:
        """Return what the terminal in the page shows: all of it is selected with the mouse and copied, as a person would."""
        width, height = self.size
        held = {"button": "left", "buttons": 1, "modifiers": _SHIFT, "clickCount": 1}
        await self.call("Input.dispatchMouseEvent", type="mousePressed", x=1, y=1, **held)
        await self.call("Input.dispatchMouseEvent", type="mouseMoved", x=width - 2, y=height - 2, **held)
        await self.call("Input.dispatchMouseEvent", type="mouseReleased", x=width - 2, y=height - 2, **held)
        return str(await self.evaluate(_COPIED))

    async def until(self, condition: Callable[[str], bool], seconds: float = 40) -> str:
        """Read the terminal until ``condition`` holds of its text."""
        text = ""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while True:
                    text = await self.terminal_text()
                    if condition(text):
                        return text
                    await asyncio.sleep(0.1)
        raise AssertionError(f"never saw it in this terminal:\n{text}\n{self.complaints}")

    async def until_page(self, script: str, seconds: float = 30) -> Any:
        """Wait until a script of the page gives something true, and return it."""
        for _ in range(round(seconds * 10)):
            if found := await self.evaluate(script):
                return found
            await asyncio.sleep(0.1)
        raise AssertionError(f"never came to be: {script}")


class Chromium:
    """A browser with a profile of its own."""

    def __init__(self, session: aiohttp.ClientSession, group: asyncio.TaskGroup, address: str) -> None:
        self._session = session
        self._group = group
        self._address = address

    async def tab(self, size: tuple[int, int] = (1000, 700)) -> Tab:
        """Open an empty page."""
        async with self._session.put(f"{self._address}/json/new?about:blank") as answer:
            target = await answer.json(content_type=None)
        socket = await self._session.ws_connect(target["webSocketDebuggerUrl"], max_msg_size=0)
        tab = Tab(socket, size)
        self._group.create_task(tab.listen(), name="what the browser says")
        for domain in ("Page", "Network", "Runtime", "Log"):
            await tab.call(f"{domain}.enable")
        width, height = size
        await tab.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        return tab


class _Process:
    """The browser's process and all of its own."""

    def __init__(self, program: str, folder: Path) -> None:
        folder.mkdir()
        self._told = folder / "DevToolsActivePort"
        command = [
            program,
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--remote-debugging-port=0",
            f"--user-data-dir={folder}",
            "about:blank",
        ]
        environ = {**os.environ, "HOME": str(folder)}
        self._process = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True, env=environ
        )

    async def address(self) -> str:
        """Wait until the browser tells its port, and return where it is."""
        for _ in range(1200):
            if (port := self._port()) is not None:
                return f"http://127.0.0.1:{port}"
            assert self._process.poll() is None, "the browser did not start"
            await asyncio.sleep(0.05)
        raise AssertionError("the browser never told its port")

    def _port(self) -> str | None:
        try:
            told = self._told.read_text().split()
        except FileNotFoundError:
            return None
        return told[0] if len(told) > 1 else None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *reason: object) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()


@contextlib.asynccontextmanager
async def chromium(program: str, folder: Path) -> AsyncIterator[Chromium]:
    """Start a browser that keeps its things in ``folder``, and end it."""
    with _Process(program, folder) as process:
        address = await process.address()
        async with aiohttp.ClientSession() as session, asyncio.TaskGroup() as group:
            yield Chromium(session, group, address)
            await session.close()
