"""Sweep: a form for the settings, a table of figures that fills while the answers come, and the answers of one setting."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final

from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.widgets import Static, TextArea

from agents.compare.sweep import expand
from agents.errors import InputError
from agents.models.names import parse_params
from agents.requests import Accept, Chat, Message
from tui.figures import seconds
from tui.rounds.answers import model_options, offered
from tui.rounds.choice import Choice
from tui.rounds.sheet import Field, Sheet, line_input
from tui.rounds.sweep_run import COLUMNS, SweepRun
from tui.rounds.table import Table
from tui.safe import safe_content, safe_line
from tui.widgets.stream_pane import StreamPane

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from textual.widget import Widget

    from agents.events import StepEnded
    from agents.requests import Lane, ModelRef
    from agents.settings import Settings
    from tui.rounds.memory import Memory
    from tui.views.view import View

MOST: Final = 200
"""Answers one sweep may ask for here."""
ASKED_ABOVE: Final = 50
"""Answers above which a second Enter is wanted."""
_LARGEST: Final = 64 * 1024
_AXES: Final = (
    ("temperature", "Temperature", "0, 0.5, 1"),
    ("top_p", "Top p", "0.5, 0.9"),
    ("max_tokens", "Output limit", "80, 200"),
    ("seed", "Seed", "1, 2, 3"),
)
_REDRAW: Final = 0.2


class SweepScreen(Sheet[None]):
    """The form."""

    heading = "Sweep: one prompt over settings"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "go", "run", tooltip="Run the sweep", id="sweep.go", priority=True),
        Binding("ctrl+l", "last", "last figures", tooltip="Show what the last sweep gave", id="sweep.last", priority=True),
        Binding("escape", "leave", "close", tooltip="Close this", id="sheet.leave", priority=True),
    ]
    DEFAULT_CSS = """
    SweepScreen #sweep-prompt { height: 3; border: none; padding: 0; width: 1fr; color: $foreground; }
    SweepScreen.-narrow #sweep-prompt { height: 2; }
    """

    def __init__(self, view: View, memory: Memory, prompt: str, model: ModelRef, models: Sequence[ModelRef]) -> None:
        super().__init__()
        self._view = view
        self._memory = memory
        self._first = [model, *models]
        kept = memory.sweep
        self._prompt = TextArea(
            prompt or kept.get("prompt", ""), compact=True, soft_wrap=True, tab_behavior="focus", id="sweep-prompt"
        )
        self._prompt.highlight_cursor_line = False
        self._model = Choice(model_options(self._first), model, name="sweep-model")
        self._inputs = {key: line_input(kept.get(key, ""), hint, f"sweep-{key}") for key, _, hint in _AXES}
        self._inputs["system"] = line_input(kept.get("system", ""), "be brief | be thorough | @file.txt", "sweep-system")
        self._inputs["repeat"] = line_input(kept.get("repeat", "3"), "3", "sweep-repeat")
        self._inputs["pattern"] = line_input(kept.get("pattern", ""), "a regular expression that must be found", "sweep-pattern")
        self._confirmed: tuple[Lane, ...] = ()

    def body(self) -> Iterator[Widget]:
        """Yield the form."""
        yield Field("Prompt", self._prompt)
        yield Field("Model", self._model)
        for key, label, _ in _AXES:
            yield Field(label, self._inputs[key])
        yield Field("System prompts", self._inputs["system"])
        yield Field("Repeats", self._inputs["repeat"])
        yield Field("Accepted if", self._inputs["pattern"])

    def on_mount(self) -> None:
        """Ask what models there are."""
        super().on_mount()
        (self._inputs["temperature"] if self._prompt.text else self._prompt).focus()
        self.run_worker(self._offer(), description="list models")

    async def _offer(self) -> None:
        self._model.offer(await offered(self._view.workspace, self._first))

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Offer the last figures when there are any."""
        return action != "last" or self._memory.last_sweep is not None

    def action_last(self) -> None:
        """Show the last sweep."""
        if self._memory.last_sweep is not None:
            self.app.switch_screen(SweptScreen(self._memory.last_sweep))

    def action_go(self) -> None:
        """Check what was filled in, and run it."""
        self.run_worker(self._begin(), group="sweep", exclusive=True, description="begin the sweep")

    async def _begin(self) -> None:
        values = {"prompt": self._prompt.text, **{key: field.value for key, field in self._inputs.items()}}
        model = self._model.value
        try:
            if model is None:
                raise InputError("there is no model to ask")
            lanes = await lanes_of(model, values, self._view.workspace.settings.defaults.system)
            accept = _accept(values["pattern"])
        except InputError as error:
            self.fail(str(error))
            return
        if len(lanes) > ASKED_ABOVE and lanes != self._confirmed:
            self._confirmed = lanes
            self.fail(f"{expense(lanes, self._view.workspace.settings)}: Enter again runs it.")
            return
        self._memory.sweep = values
        sweep = self._memory.last_sweep = SweepRun(lanes, accept)
        sweep.begin(self._view.feed.submit(Chat(lanes=lanes, use_cache=False), sweep))
        self.app.switch_screen(SweptScreen(sweep))


