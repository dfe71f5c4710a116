"""One endpoint of the Queue view in words: how it fares, who is in flight and who waits, its limits, waits by class, refusals."""

from __future__ import annotations

import json
from math import ceil
from typing import TYPE_CHECKING, Final, NamedTuple

from agents.requests import Priority
from tui.figures import NONE, seconds
from tui.load.history import SPAN, curve
from tui.load.lines import column, count, fit, flow, size
from tui.safe import safe_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agents.models.door_figures import DoorFigures, LimitFigures
    from agents.models.health import HealthFigures
    from agents.settings import Endpoint
    from tui.load.history import Sample
    from tui.load.lines import Line, Piece

CLASSES: Final = {
    Priority.INTERACTIVE: ("▓", "prompts"),
    Priority.AGENT: ("▒", "agents"),
    Priority.BATCH: ("░", "batches"),
    Priority.SPECULATIVE: ("┄", "ahead"),
}
"""Class to its sign in the bar and its name."""
IN_FLIGHT: Final = "█"
FREE: Final = "·"
_INDENT: Final = 3
_WORD: Final = 13
"""Cells for the word that says how an endpoint fares."""
_ROWS: Final = (
    # head, cells, importance: the least goes first where there is no room
    ("waiting", 7, 9),
    ("oldest", 8, 5),
    ("P50", 8, 4),
    ("P95", 8, 7),
    ("longest", 8, 3),
    ("let in", 7, 2),
    ("late", 8, 8),
)
_SHORTEST: Final = 8
"""Cells under which a curve tells nothing."""


class Door(NamedTuple):
    """Everything that is said of one endpoint."""

    name: str
    door: DoorFigures
    health: HealthFigures
    first_token: float | None
    configured: Endpoint | None
    """What stands in the configuration or was found; ``None`` where that is not known."""
    tried_again: str
    """Why something was tried again there last; empty where nothing was."""
    samples: Sequence[Sample]

    @property
    def depth(self) -> int:
        """How many calls wait."""
        return sum(self.door.depth.values())


def state(health: HealthFigures, *, asked: bool = False) -> tuple[str, str, str]:
    """Return how an endpoint fares: a sign, a word and a tone. ``asked`` says that something is, or was a moment ago."""
    if health.state == "open":
        return "○", "ill", "bad"
    if health.state == "half-open":
        return "◐", "to be tried", "warn"
    if not health.answered and not health.failed:
        return "◌", "no answer yet" if asked else "not asked yet", "dim"
    if health.failures:
        return "◑", "failing", "warn"
    return "●", "well", "good"


