"""What every test runs in: a home of its own, no keys, no proxies, one time zone, and no network beyond this machine."""

from __future__ import annotations

import gc
import ipaddress
import os
import signal
import socket
import time
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# Two shared cores make single examples slow by chance; what matters is that the whole test ends within its own time limit.
settings.register_profile("stretto", deadline=None)
settings.load_profile("stretto")

_OUTSIDE = ("STRETTO_", "OPENAI_", "OLLAMA_", "ANTHROPIC_", "XDG_", "NO_COLOR", "FORCE_COLOR", "COLUMNS", "LINES", "NO_PROXY")


def pytest_make_parametrize_id(val: object) -> str | None:
    """Cut a case's name where it is a long text: megabytes take seconds to escape, and go to every child in its environment."""
    return f"{val[:20]!a}..{len(val)}" if isinstance(val, str | bytes) and len(val) > 60 else None


class NetworkRefusedError(RuntimeError):
    """A test tried to reach another machine. No OSError, so that no handler takes it for an endpoint that is down."""


@pytest.fixture(autouse=True)
def own_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Give the test its own folders, and hide the keys, servers and proxies of whoever runs it."""
    for name in list(os.environ):
        if name.upper().startswith(_OUTSIDE) or name.upper().endswith(("_PROXY", "_API_KEY")):
            monkeypatch.delenv(name)
    home = tmp_path / "home"
    monkeypatch.setenv("HOME", str(home))
    for name in ("CONFIG", "DATA", "CACHE", "STATE"):
        monkeypatch.setenv(f"XDG_{name}_HOME", str(home / name.lower()))
    monkeypatch.setenv("STRETTO_CONFIG", str(home / "config.toml"))
    monkeypatch.setenv("STRETTO_DATA_DIR", str(home / "stretto"))
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.fixture(autouse=True, scope="session")
def signals_are_heard() -> None:
    """Undo what a shell does to what it runs in the background: what is ignored here would be ignored by every child, too."""
    for number in (signal.SIGINT, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, signal.default_int_handler if number is signal.SIGINT else signal.SIG_DFL)


@pytest.fixture(autouse=True, scope="module")
def nothing_stays_frozen() -> Iterator[None]:
    """Collect what dashboards kept out of collections: every one of them kept those of the tests before it."""
    yield
    if gc.get_freeze_count():
        gc.unfreeze()
        gc.collect()


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Refuse connections to anything but this machine."""
    for name in ("connect", "connect_ex"):
        monkeypatch.setattr(socket.socket, name, _guarded(getattr(socket.socket, name)))


def _guarded(connect: Any) -> Any:
    def guarded(self: socket.socket, address: Any) -> Any:
        if self.family in {socket.AF_INET, socket.AF_INET6} and not _is_this_machine(str(address[0])):
            raise NetworkRefusedError(f"a test tried to reach {address!r}")
        return connect(self, address)

    return guarded


def _is_this_machine(host: str) -> bool:
    try:
        return ipaddress.ip_address(host.partition("%")[0]).is_loopback
    except ValueError:
        return host == "localhost"
