"""A streamed chat completion, from raw bytes to pieces of text.

:class:`ChatReader` reads the few fields that are needed out of each event. What servers really send is wider than what the API
describes: shapes that carry text are read, shapes that carry none are passed over, an error in the stream becomes a
:class:`StreamError`.
"""

from __future__ import annotations

import json

import msgspec

from agents.events import Usage
from agents.models.sse import MAX_EVENT_BYTES, EventSplitter, TooLargeError

MAX_TEXT_CHARS = 8 * 1024 * 1024

WEB_PAGE = "web page"
"""The code of a failure that no further attempt can help: something else than the API answers."""
_ERROR_EVENT = "error"
_WHOLE = "whole"
"""The name given to a body that is one object, from a server that does not stream."""


class StreamError(Exception):
    """The stream itself says that the call failed, or holds what is not an event of a chat completion.

    ``code`` is the server's own code or HTTP status where it gave one; ``broken`` is true for data that cannot be read at all.
    """

    def __init__(self, message: str, *, code: str = "", broken: bool = False) -> None:
        super().__init__(message)
        self.code = code
        self.broken = broken


class _Delta(msgspec.Struct, frozen=True, gc=False):
    content: str | None = None
    refusal: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None


_NO_DELTA = _Delta()


class _Choice(msgspec.Struct, gc=False):
    delta: _Delta = _NO_DELTA
    finish_reason: str | None = None
    index: int = 0


class _Details(msgspec.Struct, gc=False):
    cached_tokens: int | None = None


class _Usage(msgspec.Struct, gc=False):
    prompt_tokens: int = 0
    completion_tokens: int = 0
    prompt_tokens_details: _Details | None = None
    prompt_cache_hit_tokens: int | None = None
    """DeepSeek's name for what others call ``cached_tokens``."""
    cache_read_input_tokens: int | None = None
    """Anthropic's name."""


class _Chunk(msgspec.Struct, gc=False):
    choices: list[_Choice] = []
    usage: _Usage | None = None
    error: object = None


_decode = msgspec.json.Decoder(_Chunk).decode


_FINISHES = frozenset({"stop", "length", "content_filter", "tool_calls", "function_call"})
_MOST_TOKENS = 2**53


