from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from textual.binding import Binding

from tests.servers.paced import PacedServer
from tests.tui.stage import stage
from tui.key_table import KEYS, install
from tui.keymap import Keymap, clashes, load_keymap, resolve
from tui.keys import read_key, shown_key
from tui.rounds.choice import Choice

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(autouse=True)
def usual_keys() -> Iterator[None]:
    yield
    install(KEYS)


@pytest.mark.parametrize(
    ("written", "names"),
    [
        ("ctrl+w", ("ctrl+w",)),
        ("Ctrl+W", ("ctrl+w",)),
        ("control+alt+x", ("alt+ctrl+x",)),
        ("shift+g", ("G",)),
        ("G", ("G",)),
        ("?", ("question_mark",)),
        ("/", ("slash",)),
        ("+", ("plus",)),
        ("ctrl++", ("ctrl+plus",)),
        (",", ("comma",)),
        ("slash", ("slash",)),
        ("PgUp", ("pageup",)),
        ("shift+F6", ("shift+f6",)),
        ("ctrl+space", ("ctrl+space", "ctrl+@")),
        ("é", ("é",)),
    ],
)
def test_a_key_may_be_written_as_people_write_it(written: str, names: tuple[str, ...]) -> None:
    assert read_key(written) == names


@pytest.mark.parametrize(
    ("written", "reason"),
    [
        ("foo", "is no key"),
        ("", "is no key"),
        ("ctrl+", "is no key"),
        ("hyper+x", "is no modifier"),
        ("ctrl+i", "sends for Tab"),
        ("ctrl+m", "sends for Enter"),
        ("ctrl+h", "sends for Backspace"),
        ("ctrl+[", "sends for Esc"),
        ("shift+1", "write that character"),
        ("\x1b", "is no key"),
        ("f25", "is no key"),
    ],
)
def test_what_is_no_key_is_said(written: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        read_key(written)


def read(text: str) -> tuple[str, ...]:
    """Return a key's names; none for what is refused."""
    try:
        return read_key(text)
    except ValueError:
        return ()


@given(st.text(max_size=12))
def test_any_text_is_a_key_or_is_refused(text: str) -> None:
    for name in read(text):
        assert shown_key(name).isprintable()
        assert [binding.key for binding in Binding.make_bindings([Binding(name, "do")])] == [name]


@pytest.mark.parametrize("name", sorted({name for row in KEYS for name in row.names} - {"ctrl+@"}))
def test_what_is_shown_of_a_key_can_be_written_into_the_keymap(name: str) -> None:
    assert name in read_key(shown_key(name))


def changed(keymap: Keymap) -> dict[str, tuple[str, str]]:
    return {row.id: (row.keys, row.leader) for row, usual in zip(keymap.rows, KEYS, strict=True) if row != usual}


@pytest.mark.parametrize(
    ("table", "found"),
    [
        ({}, {}),
        ({"leader": "ctrl+space"}, {"app.leader": ("ctrl+space,ctrl+@", "")}),
        ({"pane.zoom": "ctrl+w"}, {"pane.zoom": ("ctrl+w", "z")}),
        ({"pane": {"zoom": "ctrl+w"}}, {"pane.zoom": ("ctrl+w", "z")}),
        ({"pane.copy": ["alt+c", "Alt+C", "alt+y"]}, {"pane.copy": ("alt+c,alt+y", "y")}),
        ({"pane.links": "none", "pane.zoom": "NONE"}, {"pane.zoom": ("", "z")}),
        ({"leader.pane.zoom": "Z"}, {"pane.zoom": ("f12", "Z")}),
        ({"leader": {"pane": {"zoom": "none"}}}, {"pane.zoom": ("f12", "")}),
        ({"pane.add": "f8", "pane.remove": "f7"}, {"pane.add": ("f8", "a"), "pane.remove": ("f7", "x")}),
        ({"text.up": ["w", "?"]}, {"text.up": ("w,question_mark", "")}),
        ({"fall.up": "n"}, {"fall.up": ("n", "")}),
        ({"app.quit": "none"}, {"app.quit": ("", "q")}),
        ({"diff.swap": "s", "race.go": ["enter", "ctrl+r"]}, {"diff.swap": ("s", ""), "race.go": ("enter,ctrl+r", "")}),
        (
            {"merged.copy": "c", "links.open": "c", "setup.apply": "f1"},
            {"merged.copy": ("c", ""), "links.open": ("c", ""), "setup.apply": ("f1", "")},
        ),
    ],
)
def test_entries_that_can_be_are_taken(table: dict[str, Any], found: dict[str, tuple[str, str]]) -> None:
    keymap = resolve(table)
    assert keymap.problems == ()
    assert changed(keymap) == found


@pytest.mark.parametrize(
    ("table", "problem"),
    [
        ({"pane.zom": "f3"}, '"pane.zom": is not known; did you mean "pane.zoom"?'),
        ({"zoom": "ctrl+w"}, 'did you mean "pane.zoom"?'),
        ({"qqqq": "f3"}, "`stretto keys` lists all"),
        ({"pane.zoom": "foo"}, "'foo' is no key"),
        ({"pane.zoom": 3}, 'must be a key in quotes, a list of them, or "none"'),
        ({"pane.zoom": ["f3", 3]}, "must be a key in quotes"),
        ({"pane.zoom": " "}, "must be a key in quotes"),
        ({"pane.zoom": "z"}, "'z' is needed for typing here"),
        ({"pane.zoom": "enter"}, "'enter' is needed for typing here"),
        ({"pane.zoom": "f3"}, 'F3 is the key of "view.ask" (Ask) already'),
        ({"pane.zoom": "ctrl+u"}, 'Ctrl+U is the key of "prompt.clear"'),
        ({"text.up": "n"}, 'n is the key of "text.next"'),
        ({"leader.pane.zoom": "a"}, 'a is the key of "pane.add" (Add pane) already'),
        ({"leader.pane.zoom": "escape"}, "Esc leaves the leader's menu"),
        ({"leader.pane.zoom": ["a", "b"]}, "has one key after the leader key"),
        ({"leader.text.up": "x"}, "has no leader key"),
        ({"leader.app.leader": "x"}, "is the leader key itself"),
        ({"diff.swap": "n"}, 'n is the key of "diff.next" (next pane) already'),
        ({"diff.swap": "ctrl+q"}, 'Ctrl+Q is the key of "app.quit" (Quit) already'),
        ({"diff.leave": "none"}, "would leave no key that closes this"),
        ({"help.close": "none"}, "would leave no key that closes this"),
        ({"sweep.last": "l"}, "'l' is needed for typing here"),
        ({"app.quit": "none", "leader": "none"}, 'would leave no way to "app.quit" (Quit)'),
        ({"app.quit": "none", "leader.app.quit": "none"}, 'would leave no way to "app.quit" (Quit)'),
        ({"app.palette": "none", "leader.app.palette": "none"}, 'would leave no way to "app.palette" (Commands)'),
        ({"pane.z\x1b]0;t\x07": "f3"}, "is not known"),
    ],
)
def test_an_entry_that_cannot_be_is_named_in_one_safe_line_and_the_rest_counts(table: dict[str, Any], problem: str) -> None:
    keymap = resolve({**table, "chat.new": "alt+n"})
    assert [problem in line for line in keymap.problems] == [True]
    assert all(line.isprintable() for line in keymap.problems)
    assert changed(keymap)["chat.new"] == ("alt+n", "n")
    assert set(changed(keymap)) <= {"chat.new", "app.quit", "app.palette"}


def test_of_two_entries_that_want_one_key_the_first_counts() -> None:
    keymap = resolve({"pane.zoom": "alt+z", "chat.new": "alt+z"})
    assert keymap["pane.zoom"].keys == "alt+z"
    assert keymap["chat.new"].keys == "ctrl+n"
    assert len(keymap.problems) == 1


def test_two_views_may_use_one_key_for_two_things() -> None:
    assert resolve({"pane.zoom": "alt+z", "log.up": "alt+z"}).problems == ()


@given(
    st.dictionaries(
        st.sampled_from([*(row.id for row in KEYS), *(f"leader.{row.id}" for row in KEYS), "leader"]),
        st.sampled_from(["none", "f1", "f3", "f12", "ctrl+x", "ctrl+w", "alt+z", "z", "q", "p", "escape", "pageup"]),
        max_size=8,
    )
)
def test_whatever_is_asked_for_no_key_is_lost_to_another_and_one_can_leave(table: dict[str, str]) -> None:
    keymap = resolve(table)
    assert set(clashes(keymap.rows)) <= set(clashes(KEYS))
    for name in ("app.quit", "app.palette"):
        assert keymap[name].keys or keymap.after_leader(keymap[name])
    assert len(keymap.problems) <= len(table)


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"leader = ", "not TOML"),
        (b"\xff\xfe", "not TOML"),
        (b"#" * 70_000, "larger than 64 KiB"),
        (b"a = " + b"[" * 20_000, "nested too deep"),
        (b"a." * 2000 + b"b = 'f5'", "is not known"),
    ],
)
def test_a_file_that_cannot_be_used_leaves_the_usual_keys(tmp_path: Path, raw: bytes, reason: str) -> None:
    file = tmp_path / "keymap.toml"
    file.write_bytes(raw)
    keymap = load_keymap(file)
    assert keymap.rows == KEYS
    assert [reason in line for line in keymap.problems] == [True]


