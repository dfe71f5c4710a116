"""Prompts with places to fill in: files of the person's own, in TOML or YAML, and those of the ``llm`` tool as they are.

A template is data: filling it in puts text where a name stands and does nothing else, and what is put in is not looked at
again. A file that is none is named with its line and passed over.
"""

from __future__ import annotations

import os
import re
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec

from agents.errors import InputError
from agents.requests import Params
from agents.tools.files import locate, read_regular, shown

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_BYTES: Final = 64 * 1024
"""Bytes a template may have; YAML is read by Python code, which takes its time."""
MOST_TEMPLATES: Final = 500
"""Files of a folder that are looked at."""
SUFFIXES: Final = (".toml", ".yaml", ".yml")
_MERGE: Final = "tag:yaml.org,2002:merge"
INPUT: Final = "input"
"""The variable that stands for what the person gives beside the named ones."""

_PLACE = re.compile(r"\$(?:(?P<escaped>\$)|(?P<name>[_A-Za-z][_A-Za-z0-9]*)|\{(?P<braced>[_A-Za-z][_A-Za-z0-9]*)\})")
_TEXTS = ("name", "description", "prompt", "system", "model")
_LEFT_OUT = {
    "attachments": "its attachments are not read: attach files yourself with @ or -a",
    "attachment_types": "its attachments are not read: attach files yourself with @ or -a",
    "extract": "the whole answer is shown: code blocks are not extracted",
    "extract_last": "the whole answer is shown: code blocks are not extracted",
    "fragments": "its fragments are not read",
    "system_fragments": "its fragments are not read",
    "functions": "its functions are never run",
    "schema_object": "its schema is not sent",
    "tools": "its tools are not offered to the model",
}
"""What a template of the ``llm`` tool may have and is not used here, and what a person is told of it."""
_KNOWN = (*_TEXTS, "params", "options", "variables", "defaults", *_LEFT_OUT)


class Variable(msgspec.Struct, frozen=True):
    """A place to fill in."""

    name: str
    default: str | None = None
    """What it is when nothing is given; ``None``: it must be given."""
    description: str = ""


class Filled(msgspec.Struct, frozen=True, kw_only=True):
    """A template with everything filled in."""

    prompt: str
    system: str | None = None
    params: Params = Params()
    model: str | None = None


class Template(msgspec.Struct, frozen=True, kw_only=True):
    """A prompt, a system prompt or both, with places to fill in."""

    name: str
    path: Path
    description: str = ""
    prompt: str = ""
    system: str | None = None
    model: str | None = None
    """As written; ``None`` leaves the model to whoever sends it."""
    params: Params = Params()
    declared: tuple[Variable, ...] = ()
    """Variables the file says something about."""
    notes: tuple[str, ...] = ()
    """What of the file is not used here, a line each."""

    @property
    def variables(self) -> tuple[Variable, ...]:
        """All places to fill in, in the order they come, ``input`` last: what is given beside the named ones."""
        declared = {variable.name: variable for variable in self.declared}
        names = [match["name"] or match["braced"] for match in _PLACE.finditer(f"{self.prompt}\n{self.system or ''}")]
        used = dict.fromkeys(name for name in names if name and name != INPUT)
        return (*(declared.get(name, Variable(name)) for name in used), declared.get(INPUT, Variable(INPUT, "")))

    @property
    def takes_input(self) -> bool:
        """Whether there is a place for what is given beside the named variables."""
        return any((match["name"] or match["braced"]) == INPUT for match in _PLACE.finditer(f"{self.prompt}\n{self.system or ''}"))

    def fill(self, values: Mapping[str, str], given: str = "") -> Filled:
        """Return the template with ``values`` in their places and ``given`` for ``$input``.

        Where the prompt has no ``$input``, what is given comes after it. Raises :class:`InputError` that names what is missing
        or not known.
        """
        variables = {variable.name: variable.default for variable in self.variables}
        if unknown := [name for name in values if name not in variables]:
            known = ", ".join(variables)
            raise InputError(f"{self.name} has no variable {unknown[0]!r}; it has {known}")
        given = given or values.get(INPUT) or variables[INPUT] or ""
        filled = {name: values.get(name, default) for name, default in variables.items()} | {INPUT: given}
        if missing := [name for name, value in filled.items() if value is None]:
            raise InputError(f"{self.name} needs {', '.join(missing)}: give {'it' if len(missing) == 1 else 'them'} a value")
        prompt = _filled(self.prompt, filled)
        if given and not self.takes_input:
            prompt = f"{prompt.rstrip()}\n\n{given}" if prompt.strip() else given
        system = None if self.system is None else _filled(self.system, filled)
        return Filled(prompt=prompt.strip(), system=system, params=self.params, model=self.model)


