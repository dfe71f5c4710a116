"""Places as a person types them into the prompt line: paths, web addresses and libraries."""

from __future__ import annotations

import re
from pathlib import Path

_WORD = re.compile(r'@"[^"]+"|\S+')


def absolute(place: str) -> str:
    """Return a path as it will still mean the same elsewhere; addresses, and what cannot be made a path, as they are."""
    if "://" in place:
        return place
    try:
        return str(Path(place).expanduser().absolute())
    except (RuntimeError, OSError):  # no such user, or a working folder that is gone: the reader of the place will say so
        return place


def parse_task(text: str) -> tuple[str, tuple[str, ...]]:
    """Return the task, and the places named in it: ``@path``, ``@"path with spaces"``, web addresses and ``library:NAME``.

    Places are taken out of the task's words; without any, the default library is the place.
    """
    words: list[str] = []
    places: list[str] = []
    for word in _WORD.findall(text):
        if word.startswith("@") and len(word) > 1:
            places.append(absolute(word[1:].strip(chr(34))))
        elif word.startswith(("http://", "https://", "library:")):
            places.append(word.rstrip(".,;:!?)"))
        else:
            words.append(word)
    return " ".join(words), tuple(places) or ("library:default",)