def bar(door: DoorFigures, width: int) -> list[Piece]:
    """Return what is in flight, what is free of the cap, and what waits by class, in ``width`` cells at most."""
    parts = [(IN_FLIGHT, "good", door.in_flight), (FREE, "dim", max(door.cap - door.in_flight, 0))]
    parts += [(CLASSES[priority][0], "live", depth) for priority, depth in door.depth.items()]
    parts = [part for part in parts if part[2]]
    total = sum(part[2] for part in parts)
    if width < len(parts) or not total:
        return []
    if total <= width:
        return [(sign * number, tone) for sign, tone, number in parts]
    # Each has one cell at least, and the rest is shared out by size: what is there is seen.
    spare = width - len(parts)
    return [(sign * (1 + spare * number // total), tone) for sign, tone, number in parts]


def block(each: Door, width: int, names: int, *, marked: bool) -> list[Line]:
    """Return the lines of one endpoint, its name in ``names`` cells; the marked one's with its last minute."""
    lines = [_head(each, width, names, marked=marked), *_troubles(each, width)]
    if marked or each.depth or each.door.in_flight or each.door.held:
        lines += flow(_facts(each), width, head=((" " * _INDENT, ""),), indent=_INDENT)
    lines += _classes(each, width)
    if each.door.rejected_ever or each.door.timed_out_ever or each.health.failed or each.health.retries:
        lines += flow(_failures(each), width, head=((" " * _INDENT, ""),), indent=_INDENT)
    if changed := changes(each):
        told: list[Piece] = [("changed for this session", "live"), (f"to keep it: {changed}", "dim")]
        lines += flow(told, width, head=((" " * _INDENT, ""),), indent=_INDENT)
    return lines


def _head(each: Door, width: int, names: int, *, marked: bool) -> Line:
    door, depth = each.door, each.depth
    sign, word, tone = state(each.health, asked=bool(door.in_flight or depth or door.requests.used))
    line: list[Piece] = [("▌" if marked else " ", "head"), (sign, tone), (" ", "")]
    line.append((column(safe_line(each.name, 60), names, right=False), "head"))
    used = f"{door.in_flight}/{door.cap}"
    if width < 44:
        return fit([*line, (f" {used}", "good" if door.in_flight else ""), (f" +{depth}" if depth else "", "live")], width)
    line += [(f" {column(word, _WORD, right=False)}", tone), (f" {column(used, 7)}", "good" if door.in_flight else "")]
    # Who waits is the last that is left out where there is no room, though it does not stand first.
    left = width - _INDENT - names - _WORD - 9
    waiting: list[Piece] = [(column(count(depth) if depth else NONE, 6), "live" if depth else "dim"), (" wait", "dim")]
    left -= size(waiting)
    if left >= 10:
        line.append((" in flight", "dim"))
        left -= 10
    if left >= 9:
        line.append((column(" adaptive" if door.adaptive else "", 9, right=False), "dim"))
        left -= 9
    line += waiting
    if left >= 6 and (each.health.answered or each.health.failed or depth or door.in_flight):
        line += [("  ", ""), *bar(door, min(left - 3, 48))]
    return fit(line, width)


def _troubles(each: Door, width: int) -> list[Line]:
    """Return why nothing, or little, is let in."""
    health, door = each.health, each.door
    lines: list[Line] = []
    if health.state == "open":
        lines.append(((f"{' ' * _INDENT}○ tried again in {_whole(health.probe_in)}: {safe_line(health.reason)}", "bad"),))
    elif health.state == "half-open":
        lines.append(((f"{' ' * _INDENT}◐ the next call tries it; it was ill: {safe_line(health.reason)}", "warn"),))
    if door.held:
        lines.append(((f"{' ' * _INDENT}‖ held for {_whole(door.held_for)}: {door.held}", "warn"),))
    return [fit(line, width) for line in lines]


def _whole(value: float) -> str:
    """Return seconds that are counted down; in whole ones, so that the screen changes once a second."""
    return f"{ceil(value)} s" if value < 120 else f"{value / 60:.0f} min"


def _facts(each: Door) -> list[Piece]:
    door = each.door
    items = [_limit("requests", door.requests), _limit("tokens", door.tokens), (f"first token {seconds(each.first_token)}", "")]
    if door.rate is not None:
        items.append((f"starts paced at {door.rate:.1f}/s", ""))
    return items


def _limit(name: str, limit: LimitFigures) -> Piece:
    known = [value for value in (limit.configured, limit.learnt) if value is not None]
    if not known:
        return f"{name} {count(limit.used)}/min, no limit", "dim"
    learnt = " learnt" if limit.learnt is not None and limit.learnt == min(known) else ""
    full = limit.used >= min(known)
    said = f"{name} {count(limit.used)} of {count(min(known))}/min{learnt}{' used up' if full else ''}"
    return said, "warn" if full else ""


def _classes(each: Door, width: int) -> list[Line]:
    door = each.door
    there = [priority for priority in Priority if door.depth[priority] or door.waits[priority].count or door.waits[priority].late]
    if not there:
        return []
    columns = sorted(_ROWS, key=lambda row: -row[2])
    while columns and _INDENT + 10 + sum(cells + 1 for _, cells, _ in columns) > width:
        columns.pop()
    heads = [(head, cells) for head, cells, _ in _ROWS if any(head == kept[0] for kept in columns)]
    title = column("", _INDENT + 10, right=False) + "".join(f" {column(head, cells)}" for head, cells in heads)
    if not heads:
        depths = [(f"{CLASSES[priority][1]} {count(depth)}", "live") for priority, depth in door.depth.items() if depth]
        return flow(depths, width, head=((" " * _INDENT, ""),), indent=_INDENT) if depths else []
    lines: list[Line] = [((title, "dim"),)]
    for priority in there:
        sign, name = CLASSES[priority]
        waits, depth = door.waits[priority], door.depth[priority]
        cells_of = {
            "waiting": count(depth) if depth else NONE,
            "oldest": seconds(door.oldest[priority]) if depth else NONE,
            "P50": seconds(waits.p50),
            "P95": seconds(waits.p95),
            "longest": seconds(waits.longest),
            "let in": count(waits.count),
            "late": f"⚠ {count(waits.late)}" if waits.late else NONE,
        }
        line: list[Piece] = [(" " * _INDENT, ""), (sign, "live"), (f" {column(name, 8, right=False)}", "")]
        for head, cells in heads:
            tone = "warn" if head == "late" and waits.late else "live" if head == "waiting" and depth else ""
            line.append((f" {column(cells_of[head], cells)}", tone))
        lines.append(fit(line, width))
    return lines


def _failures(each: Door) -> list[Piece]:
    door, health = each.door, each.health
    items: list[Piece] = []
    if door.rejected_ever:
        tone = "warn" if door.rejected else ""
        items.append(
            (f"{'⚠ ' if door.rejected else ''}refused {door.rejected} in the last minute, {door.rejected_ever} ever", tone)
        )
    if door.timed_out_ever:
        mark, tone = ("⚠ ", "warn") if door.timed_out else ("", "")
        items.append((f"{mark}timed out {door.timed_out}, {door.timed_out_ever} ever", tone))
    items.append((f"answered {count(health.answered)}, failed {count(health.failed)}", ""))
    if health.retries:
        why = f", last: {safe_line(each.tried_again, 90)}" if each.tried_again else ""
        items.append((f"tried again {count(health.retries)}{why}", ""))
    return items


def minute(each: Door, width: int, rows: int = 1) -> list[Line]:
    """Return the curves of an endpoint's last minute, ``rows`` high; nothing where nothing happened in it."""
    samples = each.samples
    if not any(sample.depth or sample.in_flight or sample.answered or sample.refused for sample in samples):
        return []
    # One scale for the cap and what is in flight, so that it is seen how much of it is used.
    top = max(max(sample.cap, sample.in_flight) for sample in samples)
    curves = [("in flight", [sample.in_flight for sample in samples], top, "good")]
    if len({sample.cap for sample in samples}) > 1:
        curves.insert(0, ("cap", [sample.cap for sample in samples], top, "head"))
    others = (
        ("queue", [sample.depth for sample in samples], "live"),
        ("answered/s", [sample.answered for sample in samples], "good"),
        ("refused/s", [sample.refused for sample in samples], "bad"),
    )
    curves += [(name, values, max(values), tone) for name, values, tone in others if any(values)]
    said = [f" {count(values[-1])} now, {count(max(values))} most" for _, values, _, _ in curves]
    room = min(width - _INDENT - 11 - max(map(len, said)), SPAN)
    if room < _SHORTEST:
        said, room = [""] * len(said), min(width - _INDENT - 11, SPAN)
    lines: list[Line] = []
    for words, (name, values, highest, tone) in zip(said, curves, strict=True):
        drawn = curve(values, room, highest, rows)
        for row, text in enumerate(drawn, 1):
            last = row == len(drawn)
            head = column(name if last else "", 11, right=False)
            lines.append(((" " * _INDENT, ""), (head, "dim"), (text, tone), (words if last else "", "")))
    return [fit(line, width) for line in lines] if room >= _SHORTEST else []


def changes(each: Door) -> str:
    """Return what was changed while it runs, as a line of the configuration; empty where nothing was."""
    door, kept = each.door, each.configured
    if kept is None:
        return ""
    items: list[str] = []
    if door.adaptive != (kept.concurrency == "adaptive") or (not door.adaptive and door.cap != kept.concurrency):
        items.append('concurrency = "adaptive"' if door.adaptive else f"concurrency = {door.cap}")
    for key, limit, before in (
        ("requests_per_minute", door.requests, kept.requests_per_minute),
        ("tokens_per_minute", door.tokens, kept.tokens_per_minute),
    ):
        if limit.configured != before:
            items.append(f"no {key}" if limit.configured is None else f"{key} = {limit.configured}")
    bare = each.name.isascii() and each.name.replace("-", "").replace("_", "").isalnum()
    name = each.name if bare else json.dumps(each.name, ensure_ascii=False)
    return f"[endpoints.{safe_line(name, 80)}] {', '.join(items)}" if items else ""
