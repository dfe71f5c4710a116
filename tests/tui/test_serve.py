from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
from typing import TYPE_CHECKING

import aiohttp
import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.errors import InputError
from tests.tui.commands.process import SECRET, Home
from tui.browser import page
from tui.browser.access import Access, origin, parse_origin
from tui.browser.server import BrowserServer
from tui.browser.sessions import _wanted, fitting
from tui.main import main

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

OURS = "http://127.0.0.1:8765"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("http://Example.org", "http://example.org"),
        ("https://example.org:443/", "https://example.org"),
        ("https://example.org:8443", "https://example.org:8443"),
        ("http://[::1]:8765", "http://[::1]:8765"),
    ],
)
def test_an_address_becomes_the_origin_browsers_write(text: str, expected: str) -> None:
    assert parse_origin(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "example.org",
        "ftp://example.org",
        "http://",
        "http://u:p@example.org",
        "http://e.org/path",
        "http://e.org:x",
        "http://é.org",
    ],
)
def test_what_is_no_origin_is_refused(text: str) -> None:
    with pytest.raises(InputError):
        parse_origin(text)


def test_the_printed_address_holds_the_token_where_browsers_send_it_to_nobody() -> None:
    access = Access((OURS,), "stretto-8765")
    assert access.address == f"{OURS}/#{access.token}"
    assert len(access.token) >= 43
    assert Access((OURS,), "x").token != access.token
    assert access.token not in repr(access)
    assert access.cookie not in repr(access)
    assert access.cookie != access.token
    assert access.knows_token(access.token)
    assert not access.knows_cookie(access.token)
    assert not access.knows_cookie(None)
    assert not access.knows_token("")
    assert "; Secure" not in access.set_cookie(OURS)
    assert access.set_cookie("https://x").endswith("; Path=/; HttpOnly; SameSite=Strict; Secure")


@given(st.text(max_size=60))
def test_no_guess_opens_it(guess: str) -> None:
    access = Access((OURS,), "stretto-8765", token="the-token", cookie="the-cookie")
    assert access.knows_token(guess) == (guess == "the-token")
    assert access.knows_cookie(guess) == (guess == "the-cookie")
    assert (access.origin_for([guess]) is not None) == (guess.lower() == "127.0.0.1:8765")


def test_ports_that_go_without_saying_are_not_said() -> None:
    assert origin("http", "::1", 80) == "http://[::1]"
    assert origin("https", "a", 443) == "https://a"
    assert origin("https", "a", 80) == "https://a:80"


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ((80, 24), (80, 24)),
        ((0, -5), (2, 2)),
        ((10**9, 10**9), (1000, 500)),
        (("80", 24), None),
        ((80.0, 24), None),
        ((True, 24), None),
    ],
)
def test_a_size_is_whole_and_can_be_drawn(size: tuple[object, object], expected: tuple[int, int] | None) -> None:
    assert fitting(*size) == expected


@pytest.mark.parametrize(
    ("message", "url"),
    [
        (b'{"type": "open_url", "url": "https://example.org/", "new_tab": true}', "https://example.org/"),
        (b'{"type": "open_url", "url": "javascript:alert(1)"}', None),
        (b'{"type": "open_url", "url": "file:///etc/passwd"}', None),
        (b'{"type": "deliver_file_start", "key": "x"}', None),
        (b"nonsense", None),
        (b"[]", None),
    ],
)
def test_only_web_addresses_are_opened(message: bytes, url: str | None) -> None:
    found = _wanted(message)
    assert (None if found is None else found.url) == url


def test_pages_load_nothing_from_elsewhere_and_hold_no_script_of_their_own() -> None:
    for text in (page.gate(), page.terminal(OURS), page.full(4)):
        rest = text.replace("ws://127.0.0.1:8765/ws", "")
        assert "//" not in rest.replace("<!doctype html>", "")
        assert "<script>" not in text
        assert "onclick" not in text.lower()
    assert all(page.read(name)[0] for name in page.ASSETS)
    for name in ("page.css", "page.js", "gate.js"):
        assert b"http" not in page.read(name)[0]


