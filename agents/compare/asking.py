"""Asking a model for an answer of a given shape, whether or not its server can hold it to one, and reading what came."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

import msgspec

from agents.errors import CallError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from agents.models.cache import Answer
    from agents.models.service import Models
    from agents.requests import ModelCall, ModelRef
    from agents.runs import Step

_LOOKED_AT: Final = 100_000
"""Characters of a reply that are searched for JSON, the last ones: what a model thought aloud comes first."""
_TRIES: Final = 64
"""Places where an object may begin that are tried."""


async def ask_in_shape(models: Models, step: Step, call: ModelCall) -> Answer:
    """Make ``call`` with its schema; a server that refuses the request is asked once more without one."""
    try:
        return await models.call(step, call)
    except CallError as error:
        if error.kind != "bad_request" or call.schema is None:
            raise
        step.log(f"asked again without a schema: {error}", "warning")
    return await models.call(step, msgspec.structs.replace(call, schema=None))


def objects(text: str) -> Iterator[dict[str, Any]]:
    """Yield the JSON objects that stand in ``text``, outermost ones only, whatever stands around them.

    Hostile text takes up to a tenth of a second: read it on a thread.
    """
    text = text[-_LOOKED_AT:]
    decoder = json.JSONDecoder()
    at = text.find("{")
    for _ in range(_TRIES):
        if at < 0:
            return
        try:
            found, at = decoder.raw_decode(text, at)
        except (ValueError, RecursionError):
            at += 1
        else:
            yield found
        at = text.find("{", at)


def steady(model: ModelRef, tokens: int) -> ModelRef:
    """Return ``model`` with temperature 0 and room for ``tokens``, where its name says nothing else."""
    given = model.params
    params = msgspec.structs.replace(
        given,
        temperature=0.0 if given.temperature is None else given.temperature,
        max_tokens=tokens if given.max_tokens is None else given.max_tokens,
    )
    return msgspec.structs.replace(model, params=params)
