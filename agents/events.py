"""The events: everything that happens, as immutable typed values.

The screen, the journal, the metrics, ``--json`` and replay are readers of these and of nothing else. A field holds data a
reader may show, never an object a reader may call. This module must stay free of imports from the rest of the package.
"""

from __future__ import annotations

from typing import Literal

import msgspec

RunKind = Literal["chat", "compare", "race", "judge", "merge", "ask", "agent", "library", "batch"]
StepKind = Literal["model", "source", "tool", "merge", "group"]
Level = Literal["info", "warning", "error"]
RetryMode = Literal["again", "restart", "resume"]
"""What follows a failed attempt. ``again``: no text had come. Else text had come, and the next attempt begins anew or goes on
where it was cut."""
Outcome = Literal["done", "cut", "late", "failed", "cancelled"]
"""How a step or run ended. ``cut``: the stream stopped before a finish reason was seen, the text is kept. ``late``: its time
limit passed. ``cancelled``: a person or its parent stopped it, the text is kept."""


class Usage(msgspec.Struct, frozen=True, kw_only=True):
    """Tokens of one model call."""

    input: int = 0
    output: int = 0
    cached: int = 0
    """Input tokens the provider read from its own cache."""
    estimated: bool = False
    """True when the server sent no usage and ``output`` counts stream chunks instead."""


class Timings(msgspec.Struct, frozen=True, kw_only=True):
    """Where one step's time went; seconds on the monotonic clock. ``None``: it never came to that."""

    queued: float
    started: float | None = None
    first: float | None = None
    ended: float
    itl_mean: float | None = None
    """Mean inter-token latency: (last token - first token) / (tokens - 1)."""
    itl_p95: float | None = None

    @property
    def wait(self) -> float:
        """Seconds from queued to the first attempt's start (to the end, when it never started)."""
        return (self.ended if self.started is None else self.started) - self.queued

    @property
    def ttft(self) -> float | None:
        """Time to first token: first token - start of the first attempt."""
        return None if self.first is None or self.started is None else self.first - self.started

    @property
    def busy(self) -> float:
        """Seconds from start to end, without the wait in the queue."""
        return 0.0 if self.started is None else self.ended - self.started


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """Where a passage stands: a file or URL, and within it lines (1-based, inclusive) and, for PDFs, a page (1-based)."""

    uri: str
    page: int | None = None
    line: int | None = None
    line_end: int | None = None

    def __str__(self) -> str:
        if self.page is not None:
            return f"{self.uri} p. {self.page}"
        return f"{self.uri}:{self.line}" if self.line is not None else self.uri


class Hit(msgspec.Struct, frozen=True, kw_only=True):
    """One passage a source found. ``score`` is comparable only within one source."""

    chunk: str
    """Identity across sources: hits with equal ``chunk`` are the same passage."""
    title: str
    place: Place
    text: str
    score: float
    ranks: dict[str, int] = {}
    """After fusion: source name to 1-based rank there."""


class Event(msgspec.Struct, frozen=True, kw_only=True, tag_field="event"):
    """What every event carries."""

    run: str
    seq: int
    """Strictly increasing over the engine's life, in the order things happened."""
    at: float
    """Seconds on the engine's monotonic clock."""


class RunStarted(Event, frozen=True, kw_only=True, tag="run_started"):
    """A person's request was accepted."""

    kind: RunKind
    title: str
    wall: float
    """Unix time, for display only."""
    request: str
    """The request as JSON."""


class RunEnded(Event, frozen=True, kw_only=True, tag="run_ended"):
    """Nothing more of this run will happen. It is on disk only once ``Saved`` with ``step=None`` follows."""

    outcome: Outcome
    error: str | None = None
    wall: float
    """Seconds from start to end."""
    busy: float
    """Sum of the leaf steps' own seconds. Not what the run would take one step after the other: steps that overlap share processor,
    network and server, so that each may take longer than it would alone."""


class Planned(Event, frozen=True, kw_only=True, tag="planned"):
    """How much a run of many results is to give. The latest one counts."""

    total: int | None
    """Results in all; ``None`` while that is not known."""
    kept: int = 0
    """Those of them that an earlier run gave."""
    failed: int = 0
    """Kept ones that are failures."""


class StepEvent(Event, frozen=True, kw_only=True):
    """An event of one step."""

    step: str