class Served:
    """A server in this process, and a client that says of itself what it likes."""

    def __init__(self, server: BrowserServer, port: int, client: aiohttp.ClientSession, said: list[str]) -> None:
        self.server, self.port, self.client, self.said = server, port, client, said
        self.ours = f"http://127.0.0.1:{port}"

    @property
    def cookie(self) -> dict[str, str]:
        return {"Cookie": f"stretto-{self.port}={self.server.access.cookie}"}

    async def status(self, method: str, path: str, body: str | None = None, **headers: str) -> int:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        async with self.client.request(method, f"{self.ours}{path}", data=body, headers=named) as answer:
            await answer.read()
            for name, value in page.headers(self.ours).items():
                if name not in {"Content-Security-Policy", "Server"} and answer.status != 400:
                    assert answer.headers.get(name) == value, (path, name)
            text = await answer.text(errors="replace")
            assert self.server.access.token not in text
            assert self.server.access.cookie not in text
            return answer.status

    async def window(self, *, query: str = "?width=80&height=24", **headers: str) -> aiohttp.ClientWebSocketResponse:
        named = {"Origin": self.ours, **self.cookie, **{name.replace("_", "-"): value for name, value in headers.items()}}
        return await self.client.ws_connect(f"{self.ours}/ws{query}", headers=named, autoping=True, max_msg_size=0)

    async def refusal(self, **headers: str | None) -> int:
        named = {"Origin": self.ours, **self.cookie}
        for name, value in headers.items():
            named.pop(name.replace("_", "-"), None)
            if value is not None:
                named[name.replace("_", "-")] = value
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await self.client.ws_connect(f"{self.ours}/ws", headers=named)
        return refused.value.status

    async def pids(self, count: int) -> list[psutil.Process]:
        """Wait until as many sessions run, and return them."""
        for _ in range(400):
            found = [child for child in psutil.Process().children() if "tui.browser.session" in " ".join(_command(child))]
            if len(found) == count:
                return found
            await asyncio.sleep(0.05)
        raise AssertionError(f"there are {len(found)} sessions, not {count}")


async def until(condition: Callable[[], object]) -> None:
    """Wait until ``condition`` holds."""
    for _ in range(400):
        if condition():
            return
        await asyncio.sleep(0.05)
    raise AssertionError("never came to be")


def _command(process: psutil.Process) -> list[str]:
    with contextlib.suppress(psutil.Error):
        return process.cmdline()
    return []


@contextlib.asynccontextmanager
async def served(*, most: int = 2, idle: float = 600.0, arguments: tuple[str, ...] = ("-m", "lab/a")) -> AsyncIterator[Served]:
    said: list[str] = []
    with socket.create_server(("127.0.0.1", 0)) as bound:
        port = bound.getsockname()[1]
        access = Access((f"http://127.0.0.1:{port}", f"http://localhost:{port}"), f"stretto-{port}")
        server = BrowserServer(access, arguments, most=most, idle=idle, tell=said.append)
        async with server.serving(bound), aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as client:
            yield Served(server, port, client, said)


@pytest.fixture
def configured(tmp_path: Path) -> None:
    """Configure an endpoint that nobody calls."""
    path = tmp_path / "home" / "config.toml"
    path.parent.mkdir(exist_ok=True)
    path.write_text('[endpoints.lab]\nbase_url = "http://127.0.0.1:9/v1"\nmodels = ["a"]\n')


