"""Places a person names: URLs as they are, paths made absolute so that they mean the same tomorrow and elsewhere."""

from __future__ import annotations

import os
from pathlib import Path


def is_url(place: str) -> bool:
    """Tell whether a place is fetched rather than read from disk."""
    return place.lower().startswith(("http://", "https://"))


def absolute(place: str) -> str:
    """Return ``place`` as libraries remember it. Touches the disk to follow links, and need not exist."""
    return place if is_url(place) else os.fspath(Path(os.path.realpath(Path(place).expanduser())))
