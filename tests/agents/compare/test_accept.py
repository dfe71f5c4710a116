from __future__ import annotations

import asyncio
import json
import os
import signal
from typing import TYPE_CHECKING

import msgspec
import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.compare.accept import Acceptance
from agents.compare.check import Rules, compile_rules, examine
from agents.errors import InputError
from agents.models.cache import Answer
from agents.requests import Accept

if TYPE_CHECKING:
    from asyncio.subprocess import Process


def whole(text: str) -> Answer:
    return Answer(text=text, finish="stop")


def raw(schema: object) -> msgspec.Raw:
    return msgspec.Raw(json.dumps(schema).encode())


def process_of(acceptance: Acceptance) -> Process:
    assert acceptance._process is not None
    return acceptance._process


async def test_lengths_need_no_process() -> None:
    async with Acceptance(Accept(min_chars=2, max_chars=3)) as acceptance:
        await acceptance.prepare()
        found = [await acceptance.fault(whole(text)) for text in ("a", "ab", "abc", "abcd", "  ")]
        assert acceptance._process is None
    assert found == [
        "it has 1 characters, fewer than 2",
        None,
        None,
        "it has 4 characters, more than 3",
        "it is blank",
    ]
    assert acceptance.passed == "at least 2 characters, at most 3 characters"


async def test_one_process_tests_every_answer_and_ends_with_the_race() -> None:
    async with Acceptance(Accept(pattern=r"^\w+$")) as acceptance:
        await acceptance.prepare()
        process = process_of(acceptance)
        found = [await acceptance.fault(whole(text)) for text in ("one", "two words", "x" * 3_000_000, "\ud800", "three")]
        assert process_of(acceptance) is process
    assert process.returncode is not None
    assert not psutil.pid_exists(process.pid)
    refused = "the pattern is not in it"
    assert found == [None, refused, None, refused, None]


@pytest.mark.parametrize(
    ("accept", "hostile", "harmless"),
    [
        (Accept(pattern=r"^(a|a)*$"), "a" * 60 + "!", "aa"),
        (Accept(schema=raw({"pattern": r"^(a|a)*$"})), json.dumps("a" * 60 + "!"), '"aa"'),
    ],
)
async def test_what_takes_for_ever_is_killed_and_the_next_answer_is_tested(
    accept: Accept, hostile: str, harmless: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with Acceptance(accept) as acceptance:
        await acceptance.prepare()
        stuck = process_of(acceptance)
        monkeypatch.setattr("agents.compare.accept.CHECK_SECONDS", 0.3)
        assert "takes longer than 0.3 s" in (await acceptance.fault(whole(hostile)) or "")
        monkeypatch.undo()
        assert await acceptance.fault(whole(harmless)) is None
        assert process_of(acceptance) is not stuck
    assert stuck.returncode == -signal.SIGKILL


async def test_a_test_that_is_cancelled_is_not_taken_for_the_next_answers() -> None:
    async with Acceptance(Accept(pattern=r"^(a|a)*$")) as acceptance:
        await acceptance.prepare()
        async with asyncio.TaskGroup() as group:
            stuck = process_of(acceptance)
            task = group.create_task(acceptance.fault(whole("a" * 60 + "!")))
            for _ in range(5):
                await asyncio.sleep(0)  # until the answer is on its way to the process
            task.cancel()
        assert await acceptance.fault(whole("aa")) is None
    assert stuck.returncode == -signal.SIGKILL


async def test_a_process_that_dies_costs_one_answer() -> None:
    async with Acceptance(Accept(pattern="a")) as acceptance:
        await acceptance.prepare()
        os.kill(process_of(acceptance).pid, signal.SIGKILL)
        assert "more time or memory than it may" in (await acceptance.fault(whole("a")) or "")
        assert await acceptance.fault(whole("a")) is None


@pytest.mark.parametrize(
    ("accept", "error"),
    [
        (Accept(pattern="(?P<x"), "is no regular expression"),
        (Accept(pattern="a{99999999999}"), "is no regular expression"),
        (Accept(schema=raw({"type": "objekt"})), "is no JSON schema"),
        (Accept(schema=raw({"$schema": ["x"]})), "its $schema is not text"),
        (Accept(schema=raw(3)), "is not a JSON object"),
        (Accept(schema=msgspec.Raw(b"\xff")), "is not JSON"),
        (Accept(schema=msgspec.Raw(b"[" * 100_000)), "is not JSON"),
    ],
)
async def test_rules_that_are_none_are_said_in_one_line(accept: Accept, error: str) -> None:
    async with Acceptance(accept) as acceptance:
        with pytest.raises(InputError) as raised:
            await acceptance.prepare()
    assert error in str(raised.value)
    assert "\n" not in str(raised.value)
    assert len(str(raised.value)) < 500


@pytest.mark.parametrize(
    ("answer", "fault"),
    [
        ('{"n": 1}', None),
        (' \n{"n": 1}\n', None),
        ("{}", "it breaks the schema at $: 'n' is a required property"),
        ('{"n": NaN}', "it is not JSON"),
        ('{"n": 1} and more', "it is not JSON"),
        ("[" * 100_000, "it is not JSON"),
        ("1" * 10_000, "it is not JSON"),
    ],
)
def test_a_schema_takes_bare_json_alone(answer: str, fault: str | None) -> None:
    made = compile_rules(Rules(schema='{"type": "object", "required": ["n"]}'))
    assert examine(made, answer).fault == fault


def test_a_reference_is_not_fetched() -> None:
    made = compile_rules(Rules(schema='{"$ref": "http://127.0.0.1:9/schema"}'))
    assert "refers to what is not in it" in (examine(made, "{}").error or "")


def test_a_complaint_does_not_repeat_a_long_answer() -> None:
    made = compile_rules(Rules(schema='{"type": "integer"}'))
    fault = examine(made, json.dumps("x" * 100_000)).fault
    assert fault is not None
    assert len(fault) < 500


@given(st.text(), st.sampled_from(['{"type": "string"}', '{"type": "object"}', "true", '{"maxLength": 3}']))
def test_no_answer_breaks_the_tests(answer: str, schema: str) -> None:
    assert examine(compile_rules(Rules(pattern="a", schema=schema)), answer).error is None
