"""Where a batch's results go, so that none is lost and none is there twice, whenever the process ends.

Two files. OUT holds results in the order of the rows, without a gap: a result is appended to it as soon as all before it are
there. A result that comes before its turn is appended to the side file (OUT.partial) and copied from there when its turn comes;
memory holds only where it stands. Both are only ever appended to, so what was written stays written.

- A result counts as kept once its line, with its end, is in one of the two files. The operating system has it then, so that no
  ``kill -9`` takes it away; a second later at most it is on the disk itself.
- A line without an end is one that was being written when the process died. It is cut off when the batch goes on.
- A result is known by its ``key``, a hash of the row's id or number, of what it asks, and of the model. A key is in both files
  when its turn had come: then OUT counts. Of two lines with one key in the side file the later counts.
- Going on, OUT is compared with the rows as they are read. As far as its lines are those of the rows, it stays as it is. At the
  first that is not (its row was changed, or failed and is to be asked again) all lines from there on are first appended to the
  side file and synced, and then cut off OUT. A process that dies between the two leaves them in both, which is harmless.
- The side file is removed when nothing in it is needed any more. As long as it is there, it and OUT are locked by the process
  that writes to them, so that two batches never write to the same files, whatever these are called.

One thread does all writing: it takes what has come, writes it in one go, and syncs once a second. The event loop only hands over.
"""

from __future__ import annotations

import errno
import fcntl
import os
import queue
import stat
import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from agents.batch.results import line_of
from agents.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable

    from agents.batch.results import Result

SIDE = ".partial"
"""What is added to OUT's name for the side file."""
STANDARD_OUTPUT = "-"
_GATHER = 0.01
"""Seconds in which results gather before they are written together."""
_SYNC = 1.0
"""Seconds until what was written is on the disk."""
_PIECE = 1 << 20


class Part(NamedTuple):
    """Where a line stands in the side file."""

    offset: int
    size: int


class _Begin(NamedTuple):
    """So many results are in OUT already."""

    position: int


class Files(NamedTuple):
    """The two files of a batch, open, and locked where others could write to them."""

    out: int
    side: int
    path: Path | None
    """OUT's; ``None`` for standard output."""

    @property
    def side_path(self) -> Path | None:
        """The side file's; ``None`` when nobody else can see it."""
        return None if self.path is None else side_of(self.path)

    def close(self) -> None:
        """Close both, which ends the lock."""
        os.close(self.out)
        os.close(self.side)


def side_of(out: Path) -> Path:
    """Return the path of the side file of ``out``."""
    return out.with_name(out.name + SIDE)


def keep_apart(source: int, place: str) -> None:
    """Raise :class:`InputError` where the open input is one of the files that would be written to, by whatever name."""
    read = os.fstat(source)
    if not stat.S_ISREG(read.st_mode):
        return
    written = {}
    with suppress(OSError):
        if place == STANDARD_OUTPUT:
            written["standard output"] = os.fstat(1)
        else:
            for path in (Path(place), side_of(Path(place))):
                if path.exists():
                    written[str(path)] = path.stat()
    for name, status in written.items():
        if os.path.samestat(read, status):
            raise InputError(f"{name}: cannot be read from and written to at once; name another file for the answers")


def open_files(place: str, *, resume: bool) -> Files:
    """Open OUT and its side file: new ones, or with ``resume`` those that are there.

    Raises :class:`InputError` for files that are there and are not to be gone on with, or cannot be written, or are in use.
    """
    if place == STANDARD_OUTPUT:
        with tempfile.TemporaryFile() as nameless:
            return Files(os.dup(1), os.dup(nameless.fileno()), None)
    out = Path(place)
    fresh = 0 if resume else os.O_EXCL
    flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
    side = -1
    try:
        if out.exists() and not out.is_file():
            raise InputError(f"{place}: is not a file; - stands for standard output")
        side = _lock(side_of(out), flags | fresh)
        # OUT as well, because by another name it has another side file.
        return Files(_lock(out, flags | fresh), side, out)
    except FileExistsError as error:
        _give_up(side, side_of(out), remove=True)
        raise InputError(f"{error.filename}: is there already; go on with it by --resume, or remove it first") from None
    except BlockingIOError:
        _give_up(side, side_of(out), remove=True)
        raise InputError(f"{place}: another batch is writing to it") from None
    except OSError as error:
        _give_up(side, side_of(out), remove=not resume)
        raise InputError(f"{place}: cannot be written: {error.strerror or error}") from None


def _lock(path: Path, flags: int) -> int:
    while True:
        file = os.open(path, flags, 0o666)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            with suppress(FileNotFoundError):
                # Whoever held it may have removed it meanwhile: then it is nobody's file that was locked here.
                if path.stat().st_ino == os.fstat(file).st_ino:
                    return file
        except OSError:
            os.close(file)
            raise
        os.close(file)


