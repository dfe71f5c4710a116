"""What can be said of an address by its letters alone: whether it leads to this machine."""

from __future__ import annotations

from ipaddress import ip_address
from urllib.parse import urlsplit


def is_loopback(url: str) -> bool:
    """Return whether ``url`` leads to this machine by its host's name or number; no name is looked up."""
    host = urlsplit(url).hostname or ""
    try:
        return host.removesuffix(".") == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False
