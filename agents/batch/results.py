"""One line of a batch's output, as it is written and as it is read back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from agents.events import Usage  # noqa: TC001  # msgspec reads annotations at run time

if TYPE_CHECKING:
    from agents.batch.rows import Unit
    from agents.events import StepEnded


class ResultTimings(msgspec.Struct, frozen=True, kw_only=True):
    """Seconds; ``None``: it never came to that."""

    queued: float
    """From the moment the row's turn came until it was sent."""
    ttft: float | None
    """From then to the first text."""
    total: float
    """From then to the end."""


class ResultError(msgspec.Struct, frozen=True, kw_only=True):
    """Why a row has no answer, or not a whole one."""

    kind: str
    """A kind of :class:`~agents.errors.CallError`, ``late``, ``cancelled``, ``failed``, or ``input``: the line asks nothing."""
    message: str


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one row with one model."""

    id: str | int
    model: str | None
    answer: str | None
    """The text; what had come of it where there is an error."""
    finish_reason: str | None
    usage: Usage | None
    timings: ResultTimings | None
    cached: bool
    similar: float | None
    """The answer was made for another question, this similar to it."""
    cost: float | None
    error: ResultError | None
    key: str
    """What a row is known by when a batch goes on."""


class Found(msgspec.Struct):
    """As much of a line as going on with a batch needs."""

    key: str
    error: ResultError | None


_encode = msgspec.json.Encoder().encode
_find = msgspec.json.Decoder(Found).decode


def line_of(result: Result) -> bytes:
    """Return ``result`` as a line with its end."""
    try:
        return _encode(result) + b"\n"
    except UnicodeEncodeError:  # half of a surrogate pair in a model's text, which UTF-8 cannot hold
        import json

        return json.dumps(msgspec.to_builtins(result), ensure_ascii=False).encode("utf-8", "replace") + b"\n"


def find(line: bytes) -> Found | None:
    """Return what identifies the result in ``line``; ``None`` for a line that no batch wrote."""
    try:
        return _find(line)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return None


def bad_row(unit: Unit) -> Result:
    """Return the result of a line that asks nothing."""
    return Result(
        id=unit.id,
        model=None,
        answer=None,
        finish_reason=None,
        usage=None,
        timings=None,
        cached=False,
        similar=None,
        cost=None,
        error=ResultError(kind="input", message=unit.problem),
        key=unit.key,
    )


def result_of(unit: Unit, model: str, end: StepEnded, text: str) -> Result:
    """Return the result of a call that ended."""
    timings = end.timings
    error = None
    if end.outcome != "done":
        kind = end.error_kind or ("failed" if end.outcome == "failed" else end.outcome)
        error = ResultError(kind=kind, message=end.error or f"the row was {end.outcome}")
    return Result(
        id=unit.id,
        model=model,
        answer=text if error is None or text else None,
        finish_reason=end.finish,
        usage=end.usage,
        timings=ResultTimings(
            queued=round(timings.wait, 6),
            ttft=None if timings.ttft is None else round(timings.ttft, 6),
            total=round(timings.busy, 6),
        ),
        cached=end.cached,
        similar=end.similar,
        cost=end.cost,
        error=error,
        key=unit.key,
    )