def _give_up(side: int, path: Path, *, remove: bool) -> None:
    if side < 0:
        return
    if remove and os.fstat(side).st_size == 0:
        path.unlink(missing_ok=True)
    os.close(side)


class Output:
    """The thread that writes. ``failed`` is called, in that thread, when a file takes nothing more."""

    def __init__(self, files: Files, failed: Callable[[OSError], None]) -> None:
        self._files = files
        self._failed = failed
        self._queue: queue.SimpleQueue[tuple[int, Result | Part] | _Begin | None] = queue.SimpleQueue()
        self._next = 0
        self._waiting: dict[int, Part] = {}
        self._side_end = os.fstat(files.side).st_size
        self._dirty = False
        self._synced = 0.0
        self._stopped = False
        self._thread = threading.Thread(target=self._run, name="batch output", daemon=True)
        self.error: OSError | None = None

    def start(self) -> None:
        """Begin to write."""
        self._thread.start()

    def begin(self, position: int) -> None:
        """Say that OUT holds the results before ``position``; before any result is put."""
        self._side_end = os.fstat(self._files.side).st_size
        self._queue.put(_Begin(position))

    def put(self, position: int, result: Result) -> None:
        """Hand over a result."""
        self._queue.put((position, result))

    def put_part(self, position: int, part: Part) -> None:
        """Say that the result for ``position`` is in the side file."""
        self._queue.put((position, part))

    def backlog(self) -> int:
        """Return about how many results wait to be written."""
        return self._queue.qsize()

    def close(self, *, wait: bool = True) -> bool:
        """Write what was handed over, sync, end the thread, and return whether OUT has everything that was handed over.

        Without ``wait`` a reader of standard output that takes nothing is not waited for.
        """
        if self._thread.ident is None:
            return False
        self._stopped = not wait
        self._queue.put(None)
        self._thread.join()
        return self.error is None and not self._waiting

    def _run(self) -> None:
        try:
            while self._take():
                pass
            self._sync()
        except OSError as error:
            self.error = error
            self._failed(error)

    def _take(self) -> bool:
        """Write what has come; False at the end."""
        group: list[tuple[int, Result | Part]] = []
        open_ended = True
        try:
            first = self._queue.get(timeout=_SYNC if self._dirty else None)
        except queue.Empty:
            self._sync()
            return True
        if first is not None:
            time.sleep(_GATHER)
        entry = first
        while True:
            if entry is None:
                open_ended = False
            elif isinstance(entry, _Begin):
                self._next = entry.position
            else:
                group.append(entry)
            try:
                entry = self._queue.get_nowait()
            except queue.Empty:
                break
        self._write(group)
        if self._dirty and time.monotonic() - self._synced >= _SYNC:
            self._sync()
        return open_ended

    def _write(self, group: list[tuple[int, Result | Part]]) -> None:
        fresh: dict[int, bytes] = {}
        for position, result in group:
            if isinstance(result, Part):
                self._waiting[position] = result
            else:
                fresh[position] = line_of(result)
        in_order: list[bytes] = []
        size = 0
        while self._next in fresh or self._next in self._waiting:
            line = fresh.pop(self._next, None) or self._read(self._waiting.pop(self._next))
            self._next += 1
            in_order.append(line)
            size += len(line)
            if size >= _PIECE:
                self._append_out(b"".join(in_order))
                in_order, size = [], 0
        if in_order:
            self._append_out(b"".join(in_order))
        if fresh:
            self._append_side(fresh)

    def _append_side(self, fresh: dict[int, bytes]) -> None:
        self._dirty = True
        write_all(self._files.side, b"".join(fresh.values()))
        for position, line in fresh.items():
            self._waiting[position] = Part(self._side_end, len(line))
            self._side_end += len(line)

    def _append_out(self, data: bytes) -> None:
        self._dirty = True
        if self._files.path is None:
            self._write_pipe(data)
        else:
            write_all(self._files.out, data)

    def _write_pipe(self, data: bytes) -> None:
        import select

        poll = select.poll()
        poll.register(self._files.out, select.POLLOUT)
        rest = memoryview(data)
        while rest:
            if poll.poll(200):
                rest = rest[os.write(self._files.out, rest[:4096]) :]
            elif self._stopped:
                raise OSError(errno.ETIMEDOUT, os.strerror(errno.ETIMEDOUT))

    def _read(self, part: Part) -> bytes:
        line = os.pread(self._files.side, part.size, part.offset)
        if len(line) != part.size:
            raise OSError(errno.EIO, "the side file was cut by another program")
        return line

    def _sync(self) -> None:
        self._synced = time.monotonic()
        self._dirty = False
        if self._files.path is None:
            return
        sync(self._files.side)
        sync(self._files.out)


def sync(file: int) -> None:
    """Wait until what was written to ``file`` is on the disk, where its file system knows how."""
    try:
        os.fdatasync(file)
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise


def write_all(file: int, data: bytes) -> None:
    """Write all of ``data`` to a regular file."""
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(file, rest) :]
