"""The files below a folder that a person may mean when typing a name: listed within bounds, ranked by how well they fit.

Blocks: call it in a thread. It reads names and ``.gitignore`` files, nothing else, and follows no links.
"""

from __future__ import annotations

import os
import re
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

MOST_FILES: Final = 20_000
SECONDS: Final = 2.0
"""How long a listing may take."""
_RULES_BYTES: Final = 64 * 1024


class Listing(NamedTuple):
    """Paths below a folder, and whether they are all there are."""

    paths: tuple[str, ...]
    whole: bool


class _Rule(NamedTuple):
    pattern: re.Pattern[str]
    keeps: bool
    folders_only: bool


def list_files(root: str, most: int = MOST_FILES, seconds: float = SECONDS) -> Listing:
    """Return the files below ``root``, nearest first, without hidden ones, builds, copies and what ``.gitignore`` leaves out."""
    from agents.retrieval.walk import NEVER

    until = time.monotonic() + seconds
    paths: list[str] = []
    level: list[tuple[str, tuple[_Rule, ...]]] = [("", ())]
    while level:
        below: list[tuple[str, tuple[_Rule, ...]]] = []
        for folder, rules in level:
            entries = _entries(Path(root, folder))
            if any(entry.name == ".gitignore" for entry in entries):
                rules = (*rules, *_rules(root, folder))  # noqa: PLW2901  # those of the folders above, and its own
            for entry in entries:
                path = f"{folder}{entry.name}"
                is_folder = _is_folder(entry)
                if entry.name.startswith(".") or not path.isprintable() or _ignored(path, rules, is_folder=is_folder):
                    continue
                if is_folder:
                    if entry.name not in NEVER:
                        below.append((f"{path}/", rules))
                elif _is_file(entry):
                    paths.append(path)
            if len(paths) >= most or time.monotonic() > until:
                return Listing(tuple(paths[:most]), whole=False)
        level = below
    return Listing(tuple(paths), whole=True)


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as found:
            return sorted(found, key=lambda entry: entry.name)
    except OSError:
        return []


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir(follow_symlinks=False)
    except OSError:
        return False


def _is_file(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_file(follow_symlinks=False)
    except OSError:
        return False


def _rules(root: str, folder: str) -> Iterator[_Rule]:
    try:
        with Path(root, folder, ".gitignore").open(encoding="utf-8", errors="replace") as file:
            lines = file.read(_RULES_BYTES).splitlines()
    except OSError:
        return
    for line in lines:
        rule = _rule(line, folder)
        if rule is not None:
            yield rule


def _rule(line: str, folder: str) -> _Rule | None:
    """Return what one line of a ``.gitignore`` in ``folder`` says; ``None`` for a blank line and a remark."""
    text = line.rstrip()
    if not text or text.startswith("#"):
        return None
    keeps = text.startswith("!")
    text = text.removeprefix("!").removeprefix("\\")
    folders_only = text.endswith("/")
    text = text.rstrip("/")
    anchored = "/" in text
    pattern = _translated(text.removeprefix("/"))
    try:
        return _Rule(re.compile(f"{re.escape(folder)}{'' if anchored else '(?:.*/)?'}{pattern}"), keeps, folders_only)
    except re.error:
        return None


_GLOB = re.compile(r"(?P<deep>\*\*/)|(?P<rest>/\*\*$)|(?P<star>\*+)|(?P<one>\?)|(?P<set>\[[^\]/]+\])|(?P<plain>[^*?\[]|\[)")


def _translated(glob: str) -> str:
    parts = []
    for match in _GLOB.finditer(glob):
        match match.lastgroup:
            case "deep":
                parts.append("(?:.*/)?")
            case "rest":
                parts.append("/.*")
            case "star":
                parts.append("[^/]*")
            case "one":
                parts.append("[^/]")
            case "set":
                inside = match[0][1:-1].replace("\\", "")
                parts.append(
                    f"[^{re.escape(inside[1:])}]" if inside.startswith("!") else f"[{re.escape(inside)}]".replace("\\-", "-")
                )
            case _:
                parts.append(re.escape(match[0]))
    return "".join(parts)


def _ignored(path: str, rules: Sequence[_Rule], *, is_folder: bool) -> bool:
    for rule in reversed(rules):
        if (is_folder or not rule.folders_only) and rule.pattern.fullmatch(path):
            return not rule.keeps
    return False


def rank(query: str, paths: Sequence[str], most: int = 50) -> list[str]:
    """Return the paths that hold the letters of ``query`` in their order, best first.

    A name that begins with it comes before one that holds it, then a path that holds it, then letters apart.
    """
    if not query:
        return list(paths[:most])
    wanted = query.lower()
    apart = re.compile(".*?".join(map(re.escape, wanted)))
    found: list[tuple[int, int, str]] = []
    for path in paths:
        lower = path.lower()
        name = lower.rpartition("/")[2]
        if name.startswith(wanted):
            place = 0
        elif wanted in name:
            place = 1
        elif wanted in lower:
            place = 2
        elif apart.search(name):
            place = 3
        elif apart.search(lower):
            place = 4
        else:
            continue
        found.append((place, len(path), path))
    return [path for _, _, path in sorted(found)[:most]]
