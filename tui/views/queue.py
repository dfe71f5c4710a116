"""Queue: who waits, what runs and what holds it up at every endpoint, and changing caps and limits while it does."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from agents.events import Planned, RunEnded, StepEnded
from agents.requests import Batch
from storage.errors import StoreError
from tui.figures import NONE, seconds
from tui.load.doors import Door, changes, state
from tui.load.history import History
from tui.load.lines import count
from tui.load.troubles import Troubles
from tui.safe import safe_line
from tui.screens.endpoint import EndpointScreen, LimitScreen
from tui.views.watching import WatchingView
from tui.widgets.queue_board import Look, QueueBoard

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence

    from textual.worker import Worker

    from agents.events import AnyEvent
    from agents.workspace import Workspace
    from tui.feed import Feed
    from tui.prompts import Prompt

_TWICE = 3.0
"""Seconds within which a second press empties the cache."""


class QueueView(WatchingView):
    """The board of endpoints."""

    title: ClassVar[str] = "Queue"
    placeholder: ClassVar[str] = "Sent to Compare; here + and - change the cap, r and t the limits"

    def __init__(self, workspace: Workspace, feed: Feed, send: Callable[[Prompt], None], switch: Callable[[], None]) -> None:
        super().__init__(workspace, feed, send)
        self.history = History()
        self.troubles = Troubles()
        self.board = QueueBoard(self._look)
        self._switch = switch
        self._files: dict[str, _File] = {}
        self._asked = float("-inf")
        """When a person last pressed the key that empties the cache."""

    @property
    def shown(self) -> QueueBoard:
        """The board."""
        return self.board

    def entered(self) -> None:
        """Let the keys act on the board, and read what the cache holds; what is typed otherwise goes to the prompt."""
        super().entered()
        self.board.changed()
        if self.workspace.opened:
            self._begin(self._read_cache)

    def _begin(self, work: Callable[[], Coroutine[None, None, None]]) -> Worker[None]:
        return self.run_worker(work, name="cache", group="cache", exclusive=True)

    async def _read_cache(self) -> None:
        await self.workspace.models.look()
        self.board.changed()

    def flush(self, now: float) -> None:
        """Draw what changed."""
        self.board.flush(now)

    def observe(self, event: AnyEvent) -> None:
        """Count troubles, and how far files are."""
        self.troubles.handle(event)
        match event:
            case Planned(run=run, total=total, kept=kept):
                self._files.setdefault(run, _File()).plan(total, kept)
            case StepEnded(run=run) if run in self._files:
                self._files[run].end(event)
            case RunEnded(run=run):
                self._files.pop(run, None)
            case _:
                pass

    def sample(self, now: float) -> None:
        """Take note of how busy the endpoints are, once a second, whichever view is on screen."""
        if self.workspace.opened and self.history.due(now):
            self.history.take(now, self.workspace.models.load())

    def _look(self) -> Look | None:
        workspace = self.workspace
        if not workspace.opened:
            return None
        models = workspace.models
        figures = models.figures()
        gates = models.directory.gates
        doors = [
            Door(
                name,
                door,
                figures.health[name],
                figures.first_token[name],
                gates[name].target.endpoint,
                self.troubles.tried_again(name),
                self.history.of(name),
            )
            for name, door in figures.doors.items()
            if not gates[name].only_guessed
        ]
        return Look(
            doors,
            figures,
            workspace.metrics.snapshot(),
            workspace.speculation.figures(),
            workspace.prefetch.figures(),
            workspace.settings.routes,
            self._progress(),
        )

    def _progress(self) -> Sequence[str]:
        told = []
        for run, file in self._files.items():
            request = None if (known := self.workspace.engine.runs.get(run)) is None else known.request
            if isinstance(request, Batch):
                told.append(f"{request.source}: {file.line}")
        return told

    # Changing what holds calls up

    def on_queue_board_wanted(self, event: QueueBoard.Wanted) -> None:
        """Change the cap, or ask for a limit."""
        event.stop()
        if not self.workspace.opened:
            return
        models, name = self.workspace.models, event.endpoint
        door = models.directory.gates[name].door
        if event.change == "cap":
            models.set_cap(name, max(door.cap + event.by, 1))
        elif event.change == "adaptive":
            models.set_cap(name, door.cap if door.adaptive else "adaptive")
        else:
            before = door.requests_per_minute if event.change == "requests" else door.tokens_per_minute
            which = event.change

            def limited(limit: tuple[int | None] | None) -> None:
                if limit is None:
                    return
                requests = limit[0] if which == "requests" else door.requests_per_minute
                tokens = limit[0] if which == "tokens" else door.tokens_per_minute
                models.set_limits(name, requests, tokens)
                self.board.changed()

            self.app.push_screen(LimitScreen(name, which, before), limited)
        self.board.changed()

    def on_queue_board_cleared(self, event: QueueBoard.Cleared) -> None:
        """Empty the cache, on the second press."""
        event.stop()
        now = self.workspace.engine.clock()
        first = now - self._asked > _TWICE
        self._asked = now if first else float("-inf")
        if first:
            self.notify(
                "Once more empties the cache of answers, for every stretto with this database.", timeout=_TWICE, markup=False
            )
        elif self.workspace.opened:
            self._begin(self._clear)

    async def _clear(self) -> None:
        try:
            removed = await self.workspace.models.clear_cache()
        except StoreError as error:
            self.notify(safe_line(str(error)), severity="error", markup=False)
            return
        self.notify(f"{count(removed)} answers were removed from the cache.", timeout=4, markup=False)
        self.board.changed()

    def on_queue_board_switched(self, event: QueueBoard.Switched) -> None:
        """Ask likely next questions beforehand, or no longer."""
        event.stop()
        self._switch()
        self.board.changed()

    def on_queue_board_opened(self, event: QueueBoard.Opened) -> None:
        """Show all of an endpoint over the dashboard."""
        event.stop()
        name = event.endpoint
        self.app.push_screen(EndpointScreen(lambda: self._details(name)))

    def _details(self, name: str) -> tuple[list[tuple[str, str]], list[str]]:
        """Return what is known of an endpoint, and what went wrong there lately, newest first."""
        look = self._look()
        each = None if look is None else next((each for each in look.doors if each.name == name), None)
        if look is None or each is None:
            return [("endpoint", name)], []
        target, health = self.workspace.models.directory.gates[name].target, each.health
        cost = look.figures.spend.endpoints.get(name)
        facts = [
            ("endpoint", name),
            ("address", target.base_url or "the embedded server, started when it is needed"),
            ("kind", target.endpoint.kind),
            ("state", f"{state(health)[1]}{f': {health.reason}' if health.reason else ''}"),
            ("attempts", f"{count(health.answered)} answered, {count(health.failed)} failed, {health.failures} in a row"),
            ("circuit", f"opened {health.opened} times"),
            ("tried again", f"{count(health.retries)}, {health.retries_left:.0f} more may follow now"),
            ("cap", f"{each.door.cap}{', adaptive' if each.door.adaptive else ''}"),
            ("first token", seconds(each.first_token)),
            ("not there", ", ".join(health.missing) or NONE),
            ("spent", NONE if cost is None else f"{cost:.4f}"),
            ("changed", changes(each) or NONE),
        ]
        now = self.workspace.engine.clock()
        lines = [
            f"{seconds(max(now - trouble.at, 0))} ago: {trouble.line}{' (tried again)' if trouble.again else ''}"
            for trouble in reversed(self.troubles.of(name))
        ]
        return facts, lines


class _File:
    """How far one file of prompts is."""

    def __init__(self) -> None:
        self._total: int | None = None
        self._kept = self._done = self._failed = 0

    def plan(self, total: int | None, kept: int) -> None:
        """Take note of how much there is to do."""
        self._total, self._kept = total, kept

    def end(self, event: StepEnded) -> None:
        """Take note of one result."""
        self._done += event.outcome != "cancelled"
        self._failed += event.outcome not in {"done", "cancelled"}

    @property
    def line(self) -> str:
        """How far it is, in a few words."""
        total = "" if self._total is None else f" of {count(self._total)}"
        return f"{count(self._kept + self._done)}{total} answers, {count(self._failed)} failed"
