"""A header over streamed text: the state and figures of one model step, and what it says."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.containers import Vertical

from agents.events import FirstToken, Log, Retried, Saved, StepEnded, StepEvent, StepQueued, StepStarted, Text
from tui.safe import safe_line
from tui.widgets.pane_header import PaneHeader, PaneState
from tui.widgets.stream_pane import StreamPane

if TYPE_CHECKING:
    from textual.app import ComposeResult

_LINE = 200
"""Characters of a note that are kept; the header cuts it to its width."""


class AnswerPane(Vertical):
    """Shows one model step at a time, and one-line notes."""

    BLANK = True

    def __init__(self, title: str, *, empty: str) -> None:
        super().__init__()
        self.header = PaneHeader()
        self.pane = StreamPane(empty=empty)
        self.state = PaneState(title=safe_line(title, _LINE))
        self._first: float | None = None
        self._chars = 0

    def compose(self) -> ComposeResult:
        """Lay out header over text."""
        yield self.header
        yield self.pane

    def on_mount(self) -> None:
        """Show the header before anything runs."""
        self.header.update(self.state)

    def change(self, **fields: object) -> None:
        """Set fields of the header's state and draw it."""
        for name, value in fields.items():
            setattr(self.state, name, value)
        self.header.update(self.state)

    def title(self, text: str) -> None:
        """Change the header's title."""
        self.change(title=safe_line(text, _LINE))

    def note(self, text: str) -> None:
        """Show one line in the header; an empty one takes it away."""
        self.change(note=safe_line(text, _LINE))

    def idle(self) -> None:
        """Forget the figures of the last step."""
        self._first, self._chars = None, 0
        self.change(state="idle", note="", ttft=None, rate=None, tokens=None, cached=False, joined=False)

    def failed(self, error: str) -> None:
        """Show why there is no answer."""
        self.pane.append(f"{self.gap()}✗ {error}\n")
        self.change(state="failed")

    def gap(self) -> str:
        """Return what parts the text so far from a paragraph of its own."""
        if not self.pane.has_text:
            return ""
        text = self.pane.text
        return "" if text.endswith("\n\n") else "\n" if text.endswith("\n") else "\n\n"

    def progress(self, event: StepEvent) -> None:
        """Show what a step without a pane of its own says: its lines in the header, warnings in the text."""
        match event:
            case Log(level="info", message=message):
                self.note(message)
            case Log(message=message):
                self.pane.append(f"{message}\n")
            case StepEnded(outcome=outcome, error=error):
                self.change(state=outcome)
                if error:
                    self.note(error)
            case _:
                pass

    def handle(self, event: StepEvent | Saved) -> None:
        """Take one event of the step that is shown."""
        match event:
            case StepQueued():
                self.idle()
                self.change(state="queued")
            case StepStarted():
                self.change(state="waiting")
            case FirstToken():
                self._first = event.at
                self.change(state="streaming", note="")
            case Text(text=text):
                self._take(text, event.at)
            case Log(message=message):
                self.note(message)
            case Retried(delay=delay, reason=reason):
                self.note(f"again in {delay:.1f} s: {reason}")
            case StepEnded():
                self.ended(event)
            case Saved(error=error):
                if error is not None:
                    self.note(f"not saved: {error}")
                elif self.state.state == "done":
                    self.change(state="saved")
            case _:
                pass

    def _take(self, text: str, at: float) -> None:
        self.pane.append(text)
        self._chars += len(text)
        if self._first is not None and at - self._first > 0.3:
            # Four characters a token is the usual rough figure; the header marks it as an estimate until the usage is known.
            self.state.rate, self.state.estimated = self._chars / 4 / (at - self._first), True

    def ended(self, event: StepEnded) -> None:
        """Show how the step ended, with the true figures in place of the estimates."""
        timings, usage = event.timings, event.usage
        streamed = timings.ended - timings.first if timings.first is not None else 0.0
        if event.error:
            self.pane.append(f"{self.gap()}✗ {event.error}\n")
        elif event.finish == "length":
            self.note("cut at the output limit")
        elif event.outcome == "cancelled":
            self.note("text kept")
        self.change(
            state=event.outcome,
            ttft=timings.ttft,
            rate=usage.output / streamed if usage and streamed > 0 and not event.cached else None,
            tokens=usage.output if usage else None,
            estimated=bool(usage and usage.estimated),
            cached=event.cached,
            joined=event.joined,
        )

    def flush(self, now: float) -> None:
        """Draw what changed; ``now`` is the engine's monotonic time."""
        self.pane.flush()
        self.header.flush(now)
