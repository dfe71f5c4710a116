"""What failed, in one line: every error of the client, the network and the server becomes a :class:`~agents.errors.CallError`.

Imports httpx2 and aiohttp; import it off the loop.
"""

from __future__ import annotations

import email.utils
import math
import socket
import ssl
import sys
import time
import unicodedata
from typing import TYPE_CHECKING

import httpx2
import msgspec

from agents.errors import CallError, CallKind
from agents.models.decode import WEB_PAGE
from agents.models.transport import HeadTooLargeError, HungUpError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from agents.models.decode import StreamError

_MESSAGE_LIMIT = 300


class RefusedError(httpx2.TransportError):
    """The response is of a kind that is never read: compressed, or too large."""


_CAUSES: tuple[tuple[type[BaseException] | tuple[type[BaseException], ...], CallKind, str, bool], ...] = (
    ((RefusedError, HeadTooLargeError), "protocol", "{cause}", False),
    (ssl.SSLCertVerificationError, "unreachable", "the certificate of {where} is not trusted ({cause})", False),
    (ssl.SSLError, "unreachable", "no secure connection to {where} ({cause}): is it http, not https?", False),
    (socket.gaierror, "unreachable", "the host of {where} cannot be found: check base_url", True),
    (ConnectionRefusedError, "unreachable", "nothing listens at {where}: is the server running?", True),
    (httpx2.ConnectTimeout, "unreachable", "{where} does not answer: is it up and reachable?", True),
    (httpx2.TimeoutException, "timeout", "{where} takes no more data", True),
    (
        (httpx2.UnsupportedProtocol, httpx2.LocalProtocolError, httpx2.InvalidURL),
        "bad_request",
        "the request cannot be sent ({cause}): check base_url and key",
        False,
    ),
    (HungUpError, "protocol", "{where} {cause}", True),
    (httpx2.RemoteProtocolError, "protocol", "{where} did not answer with proper HTTP ({cause})", True),
    (
        (ConnectionResetError, BrokenPipeError, httpx2.ReadError, httpx2.WriteError),
        "unreachable",
        "{where} closed the connection",
        True,
    ),
    (OSError, "unreachable", "no connection to {where} ({cause})", True),
)
"""What the innermost causes mean, the more particular first: types, kind, text, and whether another attempt can help."""


