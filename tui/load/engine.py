"""What the Queue view says beyond single endpoints: routes, the cache, what is done ahead, batches, cost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tui.figures import NONE, percent, price, seconds
from tui.load.lines import column, count, fit, flow
from tui.safe import safe_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from agents.metrics import MetricsSnapshot
    from agents.models.batching import BatchFigures
    from agents.models.cache import CacheFigures
    from agents.models.figures import EngineFigures
    from agents.models.routes import RouteFigures
    from agents.models.spend import SpendFigures
    from agents.offers import SpeculationFigures
    from agents.prefetch import PrefetchFigures
    from agents.settings import Route
    from tui.load.lines import Line, Piece

_LABEL: Final = 13
_NARROW: Final = 44
_MEGABYTE: Final = 1 << 20


def section(label: str, items: list[Piece], width: int) -> list[Line]:
    """Return a label and what is said under it; the label has a line of its own where there is little room."""
    if width < _NARROW:
        return [fit(((f" {label}", "head"),), width), *flow(items, width, head=(("   ", ""),), indent=3)]
    return flow(items, width, head=((f" {column(label, _LABEL - 1, right=False)}", "head"),), indent=_LABEL)


def routes(figures: EngineFigures, configured: Mapping[str, Route], width: int) -> list[Line]:
    """Return a section for each route: where its calls went, what waits, what was asked twice."""
    lines: list[Line] = []
    for name, route in configured.items():
        items = _route(figures.routes.get(name), route)
        lines += section(safe_line(name, 40), items, width)
    return lines


def _route(figures: RouteFigures | None, route: Route) -> list[Piece]:
    answered = {} if figures is None else figures.answered
    items = [(f"{safe_line(member, 60)} {_answers(answered, member)}", "") for member in route.members]
    items += [(f"else {safe_line(member, 60)} {_answers(answered, member)}", "dim") for member in route.fallbacks]
    if figures is None:
        return [("route", "dim"), *items, ("nothing was asked yet", "dim")]
    items.append((f"{count(figures.waiting)} wait", "live" if figures.waiting else "dim"))
    if figures.moved:
        items.append((f"{count(figures.moved)} moved while they waited", ""))
    if (hedges := figures.hedges) is not None:
        cost = f", ≈{price(hedges.cost)} for nothing" if hedges.cost else ""
        said = (
            f"asked twice {count(hedges.hedged)} of {count(hedges.calls)} ({percent(route.hedge_budget)} may be), won {hedges.won}"
        )
        items.append((said + cost, ""))
    return [("route", "dim"), *items]


def _answers(answered: Mapping[str, int], member: str) -> str:
    """Return how many answers came from a member: it is named with or without its model."""
    came = sum(number for name, number in answered.items() if name == member or name.startswith(f"{member}/"))
    return count(came) if came else NONE


def cache(figures: CacheFigures | None, metrics: MetricsSnapshot, joined: int, width: int) -> list[Line]:
    """Return what the cache of answers holds and what it saves."""
    items: list[Piece] = []
    if figures is None:
        items.append(("nothing is kept: there is no store", "dim"))
    else:
        held = NONE if figures.entries is None else count(figures.entries)
        size = NONE if figures.bytes is None else f"{figures.bytes / _MEGABYTE:.1f}"
        items.append((f"{held} answers, {size} of {count(figures.limit / _MEGABYTE)} MB", ""))
    minute, session = metrics.minute.hit_rate, metrics.session.hit_rate
    ever = None if figures is None else figures.hit_rate
    items.append((f"hit rate {percent(minute)} last minute, {percent(session)} session, {percent(ever)} ever", ""))
    items.append((f"joined {count(joined)}", "" if joined else "dim"))
    if figures is not None:
        items.append((f"similar {count(figures.session_similar)}", "" if figures.session_similar else "dim"))
        if figures.evicted:
            items.append((f"removed {count(figures.evicted)}", ""))
    if metrics.session.tokens_cached:
        share = percent(metrics.session.tokens_cached_share)
        items.append((f"providers' own caches {count(metrics.session.tokens_cached)} tokens ({share})", ""))
    return section("Cache", items, width)


def speculation(figures: SpeculationFigures, width: int) -> list[Line]:
    """Return what asking likely next questions beforehand brought and cost."""
    items: list[Piece] = [("on", "good") if figures.on else (f"off: {safe_line(figures.reason, 120)}", "dim")]
    if figures.hits or figures.misses or figures.tokens:
        items.append((f"{count(figures.hits)} right, {count(figures.misses)} wrong", ""))
        items.append((f"hit rate {percent(figures.rate)} of the last 20", ""))
        items.append((f"{count(figures.tokens)} tokens, {count(figures.wasted)} wasted", ""))
        items.append((f"{seconds(figures.saved)} saved", ""))
    if figures.failed:
        items.append((f"{count(figures.failed)} failed", "warn"))
    return section("Likely next", items, width)


def prefetch(figures: PrefetchFigures, width: int) -> list[Line]:
    """Return what was done while questions were typed; nothing before anything was."""
    if not (figures.searched or figures.opened):
        return []
    searched = f"{count(figures.searched)} searches, {count(figures.used)} used, {count(figures.wasted)} wasted"
    return section("As you type", [(searched, ""), (f"made ready {count(figures.opened)} times", "")], width)


def batches(figures: Mapping[str, BatchFigures], width: int) -> list[Line]:
    """Return how embeddings and their like went out together; nothing before any did."""
    lines: list[Line] = []
    for name, each in figures.items():
        if not each.items and not each.waiting:
            continue
        sizes = f"sizes P50 {_number(each.size_p50)}, largest {_number(each.size_max)}"
        waits = f"waits P50 {seconds(each.wait_p50)}, P95 {seconds(each.wait_p95)}, longest {seconds(each.wait_max)}"
        items: list[Piece] = [(safe_line(name, 60), ""), (f"{count(each.items)} in {count(each.batches)} batches", "")]
        items += [(f"{each.waiting} wait, {each.in_flight} in flight", ""), (sizes, ""), (waits, "")]
        items.append((f"⚠ {each.late} late", "warn") if each.late else ("none late", "dim"))
        lines += section("Batches", items, width)
    return lines


def _number(value: float | None) -> str:
    return NONE if value is None else f"{value:.0f}"


def cost(figures: SpendFigures, width: int) -> list[Line]:
    """Return what was spent; nothing where nothing has a price and there is no budget."""
    if not figures.calls and figures.budget is None:
        return []
    about = "≈" if figures.estimated else ""
    budget = "no budget" if figures.budget is None else f"of {price(figures.budget)}, {price(figures.left)} left"
    spent = figures.budget is not None and figures.spent >= figures.budget
    items: list[Piece] = [(f"{about}{price(figures.spent)} {budget}", "warn" if spent else "")]
    items.append((f"{count(figures.calls)} calls, {count(figures.uncounted)} without a price", ""))
    if figures.ahead:
        items.append((f"{price(figures.ahead)} of it ahead of questions", ""))
    if figures.stopped:
        items.append((f"⚠ {count(figures.stopped)} stopped by a budget", "warn"))
    return section("Cost", items, width)


def files(progress: Iterable[str], width: int) -> list[Line]:
    """Return how far files of prompts are that this stretto runs; nothing where there is none."""
    return [line for told in progress for line in section("Batch file", [(safe_line(told, 300), "")], width)]