def test_a_folder_in_its_place_is_said_and_no_file_is_no_fault(tmp_path: Path) -> None:
    (tmp_path / "keymap.toml").mkdir()
    os.mkfifo(tmp_path / "pipe.toml")
    for name in ("keymap.toml", "pipe.toml"):
        assert "cannot be read" in load_keymap(tmp_path / name).problems[0]
    assert load_keymap(tmp_path / "none.toml") == Keymap()


async def test_keys_of_ones_own_work_everywhere_and_what_is_wrong_is_said(tmp_path: Path) -> None:
    (tmp_path / "keymap.toml").write_text(
        'leader = "alt+l"\n"view.agents" = "alt+a"\n"prompt.clear" = "alt+u"\n"app.help" = "none"\n'
        '"leader.view.ask" = "k"\n"nothing" = "f3"\n'
    )
    async with PacedServer() as server, stage(tmp_path, server.base_url, "lab/a", size=(120, 36)) as at:
        dashboard = at.app.dashboard
        await at.until(lambda: '"nothing": is not known' in at.screen())
        await at.press("alt+a")
        await at.until(lambda: dashboard.view.id == "agents")
        await at.press("f4", "ctrl+x", "f1")
        assert at.app.screen is dashboard
        await at.press("alt+l", "k")
        await at.until(lambda: dashboard.view.id == "ask")
        await at.press("a", "b")
        await at.until(lambda: dashboard.prompt.value == "ab")
        await at.press("ctrl+u", "alt+u")
        await at.until(lambda: dashboard.prompt.value == "")
        await at.until(lambda: "Alt+L More keys" in at.screen())


