"""Model names as people write them: ``endpoint/model[,parameter=value...]``."""

from __future__ import annotations

import difflib
import math

import msgspec

from agents.errors import InputError
from agents.requests import ModelRef, Params

_FORM = "write endpoint/model or endpoint/model,temperature=0.2"


def parse_model(text: str) -> ModelRef:
    """Return the model that ``text`` names. The model's own name may hold ``/`` and ``:``, but no comma.

    Raises :class:`InputError`, in one line, for anything that is not of the form.
    """
    name, *settings = text.strip().split(",")
    endpoint, slash, model = (part.strip() for part in name.partition("/"))
    if not slash or not endpoint or not model:
        raise InputError(f"{text!r} is not a model's name: {_FORM}")
    values: dict[str, str] = {}
    for setting in settings:
        key, equals, value = (part.strip() for part in setting.partition("="))
        if not equals:
            raise InputError(f"{text!r}: {setting!r} is not parameter=value: {_FORM}")
        if key in values:
            raise InputError(f"{text!r} sets {key!r} twice")
        values[key] = value
    return ModelRef(endpoint, model, parse_params(text, values))


def _nearest(key: str) -> str:
    known = Params.__struct_fields__
    near = difflib.get_close_matches(key, known, n=1)
    return f"; did you mean {near[0]!r}?" if near else f"; there are {', '.join(known)}"


def parse_params(text: str, values: dict[str, str]) -> Params:
    """Return the parameters that ``values`` names; ``text`` is what messages call the place they stand in, if it has a name.

    Raises :class:`InputError`, in one line, for a name or a value that is none.
    """
    where = f"{text!r}: " if text else ""
    for key, value in values.items():
        if key not in Params.__struct_fields__:
            raise InputError(f"{where}there is no parameter {key!r}{_nearest(key)}")
        try:
            msgspec.convert({key: value}, Params, strict=False)
        except msgspec.ValidationError:
            kind = "a whole number" if key in {"max_tokens", "seed"} else "a number"
            raise InputError(f"{where}{key} must be {kind}, not {value!r}") from None
    params = msgspec.convert(values, Params, strict=False)
    for key, least in (("temperature", 0.0), ("top_p", 0.0), ("max_tokens", 1)):
        value = getattr(params, key)
        if value is not None and not (math.isfinite(value) and value >= least):
            raise InputError(f"{where}{key} must be a number from {least} up")
    return params
