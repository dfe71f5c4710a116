"""One indexing: find files, read them in worker processes, write them in groups, and say how far it is.

Reading, embedding and writing overlap; each waits for the next only when that is a few documents behind.
"""

from __future__ import annotations

import asyncio
import itertools
import struct
from collections import deque
from typing import TYPE_CHECKING

from agents.errors import InputError, StrettoError
from agents.requests import Priority
from agents.retrieval.places import absolute, is_url
from agents.retrieval.pool import WorkerError
from agents.retrieval.protocol import Listing, Parsed, Read, ReadBytes, Reply, Same, Unread, Walk
from agents.retrieval.walk import FileFound, Skipped
from storage.library import DocumentRow, Known, NewDocument

if TYPE_CHECKING:
    from agents.events import Level
    from agents.retrieval.library import Library
    from agents.runs import Run, Step

DOCUMENT_SECONDS = 60.0
"""Longest a single document may take to be read, cut and embedded."""

_READERS = 2
_BATCH_FILES = 16
_BATCH_BYTES = 512 * 1024
_WRITE_CHUNKS = 400
_EMBED_AT_ONCE = 256
"""Passages an endpoint is given at once; they go in batches, several at a time."""
_NAMED = 100
_EXPECTED = ("a hidden", "a folder of builds", "a link", "binary", "empty")
"""Beginnings of reasons that are no surprise: counted, not listed one by one."""


