"""``stretto run``: a prompt to one model or several at once, the answers on standard output."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from agents.errors import InputError
from tui.commands import arguments, contests, templates

if TYPE_CHECKING:
    import argparse
    from collections.abc import Awaitable, Callable

    from tui.commands.session import Session
    from tui.terminal import Terminal

_STDIN_LIMIT = 16 << 20

DESCRIPTION = """Send a prompt and print the answer as it comes. The prompt is the argument, or standard input, or both:
the argument first, then standard input as its material. Only the answer goes to standard output. Several models answer at once;
they can also race, be judged, be merged into one answer, or have their parameters swept."""

EXAMPLES = """\
  stretto run "Why is the sky blue? One sentence."
  git diff | stretto run "Write a commit message for this change."
  stretto run "Name three prime numbers." -m local/qwen3 -m local/llama3.2
  stretto run "Tell a story." -m "embedded/smollm2-135m,temperature=0.9" --max-tokens 80
  stretto run "List ten rivers as JSON." -m a/x -m b/y --race --accept-pattern '^\\['
  stretto run "Explain tides." -m a/x -m b/y --judge b/z --criteria "clear to a child"
  stretto run "Explain tides." -m a/x -m b/y --merge b/z
  stretto run "Write a limerick." --sweep temperature=0,0.5,1 --repeat 5
  git diff | stretto run -t review -p tone=kind
  stretto run "What is in this picture?" -a photo.png -m openai/gpt-4.1-mini
  stretto run "Hello" --json | jq -r 'select(.event == "text").text'"""


def configure(parser: arguments.CommandParser) -> None:
    """Describe the arguments."""
    parser.add_argument(
        "prompt", metavar="PROMPT", nargs="?", type=arguments.text, help="what to ask; - or nothing: standard input"
    )
    arguments.add_model(parser, several=True)
    parser.add_argument("--system", metavar="S", type=arguments.text, help="the system message")
    arguments.add_sampling(parser)
    arguments.add_budget(parser)
    arguments.add_compress(parser)
    arguments.add_json(parser)
    contests.configure(parser)
    templates.add_arguments(parser)


def execute(args: argparse.Namespace, parser: arguments.CommandParser) -> int:
    """Ask and print."""
    from agents.config import load
    from tui.commands.session import perform
    from tui.terminal import Terminal

    kind = contests.check(args, parser)
    settings, locations = load(arguments.flags(args))
    terminal = Terminal()
    arguments.check_compress(settings)
    prompt, material = read_prompt(args.prompt, terminal)
    # Material that may be shortened goes beside the person's own words, which never are; a template is filled with both.
    apart = bool(prompt and material) and settings.defaults.compress != "off" and args.template is None
    args.material = material if apart else ""
    prompt = prompt if apart else "\n\n".join(part for part in (prompt, material) if part)
    settings, prompt = templates.fill_in(args, settings, locations, prompt, terminal)
    if not prompt:
        parser.error("there is no prompt; give one as an argument or on standard input")
    work = _work(kind)
    return perform(lambda session: work(session, prompt, args), settings, locations, terminal)


def _work(kind: str) -> Callable[[Session, str, argparse.Namespace], Awaitable[int]]:
    match kind:
        case "race":
            from tui.commands.run_race import race

            return race
        case "judge" | "merge":
            from tui.commands import run_verdict

            return run_verdict.judge if kind == "judge" else run_verdict.merge
        case "sweep":
            from tui.commands.sweeps import sweep

            return sweep
        case _:
            return _run


async def _run(session: Session, prompt: str, args: argparse.Namespace) -> int:
    from agents.requests import Chat, Lane
    from tui.commands.answers import Answers

    models = await session.models(args)
    messages, defaults = (await session.message(prompt, args),), session.settings.defaults
    lanes = tuple(Lane(model=ref, messages=messages, system=defaults.system) for ref in models)
    request = Chat(lanes=lanes, use_cache=defaults.cache, refresh=args.refresh, budget=args.budget)
    answers = Answers(session.terminal, [str(ref) if len(models) > 1 else ref.name for ref in models], printing=not args.json)
    end = await session.follow(request, answers.show, json=args.json)
    return session.conclude(end, told=answers.failed) or int(answers.failed)


def read_prompt(argument: str | None, terminal: Terminal) -> tuple[str, str]:
    """Return what the argument and what standard input says, when it is no terminal."""
    given = "" if argument in {None, "-"} else str(argument).strip()
    if sys.stdin is None or sys.stdin.closed or sys.stdin.isatty():
        return given, ""
    terminal.status("reading standard input…")
    raw = sys.stdin.buffer.read(_STDIN_LIMIT + 1)
    terminal.clear()
    if len(raw) > _STDIN_LIMIT:
        raise InputError("standard input is larger than 16 MiB; put long material in a library and use: stretto ask")
    try:
        material = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError("standard input is not UTF-8 text; convert it first, for example with iconv") from error
    return given, material.strip()
