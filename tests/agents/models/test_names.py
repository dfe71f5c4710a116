from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.errors import InputError
from agents.models.names import parse_model
from agents.requests import ModelRef, Params


@pytest.mark.parametrize(
    ("text", "ref"),
    [
        ("lab/m0", ModelRef("lab", "m0")),
        (" lab/m0 ", ModelRef("lab", "m0")),
        ("ollama/qwen3:0.6b", ModelRef("ollama", "qwen3:0.6b")),
        ("vllm/Qwen/Qwen3-8B", ModelRef("vllm", "Qwen/Qwen3-8B")),
        ("lab/m0,temperature=0.2,max_tokens=80", ModelRef("lab", "m0", Params(temperature=0.2, max_tokens=80))),
        ("lab/m0, seed = -1 ,top_p=1", ModelRef("lab", "m0", Params(seed=-1, top_p=1.0))),
    ],
)
def test_a_name_is_read_as_written(text: str, ref: ModelRef) -> None:
    assert parse_model(text) == ref
    assert parse_model(str(ref)) == ref


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "endpoint/model"),
        ("m0", "endpoint/model"),
        ("/m0", "endpoint/model"),
        ("lab/", "endpoint/model"),
        ("lab/m0,temperature", "parameter=value"),
        ("lab/m0,temperatur=1", "did you mean 'temperature'?"),
        ("lab/m0,zzz=1", "there are temperature"),
        ("lab/m0,temperature=hot", "temperature must be a number, not 'hot'"),
        ("lab/m0,temperature=nan", "temperature"),
        ("lab/m0,temperature=-1", "temperature"),
        ("lab/m0,max_tokens=0", "max_tokens"),
        ("lab/m0,max_tokens=1.5", "max_tokens must be a whole number, not '1.5'"),
        ("lab/m0,seed=", "seed must be a whole number, not ''"),
        ("lab/m0,seed=1,seed=2", "twice"),
    ],
)
def test_what_is_wrong_with_a_name_is_said_in_one_line(text: str, words: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_model(text)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


@given(st.text())
def test_any_text_is_a_model_or_an_input_error(text: str) -> None:
    try:
        ref = parse_model(text)
    except InputError:
        return
    assert ref.endpoint
    assert ref.model
