"""``stretto themes``: which themes there are, what one holds, and whether a file can be one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tui.commands import arguments

if TYPE_CHECKING:
    import argparse

    from textual.theme import Theme

DESCRIPTION = """List the dashboard's themes, show the colours of one, or check a file that is to become one. Your own are TOML
files in the themes folder (see: stretto paths); they are taken while the dashboard runs, whenever they change.

  list         the themes, where each comes from, and files that cannot be used
  show NAME    its colours, as a file to begin your own with
  check FILE   say what is wrong with a file; pairs of colours that are hard to read are named"""

EXAMPLES = """\
  stretto themes list
  mkdir -p ~/.config/stretto/themes
  stretto themes show stretto-dark > ~/.config/stretto/themes/mine.toml
  stretto themes check ~/.config/stretto/themes/mine.toml"""


def configure(parser: arguments.CommandParser) -> None:
    """Describe the arguments."""
    parser.add_argument("what", choices=("list", "show", "check"), nargs="?", default="list")
    parser.add_argument("name", metavar="NAME|FILE", nargs="?", type=arguments.text)


def execute(args: argparse.Namespace, parser: arguments.CommandParser) -> int:
    """Do it."""
    from agents.errors import ConfigError
    from tui.themes import load_theme, poor_pairs

    if args.what == "list":
        return _list()
    if not args.name:
        parser.error(f"themes {args.what} needs a {'name' if args.what == 'show' else 'file'}")
    if args.what == "show":
        return _show(args.name)
    from tui.terminal import Terminal

    terminal = Terminal()
    try:
        theme = load_theme(Path(args.name).expanduser())
    except ConfigError as error:
        raise ConfigError(f"{args.name}: {error}") from error
    poor = poor_pairs(theme)
    for (ink, ground), ratio in sorted(poor.items(), key=lambda pair: pair[1]):
        terminal.complain(f"{ink} on {ground} has a contrast of {ratio:.1f}; 4.5 is needed to read it well")
    if not poor:
        terminal.print(f"{args.name}: in order")
    return int(bool(poor))


def _list() -> int:
    from agents.locations import find_locations
    from tui.terminal import Terminal, table
    from tui.themes import load_themes

    terminal, own = Terminal(), find_locations().themes
    themes, built_in = load_themes(own), load_themes()
    rows = [("theme", "ground", "from")]
    for name, theme in sorted(themes.loaded.items()):
        ground = f"{'dark' if theme.dark else 'light'}{', transparent' if theme.ansi else ''}"
        is_own = (own / f"{name}.toml").exists() and f"{name}.toml" not in themes.failed
        rows.append((name, ground, str(own) if is_own else "built in"))
    terminal.print(table(rows))
    for name, reason in themes.failed.items():
        terminal.complain(f"{name}: {reason}")
    return int(bool(themes.failed.keys() - built_in.failed.keys()))


def _show(name: str) -> int:
    from agents.errors import InputError
    from agents.locations import find_locations
    from tui.terminal import Terminal
    from tui.themes import load_themes

    themes = load_themes(find_locations().themes)
    if name in themes.failed:
        raise InputError(f"{name}: {themes.failed[name]}")
    if name not in themes.loaded:
        raise InputError(f"no theme named {name!r}{arguments.nearest(name, list(themes.loaded))}; stretto themes lists them")
    Terminal().print(_as_toml(themes.loaded[name]))
    return 0


def _as_toml(theme: Theme) -> str:
    from tui.themes import COLORS, GROUNDS

    lines = [f"dark = {str(theme.dark).lower()}"]
    if theme.ansi:
        lines.append("transparent = true")
    names = [name for name in COLORS if getattr(theme, name) and not (theme.ansi and name in GROUNDS)]
    lines += ["", "[colors]", *(f'{name} = "{getattr(theme, name)}"' for name in names)]
    values = {name: value for name, value in theme.variables.items() if value.startswith("#") and not name.startswith("ansi-")}
    known = theme.to_color_system()
    known.variables = {}
    usual = known.generate()
    lines += [
        "",
        "[variables]",
        *(f'{name} = "{value}"' for name, value in values.items() if name in usual and usual[name] != value),
    ]
    return "\n".join(lines)
