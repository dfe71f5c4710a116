"""Who may read what stretto keeps: folders it makes are 0700, files 0600, whatever the umask says."""

from __future__ import annotations

import errno
import os
import stat
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def private_folder(folder: Path) -> None:
    """Make ``folder``, and what is missing above it, with mode 0700. One that exists is left as its owner set it up."""
    missing = [place for place in (folder, *folder.parents) if not place.exists()]
    for place in reversed(missing):
        place.mkdir(mode=0o700, exist_ok=True)
    if not folder.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, "its folder is a file", str(folder))


def private_file(path: Path) -> None:
    """Make ``path`` an empty file with mode 0600, or take others' access away from the file that is there.

    SQLite gives its ``-wal`` and ``-shm`` files the mode of the database, so this must come before the first connection.
    """
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    except FileExistsError:
        # Asked about by name: closing a descriptor of the file would drop the locks SQLite holds on it in this process.
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise OSError(errno.EINVAL, "not a regular file", str(path)) from None
        if not os.access(path, os.R_OK | os.W_OK):
            raise PermissionError(errno.EACCES, "permission denied", str(path)) from None
        if status.st_mode & 0o077 and status.st_uid == os.geteuid():
            path.chmod(0o600)