async def test_every_request_is_refused_that_does_not_name_us_exactly_or_comes_from_elsewhere() -> None:
    async with served() as at:
        good = at.cookie
        assert await at.status("GET", "/") == 401
        assert await at.status("GET", "/", **good) == 200
        assert await at.status("GET", "/static/textual.js", **good) == 200
        hosts = [
            "evil.example",
            f"evil.example:{at.port}",
            "127.0.0.1",
            f"127.0.0.1:{at.port + 1}",
            f"127.0.0.1:{at.port}.evil.example",
        ]
        for host in [*hosts, f"127.0.0.2:{at.port}", f"127.0.0.1.:{at.port}", f"0.0.0.0:{at.port}", "localhost", "null", ""]:
            for path in ("/", "/static/gate.js", "/ws", "/nothing"):
                assert await at.status("GET", path, Host=host, **good) == 403, host
        assert await at.status("GET", "/", Host=f"LOCALHOST:{at.port}", **good) == 200
        other = (
            "http://evil.example",
            f"http://127.0.0.1:{at.port + 1}",
            f"https://127.0.0.1:{at.port}",
            "null",
            f"{at.ours}/",
            at.ours.upper(),
        )
        for where in (*other, f"http://localhost:{at.port}"):
            assert await at.status("GET", "/", Origin=where, **good) == 403, where
            assert await at.status("GET", "/static/textual.js", Origin=where, **good) == 403
            assert await at.status("POST", "/token", at.server.access.token, Origin=where) == 403
            assert await at.refusal(Origin=where) == 403
        for site in ("cross-site", "same-site"):
            assert await at.status("GET", "/static/textual.js", Sec_Fetch_Site=site, **good) == 403
            assert await at.refusal(Sec_Fetch_Site=site) == 403
        assert await at.refusal(Origin=None) == 403
        assert await at.status("POST", "/token", at.server.access.token) == 403
        assert at.server.sessions == 0


async def test_the_token_is_exchanged_for_a_cookie_and_nothing_opens_without() -> None:
    async with served() as at:
        for path in ("/static/textual.js", "/static/xterm.css", "/static/mono.ttf", "/static/page.js", "/static/nothing"):
            assert await at.status("GET", path) == 401, path
        for path in ("/static/gate.js", "/static/page.css"):
            assert await at.status("GET", path) == 200
        assert await at.refusal(Cookie=None) == 401
        assert await at.refusal(Cookie=f"stretto-{at.port}=wrong") == 401
        assert await at.refusal(Cookie=f"stretto-{at.port}={at.server.access.token}") == 401
        for body in ("", "wrong", at.server.access.token[:-1], at.server.access.cookie, "\udcff\x00"):
            assert await at.status("POST", "/token", body.encode("utf-8", "replace").decode(), Origin=at.ours) == 403
        async with at.client.post(f"{at.ours}/token", data=at.server.access.token, headers={"Origin": at.ours}) as answer:
            assert answer.status == 204
            told = answer.headers["Set-Cookie"]
            assert told == f"stretto-{at.port}={at.server.access.cookie}; Path=/; HttpOnly; SameSite=Strict"
        assert await at.status("GET", "/static/..%2f..%2fpyproject.toml", **at.cookie) == 404
        assert await at.status("GET", "/static/", **at.cookie) == 404
        assert await at.status("GET", "/download/x", **at.cookie) == 404
        assert await at.status("PUT", "/", Origin=at.ours, **at.cookie) == 405
        assert await at.status("POST", "/token", "x" * 5000, Origin=at.ours) == 413
        for kind in ("text/plain; charset=none", "text/plain; charset=ascii"):
            assert await at.status("POST", "/token", "\xe9", Origin=at.ours, **{"Content-Type": kind}) == 403


async def test_more_than_one_host_or_origin_is_none() -> None:
    async with served() as at:
        twice = f"Host: 127.0.0.1:{at.port}\r\nHost: 127.0.0.1:{at.port}\r\n"
        origins = f"Host: 127.0.0.1:{at.port}\r\nOrigin: {at.ours}\r\nOrigin: http://evil.example\r\n"
        for lines in (twice, origins, ""):
            reader, writer = await asyncio.open_connection("127.0.0.1", at.port)
            writer.write(f"GET / HTTP/1.1\r\n{lines}Connection: close\r\n\r\n".encode())
            answer = await reader.read()
            writer.close()
            await writer.wait_closed()
            assert answer.split(b" ")[1] in {b"400", b"403"}, lines


