from __future__ import annotations

from typing import Any

import pytest

from agents.compare.sweep import MOST, expand, group_of
from agents.errors import InputError
from agents.requests import Message, ModelRef, Params

BASE = ModelRef("lab", "m", Params(seed=4))
MESSAGES = (Message("user", "hi"),)


def test_every_combination_is_asked_as_often_as_wanted() -> None:
    lanes = expand(BASE, MESSAGES, {"temperature": [0.0, 0.25], "max_tokens": [80]}, 3)
    assert [lane.label for lane in lanes] == [f"t={heat} max=80 #{number}" for heat in ("0", "0.25") for number in (1, 2, 3)]
    assert [lane.model.params for lane in lanes[::3]] == [Params(seed=4, temperature=heat, max_tokens=80) for heat in (0.0, 0.25)]
    assert {lane.messages for lane in lanes} == {MESSAGES}


def test_repeats_belong_to_one_group() -> None:
    lanes = expand(BASE, MESSAGES, {"top_p": [0.5, 1.0], "system": ["Be brief", None]}, 2)
    assert len({group_of(lane.label) for lane in lanes}) == 4
    assert len({lane.label for lane in lanes}) == 8
    assert [lane.system for lane in lanes] == ["Be brief", "Be brief", None, None] * 2
    assert group_of(lanes[2].label) == "top_p=0.5 no system"


def test_repeats_alone_are_a_sweep() -> None:
    lanes = expand(BASE, MESSAGES, {}, 2, system="Be kind")
    assert [(lane.label, lane.system) for lane in lanes] == [("#1", "Be kind"), ("#2", "Be kind")]
    assert {group_of(lane.label) for lane in lanes} == {""}


def test_values_named_twice_are_asked_once_and_system_prompts_that_look_alike_have_names_of_their_own() -> None:
    long = "You are a careful assistant who"
    lanes = expand(BASE, MESSAGES, {"system": [f"{long} rhymes", f"{long} sings", f"{long} rhymes"]})
    assert [lane.label for lane in lanes] == ["system 1 (You are a careful a…)", "system 2 (You are a careful a…)"]


@pytest.mark.parametrize(
    ("grid", "repeat", "error"),
    [
        ({"heat": [1]}, 1, "cannot vary 'heat'; it can vary temperature, top_p, max_tokens, seed, system"),
        ({"seed": []}, 1, "gives no value for seed"),
        ({"seed": range(MOST)}, 2, f"from 1 to {MOST:,} answers, not {2 * MOST:,}"),
        ({"seed": [1]}, 0, "not 0"),
    ],
)
def test_what_cannot_be_swept_is_said(grid: dict[str, Any], repeat: int, error: str) -> None:
    with pytest.raises(InputError) as raised:
        expand(BASE, MESSAGES, grid, repeat)
    assert error in str(raised.value)
