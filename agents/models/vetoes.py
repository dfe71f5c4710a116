"""What keeps two questions apart however alike their vectors are."""

from __future__ import annotations


def veto(asked: str, known: str) -> str | None:
    """Return why the answer to ``known`` must not be given to ``asked``, or ``None``."""
    return None if asked.split() == known.split() else "other words"