def _filled(text: str, values: Mapping[str, str | None]) -> str:
    def value(match: re.Match[str]) -> str:
        return "$" if match["escaped"] else values.get(match["name"] or match["braced"]) or ""

    return _PLACE.sub(value, text)


class Templates(msgspec.Struct, frozen=True):
    """What a folder holds."""

    loaded: dict[str, Template]
    """Templates by name, sorted."""
    failed: dict[str, str]
    """Files that are none, by file name, and why."""


def load_templates(folder: Path) -> Templates:
    """Read every template of ``folder``, which need not be there. Blocks: call it in a thread."""
    loaded: dict[str, Template] = {}
    failed: dict[str, str] = {}
    try:
        files = sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES and not path.name.startswith("."))
    except FileNotFoundError:
        files = []
    except OSError as error:
        return Templates({}, {folder.name: f"the folder cannot be read: {error.strerror or error}"})
    for path in files[:MOST_TEMPLATES]:
        try:
            template = load_template(path)
        except InputError as error:
            failed[shown(path.name)] = str(error)
            continue
        if template.name in loaded:
            failed[shown(path.name)] = f"another file is named {template.name!r} too: {shown(loaded[template.name].path.name)}"
        else:
            loaded[template.name] = template
    return Templates(dict(sorted(loaded.items())), failed)


def find_template(wanted: str, folder: Path) -> Template:
    """Return the template that ``wanted`` names: a file by its path, else one of ``folder`` by its name. Blocks.

    Raises :class:`InputError` when there is none or it cannot be used.
    """
    if "/" in wanted or (wanted.lower().endswith(SUFFIXES) and os.path.exists(wanted)):  # noqa: PTH110  # Path's raises on names too long
        return load_template(Path(wanted))
    templates = load_templates(folder)
    if wanted in templates.loaded:
        return templates.loaded[wanted]
    for name, reason in templates.failed.items():
        if Path(name).stem == wanted:
            raise InputError(reason)
    known = ", ".join(templates.loaded) or "none"
    raise InputError(f"there is no template {wanted!r} in {shown(folder)}; there are: {known}")


def load_template(path: Path) -> Template:
    """Return the template in a file. Raises :class:`InputError` with the file, the line where one is known, and the reason."""
    text = _text(path)
    where = shown(path)
    kept = _toml(text, where) if path.suffix.lower() == ".toml" else _yaml(text, where)
    if isinstance(kept, str):
        kept = {"prompt": kept}
    if not isinstance(kept, dict):
        raise InputError(f"{where}: it is no template: it must hold keys like prompt and system")
    try:
        return _Reader(path, text).template(kept)
    except ValueError:  # what Python says of whole numbers with thousands of digits
        raise InputError(f"{where}: a number in it is too long") from None


def _text(path: Path) -> str:
    data = read_regular(locate(path), MAX_BYTES).data
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise InputError(f"{shown(path)}: it is not UTF-8 text") from None


def _toml(text: str, where: str) -> object:
    try:
        return tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise InputError(f"{where}: it is not TOML: {str(error) or 'nested too deep'}") from None


def _yaml(text: str, where: str) -> object:
    import yaml

    class Loader(yaml.SafeLoader):
        def flatten_mapping(self, node: yaml.MappingNode) -> None:
            # A merge copies what it names, so that merges of merges make a page of text fill the memory.
            if any(key.tag == _MERGE for key, _ in node.value):
                reason = "keys merged with << are not read: write them out"
                raise yaml.constructor.ConstructorError(None, None, reason, node.start_mark)
            super().flatten_mapping(node)

    try:
        return yaml.load(text, Loader)  # noqa: S506  # a SafeLoader
    except yaml.MarkedYAMLError as error:
        line = "" if error.problem_mark is None else f", line {error.problem_mark.line + 1}"
        raise InputError(f"{where}{line}: it is not YAML: {error.problem or error.context}") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise InputError(f"{where}: it is not YAML: {' '.join(str(error).split()) or 'nested too deep'}") from None


