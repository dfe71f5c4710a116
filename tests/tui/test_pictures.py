"""Compare at three sizes in two themes, as text: compared with what is kept in ``__snapshots__``.

``uv run pytest tests/tui/test_pictures*.py --snapshot-update`` keeps what is drawn now; look at the difference before
committing it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from agents.models.service import Models
from tests.tui.still import PAIR, TextFile, answered, offered, over, pictures, still

if TYPE_CHECKING:
    from pathlib import Path

    from syrupy.assertion import SnapshotAssertion

    from agents.requests import ModelRef


@pytest.fixture
def kept(snapshot: SnapshotAssertion) -> SnapshotAssertion:
    return snapshot.use_extension(TextFile)


async def test_compare_from_nothing_to_answers(tmp_path: Path, kept: SnapshotAssertion) -> None:
    async with still(tmp_path, *PAIR) as at:
        panes = at.app.dashboard.compare.answers
        assert await pictures(at) == kept(name="empty")
        await at.send("Sing slowly")
        await at.until(lambda: all(pane.state.state == "streaming" and pane.pane.text for pane in panes))
        assert await pictures(at) == kept(name="streaming")
        await at.press("f9")
        await over(at)
        assert await pictures(at) == kept(name="stopped")
        await at.press("ctrl+n")
        await answered(at)
        assert await pictures(at) == kept(name="answered")
        await at.press("f6", "f12")
        assert await pictures(at) == kept(name="zoomed")
        await at.press("f12", "ctrl+t")
        assert await pictures(at) == kept(name="to one")
        await at.press("ctrl+t", "ctrl+x", "e")
        await at.until(lambda: "≈" in at.text_of(at.app.dashboard.bar))
        assert await pictures(at) == kept(name="changing the last prompt")


async def test_likely_next_questions(tmp_path: Path, kept: SnapshotAssertion) -> None:
    async with still(tmp_path, *PAIR) as at:
        await answered(at)
        last = "Which voice enters last, and how far behind the first one is it then?"
        offered(at, "Why is that?", last, "字字 stands wide, does it?")
        await at.until(lambda: at.app.dashboard.bar.likely.display)
        assert await pictures(at) == kept(name="offered")


async def test_compare_with_more_panes_than_room(tmp_path: Path, kept: SnapshotAssertion) -> None:
    async with still(tmp_path, *(f"m{number},temperature=0.{number}" for number in range(1, 10))) as at:
        await answered(at)
        await at.press("shift+f6")
        assert await pictures(at) == kept(name="paged")


async def test_what_goes_wrong_in_compare(tmp_path: Path, kept: SnapshotAssertion) -> None:
    async with still(tmp_path, *PAIR) as at:
        await answered(at, "One will fail")
        assert await pictures(at) == kept(name="failed endpoint")
        at.app.dashboard.compare.unusable("No model was found: put an endpoint into the configuration.")
        await at.send("Anyone?")
        await at.until(lambda: "not sent" in at.screen())
        assert await pictures(at) == kept(name="toast")


async def test_no_model_was_found(tmp_path: Path, kept: SnapshotAssertion, monkeypatch: pytest.MonkeyPatch) -> None:
    async def nothing(_: Models) -> tuple[ModelRef, ...]:
        return ()

    monkeypatch.setattr(Models, "defaults", nothing)
    async with still(tmp_path) as at:
        await at.until(lambda: "No model was found" in at.screen())
        assert await pictures(at) == kept(name="compare")


async def test_a_pane_with_the_focus(tmp_path: Path, kept: SnapshotAssertion) -> None:
    async with still(tmp_path, *PAIR) as at:
        pane = at.app.dashboard.compare.answers[0].pane
        await answered(at)
        await at.press("ctrl+x", "v")
        await at.until(lambda: pane.has_focus and pane.settled)
        await at.press("g")
        await at.until(lambda: not pane.follows)
        assert await pictures(at) == kept(name="keys of the pane")
        await at.press("V", "j", "j", "j")
        assert await pictures(at) == kept(name="selection")
        await at.press("escape", "slash")
        await at.until(lambda: at.app.focused is not None and at.app.focused.id == "search-words")
        await at.press(*"voice")
        await at.until(lambda: " of 6" in at.screen())
        assert await pictures(at) == kept(name="search")
        await at.press("escape")
        await at.until(lambda: pane.has_focus)
        for key, name, told in (("c", "code blocks", "Copy which"), ("o", "links", "Open this address?")):
            await at.press("ctrl+x", key)
            await at.until(lambda told=told: told in at.screen())  # type: ignore[misc]  # a default binds
            assert await pictures(at) == kept(name=name)
            await at.press("escape")
            await at.until(lambda: at.app.screen is at.app.dashboard)
