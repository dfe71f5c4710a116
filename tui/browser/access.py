"""Who may drive the program from a browser.

Any page a person visits can send requests to this machine, and other programs may guess ports. So a request is answered only if it
names exactly the host we are reached by, comes from no other origin, and brings what the printed address was exchanged for. This
module decides; it knows no web framework.
"""

from __future__ import annotations

import hmac
import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from agents.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

_DEFAULT_PORTS: Final = {"http": 80, "https": 443}
_BYTES: Final = 32
"""Bytes of chance in the token and in the cookie."""


def origin(scheme: str, host: str, port: int) -> str:
    """Return an origin as browsers write it: without the port its scheme has anyway, numbers of IPv6 in brackets."""
    name = f"[{host}]" if ":" in host else host
    return f"{scheme}://{name}" if _DEFAULT_PORTS[scheme] == port else f"{scheme}://{name}:{port}"


def parse_origin(text: str) -> str:
    """Return the origin that ``text`` names, as browsers write it; raises :class:`InputError` when it is none."""
    try:
        parts = urlsplit(text)
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port, parts = None, None, urlsplit("")
    rest = parts.path.strip("/") or parts.query or parts.fragment or parts.username is not None
    if parts.scheme not in _DEFAULT_PORTS or not host or rest or not text.isascii():
        raise InputError(f"{text!r} is not an address like https://stretto.example:8443")
    return origin(parts.scheme, host.lower(), port or _DEFAULT_PORTS[parts.scheme])


@dataclass(frozen=True)
class Access:
    """The secrets of one server and the origins it is reached by."""

    origins: tuple[str, ...]
    """As browsers write them; the first is the one that is printed."""
    cookie_name: str
    token: str = field(default_factory=lambda: secrets.token_urlsafe(_BYTES), repr=False)
    cookie: str = field(default_factory=lambda: secrets.token_urlsafe(_BYTES), repr=False)

    @property
    def address(self) -> str:
        """What a person opens. The token stands where browsers send it to nobody."""
        return f"{self.origins[0]}/#{self.token}"

    def origin_for(self, hosts: Sequence[str]) -> str | None:
        """Return the origin that the ``Host`` headers of a request name, if there is exactly one and it is ours."""
        if len(hosts) != 1:
            return None
        return next((ours for ours in self.origins if ours.partition("://")[2] == hosts[0].lower()), None)

    @staticmethod
    def is_own(ours: str, origins: Sequence[str], site: str | None, *, required: bool) -> bool:
        """Return whether a request to ``ours`` comes from a page of its own, by its ``Origin`` headers and ``Sec-Fetch-Site``.

        ``required`` refuses one that does not say; browsers always say so for websockets and for what changes something.
        """
        if len(origins) > 1 or (required and not origins):
            return False
        return all(one == ours for one in origins) and site in {None, "same-origin", "none"}

    def knows_token(self, token: str) -> bool:
        """Return whether ``token`` is the printed one, in a time that tells nothing of it."""
        return hmac.compare_digest(token.encode("utf-8", "replace"), self.token.encode())

    def knows_cookie(self, cookie: str | None) -> bool:
        """Return whether a browser has exchanged the token before."""
        return cookie is not None and hmac.compare_digest(cookie.encode("utf-8", "replace"), self.cookie.encode())

    def set_cookie(self, ours: str) -> str:
        """Return the ``Set-Cookie`` header: for this host alone, out of reach of scripts, never sent from other sites."""
        secure = "; Secure" if ours.startswith("https:") else ""
        return f"{self.cookie_name}={self.cookie}; Path=/; HttpOnly; SameSite=Strict{secure}"
