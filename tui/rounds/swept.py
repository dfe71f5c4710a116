"""A sweep's figures as they come, one row a setting, and the answers of one setting."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final

from textual.containers import Vertical
from textual.widgets import Static

from tui.figures import seconds
from tui.key_table import bindings
from tui.rounds.sheet import Sheet
from tui.rounds.sweep_run import COLUMNS
from tui.rounds.table import Table
from tui.safe import safe_content, safe_line
from tui.widgets.stream_pane import StreamPane
from tui.widgets.told import Told

if TYPE_CHECKING:
    from collections.abc import Iterator

    from textual.binding import BindingType
    from textual.widget import Widget

    from agents.events import StepEnded
    from tui.keys import Key
    from tui.rounds.sweep_run import SweepRun

_REDRAW: Final = 0.2
"""Seconds between two drawings of the figures."""


class SweptScreen(Sheet[None]):
    """The figures of each setting, as they come."""

    heading = "Sweep"
    full = True
    AUTO_FOCUS = "Table"
    BINDINGS: ClassVar[list[BindingType]] = list(bindings("sheet.swept"))
    DEFAULT_CSS = """
    SweptScreen {
        #swept { height: 1fr; }
        #swept-line { height: 1; color: $text-muted; }
        #swept-prompt { height: 1; color: $text-muted; }
        Table { height: 1fr; margin-top: 1; }
    }
    """

    def __init__(self, sweep: SweepRun) -> None:
        super().__init__()
        self._sweep = sweep
        self._prompt = Static(id="swept-prompt", markup=False)
        self._line = Told(id="swept-line")
        self._table = Table(COLUMNS, empty="no answers yet")
        self._drawn = -1
        self._drawn_at = float("-inf")

    def body(self) -> Iterator[Widget]:
        """Yield the line and the table."""
        yield Vertical(self._prompt, self._line, self._table, id="swept")

    def on_mount(self) -> None:
        """Draw what there is, and begin to test what comes."""
        super().on_mount()
        run = self._sweep.run
        if run is not None:
            self._prompt.update(safe_content(f"› {safe_line(run.title, 200)}"))
        self._table.show(self._sweep.rows())
        self.run_worker(self._sweep.test(), description="test the answers")

    def label(self, row: Key) -> str:
        """Say what Escape does now."""
        return "stop" if row.action == "leave" and self._sweep.over is None else super().label(row)

    def flush(self, now: float) -> None:
        """Draw the figures when they changed, a few times a second."""
        sweep = self._sweep
        if now - self._drawn_at < _REDRAW or (self._drawn == sweep.changes and sweep.over is not None):
            return
        self._drawn, self._drawn_at = sweep.changes, now
        self._table.show(sweep.rows())
        word = (
            "● running" if sweep.over is None else {"done": "✓ done", "cancelled": "■ stopped"}.get(sweep.over.outcome, "✗ failed")
        )
        parts = [word, f"{sweep.ended} of {sweep.total} answers"]
        if sweep.run is not None:
            parts.append(seconds(now - sweep.run.began if sweep.over is None else sweep.over.wall))
        parts.append("mean ± 95 % interval")
        self._line.tell(safe_content(" · ".join(parts)))
        self.draw_keys()
        self.fail(sweep.fault or (sweep.over.error or "" if sweep.over is not None else ""))

    def action_open(self) -> None:
        """Show a setting's answers."""
        if self._table.rows:
            self.app.push_screen(SettingScreen(self._sweep, self._table.cursor))

    def action_leave(self) -> None:
        """Stop what runs, or close."""
        if self._sweep.over is None and self._sweep.run is not None:
            self._sweep.run.cancel()
        else:
            self.dismiss(None)


class SettingScreen(Sheet[None]):
    """The answers of one setting."""

    heading = "Answers"
    full = True
    AUTO_FOCUS = "StreamPane"
    BINDINGS: ClassVar[list[BindingType]] = list(bindings("sheet.setting"))
    DEFAULT_CSS = """
    SettingScreen #setting { height: 1fr; }
    SettingScreen #setting-name { height: 1; background: $panel; text-style: bold; }
    """

    def __init__(self, sweep: SweepRun, at: int) -> None:
        super().__init__()
        self._sweep = sweep
        self._at = at
        self._setting = Static(id="setting-name", markup=False)
        self._pane = StreamPane(empty="No answer yet.")
        self._fresh = True

    def body(self) -> Iterator[Widget]:
        """Yield the setting's name over its answers."""
        yield Vertical(self._setting, self._pane, id="setting")

    def on_mount(self) -> None:
        """Write the answers."""
        super().on_mount()
        self._write()

    def action_turn(self, by: int) -> None:
        """Show another setting."""
        self._at = (self._at + by) % len(self._sweep.groups)
        self._write()

    def _write(self) -> None:
        group = self._sweep.groups[self._at]
        self._setting.update(safe_content(f" {self._at + 1} of {len(self._sweep.groups)}: {safe_line(group or 'as it is', 200)}"))
        pane = self._pane
        pane.clear()
        for given in self._sweep.given(group):
            pane.begin("note")
            pane.append(f"{_said(given.number, given.end, given.accepted)}\n\n")
            if given.text:
                pane.begin("answer")
                pane.append(f"{given.text}\n\n")
            pane.finish()
        self._fresh = True

    def flush(self, now: float) -> None:
        """Draw the text, from its start."""
        self._pane.flush()
        if self._fresh:
            self._pane.scroll_to_start()
            self._fresh = self._pane.follows


def _said(number: int, end: StepEnded | None, accepted: bool | None) -> str:
    if end is None:
        return f"#{number} · not there yet"
    parts = [f"#{number}", end.outcome if end.outcome != "done" else "accepted" if accepted else "not accepted"]
    if end.usage is not None:
        parts.append(f"{end.usage.output} tok")
    parts.append(seconds(end.timings.busy))
    if end.error:
        parts.append(end.error)
    return " · ".join(parts)
