"""A header over streamed text: the state and figures of one model step, and what it says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from textual.containers import Vertical

from agents.events import FirstToken, Log, Retried, Saved, StepEnded, StepEvent, StepQueued, StepStarted, Text
from agents.tokens import size_of, tokens_of
from tui.figures import made_for
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
        self.step: str | None = None
        """The step that is shown; ``Saved`` of an earlier one says nothing about it."""
        self._started: float | None = None
        self._first: float | None = None
        self._shown = 0
        self._offset = 0
        """Characters of the text before the latest attempt's."""
        self._bytes = 0
        """Bytes of the text that came."""
        self._end = ""
        self._error: str | None = None
        self._kept = ""
        """A note that stays when text comes."""

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
        """Forget the last step and its figures."""
        self.step, self._started, self._first, self._error = None, None, None, None
        self._shown = self._bytes = self._offset = 0
        self._kept = ""
        self.state = PaneState(title=self.state.title, number=self.state.number)
        self.header.update(self.state)

    def begin(self, kind: Literal["prompt", "answer", "note"]) -> None:
        """Begin a section: a prompt, an answer or a remark."""
        self.pane.begin(kind)
        self._end = ""

    def remark(self, text: str) -> None:
        """Add a line of our own as a section of its own."""
        self.begin("note")
        self.put(f"{text}\n")

    def put(self, text: str) -> None:
        """Add ``text`` at the end."""
        self.pane.append(text)
        self._end = (self._end + text)[-2:]

    def fresh(self, text: str) -> None:
        """Show ``text`` in place of what is there."""
        self.pane.set_text(text)
        self._end = text[-2:]

    def paragraph(self, text: str) -> None:
        """Add ``text`` as a paragraph of its own."""
        gap = "" if not self._end or self._end == "\n\n" else "\n" if self._end.endswith("\n") else "\n\n"
        self.put(gap + text)

    def failed(self, error: str) -> None:
        """Show why there is no answer, unless the step has said so already."""
        if error != self._error:
            self._error = error
            self.remark(f"✗ {error}")
            self.change(state="failed")

    def handle(self, event: StepEvent | Saved) -> None:
        """Take one event of the step that is shown."""
        match event:
            case StepQueued(step=step):
                self.idle()
                self.step = step
                self.change(state="queued")
            case StepStarted(at=at, attempt=attempt, offset=offset):
                if offset > self._offset:
                    self._offset = offset
                    self.remark(f"The answer above was cut. Attempt {attempt}, from its beginning:")
                    self.begin("answer")
                self._started = at if self._started is None else self._started
                self.change(state="waiting")
            case FirstToken(at=at):
                self._first = at
                self.change(state="streaming", note=self._kept, ttft=None if self._started is None else at - self._started)
            case Text(text=text, offset=offset, at=at):
                self._take(text, offset, at)
            case Log(message=message, keep=keep):
                self.note(message)
                self._kept = self.state.note if keep else self._kept
            case Retried(delay=delay, reason=reason, mode=mode):
                what = {"again": "again", "restart": "from its beginning", "resume": "goes on"}[mode]
                self.note(f"{what} in {delay:.1f} s: {reason}" if delay else f"{what}: {reason}")
            case StepEnded():
                self.ended(event)
            case Saved(step=step, error=error) if step == self.step:
                if error is not None:
                    self.note(f"not saved: {error}")
                else:
                    note = "" if self.state.note.startswith("not saved") else self.state.note
                    self.change(state="saved" if self.state.state == "done" else self.state.state, note=note)
            case _:
                pass

    def skip(self, text: str) -> None:
        """Take note that ``text`` of the step is shown already; events that carry it again add nothing."""
        self._shown, self._bytes = len(text), size_of(text)

    def _take(self, text: str, offset: int, at: float) -> None:
        new = text[max(self._shown - offset, 0) :]
        self.put(new)
        self._bytes += size_of(new)
        self._shown = max(self._shown, offset + len(text))
        if self._first is not None and at - self._first > 0.3:
            tokens = tokens_of(self._bytes)  # the header marks it as an estimate until the usage is known
            self.state.rate, self.state.tokens, self.state.estimated = tokens / (at - self._first), tokens, True

    def ended(self, event: StepEnded) -> None:
        """Show how the step ended, with the true figures in place of the estimates."""
        timings, usage = event.timings, event.usage
        self.pane.finish()
        if event.error:
            self._error = event.error
            self.note("")  # what was to follow, such as another attempt, does not any more
            self.remark(f"✗ {event.error}")
        elif event.outcome == "cancelled":
            self.note("text kept")
        elif event.similar is not None:
            self.remark(safe_line(made_for(event.similar_to, event.similar), _LINE))
        self.change(
            state=event.outcome,
            ttft=timings.ttft,
            rate=event.rate,
            sent=usage.input if usage and usage.input else None,
            tokens=usage.output if usage else None,
            estimated=bool(usage and usage.estimated),
            cost=event.cost,
            over=True,
            cached=event.cached,
            similar=event.similar,
            speculated=event.speculated,
            joined=event.joined,
            limited=event.finish == "length",
        )

    def flush(self, now: float) -> None:
        """Draw what changed; ``now`` is the engine's monotonic time."""
        self.pane.flush()
        self.header.flush(now)
