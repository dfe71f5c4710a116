from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from textual._xterm_parser import XTermParser
from textual.actions import parse
from textual.binding import Binding
from textual.dom import DOMNode
from textual.events import Key as Pressed
from textual.screen import Screen

import tui
from tests.servers.paced import PacedServer
from tests.tui.stage import stage
from tui.actions import Actions
from tui.app import StrettoApp
from tui.commands.keys import markdown
from tui.key_table import KEYS, bindings
from tui.keymap import VIEWS, Keymap
from tui.keys import Key, character_of, shown_key

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
PAPERS = sorted([ROOT / "README.md", *(ROOT / "docs").glob("*.md")])
NAMED = re.compile(r"\b(?:(?:Ctrl|Shift|Alt)\+)+(?:F\d{1,2}|[A-Z][A-Za-z]*)|\bF\d{1,2}\b|\b(?:Esc|PageUp|PageDown|Home|End|Tab)\b")
WRITTEN = {"esc": "escape"}
ARROWS = (("up", "A"), ("down", "B"), ("right", "C"), ("left", "D"))

SENT = {
    **{f"f{number}": f"\x1bO{letter}" for number, letter in enumerate("PQRS", 1)},
    **{f"f{number}": f"\x1b[{code}~" for number, code in ((5, 15), (6, 17), (7, 18), (8, 19), (9, 20), (10, 21), (12, 24))},
    **{arrow: f"\x1b[{letter}" for arrow, letter in ARROWS},
    **{f"ctrl+{arrow}": f"\x1b[1;5{letter}" for arrow, letter in ARROWS},
    **{f"alt+{arrow}": f"\x1b[1;3{letter}" for arrow, letter in ARROWS},
    **{f"alt+{letter}": f"\x1b{letter}" for letter in "bdf123"},
    **{f"ctrl+shift+{arrow}": f"\x1b[1;6{letter}" for arrow, letter in ARROWS},
    **{f"ctrl+{letter}": chr(ord(letter) & 31) for letter in "abcdefgjklnopqrstuvwxyz"},
    "shift+f5": "\x1b[15;2~",
    "shift+f6": "\x1b[17;2~",
    "pageup": "\x1b[5~",
    "pagedown": "\x1b[6~",
    "alt+pageup": "\x1b[5;3~",
    "alt+pagedown": "\x1b[6;3~",
    "home": "\x1b[H",
    "end": "\x1b[F",
    "enter": "\r",
    "shift+enter": "\x1b[13;2u",
    "alt+enter": "\x1b[13;3u",
    "escape": "\x1b",
    "tab": "\t",
    "shift+tab": "\x1b[Z",
    "backspace": "\x7f",
    "delete": "\x1b[3~",
}
"""What terminals send for the registry's keys that type nothing."""


def classes() -> Iterator[type[DOMNode]]:
    """Yield every screen and widget that the program defines, and its app."""
    for module in pkgutil.walk_packages(tui.__path__, "tui."):
        for _, found in inspect.getmembers(importlib.import_module(module.name), inspect.isclass):
            if issubclass(found, DOMNode) and found.__module__ == module.name:
                yield found


NODES: list[type[DOMNode]] = sorted(set(classes()), key=str)


def own_bindings(node: type[DOMNode]) -> list[Binding]:
    """Return the bindings that a class itself declares."""
    found = list(node.__dict__.get("BINDINGS", []))
    assert all(isinstance(binding, Binding) for binding in found), f"{node.__name__} binds keys without ids"
    return [binding for binding in found if isinstance(binding, Binding)]


def known() -> set[str]:
    """Return every key that anything of the dashboard binds."""
    found = {name for key in KEYS for name in key.names}
    nodes: list[type[DOMNode]] = [*classes(), Screen]
    for node in nodes:
        if node._merged_bindings is not None:
            found |= set(node._merged_bindings.key_to_bindings)
    return found


def unknown_in(text: str) -> list[str]:
    """Return the keys ``text`` names that nothing binds."""
    found = (name.lower() for name in NAMED.findall(text))
    return [name for name in found if WRITTEN.get(name, name) not in known()]


def test_names_labels_and_leader_keys_are_unique() -> None:
    ids = [key.id for key in KEYS]
    assert sorted(set(ids)) == sorted(ids)
    labels = [key.label for key in KEYS if key.scope == "app"]
    assert sorted(set(labels)) == sorted(labels)
    for view in VIEWS:
        leaders = [key.leader for key in KEYS if key.leader and key.where in {view, *({key.where} - VIEWS)}]
        assert sorted(set(leaders)) == sorted(leaders), view


@pytest.mark.parametrize("scope", sorted({key.scope for key in KEYS}))
def test_within_a_scope_no_two_rows_have_one_key(scope: str) -> None:
    names = [name for key in KEYS if key.scope == scope for name in key.names]
    assert sorted(set(names)) == sorted(names)


