from __future__ import annotations

import json
import sys
from types import ModuleType

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from agents.errors import InputError
from agents.retrieval.protocol import Shorten
from agents.retrieval.shorten import blocks, extract, sentences, shorten, without_fillers
from agents.tokens import estimate_tokens

LEASE = """# The house in Mill Lane

The house was built in 1904 and has been let to families ever since. Its roof was renewed after the storm of 1987. The garden slopes
down to the river, and the river floods it every second spring. Nobody has ever complained about that. The previous tenants kept
bees behind the shed. They left two hives, which you may use.

The rent is due on the third working day of each month. It is paid by transfer, never in cash. Tenants who pay late are written a
letter first. The landlord lives in Bristol and comes by twice a year. He likes to be offered tea.

Keys are kept by the neighbour at number nine. She has a dog that barks at strangers but never bites. It is called Otto. In winter
the water must be turned off in the shed, because the pipe there freezes. The tap is behind the door. Bins are emptied on Mondays.
"""
CODE = "```python\ndef due(day: int) -> bool:\n    return day == 3  # the third. Always. Really.\n```\n"
TABLE = "| month | due |\n|---|---|\n| May | 4th. Late. |\n| June | 3rd. Fine. |\n"
JSON = '{\n  "rent": "It is due. On the third. Of each month.",\n  "paid": true\n}\n'
CSV = "name,day,sum\nMay,4,800\nJune,3,800\nJuly,3,800\n"
DIFF = "--- a/x.py\n+++ b/x.py\n@@ -1,2 +1,2 @@\n-def a(): return 1;\n+def a(): return 2;\n"
SHELL = "$ stretto run Hello\n$ stretto ask Why\n"
INDENTED = "    x = rent. due. never.\n    y = nothing. at. all.\n"
PROTECTED = (CODE, TABLE, JSON, CSV, DIFF, SHELL, INDENTED)


def extracted(text: str, question: str, keep: float = 0.5) -> str:
    (shorter,) = shorten(Shorten((text,), question, "extract", keep))
    return shorter


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("When is the rent due?", "The rent is due on the third working day of each month."),
        ("Where are the keys?", "Keys are kept by the neighbour at number nine."),
        ("What is the name of the dog?", "It is called Otto."),
        ("When are the bins emptied?", "Bins are emptied on Mondays."),
        ("What do I have to do in winter?", "In winter\nthe water must be turned off in the shed"),
        ("How old is the house?", "The house was built in 1904"),
        ("Does the garden flood?", "the river floods it every second spring."),
        ("Can I pay in cash?", "It is paid by transfer, never in cash."),
    ],
)
def test_the_sentence_that_answers_survives_when_half_is_left_out(question: str, answer: str) -> None:
    shorter = extracted(LEASE, question)
    assert answer in shorter
    assert estimate_tokens(shorter) <= 0.6 * estimate_tokens(LEASE)
    assert shorter.startswith("# The house in Mill Lane\n")


def test_sentences_keep_their_order_and_gaps_are_marked() -> None:
    shorter = extracted(LEASE, "When is the rent due?")
    kept = [line.strip() for line in shorter.replace("…", "\n").splitlines() if line.strip()]
    flat = " ".join(LEASE.split())
    places = [flat.find(" ".join(line.split())) for line in kept]
    assert places == sorted(places)
    assert -1 not in places
    assert "…" in shorter


@pytest.mark.parametrize("protected", PROTECTED)
def test_what_is_no_prose_is_left_whole(protected: str) -> None:
    text = f"{LEASE}\n{protected}\n{LEASE}"
    assert protected in extracted(text, "When is the rent due?", 0.2)
    assert extracted(protected, "What is the dog called?", 0.1) == protected


def test_a_whole_json_document_is_left_whole() -> None:
    text = json.dumps({"text": LEASE, "more": [LEASE, "\n\n"]}, indent=1, ensure_ascii=False)
    assert extracted(text, "When is the rent due?", 0.1) == text


