from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from textual import events

from agents.events import FirstToken, Found, Log, RunEnded, RunStarted, StepQueued, StepStarted
from agents.events import Text as TextEvent
from tests.servers.paced import PacedServer
from tests.tui.room import HOSTILE, ended, faults, hit, make, plain, room
from tests.tui.stage import Stage, stage
from tui.key_table import KEYS
from tui.screens.step import StepScreen
from tui.step_facts import facts
from tui.time_window import SHORTEST, TimeWindow
from tui.timeline import Bar, Timeline, Track
from tui.widgets.time_bars import paint
from tui.widgets.waterfall import Waterfall

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from textual.message import Message

    from agents.events import AnyEvent


@pytest.fixture
async def server() -> AsyncIterator[PacedServer]:
    async with PacedServer() as server:
        yield server


def story(timeline: Timeline, run: str = "r", at: float = 100.0, steps: int = 3, title: str = "why") -> Track:
    """Tell of a run of steps that each took a second, one after the other."""
    timeline.handle(make(RunStarted, at, run=run, kind="compare", title=title, wall=1e9, request="{}"))
    for number in range(steps):
        name, began = f"{run}.{number}", at + number
        timeline.handle(make(StepQueued, at, run=run, step=name, kind="model", name=f"m{number}", lane="lab/m"))
        timeline.handle(make(StepStarted, began, run=run, step=name))
        timeline.handle(make(FirstToken, began + 0.5, run=run, step=name))
        timeline.handle(_end(run, name, at, began))
    timeline.handle(make(RunEnded, at + steps, run=run, outcome="done", wall=float(steps), busy=float(steps)))
    return timeline.tracks[-1]


def _end(run: str, name: str, queued: float, began: float) -> AnyEvent:
    import msgspec

    return msgspec.structs.replace(ended(name, queued, at=began + 1, started=began, first=began + 0.5), run=run)


def falls(*stories: tuple[str, float], now: float = 200.0, calm: bool = False) -> Waterfall:
    timeline = Timeline()
    for run, at in stories:
        story(timeline, run, at)
    return Waterfall(timeline, lambda: now, lambda _: 8, calm=calm)


class Telling(Waterfall):
    """Keeps what it says to the view around it."""

    said: list[str]

    def post_message(self, message: Message) -> bool:
        if isinstance(message, Waterfall.Opened | Waterfall.Left):
            self.said.append(type(message).__name__)
        return super().post_message(message)


def shown(bars: Waterfall) -> list[str]:
    return [plain(bars.render_line(y)) for y in range(bars.size.height)]


def marked(bars: Waterfall) -> str:
    row = bars.marked
    return "" if row is None else row.step if isinstance(row, Bar) else row.run


async def test_phases_stand_under_the_axis_where_they_were() -> None:
    bars = falls(("r", 100.0))
    async with room(bars, (100, 20)):
        bars.flush(200.0)
        lines = shown(bars)
    assert "╷0.0 s" in lines[0]
    assert "compare why" in lines[1]
    assert "━" in lines[1]
    first, second, third = lines[2:5]
    assert [line.count("·") > 0 for line in (first, second, third)] == [False, True, True]
    assert second.index("░") == second.rindex("·") + 1
    assert second.index("█") == second.rindex("░") + 1
    assert first.rindex("█") < second.rindex("█") < third.rindex("█")
    assert first.index("░") < second.index("░") < third.index("░")
    assert all("◆ done" in line for line in (first[60:], second[60:], third[60:])) or "saving" in first
    text = "\n".join(lines)
    assert "sum 3.00 s in 3.00 s wall = 1.0×, 1 of 3 at once" in text
    assert "longest wait 2.00 s for lab to be ready (cap 8, 1 taken): m2" in text
    assert "critical: m0 1.00 s › m1 1.00 s › m2 1.00 s" in text