async def test_without_a_keymap_the_next_dashboard_has_the_usual_keys_again(tmp_path: Path) -> None:
    install(resolve({"view.ask": "alt+q", "prompt.clear": "none"}).rows)
    async with PacedServer() as server, stage(tmp_path, server.base_url, "lab/a") as at:
        await at.press("f3")
        await at.until(lambda: at.app.dashboard.view.id == "ask")
        await at.press("a", "b", "ctrl+u")
        await at.until(lambda: at.app.dashboard.prompt.value == "")


async def test_of_many_faults_the_first_are_said_and_how_to_see_the_others(tmp_path: Path) -> None:
    (tmp_path / "keymap.toml").write_text("".join(f"nothing{number} = 'f3'\n" for number in range(1000)))
    async with PacedServer() as server, stage(tmp_path, server.base_url, "lab/a", size=(120, 36)) as at:
        await at.until(lambda: "and 997 more: `stretto keys` tells them all" in at.screen())
        assert '"nothing2": is not known' in at.screen()
        assert "nothing3" not in at.screen()


async def test_keys_of_ones_own_work_in_the_screens_over_the_dashboard_and_are_shown_there(tmp_path: Path) -> None:
    (tmp_path / "keymap.toml").write_text(
        '"race.leave" = "ctrl+r"\n"choice.next" = "n"\n"setup.apply" = "none"\n"setup.apply_all" = "alt+a"\n'
    )
    async with PacedServer() as server, stage(tmp_path, server.base_url, "lab/a", "lab/b", size=(120, 36)) as at:
        await at.until(lambda: len(at.app.dashboard.compare.answers) == 2)
        at.app.dashboard.compare.act_race()
        await at.until(lambda: "Ctrl+R\xa0no\xa0race" in at.screen())
        choice = at.app.screen.query_one("#race-judge", Choice)
        choice.focus()
        await at.until(lambda: choice.has_focus and "1/" in at.screen())
        before = choice.value
        await at.press("right")
        assert choice.value == before
        await at.press("n")
        await at.until(lambda: choice.value != before)
        await at.press("ctrl+r")
        await at.until(lambda: at.app.screen is at.app.dashboard)
        at.app.dashboard.compare.act_settings()
        await at.until(lambda: "Alt+A\xa0All\xa0panes" in at.screen() and "This\xa0pane" not in at.screen())
        await at.press("escape")
        await at.until(lambda: at.app.screen is at.app.dashboard)
