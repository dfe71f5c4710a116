"""``stretto run --judge`` and ``--merge``: several answers first, then a model's scores of them, or the one it makes of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agents.errors import InputError
from agents.events import Judged, Log
from tui.commands.answers import Answers
from tui.commands.collected import Collected
from tui.commands.contests import helper, lanes

if TYPE_CHECKING:
    import argparse

    from agents.events import AnyEvent
    from agents.requests import Candidate, Chat
    from tui.commands.session import Session


async def judge(session: Session, prompt: str, args: argparse.Namespace) -> int:
    """Print the answers and their scores, and return the exit code."""
    from agents.requests import Judge
    from tui.terminal import table

    model = helper(args.judge, session.settings)
    chat, names = await _chat(session, prompt, args)
    printed = Answers(session.terminal, names, printing=not args.json)
    collected = Collected(session.terminal, names, "answering")

    async def show(event: AnyEvent) -> None:
        await collected.show(event)
        await printed.show(event)

    end = await session.follow(chat, show, json=args.json)
    code = session.conclude(end, told=printed.failed) or int(printed.failed)
    candidates = _candidates(collected, prompt)
    if session.stop.signal is not None or not candidates:
        return code
    scores: list[tuple[str, ...]] = []

    async def take(event: AnyEvent) -> None:
        session.terminal.status(f"{model.name} is judging…")
        if isinstance(event, Judged):
            scores.extend((f"{score.score:g}", score.label, score.reason) for score in event.scores)
        elif isinstance(event, Log) and event.level == "warning":
            session.terminal.complain(f"{model.name}: {event.message}")

    request = Judge(candidates=candidates, model=model, criteria=args.criteria or "", use_cache=session.settings.defaults.cache)
    end = await session.follow(request, take, json=args.json)
    if scores and not args.json:
        heading = f"\n# Scores by {model.name}\n\n"
        await session.terminal.write(f"{heading}{table(scores)}\n")
    return session.conclude(end) or code


async def merge(session: Session, prompt: str, args: argparse.Namespace) -> int:
    """Print the one answer that is made of all, and return the exit code: 1 also when some of them did not come."""
    from agents.requests import Merge

    model = helper(args.merge, session.settings)
    chat, names = await _chat(session, prompt, args)
    if len(names) < 2:
        raise InputError("there is only one model to merge answers of: give -m more than once")
    collected = Collected(session.terminal, names, "answering")
    end = await session.follow(chat, collected.show, json=args.json)
    collected.complain()
    code = session.conclude(end, told=collected.failed) or int(collected.failed)
    candidates = _candidates(collected, prompt)
    if session.stop.signal is not None or not candidates:
        return code
    printed = Answers(session.terminal, [model.name], printing=not args.json)

    async def show(event: AnyEvent) -> None:
        await printed.show(event)
        if isinstance(event, Log) and event.level == "warning":
            session.terminal.complain(event.message)

    request = Merge(candidates=candidates, model=model, use_cache=session.settings.defaults.cache)
    end = await session.follow(request, show, json=args.json)
    return session.conclude(end, told=printed.failed) or code


async def _chat(session: Session, prompt: str, args: argparse.Namespace) -> tuple[Chat, list[str]]:
    """Return the turn that asks every model, and the models' names."""
    from agents.requests import Chat

    asked = await lanes(session, prompt, args)
    return Chat(lanes=asked, use_cache=session.settings.defaults.cache, refresh=args.refresh), [lane.label for lane in asked]


def _candidates(collected: Collected, prompt: str) -> tuple[Candidate, ...]:
    from agents.requests import Candidate

    return tuple(
        Candidate(label=answer.name, prompt=prompt, text=answer.text) for answer in collected.answers if answer.text.strip()
    )