async def test_every_key_of_the_waterfall_does_what_it_says() -> None:
    timeline = Timeline()
    for number in range(30):
        story(timeline, f"r{number:02}", 100.0 + 5 * number)
    bars = Telling(timeline, lambda: 260.0, lambda _: 8)
    bars.said = []
    async with room(bars, (100, 20)) as app:
        bars.flush(260.0)
        used: set[str] = set()

        async def press(key: str) -> None:
            used.add(key)
            binding = bars._bindings.key_to_bindings[key][0]
            await app.run_action(binding.action, default_namespace=bars)
            bars.flush(260.0)

        assert marked(bars) == "r29"
        for key in ("down", "j"):
            await press(key)
        assert marked(bars) == "r29.1"
        for key in ("up", "k", "k"):
            await press(key)
        assert marked(bars) == "r28.2"
        for key in ("home", "g"):
            await press(key)
            assert marked(bars) == "r00"
        for key in ("pagedown", "space"):
            await press(key)
        assert marked(bars) == "r07"
        for key in ("pageup", "b"):
            await press(key)
        assert marked(bars) == "r00"
        for key in ("end", "G"):
            await press(key)
            assert marked(bars) == "r29.2"
        await press("0")
        window = bars.window
        assert (window.mode, window.left) == ("fit", 245.0)
        span = window.span
        for key in ("plus", "equals_sign"):
            await press(key)
        assert window.mode == "free"
        assert window.span == pytest.approx(span / 2.25)
        await press("minus")
        assert window.span == pytest.approx(span / 1.5)
        for key, way in (("left", -1), ("h", -1), ("right", 1), ("l", 1)):
            left = window.left
            await press(key)
            assert window.left == pytest.approx(left + way * window.span / 4)
        await press("g")
        await press("f")
        assert (window.mode, marked(bars)) == ("follow", "r29")
        assert window.left < 260 < window.right
        for key in ("enter", "i", "escape"):
            await press(key)
        assert bars.said == ["Opened", "Left", "Left"]
        assert used == {name for key in KEYS if key.scope == "waterfall" for name in key.keys.split(",")}


async def test_zoom_has_bounds_and_the_row_stays_drawn_whole() -> None:
    bars = falls(("r", 100.0))
    async with room(bars, (80, 20)):
        bars.flush(103.0)
        for by in (1, -1):
            for _ in range(60):
                bars.action_zoom(by)
                bars.flush(103.0)
                assert faults([bars.render_line(y) for y in range(20)], 80) == []
            assert SHORTEST <= bars.window.span <= bars.window.longest(100, 103)
        for _ in range(60):
            bars.action_pan(1)
        bars.flush(103.0)
        assert any("«" in line for line in shown(bars))
    row = bars.timeline.row(1)
    sides = [paint(row, TimeWindow(left, 1.0), 200.0, 5, going_on=False) for left in (0.0, 150.0)]
    assert ["".join(text for text, _ in pieces) for pieces in sides] == ["    »", "«    "]


@pytest.mark.parametrize("width", [20, 21, 34, 47, 48, 75, 76, 100, 200])
async def test_every_size_is_filled_exactly_with_harmless_text(width: int) -> None:
    timeline = Timeline()
    for number, name in enumerate(HOSTILE):
        track = story(timeline, f"r{number}", 100.0 + number, title=name)
        timeline.handle(make(StepQueued, 101.0, run=track.run, step=f"x{number}", kind="tool", name=name, lane=name))
    for height in (1, 2, 4, 8, 14, 60):
        bars = Waterfall(timeline, lambda: 140.0, lambda _: None)
        async with room(bars, (width, height)):
            for row in range(0, len(timeline), 7):
                bars.mark(timeline.row(row))
                bars.flush(140.0)
                assert faults([bars.render_line(y) for y in range(height)], width) == []


