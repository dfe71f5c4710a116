"""PDF text, read in a child process that can be killed.

A few kilobytes of PDF can ask for minutes of CPU or gigabytes of memory, so the reading happens under limits on CPU time,
memory, wall time, pages and characters, in a process that receives the bytes and answers with JSON and can do nothing else. Run
as a module, this is that process.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import msgspec

from agents.errors import InputError

MAX_PAGES = 2000
MAX_CHARS = 4_000_000
CPU_SECONDS = 20
WALL_SECONDS = 30.0
MEMORY_BYTES = 768 * 1024 * 1024


class _Answer(msgspec.Struct):
    pages: list[str] = []
    error: str | None = None
    left_out: int = 0


def child_environment() -> dict[str, str]:
    """Return what a worker may know of the environment: no key or token is handed to a process that reads foreign documents."""
    kept = {
        name: os.environ[name] for name in ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "LD_LIBRARY_PATH") if name in os.environ
    }
    # One thread per library: the machine's other cores belong to the loop and to the model.
    single = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "RAYON_NUM_THREADS"), "1")
    root = str(Path(__file__).resolve().parents[2])
    return {**kept, **single, "PYTHONPATH": root, "TOKENIZERS_PARALLELISM": "false"}


def read_pdf(data: bytes, *, cpu: int = CPU_SECONDS, wall: float = WALL_SECONDS) -> list[str]:
    """Return the text of each page, empty for pages without any; raises :class:`InputError` when limits are met or it is broken."""
    command = [sys.executable, "-P", "-m", "agents.retrieval.pdf", str(cpu), str(os.getpid())]
    try:
        done = subprocess.run(command, input=data, capture_output=True, timeout=wall, check=False, env=child_environment())
    except subprocess.TimeoutExpired:
        raise InputError(f"a PDF that takes longer than {wall:.0f} s to read") from None
    try:
        answer = msgspec.json.decode(done.stdout, type=_Answer)
    except msgspec.DecodeError:
        # A process that was killed for its CPU time or memory leaves no answer behind.
        raise InputError(f"a PDF that takes more than {cpu} s of CPU or {MEMORY_BYTES // 2**20} MiB to read") from None
    if answer.error is not None:
        raise InputError(answer.error)
    return answer.pages


def _limit(cpu: int, parent: int) -> None:
    import ctypes
    import resource
    import signal

    resource.setrlimit(resource.RLIMIT_CPU, (cpu, cpu))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG: the worker that asked may be killed meanwhile
    if os.getppid() != parent:
        sys.exit(1)  # it was killed before that was set


def _extract(data: bytes) -> _Answer:
    import io
    import logging

    from pypdf import PdfReader
    from pypdf.errors import LimitReachedError, PyPdfError

    logging.getLogger("pypdf").setLevel(logging.CRITICAL)
    answer = _Answer()
    try:
        reader = PdfReader(io.BytesIO(data))
        if reader.is_encrypted and not reader.decrypt(""):
            return _Answer(error="a PDF that needs a password")
        room = MAX_CHARS
        for number, page in enumerate(reader.pages):
            if number >= MAX_PAGES or room <= 0:
                answer.left_out = len(reader.pages) - number
                break
            text = page.extract_text()[:room].encode("utf-8", "replace").decode()
            room -= len(text)
            answer.pages.append(text)
    except LimitReachedError:
        return _Answer(error="a PDF that unpacks to more than is read")
    except MemoryError:
        return _Answer(error=f"a PDF that takes more than {MEMORY_BYTES // 2**20} MiB to read")
    except (
        PyPdfError,
        ArithmeticError,
        AttributeError,
        LookupError,
        RecursionError,
        TypeError,
        ValueError,
        OSError,
        AssertionError,
    ) as error:
        # pypdf meets broken structure with all of these; the pages read before it are worth keeping.
        if not answer.pages:
            return _Answer(error=f"a broken PDF ({type(error).__name__})")
    return answer


def main() -> None:
    """Read one PDF from standard input and write its pages as JSON to standard output."""
    import pypdf  # noqa: F401  # before the limits, under which Python could not keep the compiled modules

    _limit(int(sys.argv[1]), int(sys.argv[2]))
    data = sys.stdin.buffer.read()
    sys.stdout.buffer.write(msgspec.json.encode(_extract(data)))


if __name__ == "__main__":
    main()
