"""Shortens long material by leaving out what says least about a question. Runs in the worker process.

Only prose is shortened, by whole sentences, in their order. Code, JSON, tables and whatever else does not read like prose stays as
it is, because half of it is worth nothing.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from agents.errors import InputError
from agents.retrieval.scoring import bm25, count, pattern
from agents.tokens import estimate_tokens

if TYPE_CHECKING:
    from agents.retrieval.protocol import Shorten

GAP: Final = "… "
"""Stands where sentences were left out between others."""
_EMBEDDED: Final = 4000
"""Sentences whose meaning is compared, those with most words of the question first; the others have their words alone."""
_MEANING, _WORDS, _POSITION = 0.5, 0.4, 0.1
"""How much each counts. Static vectors alone find less than words do, and both together more than either."""
_LONGEST: Final = 600
"""Characters of a sentence; a longer one is cut between words."""
_PROSE: Final = 0.72
"""The share of a paragraph's characters that are letters or spaces, from which on it may be prose."""

_FENCE = re.compile(r"\s{0,3}(```+|~~~+)")
_END = re.compile("(?<![.!?…])[.!?…]+[\"'”\u2019»)\\]]*\\s+|[。\uff01\uff1f]+\\s*|\\n(?=[ \\t]*(?:[-*•+]|\\d{1,3}[.)])\\s)")
_CODE = re.compile(
    r"\s*(?:[@{}<]|#include|//|/\*|\+\+\+ |--- |@@ |\$ |>>> |(?:import|from) [\w.]+(?: import .*)?$|"
    r"(?:def|class|func|fn|var|let|const|return|if|for|while|SELECT|INSERT|CREATE)\b.*[:;({)]\s*$)|.*[;{}]\s*$"
)
_TABLE = re.compile(r"[^|\n]*\|[^|\n]*\||[^\t\n]+\t[^\t\n]*\t|\s*[+|][-=+]{3,}")
_HEADING = re.compile(r"#{1,6}\s|\s*[-=~^*#]{3,}\s*$")
_WORD = re.compile("[^\\W\\d_]+(?:['\u2019][^\\W\\d_]+)?\\s*")
_FILLER_WORDS = """
a an the of is are was were be been being am to that which who whom do does did has have had its it this these those there here very
just really quite also so such then in on at as with for by from and
"""
_FILLERS: Final = frozenset(_FILLER_WORDS.split())
"""Words whose loss changes no meaning a reader cannot restore. Words like not, no, or, only, than and must are none of them."""


class Block(NamedTuple):
    """A part of a text; the parts join to the whole."""

    text: str
    prose: bool


class _Unit(NamedTuple):
    """A sentence: which text it is of, and where it stands there."""

    text: str
    source: int
    block: int
    first: bool
    """Whether it begins its paragraph."""


def blocks(text: str) -> Iterator[Block]:
    """Yield the parts of ``text``: paragraphs of prose, and what must not be touched. A whole JSON document is one part."""
    if text.lstrip()[:1] in {"{", "["} and _is_json(text):
        yield Block(text, prose=False)
        return
    paragraph: list[str] = []
    fence = ""
    for line in text.splitlines(keepends=True):
        opened = _FENCE.match(line)
        if fence:
            paragraph.append(line)
            if opened and opened[1].startswith(fence) and not line.strip().strip(fence[0]):
                yield Block("".join(paragraph), prose=False)
                paragraph, fence = [], ""
        elif opened or not line.strip():
            blank = not opened
            if blank:
                paragraph.append(line)
            if paragraph:
                yield _paragraph(paragraph)
            paragraph = [] if blank else [line]
            fence = "" if blank or opened is None else opened[1]
        else:
            paragraph.append(line)
    if paragraph:
        yield Block("".join(paragraph), prose=False) if fence else _paragraph(paragraph)


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def _paragraph(lines: list[str]) -> Block:
    return Block("".join(lines), prose=_reads_like_prose([line for line in lines if line.strip()]))


def _reads_like_prose(lines: list[str]) -> bool:
    text = "".join(lines)
    if not lines or _HEADING.match(lines[0]) or all(line[:4].isspace() or line.startswith("\t") for line in lines):
        return False
    if sum(map(str.isalpha, text)) + sum(map(str.isspace, text)) < _PROSE * len(text):
        return False
    if text.lstrip()[:1] in {"{", "["} and text.rstrip()[-1:] in {"}", "]", ","}:
        return False
    odd = sum(bool(_CODE.match(line) or _TABLE.match(line)) for line in lines)
    if odd * 3 > len(lines):
        return False
    commas = [line.count(",") for line in lines]
    return not (len(lines) >= 3 and commas[0] >= 2 and len(set(commas)) == 1)


def sentences(text: str) -> list[str]:
    """Return the sentences of a paragraph with the space behind them; they join to the whole. Items of lists are sentences, too."""
    found: list[str] = []
    start = 0
    for match in _END.finditer(text):
        # "e.g. this" goes on; so does whatever begins in small letters.
        if text[match.end() : match.end() + 1].islower() and not match[0].startswith("\n"):
            continue
        found += _pieces(text[start : match.end()])
        start = match.end()
    return [*found, *_pieces(text[start:])]


