"""``stretto templates``: what templates there are; and how one, and files, go with the prompt of ``stretto run``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agents.errors import InputError
from tui.commands import arguments

if TYPE_CHECKING:
    import argparse
    from pathlib import Path

    from agents.settings import Locations, Settings
    from agents.templates import Template
    from tui.terminal import Terminal

DESCRIPTION = """List the prompt templates in the templates folder beside the configuration file, show one, or print where
the folder is. A template is a .toml or .yaml file with a prompt, a system prompt or both; those of the llm tool work as they
are. Use one with: stretto run -t NAME"""

EXAMPLES = """\
  stretto templates list
  stretto templates show summarize
  mkdir -p "$(stretto templates path)" && cp letter.yaml "$(stretto templates path)"
  git diff | stretto run -t review -p tone=kind"""


def configure(parser: arguments.CommandParser) -> None:
    """Describe the arguments."""
    parser.add_argument("action", choices=("list", "show", "path"), nargs="?", default="list", help="default: list")
    parser.add_argument("name", metavar="NAME_OR_FILE", nargs="?", type=arguments.place, help="the template to show")


def execute(args: argparse.Namespace, parser: arguments.CommandParser) -> int:
    """List, show or say where."""
    from agents.locations import find_locations
    from agents.templates import find_template
    from tui.terminal import Terminal

    if (args.name is not None) != (args.action == "show"):
        parser.error("show takes the name of a template, list and path take none")
    folder = find_locations().templates
    terminal = Terminal()
    if args.action == "path":
        terminal.print(str(folder))
        return 0
    if args.action == "show":
        terminal.print(_told(find_template(args.name, folder)))
        return 0
    return _list(folder, terminal)


def _list(folder: Path, terminal: Terminal) -> int:
    from agents.templates import load_templates
    from tui.terminal import table

    templates = load_templates(folder)
    rows = [
        (name, " ".join((each.description or each.prompt or f"system: {each.system}").split())[:100])
        for name, each in templates.loaded.items()
    ]
    if rows:
        terminal.print(table(rows))
    elif not templates.failed:
        terminal.note(f"no template yet: put a .toml or .yaml file with a prompt into {folder}")
    for reason in templates.failed.values():
        terminal.complain(reason)
    return 1 if templates.failed else 0


def _told(template: Template) -> str:
    import msgspec

    lines = [f"name: {template.name}", f"file: {template.path}"]
    lines += [f"{key}: {value}" for key in ("description", "model") if (value := getattr(template, key))]
    lines += [f"{key}: {value}" for key, value in msgspec.to_builtins(template.params).items()]
    for variable in template.variables:
        default = "" if variable.default is None else f" = {variable.default}"
        about = f"  ({variable.description})" if variable.description else ""
        if variable.name != "input":
            lines.append(f"variable: {variable.name}{default}{about}")
    lines += [f"note: {note}" for note in template.notes]
    lines += [f"\n{key}:\n{value}" for key in ("system", "prompt") if (value := getattr(template, key))]
    return "\n".join(lines)


def add_arguments(parser: arguments.CommandParser) -> None:
    """Add what ``stretto run`` takes of templates and files."""
    group = parser.add_argument_group("templates and files")
    group.add_argument(
        "-t", "--template", metavar="NAME_OR_FILE", type=arguments.place, help="fill in a template; the prompt is its input"
    )
    group.add_argument(
        "-p",
        "--param",
        dest="values",
        metavar="KEY=VALUE",
        type=_value,
        action="append",
        default=[],
        help="a value for one of the template's variables; may be given several times",
    )
    group.add_argument(
        "-a",
        "--attach",
        dest="files",
        metavar="FILE",
        type=arguments.place,
        action="append",
        default=[],
        help="a text file or an image that goes with the prompt; may be given several times",
    )


def _value(given: str) -> tuple[str, str]:
    import argparse

    key, equals, value = arguments.text(given).partition("=")
    if not key or not equals:
        raise argparse.ArgumentTypeError(f"{given!r} is not KEY=VALUE")
    return key, value


def fill_in(
    args: argparse.Namespace, settings: Settings, locations: Locations, prompt: str, terminal: Terminal
) -> tuple[Settings, str]:
    """Return settings and prompt with the template that ``args`` name filled in; flags win over what a template says.

    Parameters and the model go into ``args``, where flags would have put them.
    """
    import msgspec

    from agents.templates import INPUT, find_template

    if args.template is None:
        if args.values:
            raise InputError("-p gives a value to a template's variable: name the template with -t")
        return settings, prompt
    template = find_template(args.template, locations.templates)
    values = dict(args.values)
    needed = [each.name for each in template.variables if each.default is None and each.name != INPUT]
    known = {each.name for each in template.variables}
    if values.keys() <= known and (missing := [name for name in needed if name not in values]):
        raise InputError(f"{template.name} needs {', '.join(missing)}: add {' '.join(f'-p {name}=…' for name in missing)}")
    filled = template.fill(values, prompt)
    for note in template.notes:
        terminal.note(f"{template.name}: {note}")
    for name, value in msgspec.to_builtins(filled.params).items():
        if getattr(args, name, None) is None:
            setattr(args, name, value)
    if filled.model and not args.models:
        if _is_here(filled.model, settings):
            args.models = [filled.model]
        else:
            terminal.note(f"{template.name} was made for {filled.model}, which is no model here: name one with -m")
    if filled.system and args.system is None:
        settings = msgspec.structs.replace(settings, defaults=msgspec.structs.replace(settings.defaults, system=filled.system))
    return settings, filled.prompt


def _is_here(model: str, settings: Settings) -> bool:
    """Return whether a template's model is named as models are here; those of the ``llm`` tool have names of its own."""
    from agents.models.names import parse_model

    try:
        return parse_model(model).endpoint in {*settings.endpoints, "embedded", "openai", "ollama"}
    except InputError:
        return False
