"""``stretto paths``: where stretto keeps things."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tui.commands import arguments

if TYPE_CHECKING:
    import argparse
    from pathlib import Path

DESCRIPTION = (
    """Print where stretto keeps things. STRETTO_CONFIG and STRETTO_DATA_DIR move the configuration file and the data folder."""
)

EXAMPLES = """\
  stretto paths
  stretto paths --json | jq -r .database
  STRETTO_DATA_DIR=/tmp/try stretto paths"""


def configure(parser: arguments.CommandParser) -> None:
    """Describe the arguments."""
    arguments.add_json(parser, "print one JSON object")


def execute(args: argparse.Namespace, parser: arguments.CommandParser) -> int:
    """Print them."""
    from pathlib import Path

    import msgspec

    from agents.locations import LOG_NAME, PROJECT_FILE, find_locations
    from tui.terminal import Terminal, table

    locations = find_locations()
    places = {
        "config": locations.config,
        "project": Path.cwd() / PROJECT_FILE,
        "themes": locations.themes,
        "templates": locations.templates,
        "data": locations.data,
        "database": locations.database,
        "log": locations.data / LOG_NAME,
    }
    if args.json:
        Terminal().print(msgspec.json.encode({name: str(path) for name, path in places.items()}).decode())
        return 0
    Terminal().print(table([(name, str(path), _state(path)) for name, path in places.items()]))
    return 0


def _state(path: Path) -> str:
    try:
        return "" if path.exists() else "(not there)"
    except OSError as error:
        return f"(cannot be looked at: {error.strerror or error})"
