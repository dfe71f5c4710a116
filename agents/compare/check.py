"""The process that tests answers against a pattern and a schema, so that one which takes for ever can be killed.

A regular expression may take exponential time on the wrong text, alone or within a schema, and nothing inside Python can stop it.
Run as a module by :mod:`agents.compare.accept`: the first line of standard input is the rules, every line after it is an answer,
and each gets a line back. It ends when standard input does, and on Linux with its parent.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Callable
from typing import Any, NoReturn

import msgspec

CPU_SECONDS = 60
MEMORY_BYTES = 768 * 1024 * 1024
_LONGEST = 200
"""Characters of a schema's complaint that are told: it quotes the answer."""


class Rules(msgspec.Struct, frozen=True, kw_only=True):
    """What an answer is tested for."""

    pattern: str | None = None
    """A regular expression that must be found."""
    schema: str | None = None
    """A JSON schema, as JSON, that the whole answer must follow."""


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What is wrong; nothing when both are ``None``."""

    fault: str | None = None
    """Why the answer is not accepted."""
    error: str | None = None
    """Why the rules cannot be used."""


Test = Callable[[str], str | None]


class UnusableError(Exception):
    """The rules are none."""


def compile_rules(rules: Rules) -> list[Test]:
    """Return the tests that ``rules`` ask for; each returns what is wrong with an answer, or ``None``.

    Raises :class:`UnusableError` for a pattern or schema that is none.
    """
    made: list[Test] = []
    if rules.pattern is not None:
        made.append(_pattern_test(rules.pattern))
    if rules.schema is not None:
        made.append(_schema_test(rules.schema))
    return made


def _pattern_test(pattern: str) -> Test:
    try:
        compiled = re.compile(pattern)
    except (re.error, OverflowError, RecursionError) as error:
        raise UnusableError(f"the pattern {pattern[:_LONGEST]!r} is no regular expression: {error}") from None
    return lambda text: None if compiled.search(text) else "the pattern is not in it"


def _schema_test(source: str) -> Test:
    import jsonschema
    from referencing.exceptions import Unresolvable
    from referencing.jsonschema import EMPTY_REGISTRY

    try:
        schema = json.loads(source)
        if not isinstance(schema, dict | bool):
            raise UnusableError("the schema is not a JSON object")
        kind = jsonschema.validators.validator_for(schema, default=jsonschema.Draft202012Validator)
        kind.check_schema(schema)
        # A registry of our own: the library's default one would fetch a reference from the network.
        validator = kind(schema, registry=EMPTY_REGISTRY)
    except (ValueError, RecursionError) as error:
        raise UnusableError(f"the schema is not JSON: {error}") from None
    except jsonschema.SchemaError as error:
        raise UnusableError(f"the schema is no JSON schema: {_short(error.message)}") from None
    except TypeError:  # a dialect that is a list
        raise UnusableError("the schema is no JSON schema: its $schema is not text") from None

    def test(text: str) -> str | None:
        try:
            document = json.loads(text, parse_constant=_no_constant)
        except (ValueError, RecursionError):
            return "it is JSON within a code fence" if text.lstrip().startswith("```") else "it is not JSON"
        try:
            found = jsonschema.exceptions.best_match(validator.iter_errors(document))
        except Unresolvable as error:
            raise UnusableError(f"the schema refers to what is not in it: {_short(str(error))}") from None
        except RecursionError:
            return "it is nested too deeply for the schema"
        return None if found is None else f"it breaks the schema at {_short(found.json_path)}: {_short(found.message)}"

    return test


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST - 1]}…"


def examine(made: list[Test], text: str) -> Verdict:
    """Return the first fault the tests find in ``text``."""
    try:
        return Verdict(fault=next((fault for test in made if (fault := test(text)) is not None), None))
    except UnusableError as error:
        return Verdict(error=str(error))
    except MemoryError:
        return Verdict(fault="testing it takes too much memory")


def _limit(parent: int) -> None:
    import ctypes
    import resource
    import signal

    os.nice(5)
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
    if os.getppid() != parent:
        sys.exit(1)  # it died before that was set


def _say(**fields: Any) -> None:
    sys.stdout.buffer.write(msgspec.json.encode(Verdict(**fields)) + b"\n")
    sys.stdout.buffer.flush()


def main() -> None:
    """Serve until standard input ends."""
    _limit(int(sys.argv[1]))
    lines = sys.stdin.buffer
    try:
        made = compile_rules(msgspec.json.decode(lines.readline(), type=Rules))
    except UnusableError as error:
        _say(error=str(error))
        return
    _say()
    for line in lines:
        verdict = examine(made, msgspec.json.decode(line, type=str))
        _say(fault=verdict.fault, error=verdict.error)


if __name__ == "__main__":
    main()
