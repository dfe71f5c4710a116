"""All of one step, over the dashboard: where its time went, its attempts, and its text, which grows while it streams."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import msgspec
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen

from agents.errors import StrettoError
from agents.events import Found
from storage.errors import StoreError
from tui.figures import wrap
from tui.key_table import bindings, key_of
from tui.safe import safe_content, safe_line
from tui.step_facts import facts
from tui.timeline import Bar, Row, Track
from tui.widgets.stream_pane import StreamPane
from tui.widgets.told import Told

if TYPE_CHECKING:
    from textual.app import ComposeResult
    from textual.binding import BindingType

    from agents.runs import Run, Step
    from agents.workspace import Workspace


class StepScreen(ModalScreen[None]):
    """Shows a step, or a run's prompt; any of Escape, Enter, i and q closes it."""

    AUTO_FOCUS = "StreamPane"
    BINDINGS: ClassVar[list[BindingType]] = list(bindings("step"))

    def __init__(self, row: Row, workspace: Workspace, run: Run | None) -> None:
        super().__init__()
        self._row = row
        self._workspace = workspace
        self._run = run
        self.pane = StreamPane(empty="No text.")
        self._facts = Told()
        self._shown = 0
        self._seen = (-1, 0)
        """What the facts were drawn for: the version of what they tell, and their width."""

    @property
    def _track(self) -> Track:
        return self._row.track if isinstance(self._row, Bar) else self._row

    def compose(self) -> ComposeResult:
        """Lay out facts over text."""
        with Vertical(id="step") as box:
            name = self._row.name if isinstance(self._row, Bar) else self._row.title
            box.border_title = safe_content(safe_line(name, 200))
            box.border_subtitle = Content(f"{key_of('step.close')} closes")
            with VerticalScroll(id="facts"):
                yield self._facts
            yield self.pane

    def on_mount(self) -> None:
        """Take what memory has of the step; what it does not have is on disk."""
        self.pane.begin("answer" if isinstance(self._row, Bar) and self._row.kind == "model" else "note")
        if isinstance(self._row, Bar) and self._run is not None:
            self._grow(self._run.steps[self._row.step])
        else:
            self.run_worker(self._read(), name="read a step", description="read a step", exit_on_error=False)
        self._tick(self._workspace.engine.clock())

    def on_resize(self) -> None:
        """Wrap the facts anew, once they have their new width."""
        self.call_after_refresh(lambda: self._tick(self._workspace.engine.clock()))

    def flush(self, now: float) -> None:
        """Draw what changed; ``now`` is the engine's monotonic time."""
        if self.is_mounted:
            self._tick(now)

    def _grow(self, step: Step) -> None:
        """Show the text that came since the last look, or the passages of a step that has no text."""
        if len(step.text) > self._shown:
            self.pane.append(step.text.slice(self._shown))
            self._shown = len(step.text)
        elif not self._shown and step.hits:
            self._passages(Found(run="", seq=0, at=0.0, step=step.id, hits=step.hits))

    def _passages(self, found: Found) -> None:
        text = "\n\n".join(f"{hit.place}\n{hit.text}" for hit in found.hits)
        self._shown = len(text)
        self.pane.append(text)

    async def _read(self) -> None:
        """Show what is on disk of it."""
        try:
            await self._workspace.open()
            if isinstance(self._row, Track):
                run = await self._workspace.history.find(self._row.run)
                self.pane.append(run.prompt if run is not None else self._row.title)
                return
            step = self._row.step
            text = next((row.text for row in await self._workspace.history.steps(self._track.run) if row.id == step), None)
            if text:
                self.pane.append(text)
            elif text is None:
                self.pane.append("Its text is not on disk.")
            elif (found := await self._found(step)) is not None:
                self._passages(found)
        except (StrettoError, StoreError) as error:
            self.pane.append(str(error))
        finally:
            self.pane.flush()

    async def _found(self, step: str) -> Found | None:
        seq, run = 0, self._track.run
        while page := await self._workspace.history.events(run, seq):
            seq = page[-1].seq
            for event in page:
                if event.step == step and event.kind == "found":
                    return msgspec.json.decode(event.body, type=Found)
        return None

    def _tick(self, now: float) -> None:
        """Show what changed since the last look."""
        row, track = self._row, self._track
        seen = (track.version, self._facts.size.width)
        if track.ended is None or seen != self._seen:
            self._seen = seen
            lines = facts(row, now)
            width = max(len(name) for name, _ in lines)
            room = max(self._facts.size.width - width - 2, 10)
            parts: list[tuple[str, str]] = []
            for name, value in lines:
                rows = f"\n{' ' * (width + 2)}".join(wrap(safe_line(value, 600), room))
                parts += [(f"{name:<{width}}  ", "$text-muted"), (f"{rows}\n", "$foreground")]
            parts[-1] = (parts[-1][0].rstrip("\n"), parts[-1][1])
            self._facts.tell(Content.assemble(*parts))
        if isinstance(row, Bar) and self._run is not None:
            self._grow(self._run.steps[row.step])
        self.pane.flush()