@pytest.mark.parametrize("key", KEYS, ids=lambda key: key.id)
def test_every_key_is_one_a_terminal_sends_and_says_what_it_does(key: Key) -> None:
    assert key.keys or key.leader
    assert key.label
    assert key.where
    assert key.tooltip
    assert not key.tooltip.endswith(".")
    for name in key.names:
        character = character_of(name)
        parser = XTermParser()
        heard = [*parser.feed(character or SENT[name]), *parser.feed("")]
        assert [event.key for event in heard if isinstance(event, Pressed)] == [name]
    if key.leader:
        character = character_of(key.leader)
        assert character is not None
        assert character.isascii(), "every keyboard has ASCII"


def test_what_no_terminal_swallows_reaches_everything() -> None:
    plain = re.compile(r"f\d+|ctrl\+[a-z]|escape|pageup|pagedown")
    for key in KEYS:
        if key.scope == "app":
            assert key.leader or any(plain.fullmatch(name) or name in {"ctrl+up", "ctrl+down"} for name in key.names), key.id


@pytest.mark.parametrize("node", NODES, ids=[node.__name__ for node in NODES])
def test_every_binding_has_a_name_a_tooltip_and_a_place(node: type[DOMNode]) -> None:
    registry = {(key.id, key.action) for key in KEYS}
    for binding in own_bindings(node):
        assert binding.id, f"{node.__name__}: {binding.key} has no id"
        assert binding.tooltip, f"{node.__name__}: {binding.id} has no tooltip"
        assert (binding.id, binding.action) in registry, f"{node.__name__}: {binding.id} is not in the registry"


@pytest.mark.parametrize("node", NODES, ids=[node.__name__ for node in NODES])
def test_every_binding_has_an_action(node: type[DOMNode]) -> None:
    for binding in own_bindings(node):
        namespace, name, _ = parse(binding.action)
        owner = StrettoApp if namespace == "app" else node
        assert hasattr(owner, f"action_{name}"), f"{node.__name__}: {binding.id} does nothing"


def test_bindings_of_the_app_are_those_of_the_registry_alone() -> None:
    assert StrettoApp._merged_bindings is not None
    bound = set(StrettoApp._merged_bindings.key_to_bindings)
    assert bound == {name for key in KEYS if key.scope == "app" for name in key.names}
    assert [binding.id for binding in bindings()] == [key.id for key in KEYS if key.scope == "app" and key.keys]
    assert all(binding.priority is (binding.id != "run.stop") for binding in bindings())
    assert not any(binding.priority for binding in bindings("pane"))


def test_keys_that_type_or_edit_are_left_to_the_prompt() -> None:
    editing = {
        *("left", "right", "home", "end", "backspace", "delete", "up", "down", "enter", "tab"),
        *("ctrl+a", "ctrl+e", "ctrl+u", "ctrl+w", "ctrl+k"),
    }
    taken = {name for key in KEYS if key.scope == "app" for name in key.names}
    assert taken & editing == set()
    assert not any(character_of(name) for name in taken)


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("ctrl+right", "Ctrl+Right"),
        ("f10", "F10"),
        ("shift+f6", "Shift+F6"),
        ("ctrl+n", "Ctrl+N"),
        ("escape", "Esc"),
        ("question_mark", "?"),
        ("slash", "/"),
        ("less_than_sign", "<"),
        ("G", "G"),
        ("g", "g"),
        ("space", "Space"),
        ("ctrl+@", "Ctrl+Space"),
        ("ctrl+slash", "Ctrl+/"),
    ],
)
def test_keys_are_written_as_people_write_them(name: str, shown: str) -> None:
    assert shown_key(name) == shown


@pytest.mark.parametrize("paper", PAPERS, ids=lambda paper: paper.name)
def test_no_paper_names_a_key_that_does_nothing(paper: Path) -> None:
    assert unknown_in(paper.read_text(encoding="utf-8")) == []


def test_the_page_of_keys_is_the_registrys() -> None:
    page = (ROOT / "docs" / "keys.md").read_text(encoding="utf-8")
    assert page == markdown(Keymap()), "run: stretto keys --markdown > docs/keys.md"


def test_the_readme_names_the_keys_one_begins_with() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert [name for name in ("F1", "F2", "F3", "F4", "Ctrl+P", "Esc") if f"`{name}`" not in text] == []


async def test_every_row_of_the_app_can_be_done_in_some_view(tmp_path: Path) -> None:
    async with PacedServer() as server, stage(tmp_path, server.base_url, "lab/a") as at:
        actions = Actions(at.app, Keymap())
        await at.until(lambda: len(at.app.dashboard.compare.answers) == 1)
        assert [key.id for key in KEYS if key.scope == "app" and actions.home(key) is None] == []
        for key in KEYS:
            view = actions.home(key)
            if view is None:
                continue
            _, name, parameters = parse(key.action)
            dashboard = at.app.dashboard
            owns = {"pane": view.marked_pane(), "waterfall": dashboard.waterfall.bars, "queue": dashboard.queue.board}
            own = owns.get(key.scope, at.app)
            method = getattr(view, f"act_{parameters[0]}") if name == "act" else getattr(own, f"action_{name}")
            inspect.signature(method).bind(*(parameters[1:] if name == "act" else parameters))


