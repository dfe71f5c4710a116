"""Finds the files under what a person named, and says of everything passed over why.

Links are never followed, so neither a loop nor a link that leads out of a folder is met. Walking blocks: it belongs in the
worker.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import msgspec

from agents.errors import InputError
from agents.retrieval.documents import BINARY_SUFFIXES
from agents.tools.files import MAX_FILE_BYTES, REFUSED, locate, shown

_COPIES = """
node_modules venv env virtualenv __pycache__ site-packages bower_components target dist build htmlcov coverage vendor
"""
NEVER = frozenset(_COPIES.split())
"""Folders that hold copies, builds or other people's work."""


class FileFound(msgspec.Struct, frozen=True):
    """A file worth reading."""

    path: str
    size: int
    mtime_ns: int


class Skipped(msgspec.Struct, frozen=True):
    """A file or folder passed over, and why."""

    path: str
    reason: str


def walk(places: tuple[str, ...]) -> Iterator[FileFound | Skipped]:
    """Yield every readable file under ``places``, each once, in order of name. A file that is named itself may be hidden."""
    seen: set[Path] = set()
    for place in places:
        try:
            path = locate(place)
        except InputError as error:
            yield Skipped(shown(place), str(error))
            continue
        if path.is_dir():
            yield from _walk_folder(path, seen)
        else:
            yield from _judge(path, seen, named=True)


def _walk_folder(top: Path, seen: set[Path]) -> Iterator[FileFound | Skipped]:
    waiting = [top]
    while waiting:
        folder = waiting.pop()
        if folder in seen:
            continue
        seen.add(folder)
        try:
            with os.scandir(folder) as entries:
                found = sorted(entries, key=lambda entry: entry.name)
        except OSError as error:
            yield Skipped(shown(folder), f"the folder cannot be read: {error.strerror}")
            continue
        below: list[Path] = []
        for entry in found:
            path = folder / entry.name
            if entry.is_symlink():
                yield Skipped(shown(path), "a link; links are not followed")
            elif not entry.is_dir(follow_symlinks=False):
                yield from _judge(path, seen, named=False)
            elif reason := _refusal(path):
                yield Skipped(shown(path), reason)
            else:
                below.append(path)
        waiting += reversed(below)


def _refusal(folder: Path) -> str | None:
    if folder in REFUSED:
        return "a kernel file system"
    if folder.name.startswith("."):
        return "a hidden folder"
    return "a folder of builds or copies" if folder.name in NEVER or folder.name.endswith(".egg-info") else None


def _judge(path: Path, seen: set[Path], *, named: bool) -> Iterator[FileFound | Skipped]:
    if path in seen:
        return
    seen.add(path)
    try:
        facts = path.lstat()
    except OSError as error:
        yield Skipped(shown(path), f"cannot be read: {error.strerror}")
        return
    if reason := _unreadable(path, facts, named=named):
        yield Skipped(shown(path), reason)
    else:
        yield FileFound(str(path), facts.st_size, facts.st_mtime_ns)


def _unreadable(path: Path, facts: os.stat_result, *, named: bool) -> str | None:
    if os.fsencode(path).decode("utf-8", "replace") != str(path):
        return "a name that is not valid text"
    if path.name.startswith(".") and not named:
        return "a hidden file"
    if not stat.S_ISREG(facts.st_mode):
        return "not a regular file"
    if path.suffix.lower() in BINARY_SUFFIXES:
        return "binary"
    if facts.st_size > MAX_FILE_BYTES:
        return f"too large: {facts.st_size / 1e6:.1f} MB, at most {MAX_FILE_BYTES / 1e6:.1f} MB are read"
    return None if facts.st_size else "empty"
