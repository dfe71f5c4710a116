"""Lists of models on disk: one small file for each address and key, for this person's eyes only.

A file that cannot be read, written or understood is as good as none: the endpoint is asked again.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from agents.models.stated import ModelFacts  # noqa: TC001  # msgspec reads it when it decodes

if TYPE_CHECKING:
    from agents.models.discovery import Target

FRESH = 3600.0
"""Seconds for which a service is not asked again."""
USABLE = 7 * 86400.0
"""Seconds for which a list stands in for an endpoint that does not answer."""
_FORM = 1
_MOST_BYTES = 8 << 20


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """What an endpoint said, and when."""

    endpoint: str
    base_url: str
    asked: float
    """Seconds since 1970, by this machine's clock."""
    models: tuple[ModelFacts, ...]
    form: int = _FORM


def path_of(folder: Path, target: Target) -> Path:
    """Return the file of an endpoint's list. Another key may be offered other models, and has another file."""
    mark = hashlib.blake2b("\0".join((target.base_url, target.endpoint.kind, target.key or "")).encode(), digest_size=8)
    return folder / f"{mark.hexdigest()}.json"


def recall(path: Path) -> Record | None:
    """Return the list in a file; ``None`` when there is none that can be used."""
    try:
        with path.open("rb") as file:
            raw = file.read(_MOST_BYTES + 1)
        record = msgspec.json.decode(raw, type=Record)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    return record if record.form == _FORM else None


def keep(path: Path, record: Record) -> None:
    """Write a list in place of the one before, whole or not at all."""
    with suppress(OSError):
        # One after the other: a mode is given to the last folder of a path only, and the data folder is private, too.
        path.parent.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.parent.mkdir(mode=0o700, exist_ok=True)
        # Made with mode 0600, and put in place by renaming: two that write at once leave one whole file.
        number, name = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=".json")
        try:
            with os.fdopen(number, "wb") as file:
                file.write(msgspec.json.encode(record))
            Path(name).replace(path)
        except OSError:
            Path(name).unlink(missing_ok=True)
            raise


def forget_old(folder: Path, now: float) -> None:
    """Remove lists that are too old to be used: those of endpoints and keys that are gone."""
    with suppress(OSError):
        for path in folder.glob("*.json"):
            if path.stat().st_mtime < now - USABLE:
                path.unlink()
