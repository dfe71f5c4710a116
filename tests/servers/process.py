"""Starts a loopback server in a process of its own, so that a measurement counts only the client's work."""

from __future__ import annotations

import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def paced_process(*arguments: str) -> Iterator[str]:
    """Run the paced server beside this process; yields its base URL and ends it on leaving."""
    command = [sys.executable, "-m", "tests.servers.paced", *arguments]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.stdin.close()
            try:
                process.wait(timeout=5)
            except subprocess.TimeoutExpired:
                process.kill()
