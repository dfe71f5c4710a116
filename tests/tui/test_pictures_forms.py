"""Help, palette, menus, forms, and what stands around the prompt, as pictures."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from textual.command import CommandPalette

from tests.tui.still import PAIR, TextFile, over, pictures, still
from tui.screens.pane_settings import PaneSettings
from tui.screens.queue import QueueScreen
from tui.screens.template import TemplateForm, TemplateList

if TYPE_CHECKING:
    from syrupy.assertion import SnapshotAssertion

    from tests.tui.stage import Stage

LETTER = """
description = "A letter in a voice"
prompt = "Write to $who about $what."
system = "You are $voice."
params = { temperature = 0.25 }
variables = { voice = "a clerk" }
"""


@pytest.fixture
def kept(snapshot: SnapshotAssertion) -> SnapshotAssertion:
    return snapshot.use_extension(TextFile)


async def home(at: Stage) -> None:
    while at.app.screen is not at.app.dashboard:
        await at.press("escape")


async def test_help_and_menus(tmp_path: Path, kept: SnapshotAssertion) -> None:
    async with still(tmp_path, *PAIR) as at:
        await at.press("f1")
        await at.until(lambda: "Keys and figures" in at.screen())
        assert await pictures(at) == kept(name="help")
        await at.press(*"vote")
        assert await pictures(at) == kept(name="help filtered")
        await home(at)
        await at.press("ctrl+p")
        await at.until(lambda: isinstance(at.app.screen, CommandPalette) and "Waterfall" in at.screen())
        assert await pictures(at) == kept(name="palette")
        await home(at)
        await at.press("ctrl+x")
        assert await pictures(at) == kept(name="leader menu")


async def test_forms(tmp_path: Path, kept: SnapshotAssertion, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    folder = Path("own")  # relative: its name is on the screen
    (folder / "templates").mkdir(parents=True)
    (folder / "templates" / "letter.toml").write_text(LETTER)
    (folder / "templates" / "other.yaml").write_text("prompt: Sum it up in one line")
    (folder / "templates" / "bad.yaml").write_text("prompt: [")
    async with still(folder, *PAIR) as at:
        await at.press("ctrl+x", "m")
        await at.until(lambda: isinstance(at.app.screen, PaneSettings) and "models known" in at.screen())
        assert await pictures(at) == kept(name="pane settings")
        await home(at)
        await at.press("ctrl+x", "T")
        await at.until(lambda: isinstance(at.app.screen, TemplateList) and "letter" in at.screen())
        assert await pictures(at) == kept(name="templates")
        await at.press(*"letter", "enter")
        await at.until(lambda: isinstance(at.app.screen, TemplateForm) and "⟨who⟩" in at.screen())
        assert await pictures(at) == kept(name="template")


async def test_around_the_prompt(tmp_path: Path, kept: SnapshotAssertion, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "here"
    (folder / "src").mkdir(parents=True)
    for name in ("src/main.py", "src/my main.txt", "mail.txt"):
        (folder / name).write_text("x")
    monkeypatch.chdir(folder)
    async with still(tmp_path, *PAIR) as at:
        prompt, files = at.app.dashboard.prompt, at.app.dashboard.bar.files
        await at.press(*"see @ma")
        await at.until(lambda: files.display and "main.py" in at.text_of(files))
        await at.until(lambda: "mail.txt" in at.text_of(files) and "≈ 2 tok" in at.text_of(at.app.dashboard.bar))
        assert await pictures(at) == kept(name="files")
        prompt.value = ""
        await at.settle()
        await at.send("Sing slowly")
        await at.until(lambda: at.app.dashboard.compare.answers[0].state.state == "streaming")
        await at.send("What comes first?")
        await at.send("And what follows it?")
        prompt.value = "A prompt\nof several lines,\nthe last of which is here"
        await at.until(lambda: "≈ 1" in at.text_of(at.app.dashboard.bar) and "2 waiting" in at.screen())
        assert await pictures(at) == kept(name="several lines, and what waits")
        await at.press("ctrl+x", "Q")
        await at.until(lambda: isinstance(at.app.screen, QueueScreen) and "2  And" in at.screen())
        assert await pictures(at) == kept(name="queue")
        await home(at)
        await at.press("f9")
        await over(at)
