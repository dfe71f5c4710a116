"""``stretto run --race``: the first acceptable answer on standard output, who won and what that saved on standard error."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agents.events import Won
from tui.commands.answers import stopped
from tui.commands.collected import Collected, with_line_end

if TYPE_CHECKING:
    import argparse

    from agents.events import AnyEvent
    from tui.commands.session import Session


async def race(session: Session, prompt: str, args: argparse.Namespace) -> int:
    """Let the models race and return the exit code: 1 when no answer was acceptable."""
    from agents.errors import InputError
    from agents.models.discovery import check_embedded
    from agents.requests import Accept, Race
    from tui.commands.contests import accept, lanes

    tests = accept(args) or Accept()
    if tests.judge is not None:
        check_embedded(tests.judge, session.settings)
    racing = await lanes(session, prompt, args)
    if len(racing) < 2:
        raise InputError("a race needs several models, and only one is configured: give -m more than once")
    collected = Collected(session.terminal, [lane.label for lane in racing], "racing")
    won: Won | None = None

    async def show(event: AnyEvent) -> None:
        nonlocal won
        await collected.show(event)
        if isinstance(event, Won):
            won = event
            if not args.json:
                await session.terminal.write(with_line_end(collected.of(event.step).text))

    end = await session.follow(Race(lanes=racing, accept=tests), show, json=args.json)
    if won is not None:
        _tell(session, collected, won)
    return session.conclude(end)


def _tell(session: Session, collected: Collected, won: Won) -> None:
    winner = collected.of(won.step)
    ends = [answer.end for answer in collected.answers if answer is not winner and answer.end is not None]
    count = sum(end.outcome == "cancelled" for end in ends)
    saved = f"about {won.saved:,} output tokens saved at most" if won.saved else "nothing was left to save"
    others = f"; {count} stopped, {saved}" if count else ""
    session.terminal.note(f"{winner.name} won: {won.reason}{others}")
    if winner.end is not None and (reason := stopped(winner.end)):
        session.terminal.complain(f"{winner.name}: {reason}")
    for answer in collected.answers:
        if answer.failure:
            session.terminal.complain(f"{answer.name}: {answer.failure}")
