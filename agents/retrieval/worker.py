"""The worker process: parsing, cutting, embedding, vector search and file search, away from the event loop.

Run as a module by :mod:`agents.retrieval.pool`. It serves one request at a time at low priority and ends when its standard
input does, so also when the program that started it dies.
"""

from __future__ import annotations

import os
import queue
import sys
import threading
from collections.abc import Callable
from hashlib import sha256
from typing import BinaryIO

import msgspec

from agents.errors import InputError
from agents.retrieval.chunks import Chunk, cut
from agents.retrieval.documents import parse
from agents.retrieval.nearest import nearest
from agents.retrieval.protocol import (
    HEADER,
    Alike,
    Cosines,
    Cutting,
    Digest,
    Digested,
    Done,
    Failed,
    Listing,
    Nearest,
    Parsed,
    Prepare,
    Read,
    ReadBytes,
    Reply,
    Request,
    Same,
    Scan,
    Shorten,
    Shortened,
    Unread,
    Walk,
    frame,
)
from agents.retrieval.scan import digest, scan
from agents.retrieval.shorten import shorten
from agents.retrieval.walk import FileFound, walk
from agents.tools.files import Contents, locate, read_regular, shown

_PAGE = 500

Send = Callable[[Reply], None]


def serve(request: Request, send: Send) -> None:
    """Answer ``request`` with any number of replies; the caller adds the end."""
    match request:
        case Prepare():
            _prepare()
        case Walk(places=places):
            _walk(places, send)
        case Read(paths=paths):
            for path in paths:
                send(_read_file(path, request))
        case ReadBytes():
            send(_read_bytes(request))
        case Nearest():
            send(nearest(request))
        case Scan():
            send(scan(request))
        case Digest():
            send(_digest(request))
        case Alike():
            send(_alike(request))
        case Shorten():
            send(Shortened(tuple(shorten(request))))


def _prepare() -> None:
    import trafilatura  # noqa: F401

    from agents.retrieval.static_vectors import static_vectors

    static_vectors()


def _walk(places: tuple[str, ...], send: Send) -> None:
    page = Listing(files=[], skipped=[])
    for found in walk(places):
        if isinstance(found, FileFound):
            page.files.append(found)
        else:
            page.skipped.append(found)
        if len(page.files) + len(page.skipped) >= _PAGE:
            send(page)
            page = Listing(files=[], skipped=[])
    send(page)


def _read_file(path: str, request: Read) -> Parsed | Same | Unread:
    try:
        contents = read_regular(locate(path))
        return _parse(path, contents, None, request.cutting, request.known.get(path))
    except InputError as error:
        return Unread(shown(path), str(error))


def _read_bytes(request: ReadBytes) -> Parsed | Same | Unread:
    try:
        return _parse(
            request.uri, Contents(request.data, len(request.data), 0), request.content_type, request.cutting, request.known
        )
    except InputError as error:
        return Unread(request.uri, str(error))


def _parse(uri: str, contents: Contents, content_type: str | None, cutting: Cutting, known: str | None) -> Parsed | Same:
    digested = sha256(contents.data).hexdigest()
    if digested == known:
        return Same(uri, contents.size, contents.mtime_ns)
    document = parse(contents.data, uri, content_type)
    chunks = cut(document, size=cutting.size, overlap=cutting.overlap)
    return Parsed(
        uri=uri,
        kind=document.kind,
        title=document.title,
        size=contents.size,
        mtime_ns=contents.mtime_ns,
        sha256=digested,
        chunks=chunks,
        vectors=_vectors(chunks) if cutting.embed else None,
    )


def _vectors(chunks: list[Chunk]) -> bytes:
    import numpy as np

    from agents.retrieval.static_vectors import static_vectors

    return static_vectors().embed([f"{chunk.title} {chunk.text}" for chunk in chunks]).astype(np.float16).tobytes()


def _alike(request: Alike) -> Cosines:
    from agents.retrieval.static_vectors import static_vectors

    rows = static_vectors().embed([request.question, *request.others])
    return Cosines([min(float(cosine), 1.0) for cosine in rows[1:] @ rows[0]])


def _digest(request: Digest) -> Digested | Unread:
    try:
        data = request.data if request.data is not None else read_regular(locate(request.uri)).data
        return digest(parse(data, request.uri, request.content_type or None), request.task, request.budget)
    except InputError as error:
        return Unread(shown(request.uri), str(error))


def _receive(source: BinaryIO, waiting: queue.SimpleQueue[Request]) -> None:
    decoder = msgspec.msgpack.Decoder(Request)
    while len(header := source.read(HEADER)) == HEADER:
        waiting.put(decoder.decode(source.read(int.from_bytes(header, "big"))))
    os._exit(0)  # the program is gone or wants no more: whatever is being done is for nobody


def main() -> None:
    """Serve requests from standard input until it ends."""
    os.nice(10)
    sink = os.fdopen(os.dup(1), "wb")
    # A library that prints must not break the framing.
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    waiting: queue.SimpleQueue[Request] = queue.SimpleQueue()
    threading.Thread(target=_receive, args=(sys.stdin.buffer, waiting), daemon=True).start()

    def send(reply: Reply) -> None:
        sink.write(frame(reply))
        sink.flush()

    while True:
        request = waiting.get()
        try:
            serve(request, send)
        except (Exception, RecursionError) as error:  # noqa: BLE001  # one bad document must not end the worker
            send(Failed(str(error) if isinstance(error, InputError) else f"{type(error).__name__}: {error}"))
        send(Done())


if __name__ == "__main__":
    main()
