"""Themes: everyone can read the built-in ones, a bad file is named and left out, and a file that changes is taken at once."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from rich.segment import Segment
from textual.color import Color
from textual.command import CommandList, CommandPalette
from textual.strip import Strip

from agents.errors import ConfigError
from agents.settings import Locations
from tests.servers.paced import PacedServer
from tests.tui.stage import Stage, stage
from tui.theme_shelf import ThemeShelf
from tui.themes import contrast, load_theme, load_themes, poor_pairs

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from textual.theme import Theme
    from textual.widget import Widget


BUILT_IN = (
    *("contrast-dark", "contrast-light", "nocturne", "pastorale"),
    *("stretto-dark", "stretto-light", "transparent", "transparent-light"),
)
NIGHTS = ("#000000", "#1e1e1e", "#282c34", "#2e3440", "#300a24", "#002b36")
DAYS = ("#ffffff", "#fafafa", "#f0f0f0", "#fdf6e3", "#eee8d5")
"""Grounds that terminals have, for the themes that show them."""
ANSWER = """# A heading

Text with **strong**, *emphasis*, ~~struck~~, `code`, a [link](https://example.org/a) and [1].

> A quote

- one
- two

| a | b |
|---|---|
| 1 | 2 |

```python
def fib(n: int = 2) -> str:  # a comment
    return "text" + str(n)
```

---

The end.
"""


@pytest.fixture
async def server() -> AsyncIterator[PacedServer]:
    async with PacedServer() as server:
        yield server


@pytest.mark.parametrize("name", BUILT_IN)
def test_every_ink_on_every_ground_can_be_read(name: str) -> None:
    assert poor_pairs(load_themes().loaded[name]) == {}


def test_contrast_is_that_of_wcag() -> None:
    black, white, grey = Color.parse("#000000"), Color.parse("#ffffff"), Color.parse("#767676")
    assert contrast(black, white) == pytest.approx(21)
    assert contrast(white, white) == pytest.approx(1)
    assert contrast(grey, white) == pytest.approx(4.54, abs=0.01)
    assert contrast(black.with_alpha(0.5), white) == pytest.approx(contrast(Color.parse("#7f7f7f"), white), abs=0.05)


def test_the_built_in_themes_load() -> None:
    themes = load_themes()
    assert themes.failed == {}
    assert sorted(themes.loaded) == list(BUILT_IN)
    assert {name for name, theme in themes.loaded.items() if theme.ansi} == {"transparent", "transparent-light"}
    assert sum(theme.dark for theme in themes.loaded.values()) == 4


def poor(strips: list[Strip], theme: Theme) -> set[tuple[str, str, str]]:
    """Return what of these rows is hard to read: the text, its ink and its ground; lines and bars are no text."""
    likely = [Color.parse(ground) for ground in (NIGHTS if theme.dark else DAYS)]
    found = set()
    for strip in strips:
        for text, style, _ in strip:
            letters = "".join(char for char in text if not char.isspace() and not 0x2500 <= ord(char) <= 0x25FF)
            if not letters or style is None:
                continue
            # Reversed or not, the contrast is the same.
            ink, ground = style.color, style.bgcolor
            shown = style.dim or ink is None or ink.triplet is None
            grounds = [Color.from_rich_color(ground)] if ground is not None and ground.triplet is not None else likely
            if shown or min(contrast(Color.from_rich_color(ink), each) for each in grounds) < 4.5:
                found.add((letters[:20], str(ink), str(ground)))
    return found


def rows(at: Stage, within: Widget | None = None) -> list[Strip]:
    """Return the rows of the screen, or of the part that a widget takes."""
    strips = at.app.screen._compositor.render_strips()
    if within is None:
        return strips
    area = within.region
    return [strip.crop(area.x, area.right) for strip in strips[area.y : area.bottom]]


async def in_every_theme(at: Stage, within: str = "") -> dict[str, set[tuple[str, str, str]]]:
    """Show what is on the screen in each theme, and return what is hard to read there."""
    found = {}
    for name, theme in load_themes().loaded.items():
        at.app.theme = name
        await at.settle()
        ground = at.app.theme_variables["background"]
        await at.until(lambda ground=ground: at.app.dashboard.styles.background == Color.parse(ground))  # type: ignore[misc]
        await at.settle()
        widget = at.app.screen.query_one(within) if within else None
        if bad := poor(rows(at, widget), theme):
            found[name] = bad
    return found


async def test_everything_on_the_screen_can_be_read_in_every_theme(tmp_path: Path, server: PacedServer) -> None:
    async with stage(tmp_path, server.base_url, "lab/a", "lab/b", size=(120, 50)) as at:
        compare = at.app.dashboard.compare
        await at.until(lambda: len(compare.answers) == 2)
        await at.send("hello")
        await at.until(lambda: [pane.state.state for pane in compare.answers] == ["saved", "saved"])
        pane = compare.answers[0].pane
        pane.clear()
        pane.citations = 1
        pane.begin("answer")
        pane.append(ANSWER)
        pane.finish()
        await at.until(lambda: "The end." in at.screen())
        at.app.notify("A word.", title="Title", severity="error", timeout=60, markup=False)
        await at.until(lambda: "A word." in at.screen())
        assert await in_every_theme(at) == {}
        await at.press("ctrl+x")
        await at.until(lambda: "then …" in at.screen())
        assert await in_every_theme(at) == {}
        await at.press("escape")
        for key in ("f3", "f4", "f5"):
            await at.press(key)
            assert await in_every_theme(at) == {}, key


async def test_help_and_palette_can_be_read_in_every_theme(tmp_path: Path, server: PacedServer) -> None:
    async with stage(tmp_path, server.base_url, "lab/a", size=(100, 40)) as at:
        await at.until(lambda: len(at.app.dashboard.compare.answers) == 1)
        await at.press("f1")
        await at.until(lambda: "Everywhere" in at.screen())
        assert await in_every_theme(at, "#help") == {}
        await at.press("escape")
        for name, theme in load_themes().loaded.items():
            at.app.theme = name
            await at.press("ctrl+p", "h", "e")
            await at.until(lambda: isinstance(at.app.screen, CommandPalette) and "Help   F1" in at.screen())
            assert poor(rows(at, at.app.screen.query_one(CommandList)), theme) == set()
            await at.press("escape")
            await at.until(lambda: at.app.screen is at.app.dashboard)


async def test_every_style_of_every_widget_can_be_read_in_every_theme(tmp_path: Path, server: PacedServer) -> None:
    async with stage(tmp_path, server.base_url, "lab/a") as at:
        await at.until(lambda: len(at.app.dashboard.compare.answers) == 1)
        bad = set()
        for name, theme in load_themes().loaded.items():
            at.app.theme = name
            await at.settle()
            ground = at.app.theme_variables["background"]
            await at.until(lambda ground=ground: at.app.dashboard.styles.background == Color.parse(ground))  # type: ignore[misc]
            for widget in at.app.dashboard.query("*"):
                for part in type(widget).COMPONENT_CLASSES if type(widget).__module__.startswith("tui.") else ():
                    if not any(word in part for word in ("track", "thumb", "bar", "border", "rule", "axis")):
                        style = widget.get_component_rich_style(part)
                        bad |= {(name, part, *found[1:]) for found in poor([Strip([Segment("x", style)])], theme)}
        assert bad == set()


async def test_without_colours_states_are_told_by_words_and_signs(
    tmp_path: Path, server: PacedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    async with stage(tmp_path, server.base_url, "lab/a", "gone/b", size=(120, 30)) as at:
        compare = at.app.dashboard.compare
        await at.until(lambda: len(compare.answers) == 2)
        await at.send("hello")
        await at.until(lambda: [pane.state.state for pane in compare.answers] == ["saved", "failed"])
        await at.until(lambda: "✓ saved" in at.screen() and "✗ failed" in at.screen())
        for strip in rows(at):
            for text, style, _ in strip:
                for color in (style.color, style.bgcolor) if style is not None and text.strip() else ():
                    if color is not None and color.triplet is not None:
                        assert max(color.triplet) - min(color.triplet) <= 2, text
        current = [style for text, style, _ in rows(at)[0] if "Compare" in text]
        others = [style for text, style, _ in rows(at)[0] if "Ask" in text]
        assert [style is not None and bool(style.reverse) for style in (*current, *others)] == [True, False]


@pytest.mark.parametrize("name", ["transparent", "transparent-light"])
async def test_without_colours_a_transparent_theme_has_the_terminals_own_alone(
    tmp_path: Path, server: PacedServer, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    async with stage(tmp_path, server.base_url, "lab/a", theme=name, size=(100, 30)) as at:
        await at.until(lambda: len(at.app.dashboard.compare.answers) == 1)
        await at.press("a")
        await at.until(lambda: at.app.dashboard.prompt.value == "a" and "F1 Help" in at.screen())
        styles = [style for strip in rows(at) for text, style, _ in strip if style is not None and text.strip()]
        assert {color.triplet for style in styles for color in (style.color, style.bgcolor) if color is not None} == {None}
        assert any(style.reverse for strip in rows(at, at.app.dashboard.prompt) for _, style, _ in strip if style is not None)


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
    assert set(themes.loaded) == {*BUILT_IN, "sea"}
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
        ("transparent = 1\n[colors]\nprimary = 'red'", "transparent must be true or false"),
        ("transparent = true\n[colors]\nprimary = 'red'\nsurface = 'red'", "colors.surface cannot be set"),
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
        ("a=" + "[" * 20_000, "not TOML: nested too deep"),
        (f"[colors]\nprimary = 'rgb({'9' * 400},0,0)'", "colors.primary = 'rgb(999"),
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
    os.mkfifo(tmp_path / "pipe.toml")
    failed = load_themes(tmp_path).failed
    assert failed["own.toml"].startswith("cannot be read")
    assert failed["pipe.toml"].startswith("cannot be read")


def test_a_transparent_theme_of_ones_own_needs_only_a_colour(tmp_path: Path) -> None:
    theme = load_theme(write(tmp_path, "glass.toml", 'transparent = true\n[colors]\nprimary = "#a8cbf2"\n'))
    values = theme.to_color_system().generate()
    assert values["background"] == "ansi_default"
    assert not any(value.startswith("ansi_") and value != "ansi_default" for value in values.values())
    assert poor_pairs(theme) == {}


async def test_the_terminals_own_background_shows_through_a_transparent_theme(tmp_path: Path, server: PacedServer) -> None:
    async with stage(tmp_path, server.base_url, "lab/a", theme="transparent", size=(100, 30)) as at:
        await at.until(lambda: len(at.app.dashboard.compare.answers) == 1)
        pane = at.app.dashboard.compare.answers[0].pane

        def grounds() -> set[str]:
            return {str(style.bgcolor) for strip in rows(at, pane) for _, style, _ in strip if style}

        # A pane that has no place yet has the rows of whatever is drawn there.
        await at.until(lambda: bool(found := grounds()) and all("DEFAULT" in each or each == "None" for each in found))


SEA = '[colors]\nprimary = "#8ab6e8"\nbackground = "%s"\n'


async def test_a_file_that_changes_is_taken_at_once_and_a_bad_one_is_named(tmp_path: Path, server: PacedServer) -> None:
    write(tmp_path / "themes", "sea.toml", SEA % "#001020")
    async with stage(tmp_path, server.base_url, "lab/a", theme="sea", size=(100, 30)) as at:

        def ground() -> str:
            return at.app.dashboard.styles.background.hex

        await at.until(lambda: ground() == "#001020")
        write(tmp_path / "themes", "sea.toml", SEA % "#102030")
        await at.until(lambda: ground() == "#102030")
        write(tmp_path / "themes", "sea.toml", SEA % "no colour")
        await at.until(lambda: "theme sea.toml is skipped" in at.screen())
        assert ground() == "#102030"
        write(tmp_path / "themes", "moss.toml", SEA % "#203010")
        await at.until(lambda: "moss" in at.app.shelf.themes.loaded)
        (tmp_path / "themes" / "sea.toml").unlink()
        await at.until(lambda: "sea" not in at.app.shelf.themes.loaded and not at.app.shelf.themes.failed)
        assert ground() == "#102030"


async def test_the_next_theme_is_taken_and_begun_with_next_time(tmp_path: Path, server: PacedServer) -> None:
    async with stage(tmp_path, server.base_url, "lab/a", theme="") as at:
        await at.until(lambda: len(at.app.dashboard.compare.answers) == 1)
        assert at.app.theme == "stretto-dark"
        await at.press("ctrl+x", "t")
        await at.until(lambda: at.app.theme == "stretto-light" and "Theme: stretto-light" in at.screen())
        for _ in BUILT_IN[1:]:
            await at.press("ctrl+x", "t")
            assert len(at.app._notifications) == 1
        assert at.app.theme == "stretto-dark"
        await at.press("ctrl+x", "t")
        await at.until((tmp_path / "data" / "screen.json").exists)
        await at.until(lambda: "stretto-light" in (tmp_path / "data" / "screen.json").read_text())
        assert (tmp_path / "data" / "screen.json").stat().st_mode & 0o077 == 0
    async with stage(tmp_path, server.base_url, "lab/a", theme="") as at:
        await at.until(lambda: at.app.theme == "stretto-light")
    async with stage(tmp_path, server.base_url, "lab/a", theme="nocturne") as at:
        await at.until(lambda: at.app.theme == "nocturne")


@pytest.mark.parametrize("kept", ["{}", "[]", "{", "[" * 4000, '{"theme": 3}', '{"theme": "gone"}', "\x00"])
def test_what_was_kept_and_cannot_be_used_is_passed_over(tmp_path: Path, kept: str) -> None:
    write(tmp_path / "data", "screen.json", kept)
    shelf = ThemeShelf(places(tmp_path))
    shelf.load()
    assert shelf.chosen("") == "stretto-dark"
    assert shelf.chosen("pastorale") == "pastorale"


async def test_where_nothing_can_be_kept_the_theme_is_changed_all_the_same(tmp_path: Path) -> None:
    await ThemeShelf(places(tmp_path)).keep("nocturne")
    assert not (tmp_path / "data").exists()


def places(folder: Path) -> Locations:
    return Locations(config=folder / "config.toml", data=folder / "data", themes=folder / "themes")