class ChatReader:
    """Reads one streamed chat completion: bytes in, pieces of text out, and at the end a finish reason or none."""

    def __init__(self) -> None:
        self.finish: str | None = None
        self.usage: Usage | None = None
        self.pieces = 0
        """How many events carried text."""
        self.thought = 0
        """How many events carried reasoning, which is not part of the answer."""
        self.complete = False
        """True once the stream said ``[DONE]``; what follows is ignored."""
        self.failure: StreamError | TooLargeError | None = None
        self._splitter = EventSplitter()
        self._characters = 0
        self._half = ""
        self._sniffed = False
        self._whole: bytearray | None = None

    def feed(self, data: bytes) -> list[str]:
        """Take bytes as they came and return the pieces of text in them, one for each event that has any.

        Never raises: what ends the stream early is kept in ``failure``, after the text before it was returned.
        """
        if self._whole is not None or not self._sniffed:
            data = self._sniff(data)
        try:
            events = self._splitter.feed(data)
        except TooLargeError as error:
            self.failure = error
            return []
        return self._read(events)

    def _sniff(self, data: bytes) -> bytes:
        """Look at the first byte: a stream of events never begins like a page or an object, whatever its content type says."""
        if self._whole is None:
            first = data.removeprefix(b"\xef\xbb\xbf").lstrip()[:1]
            if not first:
                return data
            self._sniffed = True
            if first == b"<":
                self.failure = StreamError("a web page instead of an answer", code=WEB_PAGE, broken=True)
            if first not in {b"{", b"["}:
                return data
            self._whole = bytearray()
        self._whole += data
        if len(self._whole) > MAX_EVENT_BYTES:
            self.failure = TooLargeError()
        return b""

    def end(self) -> list[str]:
        """Say that no bytes will follow; returns what a last, unterminated event or a waiting half of a character gives."""
        pieces = self._read(self._splitter.end() if self._whole is None else [(_WHOLE, bytes(self._whole))])
        if isinstance(self.failure, StreamError) and self.failure.broken:
            # Half an event at the end of a connection is a cut, which the missing finish reason tells.
            self.failure = None
        if self._half:
            pieces.append("\ufffd")
            self._half = ""
        return pieces

    def _read(self, events: list[tuple[str, bytes]]) -> list[str]:
        pieces: list[str] = []
        for name, data in events:
            if self.complete or self.failure is not None:
                break
            if data == b"[DONE]":
                self.complete = True
                break
            try:
                text = self._read_one(name, data)
            except (StreamError, TooLargeError) as error:
                self.failure = error
                break
            if text:
                pieces.append(text)
        return pieces

    def _read_one(self, name: str, data: bytes) -> str:
        try:
            chunk = _decode(data)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return self._read_odd(name, data)
        return self._take(chunk) if chunk.error is None and not name else self._read_odd(name, data)

    def _take(self, chunk: _Chunk) -> str:
        text = ""
        for choice in chunk.choices:
            if choice.index != 0:
                continue
            delta = choice.delta
            if delta.content:
                text += delta.content
            elif delta.reasoning_content or delta.reasoning:
                self.thought += 1
            elif delta.refusal:
                text += delta.refusal
            if choice.finish_reason:
                self.finish = _finish(choice.finish_reason)
        usage = chunk.usage
        if usage is not None:
            cached = usage.prompt_tokens_details.cached_tokens if usage.prompt_tokens_details else None
            read = usage.cache_read_input_tokens or 0
            # Anthropic counts apart what was read from its cache; then the whole is the sum.
            apart = read if read > usage.prompt_tokens else 0
            cached = cached or usage.prompt_cache_hit_tokens or read
            self.usage = _usage(usage.prompt_tokens + apart, usage.completion_tokens, cached)
        if self._half and text:
            text = self._join(text)
        return self._count(text) if text else ""

    def _count(self, text: str) -> str:
        self.pieces += 1
        self._characters += len(text)
        if self._characters > MAX_TEXT_CHARS:
            raise TooLargeError
        return text

    def _join(self, text: str) -> str:
        # JSON may carry one character as two escapes, and servers put the two into two events.
        text, self._half = self._half + text, ""
        if "\ud800" <= text[-1] <= "\udbff":
            text, self._half = text[:-1], text[-1]
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")

    def _read_odd(self, name: str, data: bytes) -> str:
        """Read an event that is not of the usual shape, field by field."""
        try:
            value = json.loads(data.decode("utf-8", "replace"))
        except (ValueError, RecursionError):
            self.complete = data.strip() == b"[DONE]"
            if self.complete or not data.strip() or (name and name != _ERROR_EVENT):
                return ""
            text = data.decode("utf-8", "replace")
            if name == _ERROR_EVENT:
                raise StreamError(text) from None
            raise StreamError(f"an event that is not JSON: {text[:80]!r}", broken=True) from None
        if not isinstance(value, dict):
            if name == _ERROR_EVENT:
                raise StreamError(str(value))
            return ""
        if value.get("error") not in (None, "", False) or name == _ERROR_EVENT:
            raise _stated(value)
        return self._take_odd(value)

    def _take_odd(self, value: dict[str, object]) -> str:
        text = ""
        choices = value.get("choices")
        for choice in choices if isinstance(choices, list) else []:
            if not isinstance(choice, dict) or choice.get("index") not in {0, None}:
                continue
            # A server that ignores ``stream`` sends a whole message where a delta is expected.
            delta = choice.get("delta") or choice.get("message")
            if isinstance(delta, dict):
                text += _text_of(delta.get("content"))
                self.thought += bool(delta.get("reasoning_content") or delta.get("reasoning"))
            finish = choice.get("finish_reason")
            if finish:
                self.finish = _finish(str(finish))
        usage = value.get("usage")
        if isinstance(usage, dict):
            counted, given = usage.get("prompt_tokens"), usage.get("completion_tokens")
            if isinstance(counted, int) and isinstance(given, int):
                self.usage = _usage(counted, given, 0)
        if text and (self._half or not text.isascii()):
            text = self._join(text)
        return self._count(text) if text else ""


def _finish(reason: str) -> str:
    """Return a finish reason that is known, else ``other``: a server's own words belong into no database and on no screen."""
    return reason if reason in _FINISHES else "other"


def _usage(given: int, made: int, cached: int) -> Usage | None:
    """Return the counts, or nothing when one of them cannot be a number of tokens."""
    possible = all(0 <= count <= _MOST_TOKENS for count in (given, made, cached))
    return Usage(input=given, output=made, cached=cached) if possible else None


def _text_of(content: object) -> str:
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        return "".join(str(part.get("text") or "") for part in content if isinstance(part, dict))
    return ""


def _stated(value: dict[str, object]) -> StreamError:
    error = value.get("error") or value
    if not isinstance(error, dict):
        return StreamError(str(error), code=str(value.get("code") or ""))
    message = error.get("message") or error.get("detail") or error.get("type") or "the server gave no reason"
    return StreamError(str(message), code=str(error.get("code") or error.get("type") or ""))
