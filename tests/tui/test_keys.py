from __future__ import annotations

import re
from itertools import chain
from pathlib import Path

import pytest
from textual._xterm_parser import XTermParser
from textual.actions import parse
from textual.events import Key as Pressed
from textual.screen import Screen

from tests.servers.paced import PacedServer
from tests.tui.stage import stage
from tui.app import StrettoApp
from tui.key_table import KEYS, Key, shown_key
from tui.screens.help import HelpScreen
from tui.screens.passage import PassageScreen
from tui.widgets.prompt_area import PromptArea
from tui.widgets.stream_pane import StreamPane

ROOT = Path(__file__).parents[2]
PAPERS = sorted([ROOT / "README.md", *(ROOT / "docs").glob("*.md")])
NAMED = re.compile(r"\b(?:(?:Ctrl|Shift|Alt)\+)+(?:F\d{1,2}|[A-Z][A-Za-z]*)|\bF\d{1,2}\b|\b(?:Esc|PageUp|PageDown|Home|End|Tab)\b")
WRITTEN = {"esc": "escape"}


SENT = {
    **{f"f{number}": f"\x1bO{letter}" for number, letter in enumerate("PQRS", 1)},
    **{f"f{number}": f"\x1b[{code}~" for number, code in ((6, 17), (7, 18), (8, 19), (9, 20), (10, 21))},
    **{f"ctrl+{arrow}": f"\x1b[1;5{letter}" for arrow, letter in (("up", "A"), ("down", "B"), ("right", "C"), ("left", "D"))},
    **{f"ctrl+{letter}": chr(ord(letter) & 31) for letter in "cnpqy"},
    "shift+f6": "\x1b[17;2~",
    "pageup": "\x1b[5~",
    "pagedown": "\x1b[6~",
    "escape": "\x1b",
}
"""What terminals send for the registry's keys."""


def names(key: Key) -> list[str]:
    return key.keys.split(",")


def known() -> set[str]:
    """Return every key that anything of the dashboard binds."""
    widgets = (PromptArea, StreamPane, HelpScreen, PassageScreen, Screen)
    found = {name for key in KEYS for name in names(key)}
    for binding in chain.from_iterable(widget._merged_bindings.key_to_bindings for widget in widgets if widget._merged_bindings):
        found.add(binding)
    return found


def unknown_in(text: str) -> list[str]:
    """Return the keys ``text`` names that nothing binds."""
    found = (name.lower() for name in NAMED.findall(text))
    return [name for name in found if WRITTEN.get(name, name) not in known()]


def test_names_and_keys_are_unique() -> None:
    ids = [key.id for key in KEYS]
    assert sorted(set(ids)) == sorted(ids)
    keys = [name for key in KEYS for name in names(key)]
    assert sorted(set(keys)) == sorted(keys)
    labels = [key.label for key in KEYS]
    assert sorted(set(labels)) == sorted(labels)


@pytest.mark.parametrize("key", KEYS, ids=lambda key: key.id)
def test_every_key_is_one_a_terminal_sends_does_something_and_says_what(key: Key) -> None:
    _, name, parameters = parse(key.action)
    method = getattr(StrettoApp, f"action_{name}", None)
    assert callable(method), key.action
    assert len(parameters) == method.__code__.co_argcount - 1
    assert key.label
    assert key.tooltip
    assert not key.tooltip.endswith(".")
    for shown in names(key):
        parser = XTermParser()
        heard = [*parser.feed(SENT[shown]), *parser.feed("")]
        assert [event.key for event in heard if isinstance(event, Pressed)] == [shown]
    binding = key.binding()
    assert (binding.id, binding.key, binding.action, binding.priority) == (key.id, key.keys, key.action, True)


def test_bindings_of_the_app_are_those_of_the_registry_alone() -> None:
    assert StrettoApp._merged_bindings is not None
    bound = set(StrettoApp._merged_bindings.key_to_bindings)
    assert bound == {name for key in KEYS for name in names(key)}


def test_keys_that_type_or_edit_are_left_to_the_prompt_line() -> None:
    editing = {
        "left",
        "right",
        "home",
        "end",
        "backspace",
        "delete",
        "up",
        "down",
        "enter",
        "tab",
        "ctrl+a",
        "ctrl+e",
        "ctrl+u",
        "ctrl+w",
    }
    taken = {name for key in KEYS for name in names(key)}
    assert taken & editing == set()
    assert not any(len(name) == 1 for name in taken)


@pytest.mark.parametrize(
    ("name", "shown"),
    [("ctrl+right", "Ctrl+Right"), ("f10", "F10"), ("shift+f6", "Shift+F6"), ("ctrl+n", "Ctrl+N"), ("escape", "Esc")],
)
def test_keys_are_written_as_people_write_them(name: str, shown: str) -> None:
    assert shown_key(name) == shown


@pytest.mark.parametrize("paper", PAPERS, ids=lambda paper: paper.name)
def test_no_paper_names_a_key_that_does_nothing(paper: Path) -> None:
    assert unknown_in(paper.read_text(encoding="utf-8")) == []


def test_the_readme_names_the_keys_one_begins_with() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert [name for name in ("F1", "F2", "F3", "F4", "Ctrl+P", "Esc") if f"`{name}`" not in text] == []


async def test_the_help_has_every_key_and_none_that_does_nothing(tmp_path: Path) -> None:
    async with PacedServer() as server, stage(tmp_path, server.base_url, "lab/a", size=(120, 100)) as at:
        await at.press("f1")
        await at.until(lambda: "Keys and figures" in at.screen() and "Status line" in at.screen())
        text = at.screen()
        missing = [shown_key(name) for key in KEYS for name in names(key) if shown_key(name) not in text]
        assert missing == []
        words = " ".join(text.replace("│", " ").split())
        assert [key.tooltip for key in KEYS if not all(word in words for word in key.tooltip.split())] == []
        assert unknown_in(at.text_of(at.app.screen.query_one("#help"))) == []
        for command in ("/add", "/library"):
            assert command in text