async def test_keys_of_another_view_are_left_alone(tmp_path: Path) -> None:
    async with PacedServer() as server, stage(tmp_path, server.base_url, "lab/a") as at:
        await at.until(lambda: len(at.app.dashboard.compare.answers) == 1)
        await at.press("f3", "f7", "f8", "ctrl+n")
        assert len(at.app.dashboard.compare.answers) == 1
        active = {found.binding.id for found in at.app.dashboard.active_bindings.values()}
        assert "pane.add" not in active
        assert "pane.next" in active


async def test_what_is_typed_reaches_the_prompt_but_not_from_where_single_keys_move(tmp_path: Path) -> None:
    async with PacedServer() as server, stage(tmp_path, server.base_url, "lab/a") as at:
        dashboard = at.app.dashboard
        await at.until(lambda: len(dashboard.compare.answers) == 1)
        dashboard.set_focus(None)
        await at.press("a")
        await at.until(lambda: dashboard.prompt.value == "a" and dashboard.prompt.has_focus)
        await at.press("ctrl+x", "v")
        await at.until(lambda: dashboard.compare.answers[0].pane.has_focus)
        await at.press("a", "q", "j", "k")
        assert dashboard.prompt.value == "a"
        await at.press("i")
        await at.until(lambda: dashboard.prompt.has_focus)
        await at.press("b")
        await at.until(lambda: dashboard.prompt.value == "ab")
        await at.press("ctrl+x", "v", "escape")
        await at.until(lambda: dashboard.prompt.has_focus)


async def test_the_last_line_shows_the_keys_of_what_has_the_focus(tmp_path: Path) -> None:
    async with PacedServer() as server, stage(tmp_path, server.base_url, "lab/a", size=(120, 30)) as at:
        await at.until(lambda: "F1 Help" in at.lines()[-1] and "Ctrl+Q Quit" in at.lines()[-1])
        await at.until(lambda: len(at.app.dashboard.compare.answers) == 1)
        await at.press("ctrl+x", "v")
        await at.until(lambda: "/ Search" in at.lines()[-1] and "i To the prompt" in at.lines()[-1])


async def test_the_last_line_shows_the_keys_of_the_bars(tmp_path: Path) -> None:
    async with PacedServer() as server, stage(tmp_path, server.base_url, "lab/a", size=(120, 30)) as at:
        await at.press("f5")
        await at.until(lambda: "Enter Step's detail  + Zoom in  - Zoom out  0 Fit the run  f Follow now" in at.lines()[-1])


@pytest.mark.parametrize("size", [(20, 10), (40, 24), (80, 24), (200, 50)])
async def test_the_tab_of_the_view_on_screen_is_whole_at_any_width(tmp_path: Path, size: tuple[int, int]) -> None:
    async with PacedServer() as server, stage(tmp_path, server.base_url, "lab/a", size=size) as at:
        for key, title in (("f2", "Compare"), ("f3", "Ask"), ("f4", "Agents"), ("f5", "Waterfall")):
            await at.press(key)
            await at.until(lambda title=title: title in at.lines()[0])  # type: ignore[misc]
            assert all(len(line) == size[0] for line in (at.lines()[0], at.lines()[-1]))


async def test_a_toast_leaves_prompt_and_status_line_free(tmp_path: Path) -> None:
    async with PacedServer() as server, stage(tmp_path, server.base_url, "lab/a", size=(80, 24)) as at:
        at.app.notify("A line of words. " * 12, timeout=60, markup=False)
        await at.until(lambda: len(at.app.screen.query("Toast")) > 0 and at.app.screen.query("Toast").first().region.height > 0)
        toast = at.app.screen.query("Toast").first().region
        assert toast.bottom <= at.app.dashboard.prompt.region.y
        assert toast.y >= 1


async def test_with_reduced_motion_nothing_glides_or_blinks(tmp_path: Path) -> None:
    async with PacedServer() as server, stage(tmp_path, server.base_url, "lab/a", reduced_motion=True) as at:
        assert at.app.animation_level == "none"
        assert at.app._clock.interval >= 0.25
        await at.until(lambda: not at.app.dashboard.prompt.cursor_blink)


def test_no_two_classes_use_one_id_for_two_things() -> None:
    meanings: dict[str | None, set[str]] = {}
    for binding in chain.from_iterable(map(own_bindings, set(classes()))):
        meanings.setdefault(binding.id, set()).add(binding.action.partition("(")[0])
    assert {name: actions for name, actions in meanings.items() if len(actions) > 1} == {}


def test_all_names_in_the_registry_are_known_to_some_class() -> None:
    bound = {binding.id for node in classes() for binding in own_bindings(node)}
    waiting = {key.id for key in KEYS if key.keys and key.id not in bound}
    assert waiting == set()
