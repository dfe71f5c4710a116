"""What the program and its worker processes say to each other: typed messages, four bytes of length before each.

Nothing but data crosses: a worker that was taken over by a hostile document can at worst answer with wrong text.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from agents.events import Hit  # noqa: TC001  # msgspec reads it at run time
from agents.retrieval.chunks import Chunk  # noqa: TC001  # msgspec reads it at run time
from agents.retrieval.walk import FileFound, Skipped  # noqa: TC001  # msgspec reads it at run time

HEADER = 4


class Cutting(msgspec.Struct, frozen=True):
    """How documents are cut and whether the worker embeds the passages."""

    size: int = 900
    overlap: int = 120
    embed: bool = True


class Prepare(msgspec.Struct, frozen=True, tag=True):
    """Import and load what reading and embedding need, so that the next request does not wait for it."""


class Walk(msgspec.Struct, frozen=True, tag=True):
    """Find the files under places; answered by pages of :class:`Listing`."""

    places: tuple[str, ...]


class Read(msgspec.Struct, frozen=True, tag=True):
    """Parse and cut files; answered by one :class:`Parsed`, :class:`Same` or :class:`Unread` each, in order."""

    paths: tuple[str, ...]
    cutting: Cutting
    known: dict[str, str] = {}
    """Path to the SHA-256 a library has of it; a file that still has it is answered by :class:`Same`."""


class ReadBytes(msgspec.Struct, frozen=True, tag=True):
    """Parse and cut what was fetched from a URL; answered like :class:`Read`."""

    uri: str
    data: bytes
    content_type: str
    cutting: Cutting
    known: str = ""


class Nearest(msgspec.Struct, frozen=True, tag=True):
    """Find the passages of a library nearest to a query; answered by :class:`Neighbours`."""

    database: str
    library: str
    embedder: str
    limit: int
    query: str
    vector: list[float] | None = None
    """The query's vector where an endpoint embeds; ``None`` embeds ``query`` with the static vectors."""


class Scan(msgspec.Struct, frozen=True, tag=True):
    """Search files on disk; answered by :class:`Scanned`."""

    places: tuple[str, ...]
    query: str
    limit: int
    seconds: float
    cutting: Cutting
    known: dict[str, tuple[int, int]] = {}
    """Path to size and time in nanoseconds of files that need no search because a library holds them."""


class Digest(msgspec.Struct, frozen=True, tag=True):
    """Pick the passages of one document that serve a task best; answered by :class:`Digested` or :class:`Unread`."""

    uri: str
    task: str
    budget: int
    """Characters."""
    data: bytes | None = None
    """What was fetched; ``None`` reads the file ``uri``."""
    content_type: str = ""


class Alike(msgspec.Struct, frozen=True, tag=True):
    """Compare a question with others by its static vector; answered by :class:`Cosines`."""

    question: str
    others: list[str]


class Shorten(msgspec.Struct, frozen=True, tag=True):
    """Leave out of texts what says least about a question; answered by :class:`Shortened`."""

    texts: tuple[str, ...]
    question: str
    mode: Literal["extract", "terse", "llmlingua"]
    keep: float
    """The share of the tokens of prose that stays."""


Request = Prepare | Walk | Read | ReadBytes | Nearest | Scan | Digest | Alike | Shorten


class Listing(msgspec.Struct, frozen=True, tag=True):
    """A page of files found and passed over."""

    files: list[FileFound] = []
    skipped: list[Skipped] = []


class Parsed(msgspec.Struct, frozen=True, tag=True):
    """A document, cut and perhaps embedded."""

    uri: str
    kind: str
    title: str
    size: int
    mtime_ns: int
    sha256: str
    chunks: list[Chunk]
    vectors: bytes | None = None
    """Rows of float16, one a chunk."""


class Same(msgspec.Struct, frozen=True, tag=True):
    """A document whose content is what the library has."""

    uri: str
    size: int
    mtime_ns: int


class Unread(msgspec.Struct, frozen=True, tag=True):
    """A document that could not be read, and why."""

    uri: str
    reason: str


class Neighbours(msgspec.Struct, frozen=True, tag=True):
    """Chunk identities and cosine similarities, nearest first."""

    chunks: list[tuple[int, float]]
    foreign: int = 0
    """Passages that could not be compared because another embedder made their vectors."""


class Scanned(msgspec.Struct, frozen=True, tag=True):
    """What a search of files found, and how far it got."""

    hits: list[Hit]
    read: int
    total: int
    known: int
    skipped: int
    complete: bool
    problems: list[str] = []
    """Why places that were named could not be searched."""


class Digested(msgspec.Struct, frozen=True, tag=True):
    """The chosen passages in their order, and how many there were."""

    title: str
    text: str
    passages: int
    of: int
    characters: int


class Cosines(msgspec.Struct, frozen=True, tag=True):
    """How alike the others are, in their order."""

    cosines: list[float]


class Shortened(msgspec.Struct, frozen=True, tag=True):
    """The texts, in order."""

    texts: tuple[str, ...]


class Failed(msgspec.Struct, frozen=True, tag=True):
    """The request could not be served; one line for a person."""

    message: str


class Done(msgspec.Struct, frozen=True, tag=True):
    """Nothing more follows for this request."""


Reply = Listing | Parsed | Same | Unread | Neighbours | Scanned | Digested | Cosines | Shortened | Failed | Done


def frame(message: Request | Reply) -> bytes:
    """Return ``message`` as it goes over a pipe."""
    body = msgspec.msgpack.encode(message)
    return len(body).to_bytes(HEADER, "big") + body
