"""Runs the command as people do: a process of its own, with a home, a configuration and a data folder of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

ROOT = Path(__file__).parents[3]
SECRET = "sk-CANARY-5f1e"


class Started(subprocess.Popen[str]):
    """A process that ends with its block when that fails: nothing waits for it, and nothing of it is left over."""

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        if kind is not None:
            self.kill()
        super().__exit__(kind, error, traceback)


class Home:
    """A person's machine: files under one folder, and the command run there."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.config = folder / "config" / "config.toml"
        self.data = folder / "data"
        self.work = folder / "work"
        self.config.parent.mkdir()
        self.work.mkdir()

    def endpoint(self, base_url: str, name: str = "lab", **keys: object) -> None:
        """Add an endpoint to the configuration."""
        lines = [f"[endpoints.{name}]", f'base_url = "{base_url}"', "max_retries = 0"]
        lines += [f"{key} = {value!r}" for key, value in keys.items()]
        with self.config.open("a") as file:
            file.write("\n".join(lines) + "\n")

    def environ(self, extra: Mapping[str, str] | None = None) -> dict[str, str]:
        """Return the whole environment of a command."""
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder),
            "LANG": "C.UTF-8",
            "TZ": "UTC",
            "PYTHONPATH": str(ROOT),
            "STRETTO_CONFIG": str(self.config),
            "STRETTO_DATA_DIR": str(self.data),
            **(extra or {}),
        }

    def start(self, *arguments: str, stdin: int | None = subprocess.DEVNULL, **extra: str) -> subprocess.Popen[str]:
        """Start a command with all its streams as pipes."""
        command = [sys.executable, "-m", "tui.main", *arguments]
        return Started(
            command,
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            cwd=self.work,
            env=self.environ(extra),
        )

    def run(self, *arguments: str, given: str | None = None, **extra: str) -> subprocess.CompletedProcess[str]:
        """Run a command to its end; ``given`` is its standard input."""
        stdin = subprocess.DEVNULL if given is None else subprocess.PIPE
        with self.start(*arguments, stdin=stdin, **extra) as process:
            out, err = process.communicate(given, timeout=50)
        return subprocess.CompletedProcess(arguments, process.returncode, out, err)

    def fault(self, *arguments: str, code: int = 1, given: str | None = None, **extra: str) -> str:
        """Run a command that must fail with one line on standard error, and return the line."""
        done = self.run(*arguments, given=given, **extra)
        assert done.returncode == code, done
        assert done.stderr.count("\n") == 1, done.stderr
        assert "Traceback" not in done.stderr
        assert SECRET not in done.stderr + done.stdout
        return done.stderr.rstrip("\n")