class StepQueued(StepEvent, frozen=True, kw_only=True, tag="step_queued"):
    """A step exists and waits for its turn."""

    kind: StepKind
    name: str
    parent: str | None = None
    lane: str = ""
    """What it runs on: ``endpoint/model`` for model calls, the source's or tool's name otherwise."""


class StepStarted(StepEvent, frozen=True, kw_only=True, tag="step_started"):
    """An attempt began. Text that follows belongs to it; text of an earlier attempt is kept before ``offset``."""

    attempt: int = 1
    offset: int = 0
    endpoint: str = ""
    """Where the attempt is made, when that is another than the lane names: a route's member or a fallback, ``endpoint/model``."""


class FirstToken(StepEvent, frozen=True, kw_only=True, tag="first_token"):
    """The first text of the step arrived."""


class Text(StepEvent, frozen=True, kw_only=True, tag="text"):
    """A piece of the step's text. Pieces of one step, in order, join to the whole; a slow reader gets fewer, larger ones."""

    offset: int
    """Characters of the step's text before this piece."""
    text: str


class Log(StepEvent, frozen=True, kw_only=True, tag="log"):
    """One line about what a step is doing, for a person."""

    level: Level = "info"
    message: str
    keep: bool = False
    """Still worth knowing when the step is over; other lines tell what goes on at the moment."""


class Found(StepEvent, frozen=True, kw_only=True, tag="found"):
    """The ranked passages of a source or, from a merge step, the fused ones numbered as the answer cites them (1-based)."""

    hits: tuple[Hit, ...]


class Score(msgspec.Struct, frozen=True, kw_only=True):
    """What a judge gave one answer."""

    label: str
    score: float
    """0 to 10."""
    reason: str = ""


class Judged(StepEvent, frozen=True, kw_only=True, tag="judged"):
    """A judge's scores, best first."""

    scores: tuple[Score, ...]


class Won(StepEvent, frozen=True, kw_only=True, tag="won"):
    """The step's answer was the first acceptable one of a race; the other lanes are being cancelled."""

    reason: str
    """Which tests it passed, in a few words."""
    saved: int
    """Output tokens the cancelled lanes had not made yet, up to their output limits: the most that was saved, an estimate."""


class Retried(StepEvent, frozen=True, kw_only=True, tag="retried"):
    """An attempt failed and another will follow after ``delay`` seconds."""

    attempt: int
    reason: str
    delay: float
    mode: RetryMode = "again"


class StepEnded(StepEvent, frozen=True, kw_only=True, tag="step_ended"):
    """The step is over. It is on disk only once ``Saved`` for it follows."""

    outcome: Outcome
    finish: str | None = None
    """The server's finish reason: ``stop``, ``length``, ``content_filter``, ``tool_calls``, ``function_call``, or ``other`` for one
    that is none of these; ``None`` if none was seen."""
    error: str | None = None
    """One line that says what happened and what to do."""
    error_kind: str | None = None
    usage: Usage | None = None
    own_chars: int | None = None
    """Characters of the step's text that the model gave; what follows was added, like a list of sources. ``None``: no model."""
    cost: float | None = None
    """In the currency of the endpoint's configured price; ``None`` where no price is known."""
    cached: bool = False
    joined: bool = False
    """True when it shared another step's upstream call (single flight)."""
    similar: float | None = None
    """The answer was made for another question, this similar (cosine); a screen must say so."""
    similar_to: str = ""
    """That other question."""
    speculated: bool = False
    """The answer was made before the question was asked."""
    attempts: int = 1
    timings: Timings

    @property
    def rate(self) -> float | None:
        """Output tokens a second from the first text to the end; ``None`` where they are not known or came all at once.

        It counts tokens and not pieces of text, of which many servers send several tokens each.
        """
        timings, usage = self.timings, self.usage
        if self.cached or self.speculated or usage is None:
            return None
        if timings.first is None or timings.itl_mean is None or timings.ended <= timings.first:
            return None
        return usage.output / (timings.ended - timings.first)


class Saved(Event, frozen=True, kw_only=True, tag="saved"):
    """The journal's word: the end of ``step`` (of the whole run when ``None``) is on disk, or why it is not."""

    step: str | None = None
    error: str | None = None


AnyEvent = (
    RunStarted
    | RunEnded
    | Planned
    | StepQueued
    | StepStarted
    | FirstToken
    | Text
    | Log
    | Found
    | Judged
    | Won
    | Retried
    | StepEnded
    | Saved
)
"""Every event there is; ``msgspec.json.decode(line, type=AnyEvent)`` reads one back."""
