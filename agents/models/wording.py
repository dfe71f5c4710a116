"""Which questions say the same in other words, told by their words alone.

A vector that is the mean of its words' vectors hears what a question is about and is deaf to what it asks. With the static vectors
"Who won in 2014?" and "Who won in 2018?" have a cosine of 0.95, "safe" and "not safe" 0.98, "where" and "when was she born" 0.94,
and "miles to kilometres" has 1.00 with its reverse. A wrong answer costs more than a call, so the words must agree first: all that
tell anything, numbers, negations, names, signs and question words among them, must be the same and in the same order. What may
differ is how politely it was asked, articles, the present of "to be" and "to do", plurals, a few words of one meaning, case and
punctuation.
"""

from __future__ import annotations

import re
from typing import Final

_SPELLED: Final = (
    (re.compile(r"[\u2018\u2019]"), "'"),
    (re.compile(r"\bcan't\b"), "can not"),
    (re.compile(r"\bwon't\b"), "will not"),
    (re.compile(r"n't\b"), " not"),
    (re.compile(r"\b(what|who|where|when|why|how|that|there|it)'s\b"), r"\1 is"),
    (re.compile(r"\b(\w+)'s (\w+)"), r"\2 of \1"),
    (re.compile(r"\b(tell|explain|describe|show) to me\b"), r"\1 me"),
)
"""Spellings of the same, brought into one."""
_POLITE: Final = re.compile(
    r"^(?:(?:please|hey|hi|hello|ok|okay|so)\b[\s,:]*)*"
    r"(?:(?:can|could|would|will) you (?:please )?(?=(?:tell|explain|give|show|describe|write|list|help|name)\b))?"
    r"(?:i (?:want|would like|'d like) to know )?"
)
_HOW: Final = re.compile(r"\bhow (?:do|does|can|could|should|would|to)(?: (?:i|we|one))?\b")
_TOKEN: Final = re.compile(r"[+-]?\d+(?:[.,:]\d+)*|-{1,2}[^\W\d_][\w-]*|\w+(?:[.+#-]+\w+)*[+#]*|[^\w\s]+")
_EMPTY: Final = frozenset(
    {
        "a",
        "am",
        "an",
        "are",
        "be",
        "describe",
        "do",
        "does",
        "exactly",
        "explain",
        "give",
        "i",
        "is",
        "just",
        "kindly",
        "me",
        "of",
        "please",
        "really",
        "so",
        "tell",
        "thank",
        "thanks",
        "that",
        "the",
        "this",
        "what",
        "which",
    }
)
_PUNCTUATION: Final = frozenset(".,;:!?\"'`()[]{}…„“”«»‹›¿¡。、？！")  # noqa: RUF001  # marks of other scripts are meant
_ONE_MEANING: Final = {
    word: words[0]
    for words in (
        ("big", "large"),
        ("buy", "purchase"),
        ("car", "automobile"),
        ("child", "kid", "children"),
        ("fast", "quick", "rapid"),
        ("fast", "quickly", "rapidly"),
        ("film", "movie"),
        ("fix", "repair"),
        ("photo", "photograph"),
        ("start", "begin"),
    )
    for word in words[1:]
}
_NO_PLURAL: Final = frozenset({"news", "arms", "goods", "customs", "this", "yes"})


def telling(question: str) -> list[str]:
    """Return the words and signs of a question that tell it apart from others, in order."""
    text = question.strip()
    flags = {match.lower(): match for match in re.findall(r"(?<!\S)-{1,2}[^\W\d_][\w-]*", text)}
    text = text.casefold()
    for pattern, spelled in _SPELLED:
        text = pattern.sub(spelled, text)
    text = _HOW.sub("how", _POLITE.sub("", text))
    tokens = (token for token in _TOKEN.findall(text) if token not in _EMPTY and not _PUNCTUATION.issuperset(token))
    singular = (flags.get(token) or _singular(token) for token in tokens)
    return [_ONE_MEANING.get(word, word) for word in singular]


def _singular(word: str) -> str:
    if len(word) < 4 or not word.isalpha() or word in _NO_PLURAL or word.endswith(("ss", "us", "is")):
        return word
    if word.endswith("ies") and len(word) > 4:
        return f"{word[:-3]}y"
    return word.removesuffix("s")