class _Reader:
    """Makes a template of a file's keys, and errors that say where in the file."""

    def __init__(self, path: Path, text: str) -> None:
        self._path = path
        self._text = text

    def _wrong(self, key: str, reason: str) -> InputError:
        found = re.search(rf"^\s*[\"'\[]?{re.escape(key)}\b", self._text, re.MULTILINE)
        line = "" if found is None else f", line {self._text.count(chr(10), 0, found.end()) + 1}"
        return InputError(f"{shown(self._path)}{line}: {reason}")

    def template(self, kept: dict[object, Any]) -> Template:
        for key in kept:
            if key not in _KNOWN:
                from difflib import get_close_matches

                near = get_close_matches(str(key), _KNOWN, n=1)
                raise self._wrong(str(key), f"unknown key {str(key)!r}" + (f"; did you mean {near[0]!r}?" if near else ""))
        texts = {key: self._line(key, kept[key]) for key in _TEXTS if kept.get(key) is not None}
        if not texts.get("prompt", "").strip() and not texts.get("system", "").strip():
            raise InputError(f"{shown(self._path)}: it has neither a prompt nor a system prompt")
        params, notes = self._params(kept)
        notes += [note for key, note in _LEFT_OUT.items() if kept.get(key)]
        return Template(
            name=texts.get("name") or self._path.stem,
            path=self._path,
            description=texts.get("description", ""),
            prompt=texts.get("prompt", ""),
            system=texts.get("system"),
            model=texts.get("model"),
            params=params,
            declared=self._variables(kept),
            notes=tuple(dict.fromkeys(notes)),
        )

    def _line(self, key: str, value: object) -> str:
        if not isinstance(value, str):
            raise self._wrong(key, f"{key!r} must be text, in quotation marks")
        return value

    def _params(self, kept: dict[object, Any]) -> tuple[Params, list[str]]:
        """Return the parameters; an ``options`` table is the ``llm`` tool's, whose models have options of their own."""
        given = {**self._table("options", kept), **self._table("params", kept)}
        known = Params.__struct_fields__
        notes = []
        for name in [name for name in given if name not in known]:
            if name in self._table("params", kept):
                raise self._wrong(name, f"params: there is no {name!r}; there are {', '.join(known)}")
            del given[name]
            notes.append(f"its option {name} is not known here")
        try:
            return msgspec.convert(given, Params), notes
        except msgspec.ValidationError as error:
            name = next((name for name in given if f"`$.{name}`" in str(error)), "params")
            raise self._wrong(name, f"{name}: {str(error).partition(' - ')[0]}") from None

    def _variables(self, kept: dict[object, Any]) -> tuple[Variable, ...]:
        found = {name: Variable(name, self._value(name, value)) for name, value in self._table("defaults", kept).items()}
        for name, value in self._table("variables", kept).items():
            if not isinstance(value, dict):
                found[name] = Variable(name, self._value(name, value))
                continue
            if unknown := set(map(str, value)) - {"default", "description"}:
                raise self._wrong(name, f"variables.{name}: unknown key {min(unknown)!r}; there are default and description")
            default = value.get("default")
            found[name] = Variable(
                name,
                None if default is None else self._value(name, default),
                self._line("description", value.get("description") or ""),
            )
        return tuple(found.values())

    def _value(self, name: str, value: object) -> str | None:
        if value is None or isinstance(value, str):
            return value
        if isinstance(value, bool):
            return "true" if value else "false"
        if isinstance(value, dict | list):
            raise self._wrong(name, f"the value of {name!r} must be text")
        return str(value)

    def _table(self, key: str, kept: dict[object, Any]) -> dict[str, Any]:
        value = kept.get(key) or {}
        if not isinstance(value, dict):
            raise self._wrong(key, f"{key!r} must be a table of names and values")
        return {str(name): inner for name, inner in value.items()}
