"""What a server's list of models says of each: context, price, size. Read with distrust, because any server can send anything."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any

import msgspec

from agents.settings import Price

if TYPE_CHECKING:
    from collections.abc import Mapping

    from agents.models.discovery import Target
    from agents.models.presets import StatedPrices

_LONGEST_NAME = 200
_LONGEST_WORD = 40
_MOST_MODELS = 5000
_MOST_BYTES = 4 << 20
"""A list beyond this would hold up the loop while it is read; the longest known has a fifth of it."""
_LARGEST = 1 << 50
_NO_NUMBER = re.compile(rb'("[^"\\]*+(?:\\.[^"\\]*+)*+"?+)|-?(?:NaN|Infinity)', re.DOTALL)
"""What some write where they know no number, which is no JSON. Texts are found, too, so that nothing is found in them."""


class ModelFacts(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One model as its server describes it. What it does not say is ``None`` or empty."""

    name: str
    context: int | None = None
    """Tokens of prompt and answer together, at most."""
    price: Price | None = None
    """Per million tokens, in the service's currency."""
    size: int | None = None
    """Bytes on the server's disk."""
    parameters: str = ""
    """How many, as the server writes it: ``7.6B``."""
    quantization: str = ""

    @property
    def says_something(self) -> bool:
        """Whether more than the name is known."""
        return self != ModelFacts(name=self.name)


class _Listed(msgspec.Struct):
    id: str
    context_length: Any = None
    max_model_len: Any = None
    max_input_tokens: Any = None
    pricing: Any = None
    meta: Any = None


class _List(msgspec.Struct):
    data: list[_Listed]


class _Tag(msgspec.Struct):
    name: str
    size: Any = None
    details: Any = None


class _Tags(msgspec.Struct):
    models: list[_Tag]


def facts_of(body: bytes, target: Target) -> tuple[ModelFacts, ...]:
    """Return the models of a list in its order; no name holds the key.

    Raises :class:`ValueError`, in one line without the endpoint's name, when it is no list of models or too long. A long list takes
    a while: call it in a thread.
    """
    if len(body) > _MOST_BYTES:
        most, say = _MOST_BYTES >> 20, f"endpoints.{target.name}.models"
        raise ValueError(f"its list of models is too long to be read (over {most} MiB): name those you use in {say}")
    try:
        listed = _decoded(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise ValueError("its /models is not a list of models: does base_url end in /v1?") from None
    key = target.key
    return tuple(
        _facts(model, target.preset.stated_prices)
        for model in listed[:_MOST_MODELS]
        if 0 < len(model.id) <= _LONGEST_NAME and (not key or key not in model.id)
    )


def _decoded(body: bytes) -> list[_Listed]:
    try:
        return msgspec.json.decode(body, type=_List).data
    except msgspec.DecodeError:
        if b"NaN" not in body and b"Infinity" not in body:
            raise
        plain = _NO_NUMBER.sub(lambda found: found[1] or b"null", body)
        return msgspec.json.decode(plain, type=_List).data


def _facts(model: _Listed, unit: StatedPrices) -> ModelFacts:
    meta: Mapping[str, Any] = model.meta if isinstance(model.meta, dict) else {}
    contexts = (model.context_length, model.max_model_len, model.max_input_tokens, meta.get("n_ctx"), meta.get("n_ctx_train"))
    parameters = _count(meta.get("n_params"))
    return ModelFacts(
        name=model.id,
        context=next(filter(None, map(_count, contexts)), None),
        price=_price(model.pricing, unit),
        size=_count(meta.get("size")),
        parameters=f"{parameters / 1e9:.2g}B" if parameters else "",
    )


def _price(stated: Any, unit: StatedPrices) -> Price | None:
    if not isinstance(stated, dict) or not unit:
        return None
    if unit == "million" and stated.get("unit") != "per_million_tokens":
        return None  # prices without their unit could be off by a million
    factor = 1e6 if unit == "token" else 1.0
    given, made = _amount(stated.get("prompt")), _amount(stated.get("completion"))
    if given is None or made is None:
        return None
    return Price(input=round(given * factor, 6), output=round(made * factor, 6))


def _amount(value: Any) -> float | None:
    """Return a price, which some write as text; ``None`` for what is none, such as -1 where it differs from call to call."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        amount = float(value)
    except (ValueError, OverflowError):
        return None
    return amount if math.isfinite(amount) and 0 <= amount < 1e6 else None


def _count(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 < value < _LARGEST else None


def with_tags(models: tuple[ModelFacts, ...], body: bytes) -> tuple[ModelFacts, ...]:
    """Return ``models`` with what Ollama's own list says of their sizes; as they are when it says nothing that can be read."""
    try:
        tags = msgspec.json.decode(body, type=_Tags).models
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return models
    said = {tag.name: tag for tag in tags}
    return tuple(_tagged(model, said[model.name]) if model.name in said else model for model in models)


def _tagged(model: ModelFacts, tag: _Tag) -> ModelFacts:
    details: Mapping[str, Any] = tag.details if isinstance(tag.details, dict) else {}
    return msgspec.structs.replace(
        model,
        size=_count(tag.size),
        parameters=_word(details.get("parameter_size")),
        quantization=_word(details.get("quantization_level")),
    )


def _word(value: Any) -> str:
    return value[:_LONGEST_WORD] if isinstance(value, str) else ""
