"""Sweeps: every combination of parameters and system prompts as lanes of one chat, each asked a number of times.

A sweep is a :class:`~agents.requests.Chat` without the cache, so that repeats are real.
"""

from __future__ import annotations

import itertools
import re
from typing import TYPE_CHECKING, Any, Final

import msgspec

from agents.errors import InputError
from agents.requests import Lane, Params

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from agents.requests import Message, ModelRef

AXES: Final = (*Params.__struct_fields__, "system")
"""What a sweep may vary."""
MOST: Final = 1000
"""Lanes one sweep may have."""
_SHORT: Final = {"temperature": "t", "max_tokens": "max"}
_REPEAT = re.compile(r" ?#\d+$")


def expand(
    base: ModelRef,
    messages: tuple[Message, ...],
    grid: Mapping[str, Sequence[Any]],
    repeat: int = 1,
    *,
    system: str | None = None,
) -> tuple[Lane, ...]:
    """Return a lane for every combination of the values in ``grid``, ``repeat`` times each, repeats side by side.

    ``grid`` maps names of :data:`AXES` to their values; ``None`` as a value leaves the parameter to the server, and as a system
    prompt means none. ``system`` is the system prompt where the grid has none. Lanes are labelled like ``t=0.2 max=80 #3``.
    Raises :class:`InputError` for a name that is no axis, an axis without values, or more than :data:`MOST` lanes.
    """
    axes = {axis: list(dict.fromkeys(values)) for axis, values in grid.items()}
    for axis, values in axes.items():
        if axis not in AXES:
            raise InputError(f"a sweep cannot vary {axis!r}; it can vary {', '.join(AXES)}")
        if not values:
            raise InputError(f"the sweep gives no value for {axis}")
    combinations = [dict(zip(axes, values, strict=True)) for values in itertools.product(*axes.values())]
    if repeat < 1 or len(combinations) * repeat > MOST:
        raise InputError(f"a sweep may have from 1 to {MOST:,} answers, not {len(combinations) * repeat:,}")
    lanes = []
    for chosen in combinations:
        params = msgspec.structs.replace(base.params, **{axis: value for axis, value in chosen.items() if axis != "system"})
        label = " ".join(_said(axis, value, axes[axis]) for axis, value in chosen.items())
        for number in range(1, repeat + 1):
            lane = Lane(
                model=msgspec.structs.replace(base, params=params),
                messages=messages,
                system=chosen.get("system", system),
                label=f"{label} #{number}".lstrip() if repeat > 1 else label,
            )
            lanes.append(lane)
    return tuple(lanes)


def group_of(label: str) -> str:
    """Return a lane's label without the number of its repeat: lanes of equal groups are the same question asked again."""
    return _REPEAT.sub("", label)


def _said(axis: str, value: Any, values: Sequence[Any]) -> str:
    if axis != "system":
        return f"{_SHORT.get(axis, axis)}={'–' if value is None else f'{value:g}' if isinstance(value, float) else value}"
    if value is None:
        return "no system"
    words = " ".join(str(value).split())
    return f"system {values.index(value) + 1} ({words if len(words) <= 20 else f'{words[:19].rstrip()}…'})"
