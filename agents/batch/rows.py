"""One line of a batch's input: what it asks, or in one sentence why it asks nothing, and what identifies each of its answers."""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING, Annotated, Literal, NamedTuple

import msgspec

from agents.errors import InputError
from agents.requests import Message, ModelRef, Params

if TYPE_CHECKING:
    from collections.abc import Iterator

LONGEST = 16 << 20
"""Bytes a line may have."""

_AtLeastZero = Annotated[float, msgspec.Meta(ge=0)]


class _Sampling(msgspec.Struct, forbid_unknown_fields=True):
    temperature: _AtLeastZero | None = None
    top_p: _AtLeastZero | None = None
    max_tokens: Annotated[int, msgspec.Meta(ge=1)] | None = None
    seed: int | None = None


class _Said(msgspec.Struct):
    role: Literal["system", "user", "assistant"]
    content: str


class _Line(msgspec.Struct):
    """A line as people write it. Keys that are not here are theirs and are left alone."""

    prompt: str | None = None
    messages: tuple[_Said, ...] | None = None
    id: str | int | None = None
    system: str | None = None
    params: _Sampling | None = None


_decode = msgspec.json.Decoder(_Line).decode
_ESCAPE = re.compile(rb"\\(?:u([0-9a-fA-F]{4})|.)", re.DOTALL)


class Row(NamedTuple):
    """A line that can be asked."""

    id: str | int
    """The line's own, else its number."""
    messages: tuple[Message, ...]
    params: Params


class Unit(NamedTuple):
    """One answer to be given."""

    position: int
    """Counted from 0, over the whole output."""
    key: str
    id: str | int
    model: int | None
    """Which of the batch's models; ``None`` for a line that asks nothing."""
    messages: tuple[Message, ...]
    params: Params
    problem: str = ""
    """Why the line asks nothing."""


def read_row(number: int, line: bytes, system: str | None) -> Row:
    """Return what line ``number`` (1-based) asks; ``system`` stands before it where it has no system prompt of its own.

    Raises :class:`InputError`, in one line.
    """
    if len(line) > LONGEST:
        raise InputError(f"line {number} is longer than {LONGEST >> 20} MiB")
    if not line.lstrip().startswith(b"{"):
        raise InputError(f'line {number} is not a JSON object like {{"prompt": "…"}}')
    try:
        asked = _decode(line)
    except (msgspec.MsgspecError, RecursionError) as error:
        if isinstance(error, RecursionError):
            reason = "is nested too deeply"
        elif not isinstance(error, msgspec.ValidationError) and (half := _half_character(line)):
            reason = f"holds half a character, {half}; write both halves, or the character itself"
        else:
            reason = f"cannot be used: {error}"
        raise InputError(f"line {number} {reason}") from None
    except UnicodeDecodeError:
        raise InputError(f"line {number} is not UTF-8 text") from None
    if isinstance(asked.id, int) and abs(asked.id) >> 63:
        raise InputError(f"line {number} has an id of more than 63 bits; write it as a string")
    if asked.prompt is not None and asked.messages is not None:
        raise InputError(f"line {number} has both a prompt and messages; give one of them")
    if asked.prompt is None and asked.messages is None:
        raise InputError(f'line {number} has neither "prompt" nor "messages"')
    messages = tuple(Message(said.role, said.content) for said in asked.messages or ())
    if asked.prompt is not None:
        messages = (Message("user", asked.prompt),)
    if not any(message.content.strip() for message in messages if message.role != "system"):
        raise InputError(f"line {number} asks nothing: its prompt is empty")
    before = asked.system if asked.system is not None else system
    if before and messages[0].role != "system":
        messages = (Message("system", before), *messages)
    sampling = asked.params or _Sampling()
    params = Params(temperature=sampling.temperature, top_p=sampling.top_p, max_tokens=sampling.max_tokens, seed=sampling.seed)
    return Row(number if asked.id is None else asked.id, messages, params)


def _half_character(line: bytes) -> str:
    """Return the first surrogate that stands without its other half, as it is written; empty when there is none."""
    first: re.Match[bytes] | None = None
    for escape in _ESCAPE.finditer(line):
        code = int(escape[1] or b"0", 16)
        if first is not None and not (0xDC00 <= code < 0xE000 and escape.start() == first.end()):
            return first[0].decode()
        if first is None and 0xDC00 <= code < 0xE000:
            return escape[0].decode()
        first = escape if 0xD800 <= code < 0xDC00 else None
    return "" if first is None else first[0].decode()


def with_params(ref: ModelRef, params: Params) -> ModelRef:
    """Return ``ref`` with the parameters a row sets over its own."""
    given = {name: value for name in Params.__struct_fields__ if (value := getattr(params, name)) is not None}
    return msgspec.structs.replace(ref, params=msgspec.structs.replace(ref.params, **given)) if given else ref


class Units:
    """Makes units of lines, in their order."""

    def __init__(self, models: tuple[ModelRef, ...], system: str | None) -> None:
        self._models = [str(ref).encode("utf-8", "replace") for ref in models]
        self._system = system
        self._position = 0

    def of(self, number: int, line: bytes) -> Iterator[Unit]:
        """Yield the units of line ``number``: one for each model, or a single one that says what is wrong with the line.

        What an answer is known by again is a hash of the row's id, or its number where it has none, of everything in it that
        shapes the answer, and of the model as it is asked.
        """
        try:
            row = read_row(number, line, self._system)
        except InputError as error:
            key = hashlib.blake2b(b"%d\0%b" % (number, line), digest_size=12).hexdigest()
            yield self._next(Unit(0, key, number, None, (), Params(), str(error)))
            return
        shared = hashlib.blake2b(msgspec.json.encode(row), digest_size=12)
        for index, name in enumerate(self._models):
            own = shared.copy()
            own.update(b"\0" + name)
            yield self._next(Unit(0, own.hexdigest(), row.id, index, row.messages, row.params))

    def _next(self, unit: Unit) -> Unit:
        position, self._position = self._position, self._position + 1
        return unit._replace(position=position)
