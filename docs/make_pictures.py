"""Make the pictures of every screen from the real program and loopback servers: ``uv run python -m docs.make_pictures``."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from agents.models.names import parse_model
from agents.requests import Chat, Lane, Message
from agents.settings import Endpoint, Locations, Screen, Settings
from agents.workspace import Workspace
from tests.servers.process import limited_process, paced_process
from tui.app import StrettoApp

if TYPE_CHECKING:
    from collections.abc import Callable

    from textual.pilot import Pilot

ROOT = Path(__file__).parents[1]
PICTURES = Path(__file__).parent / "pictures"


async def until(pilot: Pilot[None], condition: Callable[[], bool], seconds: float = 60) -> None:
    """Wait for ``condition``; the embedded model takes its own time."""
    for _ in range(int(seconds / 0.1)):
        await pilot.pause(0.1)
        if condition():
            await pilot.pause(1.2)
            return
    raise SystemExit(f"gave up waiting:\n{pilot.app.screen}")


def keep(app: StrettoApp, name: str) -> None:
    """Write the screen as SVG."""
    (PICTURES / f"{name}.svg").write_text(app.export_screenshot(title="stretto"))


async def send(app: StrettoApp, pilot: Pilot[None], text: str) -> None:
    """Type ``text`` into the prompt line and press Enter."""
    app.dashboard.prompt.value = text
    await pilot.press("enter")


async def take(theme: str, size: tuple[int, int], suffix: str) -> None:
    """Walk through every screen once and keep each."""
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder)
        documents = data / "stretto"
        shutil.copytree(ROOT / "docs", documents / "docs", ignore=shutil.ignore_patterns("pictures", "*.py", "__pycache__"))
        for name in ("README.md", "CHANGELOG.md"):
            shutil.copy(ROOT / name, documents)
        settings = Settings(screen=Screen(theme=theme))
        locations = Locations(config=data / "config.toml", data=data / "data", themes=data / "themes")
        async with Workspace(settings, locations) as workspace:
            app = StrettoApp(workspace)
            async with app.run_test(size=size) as pilot:
                compare = app.dashboard.compare
                await until(pilot, lambda: len(compare.models) == 2 and not app.dashboard.status.notice)
                await send(app, pilot, "Write a short Python function that adds two numbers, then three things to test, as a list.")
                await until(pilot, lambda: sum(pane.state.state == "streaming" for pane in compare.answers) == 2)
                keep(app, f"compare{suffix}-live")
                await until(pilot, lambda: all(pane.state.state == "saved" for pane in compare.answers))
                keep(app, f"compare{suffix}")
                await pilot.press("ctrl+x")
                await pilot.pause(0.5)
                keep(app, f"leader{suffix}")
                await pilot.press("d")
                await until(pilot, lambda: app.screen is not app.dashboard)
                keep(app, f"differences{suffix}")
                await pilot.press("escape", "ctrl+x", "m")
                await until(pilot, lambda: app.screen is not app.dashboard)
                keep(app, f"settings{suffix}")
                await pilot.press("escape")
                await pilot.press("f3")
                await send(app, pilot, f"/add {documents / 'docs'}")
                ask = app.dashboard.ask
                await until(pilot, lambda: "indexed" in ask.answer.state.note)
                await send(app, pilot, "What happens to a slow reader of the stream?")
                await until(pilot, lambda: ask.answer.state.state == "saved")
                keep(app, f"ask{suffix}")
                ask.open_passage(1)
                await pilot.pause(0.5)
                keep(app, f"passage{suffix}")
                await pilot.press("escape", "f4")
                places = " ".join(f"@{documents / name}" for name in ("README.md", "CHANGELOG.md", "docs/architecture.md"))
                await send(app, pilot, f"What does stretto promise? {places}")
                agents = app.dashboard.agents
                await until(pilot, lambda: agents.finished)
                keep(app, f"agents{suffix}")
                await pilot.press("f5")
                await pilot.pause(1.0)
                keep(app, f"waterfall{suffix}")
                await pilot.press("f1")
                await pilot.pause(0.5)
                keep(app, f"help{suffix}")


def prompts(model: str, count: int) -> Chat:
    """Return so many different prompts to one model."""
    ref = parse_model(model)
    lanes = tuple(Lane(model=ref, messages=(Message("user", f"Tell me of stretto number {number}."),)) for number in range(count))
    return Chat(lanes=lanes)


async def take_queue(theme: str, size: tuple[int, int], suffix: str) -> None:
    """Send more prompts than two real loopback servers take at once, one of which refuses what is beyond six a second."""
    with (
        tempfile.TemporaryDirectory() as folder,
        paced_process() as paced,
        limited_process("--rate", "6", "--burst", "3") as limited,
    ):
        data = Path(folder)
        endpoints = {
            "lab": Endpoint(base_url=paced, concurrency=8, requests_per_minute=300),
            "limited": Endpoint(base_url=limited, concurrency="adaptive", max_retries=6),
        }
        settings = Settings(screen=Screen(theme=theme), endpoints=endpoints)
        locations = Locations(config=data / "config.toml", data=data / "data", themes=data / "themes")
        async with Workspace(settings, locations) as workspace:
            app = StrettoApp(workspace, [parse_model("lab/delay-2.0")])
            async with app.run_test(size=size) as pilot:
                await until(pilot, lambda: len(app.dashboard.compare.models) == 1 and not app.dashboard.status.notice)
                await pilot.press("shift+f5")
                workspace.engine.submit(prompts("limited/delay-0.5", 180))
                await pilot.pause(12)
                workspace.engine.submit(prompts("lab/delay-2.0-40", 64))
                await pilot.pause(5)
                await pilot.press("down")
                await pilot.pause(0.5)
                keep(app, f"queue{suffix}")
                for run in list(workspace.engine.runs.values()):
                    run.cancel()


def main() -> None:
    """Take the dark pictures at full size, and one round in the light theme at 80x24."""
    PICTURES.mkdir(exist_ok=True)
    for theme, size, suffix in (("stretto-dark", (120, 36), ""), ("stretto-light", (80, 24), "-light-80x24")):
        asyncio.run(take(theme, size, suffix))
        asyncio.run(take_queue(theme, size, suffix))


if __name__ == "__main__":
    main()
