"""``stretto models``: the endpoints that can be used now, how each was found, their models, and the routes over them."""

from __future__ import annotations

import os
import shutil
from itertools import compress
from typing import TYPE_CHECKING

from tui.commands import arguments

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from agents.models.listing import EndpointModels
    from agents.models.stated import ModelFacts
    from agents.settings import Price
    from tui.commands.session import Session

DESCRIPTION = """List the endpoints that can be used now and their models, with context length and price per million tokens where
they are known. Endpoints come from the configuration or are found: Ollama, vLLM and llama.cpp on this machine (OLLAMA_HOST names
another), services whose key is set (OPENAI_API_KEY, OPENROUTER_API_KEY, NANOGPT_API_KEY, ANTHROPIC_API_KEY), and the embedded
model. What a service lists is kept for an hour. The exit code is 1 if an endpoint does not answer."""

EXAMPLES = """\
  stretto models
  stretto models --refresh            ask every service anew
  stretto models --json | jq -r '.models[]'
  stretto models --example            a commented configuration with every kind of endpoint
  OLLAMA_HOST=192.168.1.5 stretto models"""

_LONGEST = 200
"""Cells a model's name may take in the list: a server's odd name must not push all others apart."""
_Row = tuple[str, str, str, str, str, str, str]
_WORTH_TELLING = 60.0
"""Seconds from which on the age of a list is told."""


def configure(parser: arguments.CommandParser) -> None:
    """Describe the arguments."""
    parser.add_argument("--refresh", action="store_true", help="ask services whose lists are fresh, too")
    parser.add_argument("--example", action="store_true", help="print a commented configuration and ask nobody")
    arguments.add_json(parser, "print one endpoint or route a line as JSON")


def execute(args: argparse.Namespace, parser: arguments.CommandParser) -> int:
    """Ask the endpoints and print what they offer."""
    from tui.terminal import Terminal

    terminal = Terminal()
    if args.example:
        from tui.commands.models_example import example

        terminal.print(example())
        return 0

    from agents.config import load
    from tui.commands.session import perform

    settings, locations = load()
    return perform(lambda session: _models(session, args), settings, locations, terminal)


async def _models(session: Session, args: argparse.Namespace) -> int:
    import msgspec

    from agents.models.discovery import missing_key, targets
    from tui.terminal import table

    terminal = session.terminal
    terminal.status("asking the endpoints…")
    known = targets(session.settings, os.environ)
    offers = [
        msgspec.structs.replace(offer, error=offer.error or missing_key(known[offer.name])) if offer.name in known else offer
        for offer in await session.workspace.models.available(refresh=args.refresh)
    ]
    if args.json:
        for offer in offers:
            await terminal.write(f"{msgspec.json.encode(offer).decode()}\n")
    else:
        width = min(shutil.get_terminal_size().columns, _LONGEST) if terminal.out_is_terminal else _LONGEST
        rows = [("model", "kind", "context", "price in/out", "size", "endpoint", "found by")]
        routes = [("route", "members", "fallbacks")]
        for offer in offers:
            if offer.kind == "route":
                routes.append((f"{offer.name}/MODEL", " ".join(offer.members), " ".join(offer.fallbacks) or "none"))
            else:
                rows += _rows(offer, width)
        said = [any(column[1:]) for column in zip(*rows, strict=True)]
        await terminal.write(f"{table([tuple(compress(row, said)) for row in rows])}\n")
        if len(routes) > 1:
            await terminal.write(f"\n{table(routes)}\n")
    for offer in offers:
        if offer.error:
            terminal.complain(f"{offer.name}: {offer.error.removeprefix(f'{offer.name}: ')}{_instead(offer)}")
    return int(any(offer.error for offer in offers))


def _rows(offer: EndpointModels, width: int) -> Iterator[_Row]:
    from tui.terminal import cut_to_cells

    where = offer.base_url or "in a process of its own"
    found = offer.found
    if offer.age is not None and offer.age >= _WORTH_TELLING:
        found = f"{found}; listed {_ago(offer.age)}"
    special = {offer.embedding_model: "embeddings", offer.image_model: "images"}
    models = [model for model in offer.models if model.strip()]
    models += [model for model in special if model and model not in models]
    if offer.error and offer.age is None:
        models = []  # none of those that are configured can be used
    facts = {model.name: model for model in offer.details}
    for model in models:
        kind = f"{offer.kind}, {special[model]}" if model in special else offer.kind
        name = cut_to_cells(f"{offer.name}/{model}", width)
        yield (name, kind, *_figures(facts.get(model), offer.price), where, found)
    if not models:
        yield (f"{offer.name}/-", offer.kind, "", "", "", where, found)


def _figures(facts: ModelFacts | None, configured: Price | None) -> tuple[str, str, str]:
    """Return context, price and size as far as they are known."""
    price = facts.price if configured is None and facts is not None else configured
    costs = "" if price is None else f"{price.input:g}/{price.output:g}"
    if facts is None:
        return "", costs, ""
    size = "" if facts.size is None else f"{facts.size / 1e9:.1f} GB"
    context = "" if facts.context is None else f"{facts.context}"
    return context, costs, " ".join(filter(None, [facts.parameters, facts.quantization, size]))


def _instead(offer: EndpointModels) -> str:
    if not offer.error or offer.age is None or not offer.models:
        return ""
    return f"; its models are as it named them {_ago(offer.age)}"


def _ago(seconds: float) -> str:
    """Return an age in the unit that says most."""
    for unit, name in ((86400, "day"), (3600, "hour"), (60, "minute")):
        if (count := int(seconds // unit)) > 0:
            return f"{count} {name}{'s' if count > 1 else ''} ago"
    return "just now"
