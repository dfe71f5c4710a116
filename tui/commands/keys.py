"""``stretto keys``: every binding with its id, its keys and its place, and what is wrong with the keymap."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from tui.commands import arguments
    from tui.keymap import Keymap

DESCRIPTION = """List every key of the dashboard with its id, the key after the leader key and its place, as keymap.toml beside the
configuration has them. With --check only say what is wrong with that file; the exit code is 1 if anything is."""

EXAMPLES = """\
  stretto keys
  stretto keys --check
  stretto keys --json | jq -r 'select(.place == "Compare") | .id'
  stretto keys --markdown > keys.md     the keys as they come, for documents"""

INTRODUCTION = """\
# Keys

Every key of the dashboard. `F1` shows them there, with your own; `stretto keys` prints them. This page is made by
`stretto keys --markdown`.

Put other keys into `keymap.toml` beside the configuration (`stretto paths` says where), by id:

```toml
leader = "ctrl+space"                  # the key before the keys of the second column
"pane.zoom" = "ctrl+w"
"pane.copy" = ["ctrl+y", "alt+c"]
"pane.links" = "none"                  # takes its keys away; the palette still reaches it
"leader.pane.zoom" = "Z"               # the key after the leader key
```

Keys are written like `ctrl+w`, `alt+x`, `shift+f6`, `pageup`, `?` or `G`. The file is checked when the dashboard starts.
An id that is not known, a key that is none, a key that two things would share where only one can have it, and the last way
to quit or to reach the palette taken away are each named in one line and left out; the rest counts. `stretto keys --check`
says the same.
"""


def configure(parser: arguments.CommandParser) -> None:
    """Describe the arguments."""
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--check", action="store_true", help="only say what is wrong with the keymap")
    form.add_argument("--markdown", action="store_true", help="print the registry's own keys as a page")
    form.add_argument("--json", action="store_true", help="print one binding a line as JSON")


def execute(args: argparse.Namespace, parser: arguments.CommandParser) -> int:
    """Print them."""
    import msgspec

    from agents.locations import find_locations
    from tui.keymap import Keymap, load_keymap
    from tui.terminal import Terminal, table

    terminal = Terminal()
    if args.markdown:
        terminal.print(markdown(Keymap()).rstrip("\n"))
        return 0
    path = find_locations().keymap
    keymap = load_keymap(path)
    if args.json:
        for row in keymap.rows:
            leader = keymap.after_leader(row)
            found = {"id": row.id, "keys": row.shown_keys, "leader": leader, "place": row.where, "does": row.tooltip}
            terminal.print(msgspec.json.encode(found).decode())
    elif not args.check:
        head = ("id", "keys", "after the leader key", "place", "does")
        ways = [(row, ", ".join(row.shown_keys) or "-", keymap.after_leader(row) or "-") for row in keymap.rows]
        terminal.print(table([head, *((row.id, keys, leader, row.where, row.tooltip) for row, keys, leader in ways)]))
    for problem in keymap.problems:
        terminal.complain(problem)
    if args.check and not keymap.problems:
        terminal.print(f"{path}: in order" if path.exists() else f"{path}: not there; the keys are the usual ones")
    return int(bool(keymap.problems))


def markdown(keymap: Keymap) -> str:
    """Return all keys as a page."""
    return "\n".join([INTRODUCTION, *_tables(keymap)])


def _tables(keymap: Keymap) -> Iterator[str]:
    places = [row.where for row in keymap.rows]
    for where, rows in groupby(sorted(keymap.rows, key=lambda row: places.index(row.where)), key=lambda row: row.where):
        yield f"## {where}\n"
        yield "| keys | after the leader key | does | id |"
        yield "|---|---|---|---|"
        for row in rows:
            keys = ", ".join(f"`{name}`" for name in row.shown_keys).replace("|", "\\|")
            leader = f"`{keymap.after_leader(row)}`".replace("|", "\\|") if row.leader else ""
            yield f"| {keys} | {leader} | {row.tooltip} | `{row.id}` |"
        yield ""
