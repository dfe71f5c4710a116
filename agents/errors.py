"""The errors a person can meet. Every message is one line that says what happened and what to do."""

from __future__ import annotations

from typing import Literal

CallKind = Literal[
    "unreachable",
    "timeout",
    "auth",
    "not_found",
    "rate_limit",
    "quota",
    "server",
    "bad_request",
    "protocol",
    "cut",
    "too_large",
    "budget",
]
"""What went wrong with a call. ``cut``: text came and the stream ended before a finish reason. ``protocol``: the answer was not
what the API promises (HTML, a redirect, broken framing). ``budget``: it was stopped because it would have cost too much."""


class StrettoError(Exception):
    """The root of all errors meant for a person's eyes."""


class ConfigError(StrettoError):
    """Configuration that cannot be used: names the file, the key and, for an unknown key, the nearest known one."""


class CallError(StrettoError):
    """A call to an endpoint failed.

    ``retryable`` says that the same call may succeed later; ``retry_after`` is the server's own word on when, in seconds.
    """

    def __init__(self, kind: CallKind, message: str, *, retryable: bool = False, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.kind: CallKind = kind
        self.retryable = retryable
        self.retry_after = retry_after


class LateError(StrettoError):
    """A step did not end within its time limit."""


class InputError(StrettoError):
    """A file, URL, name or argument the person gave cannot be used."""
