"""Colours of code: a lexer per language, loaded when first needed, and what its tokens are called here."""

from __future__ import annotations

import re
from functools import lru_cache
from importlib import import_module
from itertools import islice
from typing import TYPE_CHECKING, Final, Protocol

from tui.markdown.shaped import Span

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_MOST_TOKENS: Final = 3000
"""Tokens of a piece that get a colour: about 10 ms."""
_LONGEST_LINE: Final = 500
"""Characters of a line that a lexer gets to see: some are quadratic in them."""
_LANGUAGE: Final = re.compile(r"\w[\w+#.\-]{0,39}")
_NAMES: Final = (
    "bash batch c c++ clojure cmake cpp c# csharp css dart diff docker dockerfile elixir erlang fish fortran go golang graphql"
    " haskell hcl html http ini java javascript js json jsonc json5 jsx kotlin less lisp lua make makefile markdown md mysql nasm"
    " nginx nim nix objective-c objc ocaml perl php postgresql powershell ps1 protobuf proto py py3 python python3 pycon pytb r rb"
    " ruby rs rust sass scala scheme scss sh shell console sql sqlite3 swift tcl terraform toml ts tsx typescript udiff vb.net vim"
    " xml yaml yml zig zsh"
)
_LANGUAGES: Final = frozenset(_NAMES.split())
"""What is highlighted, by the names it goes by. Others stay plain: a rare lexer may take a tenth of a second to load, or seconds
for a few lines."""

_ALIASES: Final = {
    **dict.fromkeys(("sh", "zsh", "shell"), "bash"),
    **dict.fromkeys(("c#", "csharp", "kotlin", "scala"), "java"),
    "tsx": "typescript",
    "jsx": "javascript",
    "jsonc": "json5",
    "mysql": "sql",
}
"""Languages another lexer is good enough for. Some have lexers of their own that are slow to load."""

_COMMON: Final = "python bash json javascript typescript html css xml yaml toml sql c cpp java go rust diff console docker"
"""What is loaded before it is needed."""

_CLASSES: Final = (
    *(("Comment", "comment"), ("Keyword.Constant", "builtin"), ("Keyword", "kw"), ("Literal.String", "string")),
    *(("Literal.Number", "number"), ("Literal.Date", "number"), ("Operator.Word", "kw"), ("Operator", "operator")),
    *(("Name.Builtin", "builtin"), ("Name.Decorator", "decorator"), ("Name.Function", "name"), ("Name.Class", "name")),
    *(("Name.Exception", "builtin"), ("Name.Tag", "kw"), ("Name.Attribute", "name"), ("Name.Namespace", "name")),
    *(
        ("Generic.Inserted", "inserted"),
        ("Generic.Deleted", "deleted"),
        ("Generic.Heading", "name"),
        ("Generic.Subheading", "name"),
    ),
    *(("Generic.Prompt", "comment"), ("Generic.Output", "comment"), ("Generic.Strong", "kw")),
)


class _Lexer(Protocol):
    def get_tokens_unprocessed(self, text: str) -> Iterable[tuple[int, object, str]]: ...


def language_of(info: str) -> str:
    """Return the name of the language in the info string of a fence, in lower case, empty if there is none."""
    match = _LANGUAGE.search(info.lower())
    return match[0].removeprefix("language-") if match else ""


@lru_cache(128)
def _style_of(token: object) -> str:
    name = str(token).removeprefix("Token.")
    for prefix, style in _CLASSES:
        if name == prefix or name.startswith(f"{prefix}."):
            return style
    return ""


@lru_cache(1)
def _modules() -> dict[str, tuple[str, str]]:
    """Return module and class of each language, of the package's own only: no plug-in is looked for or run."""
    from pygments.lexers import LEXERS

    found: dict[str, tuple[str, str]] = {}
    for name, (module, _, aliases, _, _) in LEXERS.items():
        for alias in aliases:
            found.setdefault(alias.lower(), (module, name))
    return found


@lru_cache(32)
def _lexer(language: str) -> _Lexer | None:
    if language not in _LANGUAGES:
        return None
    where = _modules().get(_ALIASES.get(language, language))
    if where is None:
        return None
    lexer: _Lexer = getattr(import_module(where[0]), where[1])(stripnl=False, ensurenl=False)
    return lexer


def spans_of(code: str, language: str) -> list[Span]:
    """Return the spans of ``code``, in order; none if the language is unknown or its lexer fails."""
    if any(len(line) > _LONGEST_LINE for line in code.split("\n")):
        return []
    try:
        lexer = _lexer(language)
        return [] if lexer is None else list(_marks(lexer.get_tokens_unprocessed(code)))
    except Exception:  # noqa: BLE001  # lexers are hundreds of small programs; whatever one trips over, the code is shown plain
        return []


def _marks(tokens: Iterable[tuple[int, object, str]]) -> Iterator[Span]:
    start, end, style = 0, 0, ""
    for at, token, text in islice(tokens, _MOST_TOKENS):
        found = _style_of(token)
        if found == style and at == end:
            end = at + len(text)
            continue
        if style and end > start:
            yield Span(start, end, style)
        start, end, style = at, at + len(text), found
    if style and end > start:
        yield Span(start, end, style)


def lines_of(code: str, language: str) -> Iterator[tuple[str, list[Span]]]:
    """Yield the lines of ``code``, tabs as spaces, each with its spans."""
    tabs = "\t" in code
    if tabs:
        code = code.expandtabs(4)
    spans = iter(spans_of(code, language))
    span = next(spans, None)
    start = 0
    for line in code.split("\n"):
        end = start + len(line)
        here: list[Span] = []
        while span is not None and span.start < end:
            if span.end > start and end > start:
                here.append(Span(max(span.start, start) - start, min(span.end, end) - start, span.style))
            if span.end > end:
                break
            span = next(spans, None)
        while span is not None and span.end <= end:
            span = next(spans, None)
        yield line, here
        start = end + 1


def load_common() -> None:
    """Load the lexers that are asked for most, which takes some tenths of a second: for a thread, before they are needed."""
    for language in _COMMON.split():
        _lexer(language)
