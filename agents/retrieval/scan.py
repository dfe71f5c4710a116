"""Search of files that are in no library, and the choice of a long document's best passages; both in the worker process."""

from __future__ import annotations

import heapq
import re
import time
from pathlib import PurePath

from agents.errors import InputError
from agents.events import Hit, Place
from agents.retrieval.chunks import Chunk, cut
from agents.retrieval.documents import Document, decode, kind_of, parse
from agents.retrieval.protocol import Cutting, Digested, Scan, Scanned
from agents.retrieval.scoring import bm25, count, pattern
from agents.retrieval.walk import Skipped, walk
from agents.tools.files import locate, read_regular, shown

MAX_PDFS = 20
_MAX_SCANNED_BYTES = 4 * 1024 * 1024


def identity(uri: str, ordinal: int) -> str:
    """Return the identity of a document's passage across sources: the same file cut the same way gives the same one."""
    return f"{uri}#{ordinal}"


def scan(request: Scan) -> Scanned:
    """Return the passages of files under the places that speak most of the query, as far as the time allows."""
    deadline = time.monotonic() + request.seconds
    sought = pattern(request.query)
    candidates: list[tuple[str, int, Chunk]] = []
    counts: list[dict[str, int]] = []
    read = total = known = skipped = pdfs = size = 0
    complete = True
    named = {shown(place) for place in request.places}
    problems: list[str] = []
    for file in walk(request.places):
        if isinstance(file, Skipped):
            skipped += 1
            if file.path in named:
                problems.append(file.reason)
            continue
        total += 1
        if request.known.get(file.path) == (file.size, file.mtime_ns):
            known += 1
            continue
        if time.monotonic() > deadline:
            complete = False
            break
        if PurePath(file.path).suffix.lower() == ".pdf":
            pdfs += 1
        if pdfs > MAX_PDFS or sought is None:
            skipped += 1
            continue
        try:
            chunks = _passages(file.path, sought, request.cutting, deadline - time.monotonic())
        except InputError:
            skipped += 1
            continue
        read += 1
        size += file.size
        for ordinal, chunk in enumerate(chunks):
            if found := count(sought, f"{chunk.title}\n{chunk.text}"):
                candidates.append((file.path, ordinal, chunk))
                counts.append(found)
    if problems and not total:
        raise InputError(problems[0])
    scores = bm25(counts, [len(chunk.text) for _, _, chunk in candidates], max(len(candidates), size // request.cutting.size))
    best = heapq.nlargest(request.limit, range(len(candidates)), key=lambda at: (scores[at], -at))
    hits = [_hit(*candidates[at], scores[at]) for at in best]
    return Scanned(hits, read, total, known, skipped, complete, problems)


def _passages(path: str, sought: re.Pattern[str], cutting: Cutting, seconds: float) -> list[Chunk]:
    """Return the passages of a file, none when its text has no word of the query."""
    data = read_regular(locate(path)).data
    kind = kind_of(path, data)
    if kind != "pdf":
        if len(data) > _MAX_SCANNED_BYTES:
            raise InputError("too large to be searched in passing")
        if not sought.search(decode(data)):
            return []
    return cut(parse(data, path, pdf_seconds=max(seconds, 0.1)), size=cutting.size, overlap=cutting.overlap)


def _hit(path: str, ordinal: int, chunk: Chunk, score: float) -> Hit:
    place = Place(uri=path, page=chunk.page, line=chunk.line, line_end=chunk.line_end)
    return Hit(chunk=identity(path, ordinal), title=chunk.title, place=place, text=chunk.text, score=score)


def digest(document: Document, task: str, budget: int) -> Digested:
    """Return the passages of ``document`` that serve ``task`` best, at most ``budget`` characters, in their own order."""
    whole = "\n".join("\n".join(section.lines) for section in document.sections).strip()
    if len(whole) <= budget:
        return Digested(document.title, whole, 1, 1, len(whole))
    chunks = cut(document, size=min(600, max(budget // 3, 200)), overlap=0)
    scores = _worth(chunks, task)
    chosen: list[int] = []
    room = budget
    for at in sorted(range(len(chunks)), key=lambda at: (-scores[at], at)):
        if len(chunks[at].text) + 2 <= room:
            chosen.append(at)
            room -= len(chunks[at].text) + 2
        if room < 150:
            break
    text = "\n\n".join(chunks[at].text for at in sorted(chosen)) or chunks[0].text[:budget]
    return Digested(document.title, text, max(len(chosen), 1), len(chunks), len(whole))


def _worth(chunks: list[Chunk], task: str) -> list[float]:
    """Return how much each passage promises for the task: words in common, nearness of meaning, and a little for standing first."""
    import numpy as np

    from agents.retrieval.static_vectors import static_vectors

    sought = pattern(task)
    counts = [count(sought, chunk.text) if sought else {} for chunk in chunks]
    words = np.asarray(bm25(counts, [len(chunk.text) for chunk in chunks], len(chunks)))
    if len(words) and words.max() > 0:
        words /= words.max()
    vectors = static_vectors()
    near = vectors.embed([chunk.text for chunk in chunks]) @ vectors.embed([task])[0]
    first = np.zeros(len(chunks))
    first[:1] = 0.25
    return [float(score) for score in words + near + first]
