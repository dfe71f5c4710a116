"""The themes of a running dashboard: which there are, which was chosen, and those whose file changes while it runs."""

from __future__ import annotations

import asyncio
import json
import os
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tui.themes import Themes, load_themes

if TYPE_CHECKING:
    from collections.abc import Callable

    from agents.settings import Locations

DEFAULT: Final = "stretto-dark"
_STATE: Final = "screen.json"
_EVERY: Final = 1.0
"""Seconds between two looks at the person's folder."""


class ThemeShelf:
    """Reads themes off the loop, and keeps the name of the one chosen last in the data folder."""

    def __init__(self, locations: Locations) -> None:
        self._own = locations.themes
        self._state = locations.data / _STATE
        self.themes = Themes()
        self._seen: dict[str, tuple[int, int]] = {}

    def load(self) -> Themes:
        """Read all themes, now."""
        self._seen = _stamps(self._own)
        self.themes = load_themes(self._own)
        return self.themes

    def chosen(self, configured: str) -> str:
        """Return the theme to begin with: the configured one, else the one chosen last, else the default."""
        if configured:
            return configured
        with suppress(OSError, ValueError, RecursionError):
            kept = json.loads(self._state.read_text(encoding="utf-8")[:4096])
            name = kept.get("theme") if isinstance(kept, dict) else None
            if isinstance(name, str) and name in self.themes.loaded:
                return name
        return DEFAULT

    def after(self, name: str) -> str:
        """Return the theme that comes after ``name`` in the order of names."""
        names = sorted(self.themes.loaded)
        return names[(names.index(name) + 1) % len(names)] if name in names else names[0]

    async def keep(self, name: str) -> None:
        """Remember the choice; where the data folder cannot be written, it is not remembered."""
        await asyncio.to_thread(_write, self._state, json.dumps({"theme": name}))

    async def watch(self, changed: Callable[[Themes, frozenset[str]], None]) -> None:
        """Tell ``changed`` of all themes and of the names whose file is new or other than before, whenever there are any."""
        while True:
            await asyncio.sleep(_EVERY)
            stamps = await asyncio.to_thread(_stamps, self._own)
            if stamps == self._seen:
                continue
            names = frozenset(Path(name).stem for name, _ in set(stamps.items()) ^ set(self._seen.items()))
            self._seen = stamps
            self.themes = await asyncio.to_thread(load_themes, self._own)
            changed(self.themes, names)


def _stamps(folder: Path) -> dict[str, tuple[int, int]]:
    """Return when each theme file was written, and its size."""
    found: dict[str, tuple[int, int]] = {}
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.endswith(".toml"):
                with suppress(OSError):
                    state = entry.stat()
                    found[entry.name] = (state.st_mtime_ns, state.st_size)
    return found


def _write(path: Path, text: str) -> None:
    with suppress(OSError):
        handle, name = tempfile.mkstemp(prefix=".screen", dir=path.parent)
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(text)
            Path(name).replace(path)
        except OSError:
            Path(name).unlink(missing_ok=True)
            raise
