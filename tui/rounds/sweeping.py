"""Sweep: the form for prompt, model, settings and repeats, and what is made of its values."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, ClassVar, Final

from textual.widgets import TextArea

from agents.compare.conditions import pattern_of, text_in
from agents.compare.sweep import expand
from agents.errors import InputError
from agents.models.names import parse_params
from agents.requests import Accept, Chat, Message
from agents.tokens import estimate_tokens
from tui.key_table import bindings
from tui.rounds.answers import model_options, offered
from tui.rounds.choice import Choice
from tui.rounds.sheet import Field, Sheet, line_input
from tui.rounds.sweep_run import SweepRun
from tui.rounds.swept import SweptScreen

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from textual.binding import BindingType
    from textual.widget import Widget

    from agents.requests import Lane, ModelRef
    from agents.settings import Settings
    from tui.rounds.memory import Memory
    from tui.views.view import View

MOST: Final = 200
"""Answers one sweep may ask for here."""
ASKED_ABOVE: Final = 50
"""Answers above which a second Enter is wanted."""
_AXES: Final = (
    ("temperature", "Temperature", "0, 0.5, 1"),
    ("top_p", "Top p", "0.5, 0.9"),
    ("max_tokens", "Output limit", "80, 200"),
    ("seed", "Seed", "1, 2, 3"),
)


class SweepScreen(Sheet[None]):
    """The form."""

    heading = "Sweep: one prompt over settings"
    BINDINGS: ClassVar[list[BindingType]] = list(bindings("sheet.sweep"))
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
            pattern = pattern_of(values["pattern"])
        except InputError as error:
            self.fail(str(error))
            return
        if len(lanes) > ASKED_ABOVE and lanes != self._confirmed:
            self._confirmed = lanes
            self.fail(f"{expense(lanes, self._view.workspace.settings)}: Enter again runs it.")
            return
        self._memory.sweep = values
        sweep = self._memory.last_sweep = SweepRun(lanes, Accept(pattern=pattern) if pattern else None)
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
    return text_in(text[1:]) if text.startswith("@") else text


def expense(lanes: Sequence[Lane], settings: Settings) -> str:
    """Return what ``lanes`` may take at most: answers, output tokens, and their cost where the price is known."""
    limits = [lane.model.params.max_tokens or settings.defaults.max_tokens for lane in lanes]
    told = f"{len(lanes)} answers, up to {sum(limits):,} output tokens"
    endpoint = settings.endpoints.get(lanes[0].model.endpoint)
    if endpoint is None or endpoint.price is None:
        return told
    asked = sum(estimate_tokens("".join([lane.system or "", *(message.content for message in lane.messages)])) for lane in lanes)
    cost = (asked * endpoint.price.input + sum(limits) * endpoint.price.output) / 1e6
    return f"{told}, ≈{cost:.2g} at most"
