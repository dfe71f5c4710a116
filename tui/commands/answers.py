"""Prints the answers of one chat turn: as they come, and with several models one after another, in the models' order.

All of them run at once; what a later one says meanwhile is kept until the one before it has ended.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from agents.events import Log, Retried, StepEnded, StepQueued, StepStarted, Text

if TYPE_CHECKING:
    from agents.events import AnyEvent
    from tui.terminal import Terminal


class _Lane:
    """One model's answer on its way to standard output."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.step: str | None = None
        self.state = "waiting"
        self.waiting: list[str] = []
        self.length = 0
        self.offset = 0
        """Characters of the step's text before its latest attempt's."""
        self.printed = False
        """Whether text of the latest attempt is printed."""
        self.last = ""
        self.headed = False
        self.end: StepEnded | None = None


class Answers:
    """A reader of one run's events that prints its lanes' text; with ``printing`` off it only says what failed."""

    def __init__(self, terminal: Terminal, names: list[str], *, printing: bool = True) -> None:
        self.failed = False
        """Whether any lane ended as anything but done."""
        self._terminal = terminal
        self._printing = printing
        self._lanes = [_Lane(name) for name in names]
        self._current = 0
        self._began = time.monotonic()

    async def show(self, event: AnyEvent) -> None:
        """Take one event."""
        if isinstance(event, StepQueued):
            # A chat queues its lanes in order before any of them starts; steps below a lane are not answers.
            free = next((lane for lane in self._lanes if lane.step is None), None)
            if free is not None and event.kind == "model" and event.parent is None:
                free.step = event.step
            return
        lane = next((lane for lane in self._lanes if lane.step == getattr(event, "step", None)), None)
        if lane is None or lane.step is None:
            return
        match event:
            case StepStarted(offset=offset):
                lane.state = "waiting for the first token"
                if offset > lane.offset:
                    await self._again(lane, offset)
            case Log(message=message, keep=keep):
                lane.state = message
                if keep and self._printing:
                    self._terminal.note(f"{lane.name}: {message}")
            case Retried(reason=reason, delay=delay):
                lane.state = f"{reason}; trying again in {delay:.0f} s"
            case Text(text=text):
                lane.length += len(text)
                lane.waiting.append(text)
            case StepEnded():
                lane.end = event
        await self._advance()

    async def _again(self, lane: _Lane, offset: int) -> None:
        """Begin a lane's answer anew: what was printed of it stays, and a line says that it was cut."""
        if lane.printed:
            await self._terminal.write("\n" if lane.last.endswith("\n") else "\n\n")
            self._terminal.complain(f"{lane.name}: the answer was cut; it follows anew, from its beginning")
            lane.last = "\n"
        lane.waiting, lane.length, lane.offset, lane.printed = [], 0, offset, False

    async def _advance(self) -> None:
        while self._current < len(self._lanes):
            lane = self._lanes[self._current]
            if self._printing:
                await self._print(lane)
            if lane.end is None:
                break
            self._conclude(lane, lane.end)
            self._current += 1
        self._progress()

    async def _print(self, lane: _Lane) -> None:
        text, lane.waiting = "".join(lane.waiting), []
        lane.printed = lane.printed or bool(text)
        if len(self._lanes) > 1 and not lane.headed:
            lane.headed = True
            gap = "\n" if self._current else ""
            text = f"{gap}# {lane.name}\n\n{text}"
        if lane.end is not None and (text or lane.last) and not f"{lane.last}{text}".endswith("\n"):
            text += "\n"
        if text:
            lane.last = text[-1]
            await self._terminal.write(text)

    def _conclude(self, lane: _Lane, end: StepEnded) -> None:
        if end.outcome != "done":
            self.failed = True
            # A stop that a person asked for is told once, by the session.
            if end.outcome != "cancelled":
                endpoint = lane.name.partition("/")[0]
                self._terminal.complain(f"{lane.name}: {(end.error or end.outcome).removeprefix(f'{endpoint}: ')}")
        elif end.similar is not None:
            from tui.figures import made_for

            self._terminal.note(f"{lane.name}: {made_for(end.similar_to, end.similar)}")
        elif reason := stopped(end):
            self._terminal.complain(f"{lane.name}: {reason}")
        if self._terminal.live and end.outcome == "done" and self._printing:
            self._terminal.note(f"{lane.name}: {figures(end)}")

    def _progress(self) -> None:
        """Redraw the status line, unless an answer is being written into the same terminal."""
        open_lanes = [lane for lane in self._lanes if lane.end is None]
        if not open_lanes:
            return
        lane = open_lanes[0]
        if self._printing and self._terminal.out_is_terminal and lane.last not in {"", "\n"}:
            return
        state = f"{lane.length:,} characters" if lane.length else lane.state
        more = f" (+{len(open_lanes) - 1} more)" if len(open_lanes) > 1 else ""
        self._terminal.status(f"{lane.name}: {state}, {time.monotonic() - self._began:.0f} s{more}")


def stopped(end: StepEnded) -> str | None:
    """Return what ended an answer before the model did, or ``None`` where nothing did and where its error tells."""
    if end.outcome == "done" and end.finish == "length":
        count = f" at {end.usage.output} tokens" if end.usage and not end.usage.estimated else ""
        return f"the answer was stopped{count}; --max-tokens raises the limit"
    if end.outcome == "done" and end.finish == "content_filter":
        return "the server's content filter stopped the answer"
    return None


def figures(end: StepEnded) -> str:
    """Return one line of a finished call's figures; what is estimated says so."""
    parts = []
    if end.cached:
        parts.append("from the cache, for another question" if end.similar is not None else "from the cache")
    if end.usage is not None:
        parts.append(f"{'about ' if end.usage.estimated else ''}{end.usage.output} tokens")
    if end.timings.ttft is not None and not end.cached:
        parts.append(f"first after {end.timings.ttft:.2f} s")
    if end.rate is not None:
        parts.append(f"{end.rate:.0f} tok/s")
    parts.append(f"{end.timings.ended - end.timings.queued:.2f} s")
    return ", ".join(parts)
