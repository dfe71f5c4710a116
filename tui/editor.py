"""Writing in the person's own editor: the program named by $VISUAL or $EDITOR has the terminal until it ends."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shlex
import signal
import tempfile
from pathlib import Path
from stat import S_ISREG
from typing import TYPE_CHECKING, Final

from agents.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

LONGEST: Final = 4 << 20
"""Bytes that are read back."""
_ENDING: Final = 2.0
"""Seconds an editor has to end when stretto does."""


def editor_command(environ: Mapping[str, str] | None = None) -> list[str]:
    """Return the editor's command as a list of words. Raises :class:`InputError` when none is named."""
    environ = os.environ if environ is None else environ
    for name in ("VISUAL", "EDITOR"):
        if value := environ.get(name, "").strip():
            try:
                return shlex.split(value)
            except ValueError as error:
                raise InputError(f"${name} is no command ({error}): set it to one, like: export {name}=nano") from None
    raise InputError("no editor is set: name one in $VISUAL or $EDITOR, like: export EDITOR=nano")


async def edit(text: str, command: list[str]) -> str:
    """Return ``text`` as it is when the editor has ended; the loop goes on meanwhile.

    The text is in a file of its own that only this person can read, and that is removed afterwards. Raises
    :class:`InputError` when the editor cannot be started, fails, or leaves nothing that can be read.
    """
    file = await asyncio.to_thread(_write, text)
    try:
        await _run(command, file)
        return await asyncio.to_thread(_read, file)
    finally:
        with contextlib.suppress(OSError):
            file.unlink()


def _write(text: str) -> Path:
    try:
        number, name = tempfile.mkstemp(prefix="stretto-", suffix=".md")
        with os.fdopen(number, "w", encoding="utf-8", errors="replace") as file:
            file.write(text)
    except OSError as error:
        raise InputError(f"no temporary file can be written: {error.strerror or error}") from None
    return Path(name)


async def _run(command: list[str], file: Path) -> None:
    name = Path(command[0]).name
    try:
        process = await asyncio.create_subprocess_exec(*command, str(file))
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise InputError(
            f"the editor {command[0]!r} cannot be started: {reason}; set $VISUAL or $EDITOR to another, like: export EDITOR=nano"
        ) from None
    try:
        code = await process.wait()
    finally:
        if process.returncode is None:
            process.terminate()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_ENDING):
                    await process.wait()
    if code != 0:
        raise InputError(f"the editor {name!r} ended with code {code}: the prompt is as it was")


def _read(file: Path) -> str:
    try:
        if not S_ISREG(file.lstat().st_mode):  # reading what took its place could wait for ever
            raise InputError("the edited text is no file any more: the prompt is as it was")
        with file.open("rb") as stream:
            data = stream.read(LONGEST + 1)
    except OSError as error:
        raise InputError(f"the edited text cannot be read: {error.strerror or error}: the prompt is as it was") from None
    if len(data) > LONGEST:
        raise InputError(f"the edited text is longer than {LONGEST >> 20} MiB: the prompt is as it was")
    return data.decode("utf-8-sig", "replace").removesuffix("\n")


@contextlib.contextmanager
def interrupts_elsewhere() -> Iterator[None]:
    """While it lasts, Ctrl+C and Ctrl+\\ in the terminal are the business of the program that has it, not of this one."""
    # A handler that does nothing, not SIG_IGN: a program that is started inherits what is ignored.
    before = {number: signal.signal(number, lambda *_: None) for number in (signal.SIGINT, signal.SIGQUIT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
