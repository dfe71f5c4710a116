"""What the browser is sent besides the terminal's bytes: two small pages, their headers, and the files the pages need.

Nothing comes from another server, and no page holds a secret. The terminal itself is the script that textual-serve brings along.
"""

from __future__ import annotations

from importlib.resources import files
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable


class Asset(NamedTuple):
    """A file that a page may ask for."""

    package: str
    path: str
    media: str


ASSETS: Final = {
    "textual.js": Asset("textual_serve", "static/js/textual.js", "text/javascript; charset=utf-8"),
    "xterm.css": Asset("textual_serve", "static/css/xterm.css", "text/css; charset=utf-8"),
    "mono.ttf": Asset("textual_serve", "static/fonts/RobotoMono-VariableFont_wght.ttf", "font/ttf"),
    "mono-italic.ttf": Asset("textual_serve", "static/fonts/RobotoMono-Italic-VariableFont_wght.ttf", "font/ttf"),
    "page.css": Asset("tui.browser", "static/page.css", "text/css; charset=utf-8"),
    "page.js": Asset("tui.browser", "static/page.js", "text/javascript; charset=utf-8"),
    "gate.js": Asset("tui.browser", "static/gate.js", "text/javascript; charset=utf-8"),
}
OPEN_ASSETS: Final = frozenset({"page.css", "gate.js"})
"""What a browser may have before it has shown the token."""

_GATE: Final = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>stretto</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="/static/page.css">
<script src="/static/gate.js" defer></script>
</head>
<body class="gate">
<main><p id="said">Open the address that <code>stretto serve</code> printed, with all that stands after the #.</p></main>
</body>
</html>
"""

_TERMINAL: Final = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>stretto</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="/static/xterm.css">
<link rel="stylesheet" href="/static/page.css">
<script src="/static/page.js"></script>
<script src="/static/textual.js"></script>
</head>
<body>
<div class="measure" aria-hidden="true">stretto <b>stretto</b> <i>stretto</i></div>
<div id="terminal" class="textual-terminal" data-session-websocket-url="{socket}" data-font-size="15"></div>
<div class="closed" role="alertdialog" aria-label="The session has ended"><main>
<p>The session has ended. What ran was stopped and kept.</p><p><a href="/">Open another</a></p>
</main></div>
</body>
</html>
"""

_FULL: Final = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>stretto</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="/static/page.css">
</head>
<body class="gate">
<main><p>There are {sessions} sessions already, and no more are allowed. End one, then <a href="/">try again</a>.</p></main>
</body>
</html>
"""


def gate() -> str:
    """Return the page for a browser that has not shown the token; its script does so if the address holds it."""
    return _GATE


def terminal(ours: str) -> str:
    """Return the page with the terminal, for the origin the browser came to."""
    return _TERMINAL.format(socket=f"{_socket(ours)}/ws")


def full(sessions: int) -> str:
    """Return the page that says that there are as many sessions as there may be."""
    return _FULL.format(sessions=sessions)


def _socket(ours: str) -> str:
    return "ws" + ours.removeprefix("http")


def headers(ours: str | None) -> dict[str, str]:
    """Return the headers of every answer: nothing from elsewhere runs, loads, frames or keeps it."""
    socket = "" if ours is None else f" {_socket(ours)}"
    policy = {
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": "'self' 'unsafe-inline'",  # the terminal writes its own sizes and colours into the page
        "font-src": "'self'",
        "img-src": "'self' data:",
        "connect-src": f"'self'{socket}",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
    }
    return {
        "Content-Security-Policy": "; ".join(f"{name} {value}" for name, value in policy.items()),
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
        "Referrer-Policy": "no-referrer",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Permissions-Policy": "camera=(), microphone=(), geolocation=(), payment=(), usb=()",
        "Cache-Control": "no-store",
        "Server": "stretto",
    }


def read(name: str) -> tuple[bytes, str]:
    """Return an asset and its media type."""
    asset = ASSETS[name]
    found: Traversable = files(asset.package).joinpath(asset.path)
    return found.read_bytes(), asset.media
