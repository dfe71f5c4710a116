"""``stretto ratings``: the models rated by the votes a person cast between their answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tui.commands import arguments

if TYPE_CHECKING:
    import argparse

    from tui.commands.session import Session

DESCRIPTION = """List the models you voted between, best first: a rating on the scale of chess (100 points more win 64 of 100
votes), its 95 % confidence interval, and the games won, lost and tied. A vote among N answers counts as N-1 games, which are not
independent, so intervals are somewhat narrow then. Votes are cast in the dashboard and kept until --reset."""

EXAMPLES = """\
  stretto ratings
  stretto ratings --json | jq -r '[.model, .rating] | @tsv'
  stretto ratings --reset                        forget all votes"""


def configure(parser: arguments.CommandParser) -> None:
    """Describe the arguments."""
    arguments.add_json(parser, "print one model a line as JSON")
    parser.add_argument("--reset", action="store_true", help="forget all votes")


def execute(args: argparse.Namespace, parser: arguments.CommandParser) -> int:
    """List the ratings, or forget the votes."""
    from agents.config import load
    from tui.commands.session import perform
    from tui.terminal import Terminal

    settings, locations = load()
    if args.reset and args.json:
        parser.error("--reset prints nothing that --json could change")
    return perform(
        lambda session: _reset(session) if args.reset else _list(session, json=args.json), settings, locations, Terminal()
    )


async def _list(session: Session, *, json: bool) -> int:
    import asyncio

    import msgspec

    from agents.compare.rating import ratings
    from tui.terminal import table

    found = await asyncio.to_thread(ratings, await session.workspace.votes.all())
    if json:
        for each in found:
            await session.terminal.write(f"{msgspec.json.encode(each).decode()}\n")
        return 0
    if not found:
        session.terminal.note("There are no votes yet; compare models in the dashboard and vote: stretto")
        return 0
    rows = [("rating", "95 %", "won", "lost", "tied", "model")]
    for each in found:
        interval = f"{each.low:.0f} to {each.high:.0f}"
        rows.append((f"{each.rating:.0f}", interval, str(each.wins), str(each.losses), str(each.ties), each.model))
    await session.terminal.write(f"{table(rows)}\n")
    return 0


async def _reset(session: Session) -> int:
    count = await session.workspace.votes.reset()
    await session.terminal.write(f"forgot {count:,} vote{'' if count == 1 else 's'}\n")
    return 0
