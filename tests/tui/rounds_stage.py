"""Compare with answers in its panes, for the tests of what is done with a round of them."""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING

from tests.servers.paced import PacedServer
from tests.tui.stage import Stage, stage

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from tui.views.compare import CompareView

ANSWERS = {
    "m0": "The sky is blue because air scatters short waves.\n\nThat is all.",
    "m1": "The sky is blue because molecules scatter short waves more.\n\nThat is all.",
    "m2": "Nobody knows.",
}


def reply(asked: dict[str, object]) -> str | None:
    """Answer as the model named; as a judge with a letter's place as its score; as a merge with one text."""
    text = json.dumps(asked["messages"])
    if "Judge each answer" in text:
        letters = [letter for letter in "ABCD" if f"[begin answer {letter}" in text]
        return json.dumps({letter: {"reason": f"as {letter}", "score": 9 - at} for at, letter in enumerate(letters)})
    if "from these answers" in text:
        return "One text of all."
    return ANSWERS.get(str(asked["model"]))


@contextlib.asynccontextmanager
async def answered(
    folder: Path,
    *models: str,
    prompt: str = "Why is the sky blue?",
    size: tuple[int, int] = (120, 36),
    says: Callable[[dict[str, object]], str | None] = reply,
) -> AsyncIterator[tuple[Stage, CompareView, PacedServer]]:
    """Open Compare with ``models``, each of which has answered ``prompt``."""
    async with PacedServer(reply=says) as server, stage(folder, server.base_url, *models, size=size) as at:
        view = at.app.dashboard.compare
        await at.until(lambda: len(view.answers) == len(models) and all(pane.is_attached for pane in view.answers))
        await at.settle()
        await at.send(prompt)
        await at.until(lambda: all(pane.state.state == "saved" for pane in view.answers))
        yield at, view, server
        await at.until(lambda: not at.app.workspace.engine.runs)


def calls(server: PacedServer) -> list[str]:
    """Return the body of every chat request so far."""
    return [json.dumps(request.json()) for request in server.requests if request.method == "POST"]


def shown(at: Stage) -> str:
    """Return the screen with plain spaces: a key and what it does are kept together by others."""
    return at.screen().replace("\u00a0", " ")


def home(at: Stage) -> bool:
    """Return whether the dashboard is on screen."""
    screen: object = at.app.screen
    return screen is at.app.dashboard


async def closed(at: Stage) -> None:
    """Press Escape until the dashboard is back."""
    while not home(at):
        await at.press("escape")
        await at.until(lambda: home(at) or not at.app.workspace.engine.runs)
