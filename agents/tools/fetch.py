"""Fetching one URL without being led astray.

A host is resolved once, every address it has must be public, and the connection goes to that address, so a name that changes
its mind between check and use gains nothing. Redirects are followed by hand and judged anew. No cookies, credentials, proxies
or compression; bytes, types and time are limited.
"""

from __future__ import annotations

import asyncio
import importlib
import ipaddress
import socket
from collections.abc import Awaitable, Callable, Sequence
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

from agents.errors import InputError, LateError

if TYPE_CHECKING:
    import ssl

    import httpx2

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Resolver = Callable[[str, int], Awaitable[Sequence[str]]]

MAX_BYTES = 16 * 1024 * 1024
MAX_REDIRECTS = 5
_AGENT = "stretto (reads pages a person asked for)"

_NEVER = tuple(
    ipaddress.ip_network(network)
    for network in (
        *("0.0.0.0/8", "169.254.0.0/16", "168.63.129.16/32", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "198.18.0.0/15"),
        *("198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4", "100.100.100.200/32"),
        *("::/128", "64:ff9b:1::/48", "100::/64", "2001::/32", "2001:db8::/32", "2002::/16", "fe80::/10", "fec0::/10", "ff00::/8"),
        "fd00:ec2::254/128",
    )
)
"""Never fetched from: metadata services, link-local, multicast, tunnels that hide another address, documentation, reserved."""

_PRIVATE = tuple(
    ipaddress.ip_network(network)
    for network in ("127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "::1/128", "fc00::/7")
)
"""Fetched from only where a person named the very URL."""

_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_COMPATIBLE = ipaddress.IPv6Network("::/96")

_TYPES = (
    "application/xhtml+xml",
    "application/xml",
    "application/json",
    "application/pdf",
    "application/x-pdf",
    "application/yaml",
)


class Page(NamedTuple):
    """What a URL gave."""

    url: str
    """Where it came from in the end, after redirects."""
    data: bytes
    content_type: str


async def fetch(
    url: str,
    *,
    allow_private: bool = False,
    timeout: float = 30.0,
    limit: int = MAX_BYTES,
    resolver: Resolver | None = None,
) -> Page:
    """Return the document at ``url``.

    ``allow_private`` says that a person named this very URL: it may then be on this machine or network and on any port; where it
    redirects to elsewhere may not. ``timeout`` is for all of it, in seconds, ``limit`` in bytes. Raises :class:`InputError`, or
    :class:`LateError` when time is over.
    """
    await asyncio.to_thread(importlib.import_module, "httpx2")
    import httpx2

    context = await asyncio.to_thread(_context)
    try:
        async with asyncio.timeout(timeout), httpx2.AsyncClient(trust_env=False, verify=context, timeout=timeout) as client:
            return await _follow(client, _parse(url), allow_private, limit, resolver or resolve)
    except TimeoutError:
        raise LateError(f"{_shown(url)} did not answer within {timeout:g} s") from None


async def _follow(client: httpx2.AsyncClient, url: httpx2.URL, allow_private: bool, limit: int, resolver: Resolver) -> Page:
    named = (url.scheme, url.host, url.port) if allow_private else None
    for _ in range(MAX_REDIRECTS + 1):
        trusted = (url.scheme, url.host, url.port) == named
        addresses = await _judge(url, trusted, resolver)
        found = await _get(client, url, addresses, limit)
        if isinstance(found, Page):
            return found
        if url.scheme == "https" and found.scheme == "http":
            raise InputError(f"{_shown(url)} redirects from https to http")
        url = found
    raise InputError(f"{_shown(url)} redirects more than {MAX_REDIRECTS} times")


def _parse(text: str | httpx2.URL) -> httpx2.URL:
    import httpx2

    try:
        url = httpx2.URL(text)
        if url.scheme not in {"http", "https"}:
            raise InputError(f"{_shown(text)} is not an http or https URL")
        if url.userinfo:
            raise InputError("a URL that holds a user name or password is not fetched")
        if not url.host:
            raise InputError(f"{_shown(text)} names no host")
        return url.copy_with(fragment=None)
    except (httpx2.InvalidURL, ValueError, UnicodeError) as error:
        raise InputError(f"{_shown(text)} is not a URL that can be used: {error}") from None


async def _judge(url: httpx2.URL, trusted: bool, resolver: Resolver) -> list[Address]:
    """Return the addresses that may be connected to; all of a host's must be, so that none can be slipped in."""
    port = url.port or (443 if url.scheme == "https" else 80)
    if port not in {80, 443} and not trusted:
        raise InputError(f"{_shown(url)} is on port {port}: only 80 and 443 are fetched from, unless you name the URL yourself")
    try:
        found = await resolver(url.host, port)
        addresses = [ipaddress.ip_address(text.partition("%")[0]) for text in dict.fromkeys(found)]
    except (OSError, UnicodeError, ValueError):
        raise InputError(f"{url.host} cannot be found: check the name and the network") from None
    if not addresses:
        raise InputError(f"{url.host} has no address")
    for address in addresses:
        if not is_fetchable(address, private=trusted):
            raise InputError(f"{_shown(url)} leads to {address}, which is not a public address: it is not fetched")
    return addresses


def is_fetchable(address: Address, *, private: bool = False) -> bool:
    """Tell whether a connection may go to ``address``; ``private`` lets this machine and the local network through."""
    for candidate in (address, *_hidden(address)):
        if any(candidate in network for network in _NEVER if network.version == candidate.version):
            return False
        if any(candidate in network for network in _PRIVATE if network.version == candidate.version):
            if not private:
                return False
        elif isinstance(candidate, ipaddress.IPv6Address) and (
            candidate.ipv4_mapped or candidate in _NAT64 or candidate in _COMPATIBLE
        ):
            continue  # judged by the address it carries
        elif not candidate.is_global or candidate.is_multicast or candidate.is_reserved:
            return False
    return True


def _hidden(address: Address) -> list[Address]:
    """Return the IPv4 address that an IPv6 address carries, if it does."""
    if isinstance(address, ipaddress.IPv4Address) or address == ipaddress.IPv6Address("::1"):
        return []
    if address.ipv4_mapped is not None:
        return [address.ipv4_mapped]
    if address in _NAT64 or address in _COMPATIBLE:
        return [ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)]
    return []


