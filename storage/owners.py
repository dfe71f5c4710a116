"""Which process a run belongs to, and whether that process still lives.

Every open store holds a small side file under an exclusive ``flock``. The kernel drops the lock however the process ends, so
a lock that can be taken, or a file that is gone, means that nobody will finish the runs marked with that name.
"""

from __future__ import annotations

import fcntl
import os
import secrets
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


class Owner:
    """One store's claim on the runs it has open."""

    def __init__(self, database: Path) -> None:
        self.name = secrets.token_hex(8)
        self._folder = database.parent
        self._prefix = f"{database.name}-owner-"
        self._descriptor: int | None = None

    def _file(self, name: str) -> Path:
        return self._folder / f"{self._prefix}{name}"

    def claim(self) -> None:
        """Take the lock, and remove the files of owners that died."""
        while self._descriptor is None:
            descriptor = os.open(self._file(self.name), os.O_RDWR | os.O_CREAT, 0o600)
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            if os.fstat(descriptor).st_nlink:
                self._descriptor = descriptor
            else:  # another process found the file before it was locked, and removed it
                os.close(descriptor)
        for file in self._folder.iterdir():
            if file.name.startswith(self._prefix):
                self.alive(file.name.removeprefix(self._prefix))

    def alive(self, name: str) -> bool:
        """Say whether the owner called ``name`` still runs."""
        if name == self.name:
            return self._descriptor is not None
        try:
            descriptor = os.open(self._file(name), os.O_RDWR)
        except FileNotFoundError:
            return False
        except OSError:
            return True
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._file(name).unlink(missing_ok=True)
        except OSError:  # held, or a file system without locks: when in doubt it lives
            return True
        else:
            return False
        finally:
            os.close(descriptor)

    def release(self) -> None:
        """Give the claim up."""
        if self._descriptor is not None:
            self._file(self.name).unlink(missing_ok=True)
            os.close(self._descriptor)
            self._descriptor = None
