from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.compare.merge import merge_messages
from agents.compare.quoting import Fence, fit
from agents.events import FirstToken, Log
from agents.requests import Candidate, Merge, ModelRef
from tests.agents.compare.stage import Stage
from tests.servers.paced import PacedServer, words

if TYPE_CHECKING:
    from pathlib import Path


def candidate(text: str, prompt: str = "Why?") -> Candidate:
    return Candidate(label="lab/author", prompt=prompt, text=text)


async def test_one_answer_streams_from_several(tmp_path: Path) -> None:
    async with PacedServer() as server, Stage(tmp_path, server.base_url) as stage:
        request = Merge(
            candidates=(candidate("It is blue."), candidate("  "), candidate("It is wide.")),
            model=ModelRef("lab", "paced-20-200"),
            instruction="Write it as a haiku.",
        )
        told = await stage.run(request)
        body: dict[str, Any] = server.requests[0].json()
    assert told.ended.outcome == "done"
    assert told.text("merge") == "".join(words(20))
    assert len(told.of(FirstToken)) == 1
    asked = body["messages"][-1]["content"]
    assert re.findall(r"\[begin (.*?) \w+\]\n(.*)\n", asked) == [
        ("prompt", "Why?"),
        ("answer 1", "It is blue."),
        ("answer 2", "It is wide."),
    ]
    assert asked.endswith("Write it as a haiku.")
    assert "author" not in str(body["messages"])


def test_answers_to_different_prompts_stand_under_their_prompts() -> None:
    candidates = [candidate("blue", "Colour?"), candidate("wide", "Size?"), candidate("azure", "Colour?")]
    asked = merge_messages(candidates)[-1].content
    assert re.findall(r"\[begin (.*?) \w{12}\]\n(.*)\n", asked) == [
        ("prompt 1", "Colour?"),
        ("answer to prompt 1", "blue"),
        ("answer to prompt 1", "azure"),
        ("prompt 2", "Size?"),
        ("answer to prompt 2", "wide"),
    ]
    assert "answers all of the prompts" in asked


async def test_nothing_to_merge_is_one_line(tmp_path: Path) -> None:
    async with PacedServer() as server, Stage(tmp_path, server.base_url) as stage:
        told = await stage.run(Merge(candidates=(candidate(" \n"),), model=ModelRef("lab", "m")))
        assert server.counts.requests == 0
    assert (told.ended.outcome, told.ended.error) == ("failed", "there are no answers to merge")


async def test_answers_too_long_for_the_context_are_cut_and_that_is_said(tmp_path: Path) -> None:
    async with PacedServer() as server, Stage(tmp_path, server.base_url) as stage:
        long = "begins " + "x" * 60_000 + " ends"
        told = await stage.run(Merge(candidates=(candidate(long), candidate("short")), model=ModelRef("lab", "m")))
        asked = str(server.requests[0].json()["messages"])
    (log,) = told.of(Log)
    assert log.level == "warning"
    assert log.message.endswith("characters were left out to fit the context")
    assert "begins" in asked
    assert "ends" in asked
    assert "characters left out" in asked
    assert len(asked) < 51_000


@given(st.lists(st.text(max_size=300), min_size=1, max_size=8), st.integers(1, 1000))
def test_texts_are_cut_to_the_room_longest_first(texts: list[str], room: int) -> None:
    fitted = fit(texts, room)
    kept = [len(text) - quote.left_out for text, quote in zip(texts, fitted, strict=True)]
    assert sum(kept) <= room or sum(map(len, texts)) <= room
    whole = [text for text, quote in zip(texts, fitted, strict=True) if not quote.left_out]
    cut = [size for size, quote in zip(kept, fitted, strict=True) if quote.left_out]
    assert all(quote.text == text for text, quote in zip(texts, fitted, strict=True) if not quote.left_out)
    if cut:
        assert len(set(cut)) == 1
        assert max(map(len, whole), default=0) <= cut[0]
        assert sum(kept) > room - len(texts)


@given(st.lists(st.text(), min_size=1, max_size=4))
def test_no_text_holds_the_mark_around_it(texts: list[str]) -> None:
    fence = Fence(texts)
    assert all(fence.mark not in text for text in texts)
    assert Fence([*texts, fence.mark]).mark != fence.mark


def test_the_mark_depends_on_where_one_text_ends() -> None:
    assert Fence(["ab", "c"]).mark != Fence(["a", "bc"]).mark


@pytest.mark.parametrize("text", ["\ud800", "\0", "\x1b[31m"])
def test_any_text_can_be_quoted(text: str) -> None:
    assert text in Fence([text]).around("answer", text)


async def test_a_long_prompt_leaves_most_of_the_room_to_the_answers(tmp_path: Path) -> None:
    async with PacedServer() as server, Stage(tmp_path, server.base_url) as stage:
        long = Candidate(label="lab/author", prompt="p" * 100_000, text="t" * 20_000)
        told = await stage.run(Merge(candidates=(long,), model=ModelRef("lab", "m")))
        asked = str(server.requests[0].json()["messages"])
    assert [event.message.partition(":")[0] for event in told.of(Log)] == ["the prompt"]
    assert asked.count("t" * 20_000) == 1
    assert 15_000 < asked.count("p") < 17_000
