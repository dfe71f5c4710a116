from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import pytest
from textual.pilot import Pilot

from agents.events import Planned, RunEnded
from agents.models.cache import Answer
from agents.models.figures import EngineFigures
from agents.prefetch import PrefetchFigures
from agents.requests import Batch, ModelRef
from tests.servers.paced import PacedServer
from tests.tui.load.test_engine import AHEAD, CACHE, METRICS, SPEND
from tests.tui.queue_stage import ENDPOINTS, ROUTES, crowd, directory, load
from tests.tui.room import HOSTILE, ended, faults, make, room
from tests.tui.stage import Stage, stage
from tests.tui.still import Steady
from tui.load.doors import Door
from tui.screens.endpoint import EndpointScreen, LimitScreen
from tui.widgets.queue_board import Look, QueueBoard

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from agents.models.admission import Admission
    from agents.models.directory import Directory


@pytest.fixture
async def server() -> AsyncIterator[PacedServer]:
    async with PacedServer() as server:
        yield server


def look(places: Directory, *names: str) -> Look:
    """Return a look at these endpoints, called ``names`` where given."""
    gates = list(places.gates.values())
    shown = names or tuple(places.gates)
    doors = [
        Door(name, gate.door.figures(), gate.health.figures(), None, gate.target.endpoint, name, ())
        for name, gate in zip(shown, gates, strict=False)
    ]
    figures = EngineFigures(
        doors={}, health={}, first_token={}, routes={}, cache=CACHE, spend=SPEND, batches={}, flights=0, joined=0
    )
    return Look(doors, figures, METRICS, AHEAD, PrefetchFigures(), ROUTES, ())


def door(at: Stage) -> Admission:
    return at.app.workspace.models.directory.gates["lab"].door


async def opened(at: Stage) -> QueueBoard:
    """Go to the view by its key, and have it drawn."""
    await at.until(lambda: len(at.app.dashboard.compare.answers) > 0)
    await at.press("shift+f5")
    board = at.app.dashboard.queue.board
    await at.until(lambda: board.has_focus and "in flight" in at.text_of(board))
    return board


async def test_what_waits_behind_a_full_door_is_on_screen_and_goes_when_the_cap_is_raised(
    tmp_path: Path, server: PacedServer
) -> None:
    models = [f"lab/paced-8000-10{number}" for number in range(3)]
    async with stage(tmp_path, server.base_url, *models, concurrency=1, size=(100, 30)) as at:
        board = await opened(at)
        await at.send("go")  # from here it goes to Compare
        board.focus()
        await at.until(lambda: "1/1 in flight" in at.text_of(board) and "2 wait" in at.text_of(board))
        await at.press("plus")
        await at.until(lambda: "2/2 in flight" in at.text_of(board) and "1 wait" in at.text_of(board))
        assert "to keep it: [endpoints.lab] concurrency = 2" in at.text_of(board)
        await at.press(">")
        await at.until(lambda: "3/12 in flight" in at.text_of(board) and server.counts.in_flight == 3)
        await at.press("<", "minus", "minus")
        assert door(at).cap == 1
        await at.press("a")
        await at.until(lambda: "adaptive" in at.text_of(board))
        await at.press("a", "f9")
        assert not door(at).adaptive
        await at.until(lambda: not at.app.workspace.engine.runs)


async def test_limits_are_typed_and_an_empty_line_takes_them_away(tmp_path: Path, server: PacedServer) -> None:
    async with stage(tmp_path, server.base_url, "lab/a", size=(100, 30)) as at:
        board = await opened(at)
        await at.press("r")
        await at.until(lambda: isinstance(at.app.screen, LimitScreen) and at.app.focused is not None)
        await at.press("x", "enter")
        await at.until(lambda: "Write a whole number" in at.screen())
        await at.press("backspace", "3", "0", "enter")
        await at.until(lambda: at.app.screen is at.app.dashboard)
        assert (door(at).requests_per_minute, door(at).tokens_per_minute) == (30, None)
        await at.until(lambda: "requests 0 of 30/min" in at.text_of(board))
        await at.press("t", "9", "0", "0", "enter")
        await at.until(lambda: door(at).tokens_per_minute == 900)
        assert door(at).requests_per_minute == 30
        await at.press("r", "backspace", "backspace", "enter")
        await at.until(lambda: door(at).requests_per_minute is None)
        await at.press("t", "escape")
        await at.until(lambda: at.app.screen is at.app.dashboard)
        assert door(at).tokens_per_minute == 900


async def test_an_endpoint_that_fails_is_told_of_with_its_last_failures(tmp_path: Path) -> None:
    async with stage(tmp_path, "http://127.0.0.1:9/v1", "lab/a", size=(100, 30)) as at:
        board = await opened(at)
        await at.send("go")
        await at.until(lambda: not at.app.workspace.engine.runs)
        board.focus()
        await at.until(lambda: "failing" in at.text_of(board))
        await at.press("enter")
        await at.until(lambda: isinstance(at.app.screen, EndpointScreen) and "nothing listens at" in at.screen())
        assert "1 failed, 1 in a row" in at.screen()
        await at.press("q")
        await at.until(lambda: at.app.screen is at.app.dashboard)


