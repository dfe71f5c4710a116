"""Places a person names: URLs as they are, paths made absolute so that they mean the same tomorrow and elsewhere."""

from __future__ import annotations

import os
from pathlib import Path

from agents.errors import InputError


def is_url(place: str) -> bool:
    """Tell whether a place is fetched rather than read from disk."""
    return place.lower().startswith(("http://", "https://"))


def absolute(place: str) -> str:
    """Return ``place`` as libraries remember it. Touches the disk to follow links, and need not exist.

    Raises :class:`InputError` for what can be no path, like the home of a person who is not there.
    """
    if is_url(place):
        return place
    try:
        return os.fspath(Path(os.path.realpath(Path(place).expanduser())))
    except (OSError, ValueError, RuntimeError) as error:
        raise InputError(f"{place!r} cannot be used: {getattr(error, 'strerror', None) or error}") from None