async def test_a_click_marks_a_second_opens_and_the_wheel_scrolls_and_zooms() -> None:
    timeline = Timeline()
    for number in range(20):
        story(timeline, f"r{number:02}", 100.0 + 5 * number)
    bars = Waterfall(timeline, lambda: 200.0, lambda _: 8)
    async with room(bars, (100, 20)):
        bars.flush(200.0)
        bars.action_first()
        bars.flush(200.0)

        def event(kind: type[events.MouseEvent], x: int, y: int, *, ctrl: bool = False) -> events.MouseEvent:
            return kind(bars, x, y, 0, 0, 1, shift=False, meta=False, ctrl=ctrl)

        click = events.Click(bars, 5, 3, 0, 0, 1, shift=False, meta=False, ctrl=False)
        bars.on_click(click)
        assert marked(bars) == "r00.1"
        top = bars._top
        bars.on_mouse_scroll_down(event(events.MouseScrollDown, 50, 5))  # type: ignore[arg-type]
        assert bars._top == top + 3
        bars.on_mouse_scroll_up(event(events.MouseScrollUp, 50, 5))  # type: ignore[arg-type]
        assert bars._top == top
        span = bars.window.span
        bars.on_mouse_scroll_up(event(events.MouseScrollUp, 50, 5, ctrl=True))  # type: ignore[arg-type]
        assert bars.window.span < span
        bars.on_mouse_scroll_down(event(events.MouseScrollDown, 50, 5, ctrl=True))  # type: ignore[arg-type]
        assert bars.window.span == pytest.approx(span)
        bars.on_click(events.Click(bars, 5, 19, 0, 0, 1, shift=False, meta=False, ctrl=False))
        assert marked(bars) == "r00.1"


async def test_a_new_run_is_marked_unless_a_person_has_moved_the_mark() -> None:
    bars = falls(("a", 100.0))
    async with room(bars, (100, 30)):
        bars.flush(200.0)
        story(bars.timeline, "b", 110.0)
        bars.flush(200.0)
        assert marked(bars) == "b"
        bars.action_move(-1)
        story(bars.timeline, "c", 120.0)
        bars.flush(200.0)
        assert marked(bars) == "a.2"
        bars.action_follow()
        story(bars.timeline, "d", 130.0)
        bars.flush(200.0)
        assert marked(bars) == "d"


async def test_a_mark_on_a_run_that_is_forgotten_goes_to_the_newest() -> None:
    timeline = Timeline(limit=2)
    story(timeline, "a", 100.0)
    bars = Waterfall(timeline, lambda: 200.0, lambda _: 8)
    async with room(bars, (100, 30)):
        bars.flush(200.0)
        bars.action_move(1)
        for number, run in enumerate("bcd"):
            story(timeline, run, 110.0 + number)
        bars.flush(200.0)
        assert marked(bars) == "d"


async def test_it_grows_while_something_runs_and_is_not_drawn_when_nothing_does(monkeypatch: pytest.MonkeyPatch) -> None:
    bars = falls()
    drawn: list[int] = []
    async with room(bars, (100, 20)):
        bars.flush(100.0)
        assert "Nothing has run yet" in "\n".join(shown(bars))
        monkeypatch.setattr(bars, "refresh", lambda: drawn.append(1))
        story(bars.timeline, "r", 100.0)
        bars.flush(103.0)
        for tick in range(100):
            bars.flush(103.0 + tick / 20)
        assert len(drawn) == 1
        bars.timeline.handle(make(RunStarted, 110.0, run="s", kind="chat", title="x", wall=1e9, request="{}"))
        bars.timeline.handle(make(StepQueued, 110.0, run="s", step="s.1", kind="model", name="m", lane="lab/m"))
        lengths = []
        for tick in range(40):
            bars.flush(110.0 + tick / 20)
            lengths.append(plain(bars.render_line(6)).count("·"))
        assert 15 <= len(drawn) <= 24
        assert "│" in "\n".join(shown(bars)) or lengths[-1] > 0


async def test_when_calm_only_the_present_moves() -> None:
    bars = falls(calm=True)
    async with room(bars, (100, 20)):
        bars.timeline.handle(make(RunStarted, 100.0, run="s", kind="chat", title="x", wall=1e9, request="{}"))
        windows = set()
        for tick in range(200):
            bars.flush(100.0 + tick / 10)
            windows.add((bars.window.left, bars.window.span))
        assert len(windows) <= 8


