"""Two lines that are always true: what the queue, the models and the cache do, and what the machine does."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.content import Content
from textual.widget import Widget

from tui.figures import gib, percent, price, seconds
from tui.safe import safe_line

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from agents.models.figures import EndpointLoad
    from agents.workspace import Workspace

_LAG_ALARM = 0.05
_NEARLY = 0.9
"""The share of a budget from which on it is shown as a warning."""
_EVERY = 0.25
"""Seconds between two looks."""

_Item = tuple[str, str, str]
"""Name, value and style."""


class StatusLine(Widget):
    """Reads figures on a clock and draws them; holds none of its own."""

    def __init__(self, workspace: Workspace, waiting: Callable[[], int]) -> None:
        super().__init__()
        self._workspace = workspace
        self._waiting = waiting
        self.notice = ""
        """One line that stands before the figures: what is being opened, or what went wrong."""
        self._items: tuple[list[_Item], list[_Item]] = ([], [])
        self._looked = float("-inf")

    def flush(self, now: float) -> None:
        """Read the figures a few times a second; ``now`` in seconds of any steady clock."""
        if now - self._looked >= _EVERY:
            self._looked = now
            self.look()

    def say(self, notice: str) -> None:
        """Show a notice, or none, at once."""
        self.notice = notice
        self.look()

    def look(self) -> None:
        """Read the figures, and draw them if they are other than before."""
        items = (self._calls(), self._machine())
        if items != self._items:
            self._items = items
            self.refresh()

    def render(self) -> Content:
        """Return both lines, cut at the widget's width."""
        width = max(self.size.width - 1, 1)
        if not self._items[0]:
            self._items = (self._calls(), self._machine())
        return Content("\n").join(_fit(items, width) for items in self._items)

    def _calls(self) -> list[_Item]:
        workspace, figures = self._workspace, self._workspace.metrics.snapshot()
        loads = workspace.models.load() if workspace.opened else ()
        lag = workspace.lag.snapshot()
        late = lag.p99 is not None and lag.p99 > _LAG_ALARM
        estimate = "≈" if figures.tokens_per_second_estimated and figures.tokens_per_second else ""
        rate = "–" if figures.tokens_per_second is None else f"{estimate}{figures.tokens_per_second:.0f}"
        waiting = self._waiting()
        return [
            *([("prompts waiting", str(waiting), "$accent")] if waiting else []),
            ("queue", str(sum(load.depth for load in loads)), ""),
            ("in flight", str(sum(load.in_flight for load in loads)), ""),
            *_alarms(loads),
            ("tok/s", rate, ""),
            ("TTFT", seconds(figures.ttft.p50), ""),
            ("P95", seconds(figures.total.p95), ""),
            ("cache", percent(figures.hit_rate), ""),
            *self._cost(),
            ("lag", seconds(lag.p99) + (" late!" if late else ""), "$warning" if late else ""),
        ]

    def _cost(self) -> list[_Item]:
        """Return what was spent, where anything was or there is a budget; what no server has counted yet is estimated."""
        spend = self._workspace.models.spend.figures() if self._workspace.opened else None
        if spend is None or (not spend.spent and spend.budget is None):
            return []
        value = f"{'≈' if spend.estimated else ''}{price(spend.spent)}"
        if spend.budget is None:
            return [("cost", value, "")]
        near = spend.spent >= _NEARLY * spend.budget
        words = " stops!" if spend.spent >= spend.budget else ""
        return [("cost", f"{value} of {price(spend.budget)}{words}", "$warning" if near else "")]

    def _machine(self) -> list[_Item]:
        machine = self._workspace.gpu.snapshot()
        items: list[_Item] = []
        for gpu in machine.gpus:
            if gpu.error is not None:
                items.append((f"GPU {gpu.index}", safe_line(gpu.error, 80), "$warning"))
                continue
            memory = f"{gib(gpu.memory_used)} of {gib(gpu.memory_total)}"
            use = "–" if gpu.utilisation is None else f"{gpu.utilisation:.0f} %"
            items.append((f"GPU {gpu.index}", f"{use} {memory}", ""))
        items.append(("CPU", "–" if machine.cpu_percent is None else f"{machine.cpu_percent:.0f} %", ""))
        items.append(("memory", f"{gib(machine.memory_used)} of {gib(machine.memory_total)}", ""))
        if machine.reason is not None:
            items.append(("no GPU:", safe_line(machine.reason, 120), ""))
        if self.notice:
            items.insert(0, ("", safe_line(self.notice, 160), "$warning"))
        return items


def _alarms(loads: Sequence[EndpointLoad]) -> list[_Item]:
    """Return what goes wrong at endpoints, as long as anything does; the Queue view says more."""
    late, refused = sum(load.late for load in loads), sum(load.refused for load in loads)
    ill = [safe_line(load.endpoint, 24) for load in loads if load.ill]
    items = [("late", f"⚠ {late}", "$warning")] if late else []
    items += [("refused", f"⚠ {refused}", "$warning")] if refused else []
    return [*items, ("ill", f"○ {', '.join(ill)}", "$warning")] if ill else items


def _fit(items: list[_Item], width: int) -> Content:
    """Return the items on one line, with less room between them where it is short."""
    gap = "   " if sum(len(name) + len(value) + 4 for name, value, _ in items) <= width else " "
    parts: list[Content | str | tuple[str, str]] = []
    for name, value, style in items:
        parts += [(f"{name} ", "$text-muted") if name else "", (value, style or "$foreground"), gap]
    return Content.assemble(*parts).truncate(width, ellipsis=True)
