"""Words of a query: what is looked for in full-text search and in files, without the words every question has."""

from __future__ import annotations

import re

_STOP = """
a about an and any are as at be because been but by can could did do does doing done else for from get give had has have how i if in
into is it its just like make many may me might more most much must my no nor not of on one only or other our out over own please
same shall she he should so some such tell than that the their them then there these they this those through to too under until up
us use used using very want was we were what when where which while who whom whose why will with would you your yours
"""
STOP_WORDS = frozenset(_STOP.split())
MAX_TERMS = 32

_WORD = re.compile(r"\w+")


def terms(text: str) -> list[str]:
    """Return the distinct words of ``text`` that say something, in lower case; all its words when it has no others."""
    words = list(dict.fromkeys(word for word in _WORD.findall(text.lower()) if word.strip("_")))
    return ([word for word in words if word not in STOP_WORDS] or words)[:MAX_TERMS]


def stem(word: str) -> str:
    """Return what the forms of an English word have in common, roughly: enough to find ``retries`` with ``retry``."""
    for ending, replacement in (("ies", ""), ("ing", ""), ("ied", ""), ("ed", ""), ("es", ""), ("s", ""), ("y", ""), ("e", "")):
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            return word[: -len(ending)] + replacement
    return word


def match_expression(query: str) -> str | None:
    """Return an FTS5 expression for any word of ``query``, each quoted so that none is an operator; ``None`` for no words."""
    words = terms(query)
    return " OR ".join(f'"{word}"' for word in words) if words else None