async def test_a_frame_draws_the_rows_in_view_and_no_others(monkeypatch: pytest.MonkeyPatch) -> None:
    timeline = Timeline()
    story(timeline, "r", 100.0, steps=5000)
    bars = Waterfall(timeline, lambda: 200.0, lambda _: 8)
    painted: list[int] = []

    def counted(*arguments: object, **keywords: object) -> list[tuple[str, str]]:
        painted.append(1)
        return paint(*arguments, **keywords)  # type: ignore[arg-type]

    monkeypatch.setattr("tui.widgets.waterfall.paint", counted)
    async with room(bars, (100, 24)):
        bars.flush(200.0)
        painted.clear()
        shown(bars)
    assert len(painted) == 24 - 1 - 4


@pytest.mark.parametrize("state", ["cut", "late", "failed", "cancelled"])
async def test_a_bad_end_has_its_glyph_behind_the_bar_and_its_word(state: str) -> None:
    timeline = Timeline()
    timeline.handle(make(RunStarted, 0.0, kind="chat", title="x", wall=1e9, request="{}"))
    timeline.handle(make(StepQueued, 0.0, step="a", kind="model", name="m", lane="lab/m"))
    timeline.handle(make(StepStarted, 0.0, step="a"))
    timeline.handle(make(FirstToken, 0.5, step="a"))
    timeline.handle(ended("a", 0.0, at=1.0, outcome=state, error="because"))
    timeline.handle(make(RunEnded, 2.0, outcome=state, wall=2.0, busy=1.0))
    bars = Waterfall(timeline, lambda: 3.0, lambda _: 8)
    async with room(bars, (100, 20)):
        bars.flush(3.0)
        line = plain(bars.render_line(2))
    glyph = {"cut": "✂", "late": "◷", "failed": "✗", "cancelled": "■"}[state]
    assert f"█{glyph}" in line
    assert line.count(glyph) == 2
    assert ("stopped" if state == "cancelled" else state) in line


def test_the_facts_of_a_step_name_waits_attempts_tokens_cost_and_error() -> None:
    from agents.events import Retried, Usage

    timeline = Timeline()
    timeline.handle(make(RunStarted, 0.0, kind="chat", title="x", wall=1e9, request="{}"))
    timeline.handle(make(StepQueued, 0.0, step="a", kind="model", name="m", lane="lab/m"))
    row = timeline.row(1)
    assert ("attempts", "none yet") in facts(row, 1.0)
    timeline.handle(make(StepStarted, 1.0, step="a"))
    timeline.handle(make(Retried, 2.0, step="a", attempt=1, reason="429 too many", delay=0.5))
    timeline.handle(make(StepStarted, 3.0, step="a", attempt=2))
    timeline.handle(make(FirstToken, 4.0, step="a"))
    timeline.handle(make(Log, 4.0, step="a", message="so far so good"))
    usage = Usage(input=10, output=20, cached=5)
    end = ended("a", 0.0, at=6.0, outcome="cut", error="cut off", error_kind="cut", usage=usage, cost=0.0012, attempts=2)
    timeline.handle(end)
    text = "\n".join(f"{name} {value}" for name, value in facts(row, 9.0))
    assert "wait 1.00 s, TTFT 3.00 s, streaming 2.00 s, all 6.00 s" in text
    assert "1: began at +1.00 s, given up after 1.00 s, again 0.5 s later: 429 too many" in text
    assert "2: began at +3.00 s" in text
    assert "10 in (5, 50 %, read from the server's cache), 20 out" in text
    assert "cost 0.0012" in text
    assert "error cut off (cut)" in text
    assert "lab/m" in text
    assert "at once" in "\n".join(value for _, value in facts(timeline.row(0), 9.0))


async def opened(at: Stage, models: int = 2) -> Waterfall:
    await at.until(lambda: len(at.app.dashboard.compare.models) == models)
    await at.press("f5")
    bars = at.app.dashboard.waterfall.bars
    assert bars.has_focus
    return bars


async def test_runs_of_other_views_are_seen_and_a_prompt_sent_here_goes_to_compare(tmp_path: Path, server: PacedServer) -> None:
    async with stage(tmp_path, server.base_url, "lab/paced-30-100", "lab/paced-20-100", concurrency=1) as at:
        bars = await opened(at)
        assert "Sent to Compare" in at.screen()
        await at.send("Sing to me")
        await at.until(lambda: len(bars.timeline) == 3 and not bars.timeline.running)
        await at.until(lambda: all(bar.state == "saved" for bar in bars.timeline.tracks[0].order))
        await at.until(lambda: "for a place at lab (cap 1, all taken)" in at.screen())
        assert "Sing to me" in at.screen()
        assert at.app.dashboard.view is at.app.dashboard.waterfall
        assert len(at.app.dashboard.waterfall._unsaved) == 0


