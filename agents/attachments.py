"""Files that go with a message: found in what a person typed, read within limits, told apart by their first bytes, and put
into the shape that models take. Nothing is opened but what was named, and what was read is stored, so that a turn can be
sent again when the file is gone.
"""

from __future__ import annotations

import asyncio
import base64
import re
import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from agents.errors import InputError
from agents.requests import Attachment, Message
from agents.tools.files import locate, read_regular, shown
from storage.attachments import digest_of

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from storage.attachments import AttachedFiles

MAX_TEXT_BYTES: Final = 256 * 1024
MAX_IMAGE_BYTES: Final = 8 * 1024 * 1024
MOST_FILES: Final = 20
"""Files that may go with one message."""
_PIECE: Final = 3 * 64 * 1024
"""Bytes made base64 at once; a multiple of three, so that the pieces join."""

_IMAGES: Final = {
    "image/png": (b"\x89PNG\r\n\x1a\n",),
    "image/jpeg": (b"\xff\xd8\xff",),
    "image/gif": (b"GIF87a", b"GIF89a"),
}
"""How the files begin whose kind their first bytes tell alone."""
_MEDIA: Final = frozenset({*_IMAGES, "image/webp"})
"""The media types of images. They are written into requests as they are, and a stored turn may hold any."""
_NAMED = re.compile(r"""(?<![^\s(\[{])@(?:"([^"\n]+)"|([^\s"]+))""")
"""``@path`` or ``@"path with spaces"`` at the beginning of a word: in ``me@example.org`` there is none."""
_PATH = re.compile(r"\w[./]\w|^[.~]?/\w")
"""What makes a word look like a path."""
_AROUND = ".,;:!?)]}'\""
"""What ends a sentence around a path and is no part of it."""


class _File(NamedTuple):
    attachment: Attachment
    data: bytes


class Named(NamedTuple):
    """What a text names with ``@``, each once."""

    files: tuple[str, ...]
    """Paths of files, as they were named."""
    stored: tuple[Attachment, ...] = ()
    """What is stored already."""
    missing: tuple[str, ...] = ()
    """What looks like a path and is no file."""


def look_for(text: str, stored: Sequence[Attachment] = (), unread: Collection[str] = ()) -> Named:
    """Return what ``text`` names: of ``stored`` what it still names, else files; ``unread`` are words that name none.

    Looks at the disk, for nothing but the names themselves. A word that is no file's name is a word.
    """
    files: dict[str, None] = {}
    kept: dict[Attachment, None] = {}
    missing: dict[str, None] = {}
    known = {each.name: each for each in stored}
    for quoted, word in _NAMED.findall(text):
        readings = _readings(quoted, word)
        if (again := next((known[name] for name in map(shown, readings) if name in known), None)) is not None:
            kept[again] = None
        elif readings[-1] in unread:
            continue
        elif (name := next(filter(_is_file, readings), None)) is not None:
            files[name] = None
        elif _PATH.search(readings[-1]):
            missing[readings[-1]] = None
    return Named(tuple(files), tuple(kept), tuple(missing))


def named_files(text: str) -> tuple[str, ...]:
    """Return the paths that ``text`` names with ``@`` and that are files, as they were named, each once."""
    return look_for(text).files


def own_words(text: str, given: str) -> frozenset[str]:
    """Return the words behind an ``@`` in ``text`` that a person did not give: those of a template."""
    words, theirs = ({_readings(*found)[-1] for found in _NAMED.findall(each)} for each in (text, given))
    return frozenset(words - theirs)


def weigh(named: Named) -> tuple[int, int]:
    """Return how many bytes of text, and how many images, what is named is, as far as that can be told. Looks at the disk."""
    media = [(each.size, each.media) for each in named.stored]
    for name in named.files:
        try:
            path = Path(name).expanduser()
            with path.open("rb") as file:
                kind = media_of(file.read(12))
                media.append((path.stat().st_size, kind or "text/plain"))
        except (OSError, ValueError, RuntimeError):
            continue
    images = sum(kind in _MEDIA for _, kind in media)
    return sum(size for size, kind in media if kind not in _MEDIA), images


def _readings(quoted: str, word: str) -> tuple[str, ...]:
    return (quoted,) if quoted else (word, word.rstrip(_AROUND))


def _is_file(name: str) -> bool:
    try:
        return bool(name) and Path(name).expanduser().is_file()
    except (OSError, ValueError, RuntimeError):  # no name that this system could have
        return False


