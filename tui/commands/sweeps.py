"""``stretto run --sweep``: every combination of parameters and system prompts, repeated, as a table of figures with intervals."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agents.errors import InputError
from tui.commands.collected import Collected
from tui.figures import NONE, accepted, mean, mean_seconds

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from agents.compare.accept import Acceptance
    from agents.compare.stats import Figures
    from agents.requests import Lane, Message, ModelRef
    from tui.commands.session import Session


async def sweep(session: Session, prompt: str, args: argparse.Namespace) -> int:
    """Ask every combination, print the table, and return the exit code."""
    from agents.compare.accept import Acceptance
    from agents.requests import Accept, Chat
    from tui.commands.contests import accept

    tests = accept(args)
    lanes = _lanes(session, await session.models(args), await session.message(prompt, args), args)
    async with Acceptance(tests or Accept()) as acceptance:
        # Before anything is asked: a rule that cannot be used must cost nothing.
        await acceptance.prepare()
        collected = Collected(session.terminal, [lane.model.name for lane in lanes], "sweeping")
        request = Chat(lanes=lanes, use_cache=False)
        end = await session.follow(request, collected.show, json=args.json)
        collected.complain()
        if not args.json:
            await _print(session, lanes, collected, None if tests is None else acceptance)
    return session.conclude(end, told=collected.failed) or int(collected.failed)


def _lanes(session: Session, models: Sequence[ModelRef], message: Message, args: argparse.Namespace) -> tuple[Lane, ...]:
    from agents.compare.sweep import MOST, expand
    from tui.commands.contests import grid

    axes = grid(args)
    for ref in models if args.models else ():
        for axis in axes:
            if getattr(ref.params, axis, None) is not None:
                raise InputError(f"{ref} sets {axis}, which the sweep varies: leave it out of one of them")
    messages, system = (message,), session.settings.defaults.system
    lanes = tuple(lane for ref in models for lane in expand(ref, messages, axes, args.repeat or 1, system=system))
    if len(lanes) > MOST:
        raise InputError(f"a sweep may have from 1 to {MOST:,} answers, not {len(lanes):,}")
    return lanes


async def _print(session: Session, lanes: Sequence[Lane], collected: Collected, acceptance: Acceptance | None) -> None:
    from agents.compare.stats import Trial, figures
    from agents.compare.sweep import group_of
    from agents.models.cache import Answer
    from tui.terminal import table

    several = len({lane.model.name for lane in lanes}) > 1
    trials = []
    for lane, answer in zip(lanes, collected.answers, strict=True):
        if answer.end is None:
            continue
        group = group_of(lane.label) or (NONE if several else lane.model.name)
        good = answer.end.outcome == "done"
        if good and acceptance is not None:
            good = await acceptance.fault(Answer(text=answer.text, finish=answer.end.finish)) is None
        trials.append(Trial(group=f"{lane.model.name}  {group}" if several else group, end=answer.end, accepted=good))
    rows: list[tuple[str, ...]] = [
        ("", "answers", "whole" if acceptance is None else "accepted", "TTFT", "tok/s", "tokens", "wall")
    ]
    rows += [_row(each) for each in figures(trials)]
    await session.terminal.write(f"{table(rows)}\n")


def _row(each: Figures) -> tuple[str, ...]:
    return (
        each.group,
        str(each.accepted.count),
        accepted(each.accepted),
        mean_seconds(each.ttft),
        mean(each.rate),
        mean(each.tokens),
        mean_seconds(each.wall),
    )
