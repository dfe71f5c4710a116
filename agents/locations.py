"""Where stretto keeps things: decided from the environment and the platform's conventions, without touching the disk."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from agents.settings import Locations

if TYPE_CHECKING:
    from collections.abc import Mapping

CONFIG_VARIABLE = "STRETTO_CONFIG"
DATA_VARIABLE = "STRETTO_DATA_DIR"
PROJECT_FILE = "stretto.toml"
"""The name of a project's configuration, looked for in the working directory only."""
LOG_NAME = "errors.log"
"""The file in the data folder that keeps the tracebacks of bugs."""


def find_locations(environ: Mapping[str, str] | None = None) -> Locations:
    """Return the places that ``STRETTO_CONFIG`` and ``STRETTO_DATA_DIR`` name, else the platform's (XDG on Linux).

    Theme files are looked for in ``themes`` beside the configuration file. Nothing needs to exist.
    """
    environ = os.environ if environ is None else environ
    config, data = environ.get(CONFIG_VARIABLE), environ.get(DATA_VARIABLE)
    if not config or not data:
        import platformdirs

        config = config or str(platformdirs.user_config_path("stretto") / "config.toml")
        data = data or str(platformdirs.user_data_path("stretto"))
    config_path = _absolute(config)
    return Locations(config=config_path, data=_absolute(data), themes=config_path.parent / "themes")


def _absolute(text: str) -> Path:
    path = Path(text)
    with suppress(RuntimeError):  # no home folder is known: the name is taken as it stands
        path = path.expanduser()
    return Path.cwd() / path