async def test_enter_shows_a_steps_text_from_memory_while_it_streams_and_from_disk_later(
    tmp_path: Path, server: PacedServer
) -> None:
    async with stage(tmp_path, server.base_url, "lab/paced-200-100", "lab/paced-5-100") as at:
        bars = await opened(at)
        await at.send("Sing to me")
        await at.until(lambda: len(bars.timeline) == 3 and bars.timeline.tracks[0].order[0].first is not None)
        bars.focus()
        await at.press("j", "enter")
        await at.until(lambda: isinstance(at.app.screen, StepScreen) and "soprano" in at.screen())
        assert "streaming" in at.screen()
        first = at.app.screen
        assert isinstance(first, StepScreen)
        length = len(first.pane.text)
        await at.until(lambda: len(first.pane.text) > length)
        await at.press("escape")
        await at.until(lambda: at.app.screen is at.app.dashboard)
        assert bars.has_focus
        await at.until(lambda: bars.timeline.tracks[0].saved)
        await at.press("enter")
        await at.until(lambda: isinstance(at.app.screen, StepScreen) and "soprano" in at.screen() and "✓ saved" in at.screen())
        second = at.app.screen
        assert isinstance(second, StepScreen)
        await at.until(lambda: len(second.pane.text.split()) > 100)
        await at.press("q")
        await at.until(lambda: at.app.screen is at.app.dashboard)
        await at.press("k", "enter")
        await at.until(lambda: isinstance(at.app.screen, StepScreen) and "Sing to me" in at.screen() and "wall" in at.screen())


async def test_the_passages_of_a_source_stand_where_its_text_would(tmp_path: Path, server: PacedServer) -> None:
    async with stage(tmp_path, server.base_url, "lab/a") as at:
        bars = await opened(at, 1)
        stream = at.app.workspace.engine.stream
        stream.emit(RunStarted, run="zz", kind="ask", title="Where?", wall=1e9, request="{}")
        stream.emit(StepQueued, run="zz", step="zz.1", kind="source", name="keyword", lane="keyword")
        stream.emit(StepStarted, run="zz", step="zz.1")
        stream.emit(Found, run="zz", step="zz.1", hits=(hit("a.md"),))
        stream.emit(RunEnded, run="zz", outcome="done", wall=1.0, busy=1.0)
        await at.until(lambda: len(bars.timeline) == 2)
        await at.press("j", "enter")
        await at.until(lambda: isinstance(at.app.screen, StepScreen) and "/docs/a.md:1" in at.screen())


async def test_esc_and_i_lead_back_to_the_prompt_and_f9_stops_what_runs(tmp_path: Path, server: PacedServer) -> None:
    async with stage(tmp_path, server.base_url, "lab/paced-8000-100") as at:
        bars = await opened(at, 1)
        for key in ("escape", "i"):
            bars.focus()
            await at.press(key)
            await at.until(lambda: at.app.dashboard.prompt.has_focus)
        await at.send("Sing to me")
        await at.until(lambda: bars.timeline.running and bars.timeline.tracks[0].order[:1] != [])
        await at.press("f9")
        await at.until(lambda: not bars.timeline.running)
        await at.until(lambda: "stopped" in at.screen())


async def test_an_observer_hears_of_every_run_but_of_no_text(tmp_path: Path, server: PacedServer) -> None:
    async with stage(tmp_path, server.base_url, "lab/paced-20-200") as at:
        heard: list[AnyEvent] = []
        at.app.feed.observe(heard.append)
        await opened(at, 1)
        await at.send("Sing to me")
        await at.until(lambda: any(isinstance(event, RunEnded) for event in heard))
    assert {RunStarted, StepQueued, StepStarted, FirstToken, RunEnded} <= set(map(type, heard))
    assert not any(isinstance(event, TextEvent) for event in heard)
