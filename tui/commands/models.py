"""``stretto models``: the endpoints that can be used now, how each was found, and their models."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

from tui.commands import arguments

if TYPE_CHECKING:
    import argparse

    from agents.models.listing import EndpointModels
    from tui.commands.session import Session

DESCRIPTION = """List the endpoints that can be used now and their models. Endpoints come from the configuration or are found:
OPENAI_API_KEY, OLLAMA_HOST or a local Ollama, and the embedded model. The exit code is 1 if an endpoint does not answer."""

EXAMPLES = """\
  stretto models
  stretto models --json | jq -r '.models[]'
  OLLAMA_HOST=192.168.1.5 stretto models"""

_LONGEST = 200
"""Cells a model's name may take in the list: a server's odd name must not push all others apart."""


def configure(parser: arguments.CommandParser) -> None:
    """Describe the arguments."""
    arguments.add_json(parser, "print one endpoint a line as JSON")


def execute(args: argparse.Namespace, parser: arguments.CommandParser) -> int:
    """Ask the endpoints and print what they offer."""
    from agents.config import load
    from tui.commands.session import perform
    from tui.terminal import Terminal

    settings, locations = load()
    return perform(lambda session: _models(session, json=args.json), settings, locations, Terminal())


async def _models(session: Session, *, json: bool) -> int:
    import msgspec

    from agents.models.discovery import missing_key, targets
    from tui.terminal import table

    session.terminal.status("asking the endpoints…")
    known = targets(session.settings, os.environ)
    endpoints = [
        msgspec.structs.replace(endpoint, error=endpoint.error or missing_key(known[endpoint.name]))
        for endpoint in await session.workspace.models.available()
    ]
    if json:
        for endpoint in endpoints:
            await session.terminal.write(f"{msgspec.json.encode(endpoint).decode()}\n")
    else:
        width = min(shutil.get_terminal_size().columns, _LONGEST) if session.terminal.out_is_terminal else _LONGEST
        rows = [("model", "endpoint", "found by")]
        for endpoint in endpoints:
            rows += _rows(endpoint, width)
        await session.terminal.write(f"{table(rows)}\n")
    for endpoint in endpoints:
        if endpoint.error:
            session.terminal.complain(f"{endpoint.name}: {endpoint.error.removeprefix(f'{endpoint.name}: ')}")
    return int(any(endpoint.error for endpoint in endpoints))


def _rows(endpoint: EndpointModels, width: int) -> list[tuple[str, str, str]]:
    from tui.terminal import cut_to_cells

    where = endpoint.base_url or "in a process of its own"
    models = [model for model in endpoint.models if model.strip()]
    if endpoint.error or not models:
        return [(f"{endpoint.name}/-", where, endpoint.found)]
    return [(cut_to_cells(f"{endpoint.name}/{model}", width), where, endpoint.found) for model in models]
