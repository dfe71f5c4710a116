"""``stretto cache``: what the cache of answers holds and how often it had one, and emptying it."""

from __future__ import annotations

import argparse
import asyncio
import time
from typing import TYPE_CHECKING

from tui.commands import arguments

if TYPE_CHECKING:
    from agents.settings import Locations, Settings
    from storage.cache import ResponseCache
    from tui.terminal import Terminal

DESCRIPTION = """Show what the cache of answers holds and how often it had one, or empty it."""

EXAMPLES = """\
  stretto cache
  stretto cache --json | jq .bytes
  stretto cache clear --older 30       remove answers stored more than 30 days ago
  stretto cache clear                  remove them all"""

_CLEAR_EXAMPLES = """\
  stretto cache clear --older 30
  stretto cache clear"""


def configure(parser: arguments.CommandParser) -> None:
    """Describe the arguments."""
    actions = parser.add_subparsers(dest="action", metavar="clear")
    words = "Remove answers. The room they took is used again; the database does not get smaller by it."
    clearing = actions.add_parser("clear", description=words, examples=_CLEAR_EXAMPLES, help="remove answers")
    clearing.add_argument("--older", metavar="DAYS", type=_days, help="only those stored more than so many days ago")
    arguments.add_json(parser, "print the figures as one line of JSON")


def _days(value: str) -> float:
    try:
        days = float(value)
    except ValueError:
        days = -1.0
    if not 0 <= days <= 1e6:
        raise argparse.ArgumentTypeError(f"{value!r} is not a number of days")
    return days


def execute(args: argparse.Namespace, parser: arguments.CommandParser) -> int:
    """Show or clear."""
    from agents.config import load
    from tui.terminal import Terminal

    settings, locations = load()
    asyncio.run(_execute(args, settings, locations, Terminal()))
    return 0


async def _execute(args: argparse.Namespace, settings: Settings, locations: Locations, terminal: Terminal) -> None:
    # The store alone: a look at the cache needs no engine and no model.
    from storage.cache import ResponseCache
    from storage.store import Store

    async with Store(locations.database) as store:
        cache = ResponseCache(store)
        if args.action == "clear":
            removed = await cache.clear(None if args.older is None else time.time() - args.older * 86400)
            terminal.print(f"{removed:,} answer{'' if removed == 1 else 's'} removed")
        else:
            await _show(cache, settings, terminal, json=args.json)


async def _show(cache: ResponseCache, settings: Settings, terminal: Terminal, *, json: bool) -> None:
    import msgspec

    from tui.terminal import table

    held, oldest, defaults = await cache.totals(), await cache.oldest(), settings.defaults
    lookups = held.hits + held.misses
    rate = held.hits / lookups if lookups else None
    if json:
        figures = {
            "entries": held.entries,
            "bytes": held.bytes,
            "limit": defaults.cache_mb << 20,
            "oldest": oldest,
            "hits": held.hits,
            "misses": held.misses,
            "similar": held.similar,
            "hit_rate": rate,
        }
        terminal.print(msgspec.json.encode(figures).decode())
        return
    when = "–" if oldest is None else time.strftime("%Y-%m-%d %H:%M", time.localtime(oldest))
    ever = "– (nothing was looked up yet)" if rate is None else f"{rate * 100:.0f} % ({held.hits:,} of {lookups:,} lookups, ever)"
    similar = f"{held.similar:,} answers given that were made for a similar question"
    rows = [
        ("answers", f"{held.entries:,}"),
        ("size", f"{held.bytes / (1 << 20):,.1f} of {defaults.cache_mb:,} MB"),
        ("oldest", when),
        ("kept for", f"{defaults.cache_ttl / 86400:g} days"),
        ("hit rate", ever),
        ("similar", similar if defaults.similar or held.similar else "off (defaults.similar)"),
    ]
    if not defaults.cache:
        rows.append(("in use", "no (defaults.cache is false)"))
    terminal.print(table(rows))