@pytest.mark.usefixtures("configured")
async def test_a_window_is_a_program_of_its_own_that_ends_with_it_and_there_are_only_so_many() -> None:
    async with served(most=2) as at:
        first, second = await at.window(), await at.window(query="?width=nonsense&height=99999999999")
        processes = await at.pids(2)
        assert await at.refusal() == 503
        assert await at.status("GET", "/", **at.cookie) == 503
        screen = await read_until(first, "No answer yet.")
        assert at.server.access.token not in screen
        environ = processes[0].environ()
        told = f"{environ}{[_command(process) for process in processes]}"
        assert at.server.access.token not in told
        assert at.server.access.cookie not in told
        await first.close()
        await until(lambda: sum(process.is_running() for process in processes) == 1)
        await read_until(second, "No answer yet.")
        await second.send_json(["stdin", "\x11"])  # Ctrl+Q
        async with asyncio.timeout(20):
            while (await second.receive()).type not in {aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED}:
                pass
        assert second.close_code == 1000
        _, alive = await asyncio.to_thread(psutil.wait_procs, processes, 20, None)
        assert alive == []
        await until(lambda: not at.server.sessions)
        assert await at.status("GET", "/", **at.cookie) == 200
        assert at.said == []


async def read_until(window: aiohttp.ClientWebSocketResponse, words: str) -> str:
    """Read what the terminal is sent until it has ``words``."""
    text = ""
    async with asyncio.timeout(40):
        while words not in text:
            message = await window.receive()
            assert message.type is aiohttp.WSMsgType.BINARY, message
            text += message.data.decode()
    return text


@pytest.mark.usefixtures("configured")
async def test_messages_of_a_terminal_are_heard_and_others_end_the_session() -> None:
    async with served(most=8) as at:
        window = await at.window()
        await read_until(window, "No answer yet.")
        await window.send_json(["ping", "123"])
        while (message := await window.receive()).type is aiohttp.WSMsgType.BINARY:
            pass
        assert message.json() == ["pong", "123"]
        for said in (["focus"], ["resize", {"width": 100, "height": 30}], ["stdin", "Gr\u00fc\u00dfe \u5b57 \ud800"]):
            await window.send_json(said)
        await read_until(window, "Gr\u00fc\u00dfe")
        bad = [
            "nonsense",
            "{}",
            "[]",
            '["stdin"]',
            '["stdin", 5]',
            '["resize", {"width": "80", "height": 24}]',
            '["open_url", "x"]',
        ]
        for text in bad[:2]:
            other = await at.window()
            await other.send_str(text)
            while (message := await other.receive()).type is aiohttp.WSMsgType.BINARY:
                pass
            assert other.close_code == 1008, text
        for text in bad:
            assert not await at.server._handle(None, None, text)  # type: ignore[arg-type]  # neither is reached
        await window.send_bytes(b"x")
        while (await window.receive()).type is aiohttp.WSMsgType.BINARY:
            pass
        assert window.close_code == 1008


@pytest.mark.usefixtures("configured")
async def test_a_window_that_nobody_uses_ends() -> None:
    async with served(idle=0.5) as at:
        window = await at.window()
        while (await window.receive()).type is aiohttp.WSMsgType.BINARY:
            pass
        assert window.close_code == 1000
        await at.pids(0)


async def test_a_dashboard_that_cannot_start_says_why_and_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "home").mkdir(exist_ok=True)
    (tmp_path / "home" / "config.toml").write_text("nonsense = 1\n")
    async with served() as at:
        window = await at.window()
        message = await window.receive()
        assert message.type is aiohttp.WSMsgType.CLOSE
        assert message.extra == "the dashboard did not start"
        await at.pids(0)
        await until(lambda: at.said)
        assert "unknown key nonsense" in at.said[0]


@pytest.mark.usefixtures("configured")
async def test_the_end_of_the_server_ends_every_session() -> None:
    async with served() as at:
        windows = [await at.window(), await at.window()]
        for window in windows:
            await read_until(window, "No answer yet.")
        processes = await at.pids(2)
        group = asyncio.TaskGroup()
        async with group:
            for window in windows:
                group.create_task(drained(window), name="a browser")
            async with asyncio.timeout(30):
                for opened in list(at.server._open):
                    await opened.close()
    assert not any(process.is_running() for process in processes)


async def drained(window: aiohttp.ClientWebSocketResponse) -> None:
    async for _ in window:
        pass