class Failures:
    """Names the failures of one endpoint. No message ever holds ``key``, whatever the server echoes."""

    def __init__(self, endpoint: str, address: str, key: str | None, key_name: str | None) -> None:
        self._endpoint = endpoint
        self._address = address
        self._key = key
        self._key_name = key_name

    def clean(self, text: str) -> str:
        """Return text from outside as one short printable line without the key or the end of it."""
        if self._key:
            text = text.replace(self._key, "•••")
            if len(self._key) >= 12:
                text = text.replace(self._key[-6:], "•••")
        line = " ".join("".join(c if unicodedata.category(c)[0] not in "CZ" else " " for c in text).split())
        return line if len(line) <= _MESSAGE_LIMIT else f"{line[: _MESSAGE_LIMIT - 1]}…"

    def make(self, kind: CallKind, message: str, *, retryable: bool = False, retry_after: float | None = None) -> CallError:
        """Return an error of this endpoint."""
        return CallError(kind, f"{self._endpoint}: {self.clean(message)}", retryable=retryable, retry_after=retry_after)

    def of(self, error: BaseException) -> CallError:
        """Return what ``error`` means. The true cause is looked for along the whole chain of causes."""
        if isinstance(error, CallError):
            return error
        # Where the SDK was not imported, or not wholly yet, it raised nothing.
        refused = getattr(sys.modules.get("openai"), "APIStatusError", None)
        if refused is not None and isinstance(error, refused):
            return self.of_status(error.status_code, _message(error.body), _code(error.body), error.response.headers)
        chain = list(_causes(error))
        for cause in chain:
            found = self._of_cause(cause)
            if found is not None:
                return found
        return self.make("protocol", f"the call failed: {type(chain[-1]).__name__}: {chain[-1]}")

    def _of_cause(self, cause: BaseException) -> CallError | None:
        for types, kind, text, retryable in _CAUSES:
            if isinstance(cause, types):
                return self.make(kind, text.format(where=self._address, cause=_reason(cause)), retryable=retryable)
        return None

    def of_response(self, response: httpx2.Response) -> CallError:
        """Return what a response other than success means; its body was read."""
        try:
            body = msgspec.json.decode(response.content)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            body = None  # a web page, most often: its words are nobody's
        return self.of_status(response.status_code, _message(body), _code(body), response.headers)

    def of_status(self, status: int, message: str, code: str, headers: Mapping[str, str]) -> CallError:
        """Return what an HTTP status other than success means."""
        said = f" ({self.clean(message)})" if message else ""
        if status < 400:
            to = (headers.get("location") or "its target").removesuffix("/chat/completions")
            found = self.make("protocol", f"answers with a redirect ({status}), which is not followed: set base_url to {to}")
        elif status in {401, 403}:
            found = self._of_refused_key(status)
        elif status == 429 and ("quota" in code or "billing" in code):
            found = self.make("quota", f"the account's quota is used up{said}")
        elif status == 429:
            wait = retry_after(headers)
            when = "" if wait is None else f"; it asks to wait {wait:.0f} s"
            found = self.make("rate_limit", f"too many requests (HTTP 429){when}{said}", retryable=True, retry_after=wait)
        elif status == 404:
            found = self.make("not_found", f"no such model or path at {self._address} (HTTP 404){said}")
        elif status == 413 or "exceed_context" in code or "context_length" in code:
            found = self.make("too_large", f"the prompt is too long for this model{said}: shorten it")
        elif status == 408:
            found = self.make("timeout", f"gave up waiting (HTTP 408){said}", retryable=True)
        elif status >= 500 or status == 409:
            again = status != 501
            found = self.make("server", f"failed (HTTP {status}){said}", retryable=again, retry_after=retry_after(headers))
        else:
            found = self.make("bad_request", f"refuses the request (HTTP {status}){said}")
        return found

    def _of_refused_key(self, status: int) -> CallError:
        # The server's words are left out: they tend to repeat the key.
        if self._key is None:
            return self.make("auth", f"wants a key (HTTP {status}): set api_key_env for this endpoint and the variable it names")
        key = self._key_name or "its variable"
        return self.make("auth", f"refuses the key in {key} (HTTP {status}): check that it is right and not expired")

    def of_stream(self, error: StreamError) -> CallError:
        """Return what an error told inside a stream means."""
        if error.code.isdigit() and 400 <= int(error.code) <= 599:
            return self.of_status(int(error.code), str(error), "", {})
        if error.code == WEB_PAGE:
            return self.make("protocol", f"sent {error}: is base_url right, and does the network ask for a login?")
        if error.broken:
            return self.make("protocol", f"sent {error}", retryable=True)
        if "quota" in error.code:
            return self.of_status(429, str(error), error.code, {})
        if "rate_limit" in error.code:
            return self.make("rate_limit", f"too many requests ({error})", retryable=True)
        return self.make("server", f"failed while answering: {error}", retryable=True)


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the seconds a server asks to wait, from ``retry-after-ms`` or ``retry-after`` (seconds or a date), if it does."""
    for name, unit in (("retry-after-ms", 1000.0), ("retry-after", 1.0)):
        text = headers.get(name)
        if text is None:
            continue
        try:
            seconds = float(text) / unit
        except ValueError:
            parsed = email.utils.parsedate_tz(text)
            if parsed is None:
                continue
            try:
                seconds = email.utils.mktime_tz(parsed) - time.time()
            except (ValueError, OverflowError):  # a year that no calendar has
                continue
        if math.isfinite(seconds) and seconds > 0:
            return seconds
    return None


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Walk from the innermost cause outwards; a group counts as its first error."""
    chain: list[BaseException] = []
    seen: set[int] = set()
    at: BaseException | None = error
    while at is not None and id(at) not in seen:
        seen.add(id(at))
        chain.append(at)
        if isinstance(at, BaseExceptionGroup):
            at = at.exceptions[0]
        else:
            at = at.__cause__ or (None if at.__suppress_context__ else at.__context__)
    yield from reversed(chain)


def _reason(cause: BaseException) -> str:
    if isinstance(cause, ssl.SSLCertVerificationError):
        return cause.verify_message
    return (cause.strerror if isinstance(cause, OSError) else None) or str(cause) or type(cause).__name__


def _inner(body: object) -> Mapping[str, object]:
    if not isinstance(body, dict):
        return {}
    error = body.get("error", body)
    return error if isinstance(error, dict) else {"message": error}


def _message(body: object) -> str:
    inner = _inner(body)
    return str(inner.get("message") or inner.get("detail") or "") if inner else ""


def _code(body: object) -> str:
    inner = _inner(body)
    return f"{inner.get('code') or ''} {inner.get('type') or ''}" if inner else ""
