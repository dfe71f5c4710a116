"""Every key of the dashboard, and its leader key, pressed where its row of the registry belongs, and what it does there."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

import pytest

from tests.tui.key_desk import CASES, Desk
from tests.tui.still import still
from tui.key_table import KEYS
from tui.keys import OF_DASHBOARD

if TYPE_CHECKING:
    from pathlib import Path

    from tui.keys import Key

for part in ("app", "widgets"):
    import_module(f"tests.tui.key_cases_{part}")


def ways(row: Key) -> list[tuple[str, ...]]:
    """Return every way to do what a row does: each of its keys, and the key after the leader key."""
    return [*((name,) for name in row.names), *([("ctrl+x", row.leader)] if row.leader else [])]


@pytest.mark.parametrize("row", [row for row in KEYS if row.scope in {"app", *OF_DASHBOARD}], ids=lambda row: row.id)
def test_every_row_has_a_case_and_a_way(row: Key) -> None:
    assert row.id in CASES, "add a case: where its key belongs, and what holds once it is pressed"
    assert ways(row)


def test_every_case_has_a_row() -> None:
    assert set(CASES) - {row.id for row in KEYS} == set()


SCOPES = [("app",), ("pane", "search", "prompt", "files", "ask", "waterfall", "queue", "log")]


@pytest.mark.parametrize("scopes", SCOPES, ids="-".join)
async def test_every_key_does_what_its_row_says(tmp_path: Path, scopes: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDITOR", "true")
    async with still(tmp_path, "first", "second", "third") as at:
        await at.resize(100, 36)
        desk = Desk(at)
        monkeypatch.setattr(at.app, "exit", desk.quit)
        at.app.dashboard.ask._warmed = True  # no worker is wanted: nothing is searched
        for row in KEYS:
            for keys in ways(row) if row.scope in scopes else ():
                await desk.afresh()
                holds = await CASES[row.id](desk)
                told = f"{row.id} by {' '.join(keys)}"
                assert not holds(), f"{told}: it holds before the key is pressed"
                await desk.press(*keys)
                try:
                    await at.until(holds)
                except AssertionError as error:
                    raise AssertionError(f"{told}: {error}") from error
        await desk.afresh()
