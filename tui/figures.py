"""Figures as a person reads them: short, with a unit, and a dash where there is no data."""

from __future__ import annotations

import re
from math import floor, log10
from pathlib import PurePath
from typing import TYPE_CHECKING

import msgspec
from rich.cells import cell_len, set_cell_size

if TYPE_CHECKING:
    from collections.abc import Collection

    from agents.compare.stats import Mean, Share
    from agents.events import Place
    from agents.requests import ModelRef

NONE = "–"
_SHORT = {"temperature": "temp", "max_tokens": "max"}
_LEADING = re.compile(r"(?<!\S)(?:https?://|/(?:[^/\s]+/)+)")


def seconds(value: float | None) -> str:
    """Return a duration: ``85 ms``, ``1.24 s``, ``75 s``, ``12 min``."""
    if value is None:
        return NONE
    if value < 1:
        return f"{value * 1000:.0f} ms"
    if value < 10:
        return f"{value:.2f} s"
    return f"{value:.0f} s" if value < 120 else f"{value / 60:.0f} min"


def mean_seconds(value: Mean) -> str:
    """Return a mean duration and the margin of its 95 % interval, in one unit."""
    if value.mean is None:
        return NONE
    if value.margin is None:
        return f"{seconds(value.mean)} ±{NONE}"
    if value.mean < 1:
        return f"{value.mean * 1000:.0f} ±{value.margin * 1000:.0f} ms"
    return f"{value.mean:.2f} ±{value.margin:.2f} s"


def mean(value: Mean) -> str:
    """Return a mean and the margin of its 95 % interval."""
    if value.mean is None:
        return NONE
    digits = 0 if value.mean >= 100 else 1
    margin = NONE if value.margin is None else f"{value.margin:.{digits}f}"
    return f"{value.mean:.{digits}f} ±{margin}"


def accepted(share: Share) -> str:
    """Return how many of how many were accepted, and the 95 % interval of that share."""
    bounds = "" if share.low is None or share.high is None else f" ({share.low * 100:.0f}{NONE}{share.high * 100:.0f} %)"
    return f"{share.hits}/{share.count}{bounds}"


def percent(value: float | None) -> str:
    """Return a share of one as whole percent."""
    return NONE if value is None else f"{value * 100:.0f} %"


def made_for(question: str, similar: float) -> str:
    """Return the line that must stand with an answer that was made for another question."""
    said = " ".join(question.split())
    return f"≈ answered for: {said if len(said) <= 160 else f'{said[:159]}…'}, {similar:.2f} alike"


def rate(value: float | None, unit: str) -> str:
    """Return a rate with its unit."""
    if value is None:
        return f"{NONE} {unit}"
    return f"{value:.0f} {unit}" if value >= 10 else f"{value:.1f} {unit}"


def price(value: float | None) -> str:
    """Return a cost in whatever currency the prices are: two places, or for less two figures."""
    if value is None:
        return NONE
    if value == 0 or value >= 0.1:
        return f"{value:.2f}"
    places = min(1 - floor(log10(value)), 9)
    return f"{value:.{places}f}"


def gib(value: float | None) -> str:
    """Return bytes as GiB."""
    return NONE if value is None else f"{value / 2**30:.1f} GiB"


def cut(text: str, width: int) -> str:
    """Return ``text`` in at most ``width`` cells, with an ellipsis where something was left out."""
    return text if cell_len(text) <= width else f"{set_cell_size(text, max(width - 1, 0)).rstrip()}…"


def wrap(text: str, width: int) -> list[str]:
    """Cut ``text`` between words into lines of at most ``width`` cells; a longer word is cut within."""
    lines: list[str] = []
    line = ""
    for part in text.split():
        word = part
        if cell_len(line) + cell_len(word) + bool(line) <= width:
            line = f"{line} {word}" if line else word
            continue
        if line:
            lines.append(line)
        while cell_len(word) > max(width, 2):
            head = set_cell_size(word, max(width, 2)).rstrip() or word[0]
            lines.append(head)
            word = word[len(head) :]
        line = word
    return [*lines, line] if line else lines


def short_place(place: Place) -> str:
    """Return where a passage stands, the telling end of it: file name, then line or page; a web address without its scheme."""
    name = place.uri.partition("://")[2] if "://" in place.uri else PurePath(place.uri).name
    if place.page is not None:
        return f"{name} p. {place.page}"
    return name if place.line is None else f"{name}:{place.line}"


def short_name(name: str) -> str:
    """Return a step's name without the folders of the paths in it, and without the scheme of addresses."""
    return _LEADING.sub("", name)


def short_model(model: ModelRef, shared: Collection[str] = ()) -> str:
    """Return a model as a pane's title: what tells panes apart first, the endpoint and what they share last, where it is cut."""
    params = msgspec.to_builtins(model.params).items()
    own = "".join(f" {_SHORT.get(key, key)} {value}" for key, value in params if key not in shared)
    common = "".join(f" {_SHORT.get(key, key)} {value}" for key, value in params if key in shared)
    name = f"{own.lstrip()} {model.model}" if own and "model" in shared else f"{model.model}{own}"
    return f"{name} @{model.endpoint}{common}"
