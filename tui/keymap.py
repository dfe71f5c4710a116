"""The person's own keys: ``keymap.toml`` beside the configuration, laid over the registry and checked before any binding is made.

Textual takes any key string and drops what clashes without a word. Here every entry that cannot be is named in one line and left
out; the others count.
"""

from __future__ import annotations

import difflib
import tomllib
from dataclasses import dataclass, replace
from itertools import combinations
from stat import S_ISREG
from typing import TYPE_CHECKING, Final, Literal

from tui.key_table import KEYS
from tui.keys import OF_DASHBOARD, Key, character_of, read_key, shown_key
from tui.safe import safe_line

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from tui.keys import Scope

VIEWS: Final = frozenset({"Compare", "Ask", "Agents", "Waterfall", "Queue"})
"""Headings whose keys belong to one view: two views may use one key for two things."""
_ESSENTIAL: Final = ("app.quit", "app.palette")
"""What must stay within reach: all else is in the palette."""
_LARGEST: Final = 65_536
_DEEPEST: Final = 4
"""Tables within tables that are looked into; ids have fewer parts."""
_LEADER: Final = "leader."
_QUITTING: Final = frozenset({"app.quit", "app.leave"})
_LEAVING: Final = frozenset({"leave", "dismiss", "close"})
_LINES: Final[frozenset[Scope]] = frozenset({"sheet.sweep", "sheet.templates", "sheet.template", "sheet.setup", "help"})
"""Screens with lines to type in, whose own keys come before them."""
_NOT_ALONE: Final = frozenset({"enter", "backspace"})
"""Keys the prompt cannot do without."""

_Part = Literal["keys", "leader"]
_Wanted = dict[tuple[str, _Part], tuple[str, ...]]
"""What the file asks for, in its order: a row's id and which of its keys, and their names."""


@dataclass(frozen=True, slots=True)
class Keymap:
    """The rows of the registry with the person's keys."""

    rows: tuple[Key, ...] = KEYS
    problems: tuple[str, ...] = ()
    """A safe line for each entry that was left out."""

    def __getitem__(self, name: str) -> Key:
        """Return the row with that id."""
        return next(row for row in self.rows if row.id == name)

    @property
    def leader(self) -> str:
        """The leader key as people write it; empty without one."""
        return next(iter(self["app.leader"].shown_keys), "")

    def after_leader(self, row: Key) -> str:
        """Return how a row is reached by the leader key, as people write it; empty when it is not."""
        return f"{self.leader} {shown_key(row.leader)}" if row.leader and self.leader else ""


def load_keymap(path: Path) -> Keymap:
    """Read the keymap at ``path``; without one, the registry as it is. Never raises: problems are in the result."""
    name = safe_line(path.name, 60)
    try:
        # Looked at before it is opened: opening a pipe would wait for its writer.
        if not S_ISREG(path.stat().st_mode):
            return Keymap(problems=(f"{name}: cannot be read (it is not a file); the keys stay as they are",))
        with path.open("rb") as stream:
            raw = stream.read(_LARGEST + 1)
        if len(raw) > _LARGEST:
            return Keymap(problems=(f"{name}: larger than 64 KiB, so it is no keymap; the keys stay as they are",))
        table = tomllib.loads(raw.decode("utf-8-sig"))
    except (FileNotFoundError, NotADirectoryError):
        return Keymap()
    except OSError as error:
        return Keymap(problems=(safe_line(f"{name}: cannot be read ({error.strerror}); the keys stay as they are", 300),))
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        reason = "nested too deep" if isinstance(error, RecursionError) else str(error)
        return Keymap(problems=(safe_line(f"{name}: not TOML: {reason}; the keys stay as they are", 300),))
    return resolve(table, name)


def resolve(table: Mapping[str, object], name: str = "keymap.toml") -> Keymap:
    """Lay the entries of a keymap over the registry; ``name`` is what problems call the file."""
    problems: list[str] = []
    wanted: _Wanted = {}
    for written, value in _flat(table):
        try:
            place = _place(written)
            wanted[place] = _names(*place, value)
        except ValueError as error:
            problems.append(safe_line(f'{name}: "{written}": {error}', 300))
    rows = _laid(wanted)
    while (fault := _fault(rows, wanted)) is not None:
        loser, reason = fault
        row, part = loser
        problems.append(safe_line(f'{name}: "{_LEADER if part == "leader" else ""}{row}": {reason}', 300))
        del wanted[loser]
        rows = _laid(wanted)
    return Keymap(rows, tuple(problems))


def _flat(table: Mapping[str, object], above: str = "") -> Iterator[tuple[str, object]]:
    for key, value in table.items():
        if isinstance(value, dict) and above.count(".") < _DEEPEST:
            yield from _flat(value, f"{above}{key}.")
        else:
            yield f"{above}{key}", value


