"""Server-sent events out of raw bytes: cut anywhere by the network, ended in any of three ways, bounded in size."""

from __future__ import annotations

MAX_EVENT_BYTES = 8 * 1024 * 1024

_BOM = b"\xef\xbb\xbf"


class TooLargeError(Exception):
    """An event, or the whole answer, is larger than any answer should be."""


class EventSplitter:
    """Cuts bytes into server-sent events: ``(name, data)``.

    Lines may end in LF, CRLF or CR; comments, other fields and events without data are dropped.
    """

    def __init__(self) -> None:
        self._begun = False
        self._skip_lf = False
        self._waiting: list[bytes] = []
        self._size = 0
        self._ends_in_lf = False

    def feed(self, data: bytes) -> list[tuple[str, bytes]]:
        """Take bytes; return the events they complete. Raises :class:`TooLargeError` when one event passes 8 MiB."""
        if self._skip_lf and data:
            self._skip_lf = False
            if data[:1] == b"\n":
                data = data[1:]
        if b"\r" in data:
            self._skip_lf = data[-1:] == b"\r"
            data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        if not data:
            return []
        complete = b"\n\n" in data or (self._ends_in_lf and data[:1] == b"\n")
        if self._waiting:
            # A long event is kept in pieces until its end comes, so that collecting it stays linear.
            self._waiting.append(data)
            if complete:
                data = b"".join(self._waiting)
                self._waiting.clear()
        elif not complete:
            self._waiting.append(data)
        if not complete:
            self._ends_in_lf = data[-1:] == b"\n"
            self._grow(len(data))
            return []
        if not self._begun:
            data = self._strip_bom(data)
        *blocks, rest = data.split(b"\n\n")
        self._size = 0
        self._ends_in_lf = rest[-1:] == b"\n"
        if rest:
            self._waiting.append(rest)
            self._grow(len(rest))
        events: list[tuple[str, bytes]] = []
        for block in blocks:
            if block.startswith(b"data: ") and b"\n" not in block:
                events.append(("", block[6:]))
            elif (event := _event(block)) is not None:
                events.append(event)
        return events

    def _grow(self, size: int) -> None:
        self._size += size
        if self._size > MAX_EVENT_BYTES:
            raise TooLargeError

    def _strip_bom(self, data: bytes) -> bytes:
        self._begun = True
        return data.removeprefix(_BOM)

    def end(self) -> list[tuple[str, bytes]]:
        """Return the last event when the stream ended without the blank line after it."""
        block = b"".join(self._waiting)
        if not self._begun:
            block = self._strip_bom(block)
        self._waiting.clear()
        event = _event(block)
        return [] if event is None else [event]


def _event(block: bytes) -> tuple[str, bytes] | None:
    name = ""
    data: list[bytes] = []
    for line in block.split(b"\n"):
        field, _, value = line.partition(b":")
        if field == b"data":
            data.append(value.removeprefix(b" "))
        elif field == b"event":
            name = value.strip().decode("utf-8", "replace")
    joined = b"\n".join(data)
    return (name, joined) if joined.strip() else None
