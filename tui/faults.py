"""How an exception ends a command: one line on standard error, and for a bug a traceback in a log file.

The traceback has no local variables, and the values of the environment's keys are taken out of it.
"""

from __future__ import annotations

import os
import re
import time
import traceback
from typing import TYPE_CHECKING

from agents.errors import StrettoError
from agents.locations import LOG_NAME, find_locations
from storage.errors import StoreError
from tui.terminal import Terminal, printable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_LOG_LIMIT = 1 << 20
_SECRET_NAME = re.compile(r"KEY|TOKEN|SECRET|PASSW|CREDENTIAL", re.IGNORECASE)


def tell(error: BaseException) -> int:
    """Say on standard error what ``error`` means for the person, keep a bug's traceback, and return the exit code."""
    terminal = Terminal()
    leaves = list(_leaves(error))
    if any(isinstance(leaf, BrokenPipeError) for leaf in leaves):
        return 141
    bug = next((leaf for leaf in leaves if not is_for_a_person(leaf)), None)
    if bug is None:
        terminal.complain(str(leaves[0]))
        return 1
    path = find_locations().data / LOG_NAME
    kept = keep(error, path)
    terminal.complain(f"an unexpected {type(bug).__name__} stopped this; {kept}")
    return 1


def is_for_a_person(error: BaseException) -> bool:
    """Return whether an exception's message is one line that says what to do."""
    return isinstance(error, StrettoError | StoreError)


def _leaves(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from _leaves(inner)
    else:
        yield error


def keep(error: BaseException, path: Path) -> str:
    """Add the traceback to the log file and return where it is, or why it is nowhere."""
    lines = "".join(traceback.TracebackException.from_exception(error, capture_locals=False).format())
    text = f"{time.strftime('%Y-%m-%d %H:%M:%S')}\n{printable(without_secrets(lines))}\n"
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if path.exists() and path.stat().st_size > _LOG_LIMIT:
            path.replace(path.with_suffix(".old.log"))
        file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        with os.fdopen(file, "w", encoding="utf-8", errors="backslashreplace") as log:
            log.write(text)
    except OSError as failure:
        return f"its traceback could not be kept in {path} ({failure.strerror or failure})"
    return f"its traceback is in {path}"


def without_secrets(text: str) -> str:
    """Return ``text`` without the values of environment variables whose names say that they are secret."""
    for name, value in os.environ.items():
        if len(value) >= 6 and _SECRET_NAME.search(name):
            text = text.replace(value, f"[{name}]")
    return text
