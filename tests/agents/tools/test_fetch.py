from __future__ import annotations

import asyncio
import gzip
import ipaddress
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from agents.errors import InputError, LateError
from agents.tools.fetch import fetch, is_fetchable, resolve
from tests.servers.http import LoopbackServer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from agents.tools.fetch import Resolver
    from tests.servers.http import Behaviour, Connection, Request

PUBLIC = "93.184.215.14"

NEVER = [
    *(
        "0.0.0.0",
        "0.1.2.3",
        "169.254.169.254",
        "168.63.129.16",
        "192.0.0.192",
        "192.88.99.1",
        "198.18.0.1",
        "224.0.0.1",
        "240.0.0.1",
    ),
    *("255.255.255.255", "100.100.100.200", "192.0.2.1", "203.0.113.9", "::", "fe80::1", "fec0::1", "ff02::1", "fd00:ec2::254"),
    *("::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe", "64:ff9b:1::1", "2002:7f00:1::", "2001:0:1::1", "2001:db8::1", "100::1"),
    "::169.254.169.254",
]
PRIVATE = [
    *(
        "127.0.0.1",
        "127.255.0.9",
        "10.0.0.1",
        "172.16.0.1",
        "172.31.255.255",
        "192.168.1.1",
        "100.64.0.1",
        "::1",
        "fc00::1",
        "fd12::1",
    ),
    *("::ffff:127.0.0.1", "::ffff:10.0.0.1", "::127.0.0.1", "64:ff9b::7f00:1", "64:ff9b::a00:1"),
]


@pytest.mark.parametrize("address", NEVER)
def test_some_addresses_are_never_fetched_from(address: str) -> None:
    assert not is_fetchable(ipaddress.ip_address(address))
    assert not is_fetchable(ipaddress.ip_address(address), private=True)


@pytest.mark.parametrize("address", PRIVATE)
def test_private_addresses_need_a_person_s_word(address: str) -> None:
    assert not is_fetchable(ipaddress.ip_address(address))
    assert is_fetchable(ipaddress.ip_address(address), private=True)


@pytest.mark.parametrize("address", [PUBLIC, "1.1.1.1", "172.32.0.1", "2606:4700::1111", "::ffff:1.1.1.1", "64:ff9b::101:101"])
def test_public_addresses_are_fetched_from(address: str) -> None:
    assert is_fetchable(ipaddress.ip_address(address))


def resolver(**hosts: list[str] | str) -> Resolver:
    async def look_up(host: str, port: int) -> list[str]:
        found = hosts.get(host.replace(".", "_"))
        if found is None:
            raise OSError("no such host")
        return [found] if isinstance(found, str) else found

    return look_up


@pytest.mark.parametrize(
    "url",
    [
        *("http://127.0.0.1/", "http://localhost/", "http://127.1/", "http://2130706433/", "http://0x7f.1/", "http://0177.0.0.1/"),
        *(
            "http://0/",
            "http://[::1]/",
            "http://[::ffff:127.0.0.1]/",
            "http://localhost./",
            "http://10.1.2.3/",
            "http://[fe80::1]/",
        ),
        *("http://169.254.169.254/latest/meta-data/", "http://[fd00:ec2::254]/", "http://\uff11\uff12\uff17.0.0.1/"),
        *("http://user:pass@1.1.1.1/", "https://1.1.1.1:8443/", "http://1.1.1.1:22/", "ftp://1.1.1.1/", "file:///etc/passwd"),
        *("javascript:alert(1)", "http://", "http:///x", "", "not a url", "http://[::1", "http://a\0b/", "http://1.1.1.1:99999/"),
        *("http://exa mple/", "data:text/plain,x", "http://1.1.1.1\r\nHost: evil/", "//1.1.1.1/"),
    ],
)
async def test_no_form_of_a_url_leads_inside(url: str) -> None:
    with pytest.raises(InputError) as error:
        await fetch(url, timeout=10)
    assert str(error.value).isprintable()


async def test_a_name_with_one_inner_address_among_public_ones_is_refused() -> None:
    with pytest.raises(InputError, match=r"leads to 10\.0\.0\.1"):
        await fetch("http://two.test/", resolver=resolver(two_test=[PUBLIC, "10.0.0.1"]))


async def test_a_name_that_cannot_be_found_is_one_line() -> None:
    with pytest.raises(InputError, match="cannot be found"):
        await fetch("http://none.test/", resolver=resolver())


@asynccontextmanager
async def serving(answer: Behaviour) -> AsyncIterator[LoopbackServer]:
    async with LoopbackServer(answer) as server:
        yield server


def raw(connection: Connection, status: str, headers: dict[str, str], body: bytes = b"") -> None:
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    connection.transport.write(f"HTTP/1.1 {status}\r\n{lines}content-length: {len(body)}\r\n\r\n".encode() + body)
    connection.done()


async def test_a_page_a_person_named_is_fetched_with_no_more_than_it_takes() -> None:
    def answer(connection: Connection, request: Request) -> None:
        connection.respond(200, b"<p>hello", "text/html; charset=utf-8")

    async with serving(answer) as server:
        page = await fetch(f"{server.url}/page?q=1#part", allow_private=True)
        assert page == (f"{server.url}/page?q=1", b"<p>hello", "text/html")
        (request,) = server.requests
        assert request.path == "/page?q=1"
        assert request.headers["host"] == f"127.0.0.1:{server.port}"
        assert request.headers["accept-encoding"] == "identity"
        assert not {"cookie", "authorization", "referer"} & set(request.headers)