def test_texts_share_the_room_and_none_is_left_empty() -> None:
    cats = "Cats sleep most of the day. They wake at dusk. Some of them hunt mice. Others wait for the fridge to open. " * 5
    rent = "The rent is due on the third. Late rent costs five pounds. Rent is never paid in cash. Rent goes up in May. " * 2
    shorter = shorten(Shorten((cats, rent, ""), "How is the rent paid?", "extract", 0.4))
    assert shorter[2] == ""
    assert shorter[0].strip()
    assert len(shorter[1]) / len(rent) > len(shorter[0]) / len(cats)


text = st.one_of(
    st.text(max_size=400),
    st.lists(
        st.sampled_from([*PROTECTED, LEASE, "\n", "```\n", "e.g. this. ", "A b.\n- c\n- D.\n", "好。很好\uff01"]), max_size=6
    ).map("".join),
)


@given(text)
@example("```\nnever closed. Really.\n")
@example("a\r\n\r\nB. C.\x85D. E\u2028")
def test_the_parts_of_a_text_join_to_the_whole(text: str) -> None:
    parts = list(blocks(text))
    assert "".join(part.text for part in parts) == text
    for part in parts:
        assert "".join(sentences(part.text)) == part.text


@given(texts=st.lists(text, max_size=4), question=st.text(max_size=40), keep=st.floats(0, 1))
def test_nothing_is_made_up_and_the_budget_is_kept(texts: list[str], question: str, keep: float) -> None:
    shorter = extract(texts, question, keep, lambda found, asked: [0.5] * len(found))
    assert len(shorter) == len(texts)
    for before, after in zip(texts, shorter, strict=True):
        left = iter("".join(before.split()).replace("…", ""))
        assert all(letter in left for letter in "".join(after.split()).replace("…", ""))  # in the order it was
        if keep == 1:
            assert after.split() == before.split()


def test_abbreviations_and_items_of_lists() -> None:
    assert sentences("It works, e.g. this way. Good!) Now 3.5 times.\n- one\n- two") == [
        "It works, e.g. this way. ",
        "Good!) ",
        "Now 3.5 times.\n",
        "- one\n",
        "- two",
    ]
    assert [piece.strip() for piece in sentences("好。很好\uff01真的\uff1f")] == ["好。", "很好\uff01", "真的\uff1f"]
    assert max(map(len, sentences("word " * 1000))) <= 600


def test_a_long_text_without_ends_takes_no_time_to_cut() -> None:
    for hostile in ("." * 200_000, "(" * 50_000, "\n" * 50_000, '."' * 50_000, " .\n" * 20_000):
        assert "".join(sentences(hostile)) == hostile


def test_fillers_go_only_where_that_was_chosen() -> None:
    question = "When is the rent due?"
    (shorter,) = shorten(Shorten((f"{LEASE}\n{CODE}",), question, "terse", 0.5))
    assert "rent due third working day each month." in " ".join(shorter.split())
    assert CODE in shorter
    assert without_fillers("It is not the case that nobody must pay, or never.") == "not case nobody must pay, or never."


def test_llmlingua_that_is_not_installed_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "llmlingua", None)
    with pytest.raises(InputError, match=r"pip install 'stretto\[llmlingua\]'"):
        shorten(Shorten((LEASE,), "What?", "llmlingua", 0.5))


def test_llmlingua_is_given_prose_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[str] = []

    class PromptCompressor:
        def __init__(self, **options: object) -> None:
            assert options["use_llmlingua2"]

        def compress_prompt(self, text: str, *, rate: float, force_tokens: list[str]) -> dict[str, object]:
            given.append(text)
            return {"compressed_prompt": text[: int(len(text) * rate)]}

    module = ModuleType("llmlingua")
    module.PromptCompressor = PromptCompressor  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "llmlingua", module)
    from agents.retrieval import shorten as shortening

    shortening._llmlingua.cache_clear()
    (shorter,) = shorten(Shorten((f"{LEASE}\n{CODE}",), "What?", "llmlingua", 0.5))
    shortening._llmlingua.cache_clear()
    assert CODE in shorter
    assert len(shorter) < 0.7 * len(LEASE + CODE)
    assert not any("def due" in piece for piece in given)