@pytest.fixture
def home(tmp_path: Path) -> Home:
    folder = tmp_path / "machine"
    folder.mkdir()
    home = Home(folder)
    home.endpoint("http://127.0.0.1:9/v1", models=["a"])
    return home


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
async def test_however_the_server_ends_no_process_is_left(home: Home, how: signal.Signals) -> None:
    with home.start("serve", "--port", "0", "-m", "lab/a", OPENAI_API_KEY=SECRET) as process:
        assert process.stdout is not None
        address = await asyncio.to_thread(process.stdout.readline)
        ours, _, token = address.strip().partition("/#")
        async with aiohttp.ClientSession(headers={"Origin": ours}, cookie_jar=aiohttp.CookieJar(unsafe=True)) as client:
            async with client.post(f"{ours}/token", data=token) as answer:
                assert answer.status == 204
            window = await client.ws_connect(f"{ours}/ws?width=80&height=24", max_msg_size=0)
            await read_until(window, "No answer yet.")
            children = psutil.Process(process.pid).children(recursive=True)
            assert children
            os.kill(process.pid, how)
            async for _ in window:
                pass
        _, alive = await asyncio.to_thread(psutil.wait_procs, children, 30, None)
        assert alive == []
        out, err = await asyncio.to_thread(process.communicate)
        assert process.returncode == {signal.SIGINT: 0, signal.SIGTERM: 143, signal.SIGKILL: -9}[how]
        assert (out, err) == ("", "Whoever has this address can use this program. Ctrl+C ends it.\n")
        assert token not in err
    assert not [path for path in home.data.rglob("*") if path.is_file() and token.encode() in path.read_bytes()]


def test_a_session_that_is_too_busy_to_see_the_end_of_its_input_ends_with_its_server() -> None:
    session = (
        "import os, sys, threading; from tui.browser import driver; driver._GRACE = driver._LOOK = 0.05;"
        "parent = os.getppid(); print(flush=True); threading.Thread(target=driver.end_with, args=(parent,)).start();"
        "exec('while True: pass')"
    )
    server = f"import subprocess, sys; print(subprocess.Popen([sys.executable, '-c', {session!r}]).stdout); sys.stdin.read()"
    with subprocess.Popen([sys.executable, "-c", server], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"None\n"
        assert process.stdout.readline() == b"\n"
        process.kill()
        assert process.stdout.read() == b""  # the pipe ends when the last that holds it has ended


def test_a_port_that_is_taken_is_one_line(home: Home) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        message = home.fault("serve", "--port", str(port))
    assert message == f"stretto: port {port} is taken: choose another with --port, or --port 0 for any free one"


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("serve --host 0.0.0.0", "names no address for browsers: say which with --address http://NAME:8765"),
        ("serve --host 192.0.2.1", "cannot listen there"),
        ("serve --address nonsense", "is not an address like https://"),
        ("serve -m nosuch/model --port 0 --theme x --host 192.0.2.1", "cannot listen there"),
    ],
)
def test_a_place_nobody_can_be_served_at_is_one_line(home: Home, line: str, expected: str) -> None:
    assert expected in home.fault(*line.split())


@pytest.mark.parametrize("port", ["-1", "65536", "http", "8.5"])
def test_a_port_that_is_none_is_wrong_usage(port: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["serve", f"--port={port}"]) == 2
    assert "is not a port" in capsys.readouterr().err


def test_without_the_extra_it_says_how_to_install_it(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "textual_serve", None)
    assert main(["serve"]) == 1
    assert (
        capsys.readouterr().err == "stretto: stretto serve needs more packages; install them with: pip install 'stretto[serve]'\n"
    )


async def test_other_machines_are_served_with_a_warning_and_at_the_address_given(home: Home) -> None:
    with home.start("serve", "--port", "0", "--host", "0.0.0.0", "--address", "https://stretto.example:8443") as process:
        assert process.stdout is not None
        assert process.stderr is not None
        address = await asyncio.to_thread(process.stdout.readline)
        assert address.startswith("https://stretto.example:8443/#")
        warning = await asyncio.to_thread(process.stderr.readline)
        assert warning.startswith("stretto: warning: 0.0.0.0 is reached from other machines, and nothing is encrypted")
        process.send_signal(signal.SIGINT)
        assert await asyncio.to_thread(process.wait, 20) == 0
        await asyncio.to_thread(process.communicate)