async def test_the_cache_is_emptied_on_the_second_press(tmp_path: Path, server: PacedServer) -> None:
    async with stage(tmp_path, server.base_url, "lab/a", size=(100, 30)) as at:
        board = await opened(at)
        models = at.app.workspace.models
        assert models._cache is not None
        await models._cache.put("key", Answer(text="kept", finish="stop"))
        board.changed()
        await at.until(lambda: "1 answers" in at.text_of(board))
        await at.press("c")
        await at.until(lambda: "Once more empties" in at.screen())
        assert "1 answers" in at.text_of(board)
        await at.press("c")
        await at.until(lambda: "0 answers" in at.text_of(board))


async def test_nothing_is_read_while_another_view_is_on_screen_and_nothing_is_drawn_when_nothing_changed(
    tmp_path: Path, server: PacedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with stage(tmp_path, server.base_url, "lab/a", size=(100, 30)) as at:
        board = await opened(at)
        await at.press("f2")
        reads: list[int] = []
        same = board._read()

        def read() -> Look | None:
            reads.append(1)
            return same

        monkeypatch.setattr(board, "_read", read)
        for _ in range(4):
            at.app._half_frame()
        assert reads == []
        drawn: list[object] = []
        monkeypatch.setattr(board, "refresh", lambda *regions, **_: drawn.append(regions))
        now = at.app.workspace.engine.clock()
        for number in range(20):
            board.flush(now + 10 + number / 10)
        assert 1 <= len(reads) <= 3  # once a second at rest
        drawn.clear()
        board.flush(now + 20)
        assert drawn == []


async def test_a_minute_is_sampled_whichever_view_is_on_screen(tmp_path: Path, server: PacedServer) -> None:
    async with stage(tmp_path, server.base_url, "lab/paced-40-20", size=(100, 30)) as at:
        await at.until(lambda: len(at.app.dashboard.compare.answers) == 1)
        await at.send("go")
        await at.until(lambda: not at.app.workspace.engine.runs)
        samples = at.app.dashboard.queue.history.of("lab")
        assert any(sample.in_flight == 1 for sample in samples)
        await at.press("shift+f5")
        await at.until(lambda: "answered/s" in at.text_of(at.app.dashboard.queue.board))


@pytest.mark.parametrize("size", [(1, 1), (8, 3), (20, 10), (44, 8), (80, 18), (149, 30), (150, 30), (200, 44)])
async def test_every_size_is_filled_and_no_name_moves_anything(size: tuple[int, int]) -> None:
    clock = Steady()
    places = directory(clock)
    async with crowd() as people:
        await load(places, clock, people)
        for start in range(0, len(HOSTILE), len(ENDPOINTS)):
            found = look(places, *HOSTILE[start : start + len(ENDPOINTS)])
            board = QueueBoard(lambda found=found: found)  # type: ignore[misc]  # a default binds
            async with room(board, size):
                board.flush(clock.now)
                for action in ("move", "page", "edge"):
                    getattr(board, f"action_{action}")(1)
                    strips = [board.render_line(y) for y in range(size[1])]
                    assert faults(strips, size[0]) == []


async def test_marking_brings_an_endpoint_into_view_and_a_click_marks_it() -> None:
    clock = Steady()
    places = directory(clock)
    async with crowd() as people:
        await load(places, clock, people)
        board = QueueBoard(lambda: look(places))
        async with room(board, (80, 8)) as app:
            board.flush(clock.now)
            assert board.marked == "lab"  # where most wait
            board.action_edge(1)
            assert board.marked == "unused"
            assert any("unused" in board.render_line(y).text for y in range(8))
            board.action_edge(-1)
            board._top = 0
            row = next(row for row, name in board._heads if name == "lab")
            board.action_edge(1)
            board._top = 0
            await Pilot(app).click(board, offset=(4, row))
            assert board.marked == "lab"


async def test_how_far_a_file_of_prompts_is_stands_there_while_it_runs(tmp_path: Path, server: PacedServer) -> None:
    async with stage(tmp_path, server.base_url, "lab/a", size=(100, 30)) as at:
        await opened(at)
        view, engine = at.app.dashboard.queue, at.app.workspace.engine
        request = Batch(source="prompts.jsonl", out="out.jsonl", models=(ModelRef("lab", "a"),), names=("lab/a",))
        run = type("Run", (), {"request": request})()
        engine.runs["b"] = run
        try:
            view.observe(make(Planned, run="b", total=1000, kept=10))
            view.observe(ended("x", at=1.0))
            for number, outcome in enumerate(("done", "failed", "cancelled")):
                view.observe(msgspec.structs.replace(ended(str(number), at=1.0, outcome=outcome), run="b"))
            assert view._progress() == ["prompts.jsonl: 12 of 1,000 answers, 1 failed"]
        finally:
            del engine.runs["b"]
        view.observe(make(RunEnded, run="b", outcome="done", wall=1.0, busy=1.0))
        assert view._files == {}


async def test_an_endpoint_is_well_as_soon_as_its_first_answer_streams(tmp_path: Path, server: PacedServer) -> None:
    async with stage(tmp_path, server.base_url, "lab/paced-8000-100", size=(100, 30)) as at:
        board = await opened(at)
        await at.send("go")
        await at.until(lambda: "1/8 in flight" in at.text_of(board) and "well" in at.text_of(board))
        assert "first token –" not in at.text_of(board)
        assert server.counts.in_flight == 1
