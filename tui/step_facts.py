"""What is known of a step or run, as lines for a person: where its time went, its attempts, tokens, cost and end."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from tui.figures import NONE, made_for, percent, price, seconds
from tui.overlap import overlap
from tui.timeline import Bar, Row, Track
from tui.widgets.step_log import STATES

if TYPE_CHECKING:
    from agents.events import StepEnded

Fact = tuple[str, str]
"""A name and what it is; the name may be empty where the line goes on with the one before."""


def facts(row: Row, now: float) -> list[Fact]:
    """Return the lines about a row; what is not known is a dash."""
    return _of_run(row, now) if isinstance(row, Track) else _of_step(row, now)


def _of_run(track: Track, now: float) -> list[Fact]:
    figures = overlap(track, now)
    ended = track.ended
    state = "running" if ended is None else STATES["saved" if track.saved and ended.outcome == "done" else ended.outcome][1]
    ratio = NONE if figures.ratio is None else f"{figures.ratio:.2f}"
    lines = [
        ("run", f"{track.run}  {track.kind}, {state}"),
        ("began", time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(track.wall))),
        ("time", f"{seconds(figures.wall)} wall, sum of {figures.steps} steps {seconds(figures.busy)}: {ratio} at once on average"),
        ("at once", f"{figures.most} at most"),
    ]
    if ended is not None and ended.error:
        lines.append(("error", ended.error))
    return lines


def _of_step(bar: Bar, now: float) -> list[Fact]:
    glyph, word = STATES[bar.state]
    started, end = bar.started, bar.end
    ttft = None if bar.first is None or started is None else bar.first - started
    stream = None if bar.first is None else bar.until(now) - bar.first
    whole = f"wait {seconds(bar.wait(now))}, TTFT {seconds(ttft)}, streaming {seconds(stream)}"
    lines = [
        ("step", f"{bar.step}  {bar.kind}, {glyph} {word}"),
        ("ran on", bar.lane or NONE),
        ("time", f"{whole}, all {seconds(bar.until(now) - bar.queued)}; queued at +{bar.queued - bar.track.began:.2f} s"),
    ]
    if bar.kind == "model":
        lines += _of_call(end)
    lines += _attempts(bar)
    if end is not None and end.error:
        kind = f" ({end.error_kind})" if end.error_kind else ""
        lines.append(("error", f"{end.error}{kind}"))
    elif bar.note:
        lines.append(("last said", bar.note))
    return lines


def _of_call(end: StepEnded | None) -> list[Fact]:
    if end is None:
        return [("tokens", f"{NONE} (known at the end)")]
    usage, timings = end.usage, end.timings
    tokens = NONE
    if usage is not None:
        about = "≈" if usage.estimated else ""
        share = f", {percent(min(usage.cached / usage.input, 1.0))}," if usage.input else ""
        cached = f" ({usage.cached}{share} read from the server's cache)" if usage.cached else ""
        tokens = f"{about}{usage.output} out" if usage.estimated else f"{usage.input} in{cached}, {usage.output} out"
    where = ", from stretto's cache" if end.cached else ", shared with an equal call" if end.joined else ""
    where = ", made before it was asked for" if end.speculated else where
    alike = [] if end.similar is None else [("similar", made_for(end.similar_to, end.similar))]
    return [
        *alike,
        ("ITL", f"mean {seconds(timings.itl_mean)}, P95 {seconds(timings.itl_p95)}"),
        ("tokens", f"{tokens}{where}"),
        ("cost", f"{price(end.cost)}{'' if end.cost is not None else ' (no price is known)'}"),
        ("finish", end.finish or NONE),
    ]


def _attempts(bar: Bar) -> list[Fact]:
    lines: list[Fact] = []
    for number, attempt in enumerate(bar.attempts, 1):
        said = f"{number}: began at +{attempt.started - bar.track.began:.2f} s"
        if attempt.failed is not None:
            after = seconds(attempt.failed - attempt.started)
            said += f", given up after {after}, again {attempt.delay:.1f} s later: {attempt.reason}"
        lines.append(("attempts" if number == 1 else "", said))
    return lines or [("attempts", "none yet" if bar.ended is None else "none")]
