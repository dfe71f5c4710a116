"""The arguments of ``stretto run`` that set answers against each other: race, judge, merge and sweep, and what goes with what."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from agents.errors import InputError
from tui.commands import arguments

if TYPE_CHECKING:
    import argparse

    from agents.requests import Accept, Lane, ModelRef
    from agents.settings import Settings
    from tui.commands.session import Session

_TESTS = ("accept_min", "accept_max", "accept_pattern", "accept_schema", "accept_judge")


def configure(parser: arguments.CommandParser) -> None:
    """Describe the arguments."""
    race = parser.add_argument_group("race", "the first acceptable answer wins, the others are stopped")
    race.add_argument("--race", action="store_true", help="let the models race and print the winner's answer alone")
    race.add_argument("--accept-min", metavar="N", type=arguments.positive, help="fewest characters of an acceptable answer")
    race.add_argument("--accept-max", metavar="N", type=arguments.positive, help="most characters of an acceptable answer")
    race.add_argument("--accept-pattern", metavar="R", type=_pattern, help="a regular expression that must be found in it")
    race.add_argument("--accept-schema", metavar="FILE", type=arguments.place, help="a JSON schema that it must follow, bare")
    race.add_argument("--accept-judge", metavar="MODEL", type=arguments.model, help="a model that must accept it")
    race.add_argument("--criterion", metavar="TEXT", type=arguments.text, help="what that model is asked about")
    judge = parser.add_argument_group("judge, merge")
    judge.add_argument("--judge", metavar="MODEL", type=arguments.model, help="print the answers and this model's scores of them")
    judge.add_argument("--criteria", metavar="TEXT", type=arguments.text, help="what the scores are given for")
    judge.add_argument(
        "--merge", metavar="MODEL", type=arguments.model, help="let this model make one answer of all, print it alone"
    )
    sweep = parser.add_argument_group("sweep", "every combination, as a table of figures with 95 % confidence intervals")
    sweep.add_argument(
        "--sweep",
        metavar="NAME=V,V…",
        type=_axis,
        action="append",
        default=[],
        help="vary temperature, top_p, max_tokens or seed; or the system prompt: system=@FILE,@FILE, or system=TEXT several times",
    )
    sweep.add_argument("--repeat", metavar="N", type=arguments.positive, help="ask each combination N times")


def check(args: argparse.Namespace, parser: arguments.CommandParser) -> str:
    """Return what is asked for: ``race``, ``judge``, ``merge``, ``sweep`` or ``chat``; arguments that clash are a usage error."""
    wanted = [name for name in ("race", "judge", "merge", "sweep") if getattr(args, name)]
    if args.repeat and "sweep" not in wanted:
        wanted.append("repeat")
    if len(wanted) > 1:
        parser.error(f"--{wanted[0]} and --{wanted[1]} do not go together")
    kind = "sweep" if wanted == ["repeat"] else wanted[0] if wanted else "chat"
    tests = [name for name in _TESTS if getattr(args, name) is not None]
    if tests and kind not in {"race", "sweep"}:
        parser.error(f"{_flag(tests[0])} tests answers of --race or --sweep; give one of them")
    if args.accept_judge and kind != "race":
        parser.error("--accept-judge goes with --race alone")
    if args.criterion is not None and not args.accept_judge:
        parser.error("--criterion is what --accept-judge is asked about; name that model too")
    if args.criteria is not None and not args.judge:
        parser.error("--criteria goes with --judge MODEL")
    if args.accept_min and args.accept_max and args.accept_min > args.accept_max:
        parser.error("--accept-min is more than --accept-max: no answer could be accepted")
    if kind in {"race", "merge"} and len(args.models) == 1:
        parser.error(f"--{kind} needs several models; give -m more than once")
    for axis in grid(args):
        if getattr(args, axis, None) is not None:
            parser.error(f"{_flag(axis)} and --sweep {axis} do not go together")
    return kind


def grid(args: argparse.Namespace) -> dict[str, tuple[Any, ...]]:
    """Return what a sweep varies; an axis given several times has all of its values."""
    found: dict[str, tuple[Any, ...]] = {}
    for axis, values in args.sweep:
        found[axis] = found.get(axis, ()) + values
    return found


def accept(args: argparse.Namespace) -> Accept | None:
    """Return the tests the arguments name, or ``None`` for none. Raises :class:`InputError` for a schema that cannot be read."""
    from agents.compare.conditions import schema_in
    from agents.models.names import parse_model
    from agents.requests import Accept

    schema = None if args.accept_schema is None else schema_in(args.accept_schema)
    if all(getattr(args, name) is None for name in _TESTS):
        return None
    return Accept(
        min_chars=args.accept_min,
        max_chars=args.accept_max,
        pattern=args.accept_pattern,
        schema=schema,
        judge=None if args.accept_judge is None else parse_model(args.accept_judge),
        criterion=args.criterion or "",
    )


def helper(name: str, settings: Settings) -> ModelRef:
    """Return the model that judges or merges. Raises :class:`InputError` when there is no such embedded one."""
    from agents.models.discovery import check_embedded
    from agents.models.names import parse_model

    ref = parse_model(name)
    check_embedded(ref, settings)
    return ref


async def lanes(session: Session, prompt: str, args: argparse.Namespace) -> tuple[Lane, ...]:
    """Return a lane for each model, labelled with its name, and a number where the same one is asked more than once."""
    from agents.requests import Lane

    models = await session.models(args, several=True)
    messages, system = (await session.message(prompt, args),), session.settings.defaults.system
    found = []
    for index, ref in enumerate(models):
        count = models[:index].count(ref)
        found.append(Lane(model=ref, messages=messages, system=system, label=f"{ref} ({count + 1})" if count else str(ref)))
    return tuple(found)


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _pattern(value: str) -> str:
    import argparse

    from agents.compare.conditions import pattern_of

    pattern = arguments.text(value)
    try:
        pattern_of(pattern)
    except InputError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return pattern


def _axis(value: str) -> tuple[str, tuple[Any, ...]]:
    """Return the axis and the values of one ``--sweep``."""
    import argparse

    from agents.models.names import parse_params

    axis, equals, said = (part.strip() for part in arguments.text(value).partition("="))
    if not equals or not axis:
        raise argparse.ArgumentTypeError(f"{value!r} is not NAME=VALUE,VALUE…, as in temperature=0,0.5,1")
    if axis == "system":
        return axis, _systems(said)
    try:
        values = tuple(getattr(parse_params(f"{axis}={part}", {axis: part}), axis) for part in map(str.strip, said.split(",")))
    except InputError as error:
        raise argparse.ArgumentTypeError(f"{error}; or vary system=@FILE" if "no parameter" in str(error) else str(error)) from None
    return axis, values


def _systems(said: str) -> tuple[str | None, ...]:
    if not said:
        return (None,)
    if not said.startswith("@"):
        return (said,)
    import argparse

    from agents.compare.conditions import text_in

    try:
        return tuple(text_in(name.strip().removeprefix("@")).strip() or None for name in said.split(","))
    except InputError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
