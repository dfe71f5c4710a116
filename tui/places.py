"""Places as a person types them into the prompt line: paths, web addresses and libraries."""

from __future__ import annotations

import re
from pathlib import Path

_STOPS = ".,;:!?)"
"""What ends a sentence around a place and is no part of it."""
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
        bare = word.lstrip("(").rstrip(_STOPS) if word not in {"@.", "@.."} else word
        if bare.startswith('@"'):
            places.append(absolute(bare[2:].rstrip(chr(34))))
        elif bare.startswith("@") and len(bare) > 1:
            places.append(absolute(bare[1:]))
        elif bare.lower().startswith(("http://", "https://", "library:")):
            places.append(bare)
        else:
            words.append(word)
    return " ".join(words), tuple(places) or ("library:default",)