def _place(written: str) -> tuple[str, _Part]:
    """Return the row an entry means, and whether it means the key after the leader key."""
    part: _Part = "keys"
    name = written
    if written == "leader":
        name = "app.leader"
    elif written.startswith(_LEADER):
        name, part = written.removeprefix(_LEADER), "leader"
    known = {row.id: row for row in KEYS}
    if name not in known:
        near = difflib.get_close_matches(name, known, 1, 0.5) or [row.id for row in KEYS if row.id.endswith(f".{name}")]
        raise ValueError("is not known" + (f'; did you mean "{near[0]}"?' if near else "; `stretto keys` lists all"))
    if part == "leader" and known[name].scope != "app":
        raise ValueError("works only where the focus is, so it has no leader key")
    if part == "leader" and name == "app.leader":
        raise ValueError('is the leader key itself; set it with leader = "…"')
    return name, part


def _names(row_id: str, part: _Part, value: object) -> tuple[str, ...]:
    given = value if isinstance(value, list) else [value]
    texts = [text for text in given if isinstance(text, str)]
    if len(texts) != len(given) or not all(text.strip() for text in texts):
        raise ValueError('must be a key in quotes, a list of them, or "none"')
    row = next(row for row in KEYS if row.id == row_id)
    if [text.lower() for text in texts] == ["none"]:
        if row.scope not in {"app", *OF_DASHBOARD} and row.action in _LEAVING:
            raise ValueError("would leave no key that closes this; give it another one")
        return ()
    names: list[str] = []
    for text in texts:
        try:
            found = read_key(text)
        except ValueError as error:
            raise ValueError(f"{text!r} {error}" if str(error)[0] == "i" else str(error)) from None
        if part == "leader" and "escape" in found:
            raise ValueError("Esc leaves the leader's menu; take another key")
        types = character_of(found[0]) is not None
        if part == "keys" and (
            (row.scope in {"app", "prompt"} and (types or found[0] in _NOT_ALONE)) or (row.scope in _LINES and row.first and types)
        ):
            raise ValueError(f"{text!r} is needed for typing here; take one with ctrl or alt, or a function key")
        names += found
    if part == "leader" and len(texts) != 1:
        raise ValueError("has one key after the leader key")
    return tuple(dict.fromkeys(names))


def _laid(wanted: _Wanted) -> tuple[Key, ...]:
    rows = []
    for row in KEYS:
        new = row
        if (names := wanted.get((row.id, "keys"))) is not None:
            new = replace(new, keys=",".join(names))
        if (names := wanted.get((row.id, "leader"))) is not None:
            new = replace(new, leader=names[0] if names else "")
        rows.append(new)
    return tuple(rows)


def _fault(rows: tuple[Key, ...], wanted: _Wanted) -> tuple[tuple[str, _Part], str] | None:
    """Return an entry that cannot be, and why; None when all can."""
    by_id = {row.id: row for row in rows}
    for essential in _ESSENTIAL:
        row = by_id[essential]
        if row.keys or (row.leader and by_id["app.leader"].keys):
            continue
        ways: tuple[tuple[str, _Part], ...] = ((essential, "keys"), (essential, "leader"), ("app.leader", "keys"))
        loser = next(way for way in reversed(list(wanted)) if way in ways)
        return loser, f'would leave no way to "{essential}" ({row.label}); one must stay'
    usual = set(clashes(KEYS))
    order = list(wanted)
    for part, one, other, name in clashes(rows):
        if (part, one, other, name) in usual:
            continue
        # Of two that were asked for, the one written first counts.
        loser, winner = max(
            (((one, part), other), ((other, part), one)),
            key=lambda pair: order.index(pair[0]) if pair[0] in wanted else -1,
        )
        return (
            loser,
            f'{shown_key(name)} is the key of "{winner}" ({by_id[winner].label}) already; change that, too, or take another',
        )
    return None


def clashes(rows: tuple[Key, ...]) -> Iterator[tuple[_Part, str, str, str]]:
    """Yield which keys, the two rows and the key, for each key that two rows have where only one can get it."""
    sharing: dict[tuple[_Part, str], list[Key]] = {}
    for row in rows:
        for name in row.names:
            sharing.setdefault(("keys", name), []).append(row)
        if row.leader:
            sharing.setdefault(("leader", row.leader), []).append(row)
    for (part, name), found in sharing.items():
        for one, other in combinations(found, 2):
            if _together(one, other):
                yield part, one.id, other.id, name


def _together(one: Key, other: Key) -> bool:
    """Return whether two rows can be in force at once."""
    if one.scope != other.scope:
        if "app" not in {one.scope, other.scope}:
            return False
        # A screen over the dashboard is left its own keys, all but quitting.
        if {one.scope, other.scope} - {"app", *OF_DASHBOARD} and not {one.id, other.id} & _QUITTING:
            return False
    places = {
        row.where if row.scope == "app" else {"ask": "Ask", "log": "Agents", "waterfall": "Waterfall"}.get(row.scope, "")
        for row in (one, other)
    }
    return len(places & VIEWS) < 2