def _pieces(sentence: str) -> Iterator[str]:
    while len(sentence) > _LONGEST:
        at = max(sentence.rfind(" ", 0, _LONGEST), sentence.rfind("\n", 0, _LONGEST)) + 1 or _LONGEST
        yield sentence[:at]
        sentence = sentence[at:]
    if sentence:
        yield sentence


def shorten(request: Shorten) -> list[str]:
    """Return the request's texts, shortened. Raises :class:`InputError` when its way of doing so is not there."""
    if request.mode == "llmlingua":
        return [_by_model(text, request.keep) for text in request.texts]
    shortened = extract(request.texts, request.question, request.keep, _similarities)
    if request.mode == "terse":
        return ["".join(without_fillers(block.text) if block.prose else block.text for block in blocks(text)) for text in shortened]
    return shortened


def extract(
    texts: Sequence[str], question: str, keep: float, similar: Callable[[Sequence[str], str], Sequence[float]]
) -> list[str]:
    """Return ``texts`` with the sentences of their prose that say most about ``question``, in order, in ``keep`` of its tokens.

    All texts share the room, but each keeps its best sentence. ``similar`` tells how near sentences are to the question in meaning.
    """
    parts = [list(blocks(text)) for text in texts]
    units = [
        _Unit(sentence, source, at, first=number == 0)
        for source, found in enumerate(parts)
        for at, block in enumerate(found)
        if block.prose
        for number, sentence in enumerate(sentences(block.text))
    ]
    scores = _scores(units, question, similar)
    kept = _choose(units, scores, keep)
    return [_join(source, found, units, kept) for source, found in enumerate(parts)]


def _scores(units: list[_Unit], question: str, similar: Callable[[Sequence[str], str], Sequence[float]]) -> list[float]:
    sought = pattern(question)
    counts = [count(sought, unit.text) if sought else {} for unit in units]
    words = bm25(counts, [len(unit.text) for unit in units], len(units))
    most = max(words, default=0.0) or 1.0
    likely = sorted(range(len(units)), key=lambda at: (-words[at], at))[:_EMBEDDED]
    meaning = dict(zip(likely, similar([units[at].text for at in likely], question), strict=True))
    places = [0.5 * unit.first + 0.5 * (unit.block == 0) for unit in units]
    return [
        _MEANING * max(meaning.get(at, 0.0), 0.0) + _WORDS * words[at] / most + _POSITION * places[at] for at in range(len(units))
    ]


def _choose(units: list[_Unit], scores: list[float], keep: float) -> set[int]:
    """Return which units stay: the best one of each text, and then the best of all that fit."""
    sizes = [estimate_tokens(unit.text) for unit in units]
    room = int(sum(sizes) * keep)
    order = sorted(range(len(units)), key=lambda at: (-scores[at], at))
    best: dict[int, int] = {}
    for at in order:
        best.setdefault(units[at].source, at)
    kept = set(best.values())
    room -= sum(sizes[at] for at in kept)
    for at in order:
        if at not in kept and sizes[at] <= room:
            kept.add(at)
            room -= sizes[at]
    return kept


def _join(source: int, parts: list[Block], units: list[_Unit], kept: set[int]) -> str:
    """Return a text of what stays, a gap where sentences are missing within a paragraph."""
    chosen: dict[int, list[str]] = {}
    gaps: set[int] = set()
    for at, unit in enumerate(units):
        if unit.source != source:
            continue
        if at not in kept:
            gaps.add(unit.block)
            continue
        kept_here = chosen.setdefault(unit.block, [])
        if unit.block in gaps:
            kept_here.append(GAP)
            gaps.discard(unit.block)
        kept_here.append(unit.text)
    texts: list[str] = []
    for at, block in enumerate(parts):
        if not block.prose:
            texts.append(block.text)
        elif at in chosen:
            line = "".join(chosen[at])
            # What ends the paragraph stays behind it, whatever sentence is now its last.
            end = block.text[len(block.text.rstrip()) :]
            texts.append(line.rstrip() + (f" {GAP.strip()}" if at in gaps else "") + end)
    return "".join(texts)


def without_fillers(text: str) -> str:
    """Return prose without the words whose loss a reader does not notice; everything else stays as it is."""
    return _WORD.sub(lambda match: "" if match[0].strip().lower() in _FILLERS and not match[0].endswith("\n") else match[0], text)


def _similarities(texts: Sequence[str], question: str) -> Sequence[float]:
    from agents.retrieval.static_vectors import static_vectors

    vectors = static_vectors()
    near: list[float] = (vectors.embed(texts) @ vectors.embed([question])[0]).tolist() if texts else []
    return near


def _by_model(text: str, keep: float) -> str:
    return "".join(_compressed(block.text, keep) if block.prose else block.text for block in blocks(text))


def _compressed(text: str, keep: float) -> str:
    body = text.rstrip()
    shorter = _llmlingua().compress_prompt(body, rate=keep, force_tokens=["\n", ".", "?", "!"])["compressed_prompt"]
    return str(shorter) + text[len(body) :]


@cache
def _llmlingua() -> Any:
    try:
        from llmlingua import PromptCompressor
    except ImportError:
        raise InputError(MISSING) from None
    model = "microsoft/llmlingua-2-bert-base-multilingual-cased-meetingbank"
    return PromptCompressor(model_name=model, use_llmlingua2=True, device_map="cpu")


MISSING: Final = "llmlingua is not installed: pip install 'stretto[llmlingua]', or choose extract, which needs nothing"