async def test_the_connection_goes_to_the_address_that_was_judged_under_the_name_that_was_given() -> None:
    calls: list[str] = []

    async def once(host: str, port: int) -> list[str]:
        calls.append(host)
        return ["127.0.0.1"]

    async with serving(lambda connection, request: connection.respond(200, b"x", "text/plain")) as server:
        page = await fetch(f"http://named.test:{server.port}/", allow_private=True, resolver=once)
        assert page.data == b"x"
        assert calls == ["named.test"]
        assert server.requests[0].headers["host"] == f"named.test:{server.port}"


@pytest.mark.parametrize(
    "target",
    [
        *("http://169.254.169.254/", "http://10.0.0.1/", "http://127.0.0.1:1/", "http://localhost:{port}/", "ftp://1.1.1.1/"),
        *("http://user@1.1.1.1/", "http://[::1]:{port}/", "", "//10.0.0.1/x", "http://[", "https://127.0.0.1:{port}/"),
    ],
)
async def test_a_redirect_is_judged_like_a_url_nobody_named(target: str) -> None:
    def answer(connection: Connection, request: Request) -> None:
        if request.path == "/":
            raw(connection, "302 Found", {"location": target.replace("{port}", str(server.port))})
        else:
            connection.respond(200, b"secret", "text/plain")

    async with serving(answer) as server:
        with pytest.raises(InputError):
            await fetch(f"{server.url}/", allow_private=True)
        assert server.counts.requests == 1


async def test_a_redirect_on_the_same_server_is_followed_but_not_for_ever() -> None:
    def answer(connection: Connection, request: Request) -> None:
        number = int(request.path.strip("/") or "0")
        if number < 100 and request.path != "/3":
            raw(connection, "301 Moved", {"location": f"/{number + 1}", "set-cookie": "a=b"})
        else:
            connection.respond(200, b"there", "text/plain")

    async with serving(answer) as server:
        page = await fetch(f"{server.url}/0", allow_private=True)
        assert page.url == f"{server.url}/3"
        assert all("cookie" not in request.headers for request in server.requests)
        with pytest.raises(InputError, match="more than 5 times"):
            await fetch(f"{server.url}/50", allow_private=True)


@pytest.mark.parametrize(
    ("headers", "body", "error"),
    [
        ({"content-type": "image/png"}, b"x", "only text"),
        ({"content-type": "application/octet-stream"}, b"x", "only text"),
        ({"content-type": "text/html", "content-encoding": "gzip"}, gzip.compress(b"x" * 1000, mtime=0), "not asked for"),
        ({"content-type": "text/plain"}, b"x" * 5000, "too large"),
    ],
)
async def test_types_encodings_and_sizes_that_are_not_wanted_are_refused(headers: dict[str, str], body: bytes, error: str) -> None:
    async with serving(lambda connection, request: raw(connection, "200 OK", headers, body)) as server:
        with pytest.raises(InputError, match=error):
            await fetch(f"{server.url}/", allow_private=True, limit=4000)


async def test_a_body_without_end_is_cut_off_at_the_limit() -> None:
    def answer(connection: Connection, request: Request) -> None:
        connection.transport.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\n\r\n" + b"x" * 100_000)

    async with serving(answer) as server:
        with pytest.raises(InputError, match="too large"):
            await fetch(f"{server.url}/", allow_private=True, limit=50_000)
        await server.until(lambda: server.counts.open == 0)


async def test_a_server_that_drips_is_given_up_when_the_time_is_over() -> None:
    def answer(connection: Connection, request: Request) -> None:
        connection.transport.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\n\r\n")

        def drip() -> None:
            connection.transport.write(b".")
            connection.later(asyncio.get_running_loop().time() + 0.02, drip)

        drip()

    async with serving(answer) as server:
        with pytest.raises(LateError, match=r"within 0\.3 s"):
            await fetch(f"{server.url}/", allow_private=True, timeout=0.3)
        await server.until(lambda: server.counts.open == 0)


@pytest.mark.parametrize(("status", "error"), [("404 Not Found", "answered 404"), ("500 Oh", "answered 500"), ("204 No", "204")])
async def test_an_answer_that_is_no_page_is_one_line(status: str, error: str) -> None:
    async with serving(lambda connection, request: raw(connection, status, {"content-type": "text/html"})) as server:
        with pytest.raises(InputError, match=error):
            await fetch(f"{server.url}/", allow_private=True)


async def test_rubbish_and_a_cut_connection_are_one_line() -> None:
    def rubbish(connection: Connection, request: Request) -> None:
        connection.transport.write(b"\0\1 this is not HTTP\r\n\r\n")
        connection.transport.close()

    def cut(connection: Connection, request: Request) -> None:
        connection.transport.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 100\r\n\r\nhalf")
        connection.transport.close()

    for answer in (rubbish, cut):
        async with serving(answer) as server:
            with pytest.raises(InputError) as error:
                await fetch(f"{server.url}/", allow_private=True)
            assert "\n" not in str(error.value)


async def test_proxies_of_the_environment_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    async with serving(lambda connection, request: connection.respond(200, b"x", "text/plain")) as server:
        assert (await fetch(f"{server.url}/", allow_private=True)).data == b"x"


async def test_the_system_s_resolver_gives_addresses() -> None:
    assert "127.0.0.1" in await resolve("localhost", 80)