async def resolve(host: str, port: int) -> list[str]:
    """Return the addresses of ``host`` as the system knows them."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(address[0]) for *_, address in found]


async def _get(client: httpx2.AsyncClient, url: httpx2.URL, addresses: list[Address], limit: int) -> Page | httpx2.URL:
    """Return the page at ``url``, or where it redirects to; the connection goes to one of ``addresses``."""
    import httpx2

    problem: Exception | None = None
    client.cookies.clear()  # what an earlier redirect set is sent to nobody
    for address in addresses[:3]:
        headers = {
            "Host": url.netloc.decode("ascii"),
            "User-Agent": _AGENT,
            "Accept": "text/html,text/*;q=0.9,application/pdf;q=0.8,*/*;q=0.1",
            "Accept-Encoding": "identity",
        }
        # The certificate is checked against the name the person gave, not against the address.
        target = url.copy_with(host=str(address))
        request = client.build_request("GET", target, headers=headers, extensions={"sni_hostname": url.host} | _timeouts(client))
        try:
            response = await client.send(request, stream=True, follow_redirects=False)
        except httpx2.ConnectError as error:
            problem = error
            continue
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            raise InputError(f"{_shown(url)} could not be fetched: {_line(error)}") from None
        try:
            return await _read(url, response, limit)
        except httpx2.HTTPError as error:
            raise InputError(f"{_shown(url)} was cut off: {_line(error)}") from None
        finally:
            await response.aclose()
    raise InputError(f"{_shown(url)} cannot be reached: {_line(problem)}")


def _timeouts(client: httpx2.AsyncClient) -> dict[str, object]:
    return {"timeout": client.timeout.as_dict()}


async def _read(url: httpx2.URL, response: httpx2.Response, limit: int) -> Page | httpx2.URL:
    if response.status_code in {301, 302, 303, 307, 308}:
        location = response.headers.get("location", "")
        if not location:
            raise InputError(f"{_shown(url)} redirects to nowhere")
        return _parse(url.join(_parse_relative(location)))
    if response.status_code != 200:
        raise InputError(f"{_shown(url)} answered {response.status_code} {response.reason_phrase}".rstrip())
    encoding = response.headers.get("content-encoding", "identity").strip().lower()
    if encoding not in {"", "identity"}:
        raise InputError(f"{_shown(url)} answered with {encoding[:20]!r} encoding, which was not asked for")
    content_type = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    if content_type and not (
        content_type.startswith("text/") or content_type in _TYPES or content_type.endswith(("+xml", "+json"))
    ):
        raise InputError(f"{_shown(url)} is {content_type[:80]!r}: only text, HTML, JSON, XML and PDF are read")
    declared = response.headers.get("content-length", "")
    data = bytearray()
    too_large = declared.isdecimal() and len(declared) < 16 and int(declared) > limit
    if not too_large:
        async for piece in response.aiter_raw():
            data += piece
            if len(data) > limit:
                too_large = True
                break
    if too_large:
        raise InputError(f"{_shown(url)} is too large: at most {limit / 1e6:.0f} MB are fetched")
    return Page(str(url), bytes(data), content_type)


def _parse_relative(location: str) -> httpx2.URL:
    import httpx2

    try:
        return httpx2.URL(location)
    except (httpx2.InvalidURL, ValueError, UnicodeError) as error:
        raise InputError(f"a redirect leads to no usable URL: {error}") from None


def _shown(url: object) -> str:
    text = str(url)
    text = text if text.isprintable() else ascii(text)
    return text if len(text) <= 200 else f"{text[:199]}…"


def _line(error: Exception | None) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__


@cache
def _context() -> ssl.SSLContext:
    import httpx2

    return httpx2.create_ssl_context(trust_env=False)
