from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.models.wording import telling

_SAME = """
What is the capital of France? | what's the capital of France
What is the capital of France? | Tell me the capital of France, please.
What is the capital of France? | What's France's capital?
How do I reverse a list in Python? | how can I reverse a list in python
How do I reverse a list in Python? | How to reverse lists in Python?
Why is the sky blue? | Can you explain why the sky is blue?
Why is the sky blue? | why is the sky so blue
Explain how photosynthesis works. | How does photosynthesis work?
What are the symptoms of flu? | What are symptoms of the flu
How do vaccines work? | Explain to me how a vaccine works
What causes inflation? | What is the cause of inflation?
How do I boil an egg? | How should I boil eggs?
Give me three tips for better sleep | Could you give me three tips for a better sleep?
How do I buy a big car? | how to purchase a large automobile
Don\u2019t ravens fly? | don't ravens fly
"""
_OTHER = """
What happened in 2023? | What happened in 2024?
What is the capital of France? | What is the capital of Spain?
what is the capital of france | what is the capital of spain
Is aspirin safe for children? | Is aspirin not safe for children?
Is aspirin safe for children? | Isn't aspirin safe for children?
Why should I never reboot? | Why should I reboot?
How do I open a bank account? | How do I close a bank account?
What are the advantages of nuclear power? | What are the disadvantages of nuclear power?
Convert miles to kilometres | Convert kilometres to miles
Does smoking cause stress? | Does stress cause smoking?
Is Alice taller than Bob? | Is Bob taller than Alice?
Translate hello into French | Translate hello into German
What is 12 times 7? | What is 12 times 8?
What is 1.5 million in words? | What is 15 million in words?
What is 3 - 2? | What is 3 + 2?
Is -5 positive? | Is 5 positive?
What does x = y mean? | What does x == y mean?
What is five plus two? | What is five plus three?
Explain the first law of thermodynamics | Explain the second law of thermodynamics
Where was Einstein born? | When was Einstein born?
How old is Tom Hanks? | How tall is Tom Hanks?
Who is the president of Brazil? | Who was the president of Brazil?
Can I eat eggs with a cold? | Can't I eat eggs with a cold?
How do I exit vim without saving? | How do I exit vim with saving?
How to install node before npm? | How to install node after npm?
Do all birds fly? | Do some birds fly?
Why did I fail? | Why did you fail?
Turn the lights on | Turn the lights off
List files with ls -l | List files with ls -a
What does the flag -v do in docker? | What does the flag -V do in docker?
What is C? | What is C++?
What is C? | What is C#?
explain recursion | explain recursion in one word
Is there news? | Is there a new one?
日本の首都はどこですか | 中国の首都はどこですか
Was ist die Hauptstadt von Frankreich? | Was ist die Hauptstadt von Spanien?
"""


def pairs(text: str) -> list[tuple[str, str]]:
    return [(one, other) for one, _, other in (line.partition(" | ") for line in text.strip().splitlines())]


@pytest.mark.parametrize(("one", "other"), pairs(_SAME))
def test_questions_that_ask_the_same_have_the_same_telling_words(one: str, other: str) -> None:
    assert telling(one) == telling(other)


@pytest.mark.parametrize(("one", "other"), pairs(_OTHER))
def test_a_number_a_name_a_negation_a_sign_or_an_order_keeps_questions_apart(one: str, other: str) -> None:
    assert telling(one) != telling(other)


@given(st.text(max_size=80), st.integers(0, 9), st.integers(0, 9))
def test_whatever_is_asked_numbers_tell_it_apart(text: str, one: int, other: int) -> None:
    assert (telling(f"{text} {one}") == telling(f"{text} {other}")) == (one == other)