class Indexing:
    """What one run of :class:`~agents.requests.Index` does and counts."""

    def __init__(self, library: Library, run: Run, name: str, places: tuple[str, ...]) -> None:
        self._library, self._run, self._name, self._places = library, run, name, places
        self._step: Step
        self._known: dict[str, Known] = {}
        self._skipped: list[Skipped] = []
        self._ready: asyncio.Queue[Parsed | Same | None] = asyncio.Queue(8)
        self._total = self._unchanged = self._written = self._bytes = self._chunks = self._removed = 0
        self._handled = 0
        self._told = self._began = run.clock()

    async def execute(self) -> None:
        """Index everything; raises :class:`InputError` when the places gave nothing at all."""
        with self._run.step("tool", f"index {self._name}", lane="library") as step:
            self._step = step
            step.start()
            places = await self._resolve()
            self._known = await self._library.tables.known(self._name)
            try:
                async with asyncio.TaskGroup() as group:
                    group.create_task(self._write(), name="index writer")
                    await self._read_all(places)
                    await self._ready.put(None)
            except ExceptionGroup as errors:
                raise _first(errors) from None
            fault = self._fault()
            await self._report(fault)
            if fault is not None:
                raise InputError(fault)

    def _fault(self) -> str | None:
        """Return why nothing is in the library from these places, or ``None`` if something is. What it names is told no more."""
        if self._handled or self._unchanged:
            return None
        if self._skipped:
            telling = next((one for one in self._skipped if not one.reason.startswith(_EXPECTED)), self._skipped[0])
            self._skipped.remove(telling)
            more = f" (and {len(self._skipped):,} more passed over)" if self._skipped else ""
            return f"nothing was indexed: {_line(telling)}{more}"
        if not self._places:
            return None
        return f"nothing to read was found in {self._places[0] if len(self._places) == 1 else 'any of these places'}"

    async def _resolve(self) -> tuple[str, ...]:
        tables = self._library.tables
        if self._places:
            return tuple(dict.fromkeys([await asyncio.to_thread(absolute, place) for place in self._places]))
        places = await tables.places(self._name)
        if not places:
            raise InputError(f"library {self._name!r} has nothing to refresh: add a file, a folder or a URL to it")
        return places

    async def _read_all(self, places: tuple[str, ...]) -> None:
        paths = tuple(place for place in places if not is_url(place))
        here: set[str] = set()
        changed: deque[FileFound] = deque()

        def listed(page: Reply) -> None:
            if isinstance(page, Listing):
                here.update(file.path for file in page.files)
                changed.extend(file for file in page.files if not self._is_known(file))
                self._skipped.extend(page.skipped)

        if paths:
            await self._library.background.call(Walk(paths), listed)
        unusable = await asyncio.to_thread(lambda: {skipped.path for skipped in self._skipped})
        usable = [path for path in paths if path not in unusable]
        if usable:
            await self._library.tables.ensure(self._name, usable)
        await self._forget_gone(here, usable)
        if self._places and len(places) > 1:  # of a single one the end of the run tells
            await self._tell_empty((here, unusable), usable)
        self._unchanged = len(here) - len(changed)
        self._total = len(changed) + len(places) - len(paths)
        if self._total:
            self._progress(force=True)
        async with asyncio.TaskGroup() as group:
            for place in places:
                if is_url(place):
                    group.create_task(self._fetch(place), name=f"fetch {place}")
            for _ in range(_READERS):
                group.create_task(self._read_files(changed), name="index reader")

    def _is_known(self, file: FileFound) -> bool:
        known = self._known.get(file.path)
        if known is None or known.recipe != self._library.recipe:
            return False
        return (known.size, known.mtime_ns) == (file.size, file.mtime_ns)

    async def _forget_gone(self, here: set[str], roots: list[str]) -> None:
        """Remove the documents whose files are no longer there; a folder that cannot be read at all keeps its documents."""
        folders = tuple(map(_below, roots))
        known = self._known
        gone = await asyncio.to_thread(lambda: [uri for uri in known if uri not in here and uri.startswith(folders)])
        for start in range(0, len(gone), 200):
            self._removed += await self._library.tables.drop(self._name, gone[start : start + 200])

    async def _tell_empty(self, met: tuple[set[str], set[str]], roots: list[str]) -> None:
        """Say which of several added places have nothing in them; ``met`` are the files there and all that was passed over."""

        def empty() -> list[str]:
            below = {root: _below(root) for root in roots}
            return [
                root for root in roots if not any(path == root or path.startswith(below[root]) for paths in met for path in paths)
            ]

        for root in (await asyncio.to_thread(empty))[:_NAMED]:
            self._step.log(f"nothing to read was found in {root}", "warning")

    def _hash_of(self, uri: str) -> str:
        known = self._known.get(uri)
        return known.sha256 if known is not None and known.recipe == self._library.recipe else ""

    async def _read_files(self, files: deque[FileFound]) -> None:
        while files:
            batch = [files.popleft()]
            room = _BATCH_BYTES - batch[0].size
            while files and len(batch) < _BATCH_FILES and files[0].size <= room:
                room -= files[0].size
                batch.append(files.popleft())
            await self._read_batch(deque(file.path for file in batch))

    async def _read_batch(self, paths: deque[str]) -> None:
        """Read files in one worker call; one that ends the worker or takes too long is passed over and the rest asked for again."""
        while paths:
            replies: list[Reply] = []

            def answered(reply: Reply, replies: list[Reply] = replies) -> None:
                paths.popleft()
                replies.append(reply)

            known = {path: self._hash_of(path) for path in paths}
            try:
                await self._library.background.call(
                    Read(tuple(paths), self._library.cutting, known), answered, timeout=DOCUMENT_SECONDS
                )
            except (WorkerError, InputError) as error:
                if paths:
                    self._pass_over(paths.popleft(), str(error))
            for reply in replies:
                await self._take(reply)

    async def _take(self, reply: Reply) -> None:
        if isinstance(reply, Parsed | Same):
            await self._ready.put(reply)
        elif isinstance(reply, Unread):
            self._pass_over(reply.uri, reply.reason)

    def _pass_over(self, path: str, reason: str) -> None:
        self._skipped.append(Skipped(path, reason))
        self._total -= 1
        self._progress()

    async def _fetch(self, url: str) -> None:
        from agents.tools.fetch import fetch

        try:
            with self._run.step("tool", f"fetch {url}", parent=self._step, lane="fetch") as step:
                step.start()
                page = await fetch(url, allow_private=True)
                step.log(f"{len(page.data):,} bytes of {page.content_type}")
                request = ReadBytes(url, page.data, page.content_type, self._library.cutting, self._hash_of(url))
                reply = await self._library.background.ask(request, timeout=DOCUMENT_SECONDS)
                if isinstance(reply, Unread):
                    raise InputError(f"{url}: {reply.reason}")
        except StrettoError as error:
            self._pass_over(url, str(error))
            return
        # Only now: a URL that gave nothing is not worth remembering.
        await self._library.tables.ensure(self._name, [url])
        await self._take(reply)

    async def _write(self) -> None:
        """Write what was read, as much at once as waits, so that one commit serves many documents."""
        ended = False
        while not ended:
            waiting = [await self._ready.get()]
            while not self._ready.empty() and sum(len(d.chunks) for d in waiting if isinstance(d, Parsed)) < _WRITE_CHUNKS:
                waiting.append(self._ready.get_nowait())
            ended = waiting[-1] is None
            same = [document for document in waiting if isinstance(document, Same)]
            if same:
                await self._confirm(same)
            parsed = [document for document in waiting if isinstance(document, Parsed)]
            if parsed:
                vectors = await self._embed(parsed)
                new = [self._new(document, rows) for document, rows in zip(parsed, vectors, strict=True)]
                await self._library.tables.put(self._name, new)
            self._handled += len(parsed) + len(same)
            self._written += len(parsed)
            self._bytes += sum(document.size for document in parsed)
            self._chunks += sum(len(document.chunks) for document in parsed)
            self._progress()

    async def _confirm(self, same: list[Same]) -> None:
        rows = [
            DocumentRow(uri=held.uri, kind="", title="", size=held.size, mtime_ns=held.mtime_ns, sha256="", recipe="")
            for held in same
        ]
        await self._library.tables.confirm(self._name, rows)
        self._unchanged += len(same)

    async def _embed(self, documents: list[Parsed]) -> list[bytes]:
        """Return the vectors of each document as rows of float16: the worker's, or the endpoint's.

        Passages of all documents go to the endpoint together, so that many small documents fill its batches, too.
        """
        model = self._library.embedding_model
        if model is None:
            return [document.vectors or b"" for document in documents]
        texts = [f"{chunk.title}\n{chunk.text}" for document in documents for chunk in document.chunks]
        rows: list[bytes] = []
        for start in range(0, len(texts), _EMBED_AT_ONCE):
            vectors = await self._library.models.embed(model, texts[start : start + _EMBED_AT_ONCE], Priority.BATCH)
            rows += await asyncio.to_thread(_halves, vectors)
        ends = list(itertools.accumulate(len(document.chunks) for document in documents))
        return [b"".join(rows[start:end]) for start, end in itertools.pairwise([0, *ends])]

    def _new(self, document: Parsed, vectors: bytes) -> NewDocument:
        row = DocumentRow(
            uri=document.uri,
            kind=document.kind,
            title=document.title,
            size=document.size,
            mtime_ns=document.mtime_ns,
            sha256=document.sha256,
            recipe=self._library.recipe,
        )
        return NewDocument(row=row, chunks=document.chunks, embedder=self._library.embedder, vectors=vectors)

    def _progress(self, *, force: bool = False) -> None:
        now = self._run.clock()
        if not force and now - self._told < 0.5:
            return
        self._told = now
        rate = self._handled / max(now - self._began, 0.001)
        self._step.log(f"{self._handled:,}/{self._total:,} documents, {self._bytes / 1e6:.1f} MB, {rate:,.0f} documents/s")

    async def _report(self, fault: str | None) -> None:
        # In a thread, like every pass over all files: there may be a hundred thousand, and the loop has a screen to draw.
        for line, level in await asyncio.to_thread(_passed_over, self._skipped):
            self._step.log(line, level)
        if fault is not None and not self._removed:
            return
        # Last, because a screen with room for one line keeps the last one.
        seconds = max(self._run.clock() - self._began, 0.001)
        self._step.log(
            f"indexed {self._written:,} document{_s(self._written)}, {self._chunks:,} passage{_s(self._chunks)}, "
            f"{self._bytes / 1e6:.1f} MB in {seconds:.1f} s ({self._written / seconds:,.0f} documents/s); "
            f"{self._unchanged:,} unchanged, {self._removed:,} removed, {len(self._skipped):,} passed over"
        )