def media_of(data: bytes) -> str | None:
    """Return the media type of an image by its first bytes, ``text/plain`` for text, ``None`` for anything else."""
    for media, begins in _IMAGES.items():
        if data.startswith(begins):
            return media
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp"
    try:
        data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return None
    return None if b"\0" in data else "text/plain"


def _read(name: str) -> _File:
    data = read_regular(locate(name), MAX_IMAGE_BYTES).data
    media = media_of(data)
    if media is None:
        raise InputError(f"{shown(name)} is neither UTF-8 text nor a PNG, JPEG, GIF or WebP image: it cannot be attached")
    if media == "text/plain" and len(data) > MAX_TEXT_BYTES:
        limit = MAX_TEXT_BYTES // 1024
        raise InputError(
            f"{shown(name)} is too long to be attached ({len(data) // 1024} KiB of text, at most {limit}): put it into a library"
        )
    return _File(Attachment(name=shown(name), media=media, digest=digest_of(data), size=len(data)), data)


async def attach(names: Sequence[str], store: AttachedFiles) -> tuple[Attachment, ...]:
    """Read the named files and store their bytes. Raises :class:`InputError` for one that cannot go with a message."""
    if len(names) > MOST_FILES:
        raise InputError(f"{len(names)} files are too many for one message: at most {MOST_FILES} can go with it")
    attached = []
    for name in names:
        file = await asyncio.to_thread(_read, name)
        await store.put(file.attachment.digest, file.attachment.media, file.data)
        attached.append(file.attachment)
    return tuple(attached)


async def attach_text(name: str, text: str, store: AttachedFiles) -> Attachment:
    """Store ``text`` as a file called ``name`` that goes with a message."""
    data = text.encode("utf-8", "replace")
    attachment = Attachment(name=name, media="text/plain", digest=digest_of(data), size=len(data))
    await store.put(attachment.digest, attachment.media, data)
    return attachment


async def fetch(messages: Sequence[Message], store: AttachedFiles | None) -> dict[str, bytes]:
    """Return the stored bytes of all that goes with ``messages``, by digest.

    Raises :class:`InputError` for a file that is no longer stored.
    """
    files: dict[str, bytes] = {}
    for attachment in (attachment for message in messages for attachment in message.attachments):
        if attachment.digest not in files:
            data = None if store is None else await store.get(attachment.digest)
            if data is None:
                raise InputError(f"{attachment.name} is no longer stored: attach it again in a new conversation")
            files[attachment.digest] = data
    return files


def request_body(payload: Mapping[str, object], messages: Sequence[Message], files: Mapping[str, bytes]) -> list[bytes]:
    """Return the JSON of a request with these messages: files' text in them, images as ``data:`` URLs beside them.

    It comes in pieces, because ten megabytes that are copied at once hold up the loop, and so does base64 of as many, which
    keeps the interpreter's lock: run this in a thread.
    """
    mark = secrets.token_hex(16)  # says where an image goes; no text can hold it
    media = {each.digest: each.media for message in messages for each in message.attachments}
    told = [{"role": message.role, "content": _content(message, files, mark)} for message in messages]
    pieces: list[bytes] = []
    for index, piece in enumerate(msgspec.json.encode({**payload, "messages": told}).split(mark.encode())):
        if index % 2 == 0:
            pieces.append(piece)
            continue
        digest = piece.decode()
        pieces.append(f"data:{media[digest]};base64,".encode())
        data = files[digest]
        pieces += [base64.b64encode(data[at : at + _PIECE]) for at in range(0, len(data), _PIECE)]
    return pieces


def _content(message: Message, files: Mapping[str, bytes], mark: str) -> str | list[dict[str, object]]:
    """Return the content of ``message`` as the API takes it: text alone as one string, with images as a list of content parts.

    The text of files stands under the person's own, each in a fence longer than any in it, so that no file can end its own.
    Text stays one string because older servers take no list.
    """
    texts = [message.content] if message.content else []
    texts += [_fenced(each.name, files[each.digest]) for each in message.attachments if not _is_image(each)]
    images = [each for each in message.attachments if _is_image(each)]
    if not images:
        return "\n\n".join(texts)
    content: list[dict[str, object]] = [{"type": "text", "text": text} for text in texts]
    return content + [{"type": "image_url", "image_url": {"url": f"{mark}{each.digest}{mark}"}} for each in images]


def _is_image(attachment: Attachment) -> bool:
    return attachment.media in _MEDIA


def _fenced(name: str, data: bytes) -> str:
    text = data.decode("utf-8-sig", "replace")
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * max(longest + 1, 3)
    return f"File {name}:\n{fence}\n{text.removesuffix(chr(10))}\n{fence}"
