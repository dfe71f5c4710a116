"""A sweep as it runs: which answer belongs to which setting, what came of each, and the figures of each setting so far."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, NamedTuple

from agents.compare.stats import Figures, Trial, figures
from agents.compare.sweep import group_of
from agents.errors import StrettoError
from agents.events import RunEnded, StepEnded, StepQueued
from tui.figures import NONE, accepted, mean, mean_seconds
from tui.rounds.table import Column

if TYPE_CHECKING:
    from agents.events import AnyEvent
    from agents.requests import Accept, Lane
    from agents.runs import Run

COLUMNS = (
    Column("setting"),
    Column("n", right=True),
    Column("accepted", right=True),
    Column("TTFT", right=True),
    Column("tok/s", right=True),
    Column("tokens", right=True),
    Column("wall", right=True),
)


class Given(NamedTuple):
    """One answer of a setting."""

    number: int
    """Which repeat, from 1."""
    text: str
    end: StepEnded | None
    accepted: bool | None
    """``None`` while it is not tested."""


class SweepRun:
    """Follows the run of a sweep; goes on without a screen. :meth:`test` is to run beside it when there are conditions."""

    def __init__(self, lanes: tuple[Lane, ...], accept: Accept | None) -> None:
        self.accept = accept
        self.run: Run | None = None
        self.over: RunEnded | None = None
        self.changes = 0
        """Goes up with whatever changes a figure."""
        self.fault = ""
        """Why answers could not be tested."""
        self.groups = list(dict.fromkeys(group_of(lane.label) for lane in lanes))
        self._labels = [group_of(lane.label) for lane in lanes]
        self._steps: dict[str, str] = {}
        self._ends: dict[str, StepEnded] = {}
        self._accepted: dict[str, bool] = {}
        self._untested: asyncio.Queue[str] = asyncio.Queue()

    @property
    def total(self) -> int:
        """How many answers are asked for."""
        return len(self._labels)

    @property
    def ended(self) -> int:
        """How many answers are over."""
        return len(self._ends)

    def begin(self, run: Run) -> None:
        """Take the run whose events will come."""
        self.run = run

    def handle(self, event: AnyEvent) -> None:
        """Take one event of the run."""
        match event:
            case StepQueued(step=step, kind="model", parent=None) if len(self._steps) < len(self._labels):
                self._steps[step] = self._labels[len(self._steps)]
            case StepEnded(step=step, outcome=outcome) if step in self._steps:
                self._ends[step] = event
                if self.accept is None or outcome != "done":
                    self._accepted[step] = outcome == "done" and bool(self._text(step).strip())
                else:
                    self._untested.put_nowait(step)
            case RunEnded():
                self.over = event
            case _:
                return
        self.changes += 1

    async def test(self) -> None:
        """Test what has ended against the conditions, one answer after the other, until everything is tested."""
        if self.accept is None:
            return
        from agents.compare.accept import Acceptance
        from agents.models.cache import Answer

        try:
            async with Acceptance(self.accept) as acceptance:
                while True:
                    step = await self._untested.get()
                    answer = Answer(text=self._text(step), finish=self._ends[step].finish, usage=None)
                    try:
                        self._accepted[step] = await acceptance.fault(answer) is None
                    except asyncio.CancelledError:
                        self._untested.put_nowait(step)  # for the next screen that shows these figures
                        raise
                    self.changes += 1
        except StrettoError as error:
            self.fault = str(error)
            self.changes += 1

    def _text(self, step: str) -> str:
        if self.run is None:
            return ""
        kept = self.run.steps[step]
        return kept.text.slice(kept.offset)

    def given(self, group: str) -> list[Given]:
        """Return the answers of one setting, as far as they have come."""
        steps = [step for step, label in self._steps.items() if label == group]
        return [
            Given(number, self._text(step), self._ends.get(step), self._accepted.get(step)) for number, step in enumerate(steps, 1)
        ]

    def rows(self) -> list[tuple[str, ...]]:
        """Return a row of :data:`COLUMNS` for each setting."""
        trials = [
            Trial(group=self._steps[step], end=end, accepted=self._accepted[step])
            for step, end in self._ends.items()
            if step in self._accepted and end.outcome != "cancelled"
        ]
        known = {each.group: each for each in figures(trials)}
        return [self._row(group, known.get(group)) for group in self.groups]

    def _row(self, group: str, found: Figures | None) -> tuple[str, ...]:
        name = group or "as it is"
        count = self._labels.count(group)
        if found is None:
            return (name, f"0/{count}", *[NONE] * 5)
        return (
            name,
            f"{found.accepted.count}/{count}",
            accepted(found.accepted),
            mean_seconds(found.ttft),
            mean(found.rate),
            mean(found.tokens),
            mean_seconds(found.wall),
        )