def _s(count: int) -> str:
    return "" if count == 1 else "s"


def _halves(vectors: list[list[float]]) -> list[bytes]:
    """Return vectors, each made as long as one, as float16."""
    rows: list[bytes] = []
    for vector in vectors:
        length = sum(number * number for number in vector) ** 0.5 or 1.0
        rows.append(struct.pack(f"<{len(vector)}e", *(number / length for number in vector)))
    return rows


def _passed_over(skipped: list[Skipped]) -> list[tuple[str, Level]]:
    """Return what is said of files that were passed over: counted by reason where that is no surprise, else named."""
    expected: dict[str, list[str]] = {}
    unexpected: list[Skipped] = []
    for one in skipped:
        if one.reason.startswith(_EXPECTED):
            expected.setdefault(one.reason, []).append(one.path)
        else:
            unexpected.append(one)
    lines: list[tuple[str, Level]] = []
    for reason, paths in sorted(expected.items(), key=lambda item: -len(item[1])):
        more = f" and {len(paths) - 5:,} more" if len(paths) > 5 else ""
        lines.append((f"passed over {len(paths):,}, {reason}: {', '.join(paths[:5])}{more}", "info"))
    lines += [(f"passed over {_line(one)}", "warning") for one in unexpected[:_NAMED]]
    if len(unexpected) > _NAMED:
        lines.append((f"… and {len(unexpected) - _NAMED:,} more", "warning"))
    return lines


def _line(skipped: Skipped) -> str:
    """Return a file and why it was passed over; many a reason names the file itself."""
    return skipped.reason if skipped.reason.startswith(skipped.path) else f"{skipped.path}: {skipped.reason}"


def _below(folder: str) -> str:
    """Return how the paths of everything in ``folder`` begin."""
    return f"{folder.rstrip('/')}/"


def _first(errors: BaseExceptionGroup[BaseException]) -> BaseException:
    error: BaseException = errors
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
