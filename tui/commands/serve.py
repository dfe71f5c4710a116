"""``stretto serve``: the dashboard in a browser."""

from __future__ import annotations

import asyncio
import errno
import signal
import socket
from typing import TYPE_CHECKING

from agents.addresses import is_loopback
from agents.errors import InputError
from tui.commands import arguments

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from tui.terminal import Terminal

DESCRIPTION = """Open the dashboard in a browser. The address that is printed holds a random token: who has it can use this
program, its models and its documents, so share it with nobody. Only this machine is served unless --host says otherwise.

Every browser window is a program of its own with the same history; closing the window ends it and what it runs.
Ctrl+C ends them all."""

EXAMPLES = """\
  stretto serve
  stretto serve -m local/qwen3 --port 9000
  ssh -t -L 8765:127.0.0.1:8765 workstation stretto serve     from another machine, encrypted
  stretto serve --address https://stretto.example.org         behind a proxy that speaks TLS"""

_PORT = 8765


def configure(parser: arguments.CommandParser) -> None:
    """Describe the arguments."""
    arguments.add_model(parser, several=True)
    parser.add_argument("--theme", metavar="T", help="the dashboard's theme")
    parser.add_argument("--host", metavar="HOST", type=arguments.text, default="127.0.0.1", help="where to listen (127.0.0.1)")
    parser.add_argument("--port", metavar="PORT", type=_port, default=_PORT, help=f"the port ({_PORT}); 0 takes any free one")
    parser.add_argument(
        "--address",
        metavar="URL",
        type=arguments.text,
        action="append",
        default=[],
        help="the address browsers use where it is another, as behind a proxy or a tunnel; may be given several times",
    )
    parser.add_argument("--sessions", metavar="N", type=arguments.positive, default=4, help="most windows at once (4)")
    parser.add_argument("--idle", metavar="MINUTES", type=arguments.positive, default=60, help="end a window nobody uses (60)")


def _port(value: str) -> int:
    import argparse

    number = int(value) if value.isascii() and value.isdigit() else -1
    if not 0 <= number <= 65535:
        raise argparse.ArgumentTypeError(f"{value!r} is not a port: a whole number from 0 to 65535")
    return number


def execute(args: argparse.Namespace, parser: arguments.CommandParser) -> int:
    """Serve until a signal comes, and return the exit code."""
    from agents.config import load
    from agents.models.discovery import check_embedded
    from agents.models.names import parse_model
    from tui.terminal import Terminal

    try:
        import aiohttp  # noqa: F401  # to say in one line what is missing
        import textual_serve  # noqa: F401
    except ImportError as error:
        raise InputError("stretto serve needs more packages; install them with: pip install 'stretto[serve]'") from error
    settings, _ = load(arguments.flags(args))
    for name in args.models:
        check_embedded(parse_model(name), settings)
    child = [flag for name in args.models for flag in ("-m", name)]
    if args.theme is not None:
        child += ["--theme", args.theme]
    with _bind(args.host, args.port) as bound:
        return asyncio.run(_serve(args, bound, child, Terminal()))


async def _serve(args: argparse.Namespace, bound: socket.socket, child: Sequence[str], terminal: Terminal) -> int:
    from tui.browser.access import Access
    from tui.browser.server import BrowserServer

    port = bound.getsockname()[1]
    access = Access(_origins(args.host, port, args.address), f"stretto-{port}")
    server = BrowserServer(access, child, most=args.sessions, idle=args.idle * 60.0, tell=terminal.complain)
    loop = asyncio.get_running_loop()
    ended: asyncio.Future[int] = loop.create_future()

    def end(number: int) -> None:
        if not ended.done():
            ended.set_result(number)

    for number in (int(signal.SIGINT), int(signal.SIGTERM), int(signal.SIGHUP)):
        loop.add_signal_handler(number, end, number)
    async with server.serving(bound):
        terminal.print(access.address)
        if not _is_local(args.host):
            terminal.complain(
                f"warning: {args.host} is reached from other machines, and nothing is encrypted: "
                "use ssh -L or a proxy with TLS instead"
            )
        terminal.note("Whoever has this address can use this program. Ctrl+C ends it.")
        by = await ended
    return 0 if by == signal.SIGINT else 128 + by


def _bind(host: str, port: int) -> socket.socket:
    """Return a socket that listens, before anything is promised; raises :class:`InputError` where that cannot be."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, _, _, _, where = found[0]
        return socket.create_server((str(where[0]), port), family=family)
    except socket.gaierror as error:
        raise InputError(f"--host {host}: there is no such address") from error
    except (OSError, UnicodeError) as error:
        code = getattr(error, "errno", None)
        if code == errno.EADDRINUSE:
            raise InputError(f"port {port} is taken: choose another with --port, or --port 0 for any free one") from error
        if code == errno.EACCES:
            raise InputError(f"port {port} may not be used: choose one above 1023 with --port") from error
        raise InputError(f"--host {host}: cannot listen there: {getattr(error, 'strerror', None) or error}") from error


def _origins(host: str, port: int, addresses: Sequence[str]) -> tuple[str, ...]:
    """Return the origins that browsers may come to, the one that is printed first."""
    from tui.browser.access import origin, parse_origin

    given = tuple(map(parse_origin, addresses))
    if host in {"", "0.0.0.0", "::"}:  # noqa: S104  # refused, unless a person says by what address it is reached
        if not given:
            raise InputError(f"--host {host} names no address for browsers: say which with --address http://NAME:{port}")
        return given
    names = [host, "localhost"] if _is_local(host) else [host]
    return tuple(dict.fromkeys([*given, *(origin("http", name.lower(), port) for name in names)]))


def _is_local(host: str) -> bool:
    return is_loopback(f"http://[{host}]" if ":" in host else f"http://{host}")
