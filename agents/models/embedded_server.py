"""The embedded model's process: llama.cpp's own server on loopback, with a random key, as long as its parent lives.

Run as a script by :mod:`agents.models.embedded`, so it imports nothing of this package. It reads one line of JSON from standard
input, answers with lines of JSON on standard output (``progress``, then ``ready`` or ``error``), and ends when standard input
does. On Linux the kernel ends it, too, with the parent.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import signal
import sys
import threading
import time
from typing import IO, Any


def main() -> None:
    """Serve until the parent is gone."""
    parent = os.getppid()
    if sys.platform == "linux":
        pr_set_pdeathsig = 1
        ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(0)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with contextlib.suppress(OSError):
        os.nice(10)
    reports = _take_stdout()
    line = sys.stdin.readline()
    if not line:
        os._exit(0)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        server = _load(json.loads(line), reports)
    except Exception as error:  # noqa: BLE001  # whatever it is, the parent must be told in one line
        _say(reports, error=f"{type(error).__name__}: {error}")
        os._exit(1)
    threading.Event().wait()
    del server


def _take_stdout() -> IO[str]:
    # The library writes its log to both standard streams: its lines go to the log, the reports keep the pipe.
    reports = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    return reports


def _say(reports: IO[str], **report: object) -> None:
    with contextlib.suppress(OSError):
        reports.write(f"{json.dumps(report)}\n")
        reports.flush()


def _end_with_parent() -> None:
    while sys.stdin.readline():
        pass
    os._exit(0)


def _load(options: dict[str, Any], reports: IO[str]) -> object:
    began = time.monotonic()
    _say(reports, progress=f"loading {options['title']}")
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = options["model"]
    params.model_alias = options["name"]
    params.n_parallel = options["slots"]
    params.n_ctx = options["slots"] * options["context"]
    params.cpuparams.n_threads = options["threads"]
    params.cpuparams_batch.n_threads = options["threads"]
    params.n_gpu_layers = 0
    params.use_jinja = True
    params.endpoint_metrics = True
    params.endpoint_slots = True
    params.api_keys = [options["key"]]
    params.ui = False
    # So small a model falls into loops: cooler than the library's default, and what repeats at length is made unlikely (DRY).
    params.sampling.temp = 0.2
    params.sampling.dry_multiplier = 0.8
    params.sampling.dry_allowed_length = 6
    params.sampling.dry_penalty_last_n = 64
    # The library keeps up to 8 GiB of old prompts by default.
    params.cache_ram_mib = 64
    server = xllamacpp.Server(params)
    body = {"model": options["name"], "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 1}
    server.handle_chat_completions(body)
    _say(reports, ready=server.listening_address, seconds=time.monotonic() - began)
    return server


if __name__ == "__main__":
    main()
