"""Themes: the built-in ones can be read by everyone, and a bad file is named and left out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from textual.app import App
from textual.color import Color
from textual.widgets import Label

from agents.errors import ConfigError
from tui.themes import load_theme, load_themes
from tui.widgets.pane_header import PaneHeader, PaneState
from tui.widgets.stream_pane import StreamPane

if TYPE_CHECKING:
    from pathlib import Path

    from textual.app import ComposeResult

BUILT_IN = ("stretto-dark", "stretto-light")
GROUNDS = ("background", "surface", "panel")
INKS = (
    "foreground",
    "text-muted",
    "text-disabled",
    "foreground-muted",
    *("primary", "secondary", "accent", "success", "warning", "error"),
    *("text-primary", "text-secondary", "text-accent", "text-success", "text-warning", "text-error"),
)
PAIRS = (
    *((ink, ground) for ink in INKS for ground in GROUNDS),
    *((ink, "primary-muted") for ink in ("foreground", "text-muted", "primary", "success", "warning", "error")),
    ("block-cursor-foreground", "block-cursor-background"),
    ("foreground", "block-cursor-blurred-background"),
    ("input-cursor-foreground", "input-cursor-background"),
    ("foreground", "input-selection-background"),
    ("footer-key-foreground", "footer-background"),
    ("footer-description-foreground", "footer-background"),
    ("button-color-foreground", "primary"),
)


def luminance(color: Color) -> float:
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4
        for part in (color.r / 255, color.g / 255, color.b / 255)
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(ink: Color, ground: Color) -> float:
    lighter, darker = sorted((luminance(ground + ink), luminance(ground)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


@pytest.mark.parametrize("name", BUILT_IN)
def test_every_text_on_every_ground_can_be_read(name: str) -> None:
    theme = load_themes().loaded[name]
    values = theme.to_color_system().generate() | theme.variables
    poor = {(ink, ground): contrast(Color.parse(values[ink]), Color.parse(values[ground])) for ink, ground in PAIRS}
    assert {pair: round(ratio, 2) for pair, ratio in poor.items() if ratio < 4.5} == {}


def test_the_built_in_themes_load_and_differ_in_brightness() -> None:
    themes = load_themes()
    assert themes.failed == {}
    assert [(theme.name, theme.dark) for theme in themes.loaded.values()] == [("stretto-dark", True), ("stretto-light", False)]


class Gallery(App[None]):
    """Shows every state a pane has."""

    def compose(self) -> ComposeResult:
        yield Label("text")
        yield PaneHeader()
        yield StreamPane()


@pytest.mark.parametrize("name", BUILT_IN)
async def test_a_theme_can_be_used(name: str) -> None:
    app = Gallery()
    async with app.run_test() as pilot:
        app.register_theme(load_themes().loaded[name])
        app.theme = name
        app.query_one(PaneHeader).update(PaneState(title="title", state="failed"))
        app.query_one(StreamPane).append("# heading\n```\ncode\n```\ntext [1]")
        app.query_one(StreamPane).citations = 1
        app.query_one(StreamPane).flush()
        await pilot.pause()
        assert app.screen.styles.background == Color.parse(app.theme_variables["background"])


def write(folder: Path, name: str, text: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / name
    file.write_text(text)
    return file


def test_own_themes_are_read_and_a_bad_one_is_named(tmp_path: Path) -> None:
    write(tmp_path, "sea.toml", '[colors]\nprimary = "#336699"\n[variables]\nblock-cursor-text-style = "bold underline"\n')
    write(tmp_path, "broken.toml", '[colors]\nprimary = "bleu"\n')
    write(tmp_path, "stretto-dark.toml", '[colors]\nprimary = "teal"\nbackground = "black"\n')
    write(tmp_path, "notes.txt", "not a theme")
    themes = load_themes(tmp_path)
    assert set(themes.loaded) == {"stretto-dark", "stretto-light", "sea"}
    assert themes.loaded["stretto-dark"].background == "#000000"
    assert set(themes.failed) == {"broken.toml"}
    assert "colors.primary = 'bleu' is no colour" in themes.failed["broken.toml"]


def test_a_folder_that_is_not_there_is_no_fault(tmp_path: Path) -> None:
    assert load_themes(tmp_path / "none").failed == {}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("dark = 'yes'\n[colors]\nprimary = 'red'", "dark must be true or false"),
        ("", "[colors] with at least primary is missing"),
        ("colors = 3", "[colors] with at least primary is missing"),
        ("[colors]\nsecondary = 'red'", "[colors] with at least primary is missing"),
        ("[colors]\nprimary = 'red'\nsurfce = 'red'", "unknown key colors.'surfce', did you mean 'surface'?"),
        ("[colours]\nprimary = 'red'", "unknown key 'colours', did you mean 'colors'?"),
        ("[colors]\nprimary = 7", "colors.primary must be a colour in quotes"),
        ("[colors]\nprimary = 'ansi_red'", "terminal's own palette"),
        (
            "[colors]\nprimary = 'red'\n[variables]\ntext-mutd = 'red'",
            "unknown key variables.'text-mutd', did you mean 'text-muted'?",
        ),
        ("[colors]\nprimary = 'red'\n[variables]\ntext-muted = 'reddish'", "variables.text-muted = 'reddish' is no colour"),
        ("[colors]\nprimary = 'red'\n[variables]\nlink-style = 'shiny'", "is no text style"),
        ("variables = 3\n[colors]\nprimary = 'red'", "variables must be a table"),
        ("[colors", "not TOML"),
        ("#" * 70_000, "larger than 64 KiB"),
        ("[colors]\nprimary = '\\u001b]0;x'", "is no colour"),
    ],
)
def test_what_cannot_be_used_is_said_in_one_safe_line(tmp_path: Path, text: str, reason: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_theme(write(tmp_path, "own.toml", text))
    assert reason in str(caught.value)
    assert str(caught.value).isprintable()


def test_bytes_that_are_no_text_are_named(tmp_path: Path) -> None:
    file = tmp_path / "own.toml"
    file.write_bytes(b"\xff\xfe\x00")
    assert load_themes(tmp_path).failed["own.toml"].startswith("not TOML")


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "own.toml").mkdir()
    assert load_themes(tmp_path).failed["own.toml"].startswith("cannot be read")