async def lanes_of(model: ModelRef, values: Mapping[str, str], system: str | None) -> tuple[Lane, ...]:
    """Return the lanes a form's values name; :class:`InputError`, in one line, for a value that is none."""
    prompt = values.get("prompt", "").strip()
    if not prompt:
        raise InputError("a sweep needs a prompt")
    grid: dict[str, list[Any]] = {}
    for key, label, _ in _AXES:
        words = [word.strip() for word in values.get(key, "").split(",") if word.strip()]
        if words:
            grid[key] = [
                None if word in {"default", "-", "–"} else getattr(parse_params(label, {key: word}), key) for word in words
            ]
    systems = [text.strip() for text in values.get("system", "").split("|") if text.strip()]
    if systems:
        grid["system"] = [await asyncio.to_thread(_system, text) for text in systems]
    repeats = values.get("repeat", "").strip() or "1"
    if not (repeats.isascii() and repeats.isdigit() and 0 < int(repeats[:4]) <= MOST):
        raise InputError(f"repeats must be a whole number from 1 to {MOST}")
    try:
        lanes = expand(model, (Message("user", prompt),), grid, int(repeats), system=system)
    except InputError:
        lanes = ()
    if not 0 < len(lanes) <= MOST:
        raise InputError(f"a sweep here may have up to {MOST} answers: take fewer values or repeats")
    return lanes


def _system(text: str) -> str:
    """Return a system prompt, read from a file when it is ``@FILE``."""
    if not text.startswith("@"):
        return text
    path = Path(text[1:]).expanduser()
    try:
        if not path.is_file() or path.stat().st_size > _LARGEST:
            raise InputError(f"{text!r} is not a text file of at most {_LARGEST // 1024} KiB")
        return path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise InputError(f"{text!r} cannot be read: {getattr(error, 'strerror', None) or 'it is not UTF-8 text'}") from None


def _accept(pattern: str) -> Accept | None:
    try:
        re.compile(pattern)
    except (re.error, OverflowError, RecursionError) as error:
        raise InputError(f"the pattern is no regular expression: {error}") from None
    return Accept(pattern=pattern) if pattern else None


def expense(lanes: Sequence[Lane], settings: Settings) -> str:
    """Return what ``lanes`` may take at most: answers, output tokens, and their cost where the price is known."""
    limits = [lane.model.params.max_tokens or settings.defaults.max_tokens for lane in lanes]
    told = f"{len(lanes)} answers, up to {sum(limits):,} output tokens"
    endpoint = settings.endpoints.get(lanes[0].model.endpoint)
    if endpoint is None or endpoint.price is None:
        return told
    asked = sum(sum(len(message.content) for message in lane.messages) + len(lane.system or "") for lane in lanes) / 4
    cost = (asked * endpoint.price.input + sum(limits) * endpoint.price.output) / 1e6
    return f"{told}, ≈{cost:.2g} at most"


class SweptScreen(Sheet[None]):
    """The figures of each setting, as they come."""

    heading = "Sweep"
    full = True
    AUTO_FOCUS = "Table"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "open", "answers", tooltip="Show the marked setting's answers", id="swept.open", priority=True),
        Binding(
            "escape",
            "leave",
            "stop, then close",
            tooltip="Stop what runs and keep what came; then close",
            id="sheet.leave",
            priority=True,
        ),
    ]
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
        self._line = Static(id="swept-line", markup=False)
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
        self._line.update(safe_content(" · ".join(parts)))
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
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("right", "turn(1)", "next setting", tooltip="The answers of the next setting", id="setting.next", priority=True),
        Binding(
            "left", "turn(-1)", "setting before", tooltip="The answers of the setting before", id="setting.previous", priority=True
        ),
        Binding("escape,q", "leave", "back", tooltip="Back to the figures", id="sheet.leave", priority=True),
    ]
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
