from __future__ import annotations

import os
import re
import sys
from pathlib import Path

import psutil
import pytest

from tests.terminal import Terminal

pytestmark = [pytest.mark.terminal, pytest.mark.embedded, pytest.mark.timeout(300)]

ROOT = Path(__file__).parents[2]


def environment(tmp_path: Path) -> dict[str, str]:
    env = {name: value for name, value in os.environ.items() if not name.startswith(("OPENAI", "OLLAMA", "STRETTO"))}
    return env | {"STRETTO_DATA_DIR": str(tmp_path / "data"), "STRETTO_CONFIG": str(tmp_path / "none.toml"), "HOME": str(tmp_path)}


def states(screen: str, state: str) -> int:
    return len(re.findall(rf"\b{state}\b", screen))


def test_a_person_compares_asks_and_researches_with_the_embedded_model_and_leaves_nothing_behind(tmp_path: Path) -> None:
    with Terminal([sys.executable, "-m", "tui.main"], environment(tmp_path), columns=160, rows=48, cwd=str(ROOT)) as terminal:
        terminal.wait_for("in flight")
        terminal.wait_for("temp 0.9", 30)
        terminal.type("Name three colours.")
        terminal.press("enter")
        terminal.wait_for(lambda screen: states(screen, "saved") >= 2, 120)

        terminal.press("f3")
        terminal.type(f"/add {ROOT / 'docs'}")
        terminal.press("enter")
        terminal.wait_for("indexed", 90)
        terminal.type("How does an event travel?")
        terminal.press("enter")
        terminal.wait_for(lambda screen: "saved" in screen and "vector" in screen, 120)

        terminal.press("f4")
        places = " ".join(f"@{ROOT / name}" for name in ("README.md", "CHANGELOG.md", "LICENSE"))
        terminal.type(f"What is this project? {places}")
        terminal.press("enter")
        terminal.wait_for("wall ", 180)
        assert "sum of steps" in terminal.text

        children = terminal.children()
        assert children, "the embedded model runs in a process of its own"
        terminal.press("ctrl+q")
        assert terminal.wait() == 0
        assert b"\x1b[?1049l" in terminal.raw
        _, alive = psutil.wait_procs(children, timeout=5)
        assert alive == []
