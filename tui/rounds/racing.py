"""Race: what an answer must be to win; the next prompt then goes to all panes, and the first such answer stops the others."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, ClassVar, Final

from textual.widgets import Static

from agents.compare.conditions import check_lengths, pattern_of, schema_in
from agents.errors import InputError
from agents.requests import Accept
from tui.key_table import bindings
from tui.rounds.answers import offered
from tui.rounds.choice import Choice
from tui.rounds.sheet import Field, Sheet, line_input

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from textual.binding import BindingType
    from textual.widget import Widget

    from agents.requests import ModelRef
    from tui.rounds.memory import Memory
    from tui.views.view import View

_FIELDS: Final = (
    ("least", "At least", "characters"),
    ("most", "At most", "characters"),
    ("pattern", "Pattern", "a regular expression that must be found"),
    ("schema", "Schema file", "a JSON schema the answer must follow"),
)


class RaceScreen(Sheet[Accept | None]):
    """A form; its result is what the next prompt is a race for."""

    heading = "Race: the first acceptable answer wins"
    BINDINGS: ClassVar[list[BindingType]] = list(bindings("sheet.race"))

    def __init__(self, view: View, memory: Memory, models: Sequence[ModelRef]) -> None:
        super().__init__()
        self._view = view
        self._memory = memory
        self._first = models
        self._inputs = {key: line_input(memory.race.get(key, ""), hint, f"race-{key}") for key, _, hint in _FIELDS}
        self._judge = Choice(_judges([(str(model), model) for model in models]), memory.race_judge, name="race-judge")
        self._criterion = line_input(memory.race.get("criterion", ""), "what the judge must find true", "race-criterion")

    def body(self) -> Iterator[Widget]:
        """Yield the form."""
        yield Static(
            "All that is given must hold; with nothing given, the first whole answer wins. The others are stopped at once.",
            markup=False,
            classes="sheet--text",
        )
        for key, label, _ in _FIELDS:
            yield Field(label, self._inputs[key])
        yield Field("Judge", self._judge)
        yield Field("Criterion", self._criterion)

    def on_mount(self) -> None:
        """Ask what models there are."""
        super().on_mount()
        self.run_worker(self._offer(), description="list models")

    async def _offer(self) -> None:
        self._judge.offer(_judges(await offered(self._view.workspace, self._first)))

    def on_input_submitted(self) -> None:
        """Enter is the line's own; without priority it never overtakes what was typed before it."""
        self.action_go()

    def action_go(self) -> None:
        """Check what was filled in."""
        self.run_worker(self._check(), group="check", exclusive=True, description="check the conditions")

    async def _check(self) -> None:
        values = {key: field.value for key, field in self._inputs.items()} | {"criterion": self._criterion.value}
        try:
            accept = await accept_of(values, self._judge.value)
        except InputError as error:
            self.fail(str(error))
            return
        self._memory.race, self._memory.race_judge = values, self._judge.value
        self.dismiss(accept)


def _judges(options: list[tuple[str, ModelRef]]) -> list[tuple[str, ModelRef | None]]:
    return [("no judge", None), *options]


async def accept_of(values: Mapping[str, str], judge: ModelRef | None) -> Accept:
    """Return the conditions a form's values name; :class:`InputError`, in one line, for one that is none."""
    least, most = (_characters(values.get(key, "")) for key in ("least", "most"))
    check_lengths(least, most)
    pattern = pattern_of(values.get("pattern", ""))
    criterion = values.get("criterion", "").strip()
    if criterion and judge is None:
        raise InputError("a criterion needs a judge: choose one, or leave it out")
    path = values.get("schema", "").strip()
    return Accept(
        min_chars=least,
        max_chars=most,
        pattern=pattern,
        schema=await asyncio.to_thread(schema_in, path) if path else None,
        judge=judge,
        criterion=criterion,
    )


def _characters(text: str) -> int | None:
    text = text.strip().replace(",", "")
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise InputError(f"{text!r} is not a number of characters")
    return int(text)
