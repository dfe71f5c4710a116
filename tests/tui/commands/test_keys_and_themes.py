from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from agents.settings import Locations, Screen, Settings
from tui.commands.doctor import check_screen
from tui.commands.keys import markdown
from tui.key_table import KEYS
from tui.keymap import Keymap
from tui.main import main
from tui.themes import load_theme, load_themes

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("STRETTO_CONFIG", str(tmp_path / "config.toml"))
    monkeypatch.setenv("STRETTO_DATA_DIR", str(tmp_path / "data"))
    (tmp_path / "themes").mkdir()
    return tmp_path


def test_keys_are_listed_with_names_and_places_as_they_are_in_force(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "keymap.toml").write_text('"pane.zoom" = "ctrl+w"\n')
    assert main(["keys"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(KEYS) + 1
    assert next(line.split()[:4] for line in lines if line.startswith("pane.zoom")) == ["pane.zoom", "Ctrl+W", "Ctrl+X", "z"]
    assert main(["keys", "--json"]) == 0
    found = {row["id"]: row for row in map(json.loads, capsys.readouterr().out.splitlines())}
    assert found["pane.zoom"]["keys"] == ["Ctrl+W"]
    assert found["text.up"]["place"] == "A pane with the focus"


def test_what_is_wrong_with_the_keymap_is_said_and_ends_with_1(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["keys", "--check"]) == 0
    assert "not there" in capsys.readouterr().out
    (folder / "keymap.toml").write_text('"pane.zoom" = "ctrl+w"\n')
    assert main(["keys", "--check"]) == 0
    assert "in order" in capsys.readouterr().out
    (folder / "keymap.toml").write_text('"pane.zom" = "f3"\n"chat.new" = "f3"\n')
    assert main(["keys", "--check"]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert 'did you mean "pane.zoom"?' in said.err
    assert 'F3 is the key of "view.ask"' in said.err
    assert len(said.err.splitlines()) == 2


def test_the_page_of_keys_does_not_depend_on_ones_own(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "keymap.toml").write_text('"pane.zoom" = "ctrl+w"\n')
    assert main(["keys", "--markdown"]) == 0
    assert capsys.readouterr().out == markdown(Keymap())


def test_themes_are_listed_with_where_they_come_from(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["themes"]) == 0
    assert "built in" in capsys.readouterr().out
    (folder / "themes" / "sea.toml").write_text('[colors]\nprimary = "#8ab6e8"\n')
    (folder / "themes" / "bad.toml").write_text('[colors]\nprimary = "bleu"\n')
    assert main(["themes", "list"]) == 1
    said = capsys.readouterr()
    assert all(name in said.out for name in load_themes().loaded)
    assert str(folder / "themes") in next(line for line in said.out.splitlines() if line.startswith("sea"))
    assert "bad.toml: colors.primary = 'bleu' is no colour" in said.err


@pytest.mark.parametrize("name", sorted(load_themes().loaded))
def test_what_is_shown_of_a_theme_can_be_a_theme(folder: Path, capsys: pytest.CaptureFixture[str], name: str) -> None:
    assert main(["themes", "show", name]) == 0
    file = folder / "themes" / "mine.toml"
    file.write_text(capsys.readouterr().out)
    mine, theirs = load_theme(file), load_themes().loaded[name]
    assert mine.to_color_system().generate() == theirs.to_color_system().generate()
    assert main(["themes", "check", str(file)]) == 0
    assert "in order" in capsys.readouterr().out


def test_a_theme_that_is_hard_to_read_or_broken_is_said(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = folder / "themes" / "dull.toml"
    file.write_text('[colors]\nprimary = "#333333"\nbackground = "#222222"\nforeground = "#444444"\n')
    assert main(["themes", "check", str(file)]) == 1
    assert "foreground on background has a contrast of 1." in capsys.readouterr().err
    file.write_text("[colors")
    assert main(["themes", "check", str(file)]) == 1
    assert "not TOML" in capsys.readouterr().err
    assert main(["themes", "check", str(folder / "none.toml")]) == 1
    assert "none.toml: cannot be read" in capsys.readouterr().err
    assert main(["themes", "show", "nocturn"]) == 1
    assert "did you mean nocturne?" in capsys.readouterr().err
    assert main(["themes", "show"]) == 2


def test_the_doctor_names_what_is_wrong_with_keys_themes_and_variables(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    places = Locations(config=folder / "config.toml", data=folder / "data", themes=folder / "themes")
    assert [(check.state, check.name) for check in check_screen(Settings(), places)] == [("ok", "screen")]
    (folder / "keymap.toml").write_text('"pane.zom" = "f3"\n')
    (folder / "themes" / "bad.toml").write_text('[colors]\nprimary = "bleu"\n')
    monkeypatch.setenv("STRETTO_FOO", "1")
    found = check_screen(Settings(screen=Screen(theme="gone")), places)
    assert [check.state for check in found] == ["warn"] * 4
    text = "\n".join(check.message for check in found)
    for words in ('"pane.zom"', "bad.toml is skipped", "'gone', which is not there", "STRETTO_FOO is not known"):
        assert words in text
