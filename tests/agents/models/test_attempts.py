from __future__ import annotations

import asyncio
import re
from itertools import pairwise
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, get_args

import pytest

from agents.errors import CallKind
from agents.events import Retried, StepStarted
from agents.models.attempts import FINAL, NEVER, RETRYABLE, backoff
from agents.models.health import IN_A_ROW
from agents.models.names import parse_model
from agents.requests import Attachment, Chat, Lane, Message, Priority
from agents.settings import Endpoint, OnCut
from storage.cache import ResponseCache
from storage.store import Store
from tests.agents.models.lab import Lab
from tests.servers.faults import CHUNKED, DONE, END, STOP, said
from tests.servers.paced import PacedServer, chunk, words
from tests.servers.scripted import ScriptedServer, after, cut, silence, status, whole

if TYPE_CHECKING:
    from tests.servers.http import Connection, Request


@pytest.fixture(autouse=True)
def no_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agents.models.attempts.backoff", lambda *_: 0.0)


def _endpoint(server: ScriptedServer | PacedServer, **fields: object) -> Endpoint:
    return Endpoint(base_url=server.base_url, **fields)  # type: ignore[arg-type]  # the caller names fields as they are


def test_the_documentation_says_what_the_code_does() -> None:
    page = (Path(__file__).parents[3] / "docs/engine.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| `(\w+)` \| (.+?) \|$", page.split("## What is retried")[1].split("\n## ")[0], re.MULTILINE))
    assert rows == dict(RETRYABLE)
    assert set(RETRYABLE) == set(get_args(CallKind))
    assert {kind for kind, what in RETRYABLE.items() if what.startswith("never")} == NEVER
    assert {kind for kind, what in RETRYABLE.items() if what == "never"} == FINAL


def test_the_wait_is_full_jitter_and_never_shorter_than_the_server_asks() -> None:
    import random

    chance = random.Random(1)
    waits = {attempt: [backoff(attempt, None, chance) for _ in range(300)] for attempt in (1, 3, 20)}
    assert all(0 <= wait <= most for attempt, most in ((1, 1.0), (3, 4.0), (20, 60.0)) for wait in waits[attempt])
    assert (max(waits[20]) > 55, min(waits[20]) < 5) == (True, True)
    assert all(10.0 <= backoff(1, 10.0, chance) <= 11.0 for _ in range(300))


async def test_no_retries_at_all_where_they_are_turned_off(tmp_path: Path) -> None:
    async with ScriptedServer(status(503), whole("late")) as server:
        async with Lab(tmp_path, {"lab": _endpoint(server, max_retries=0, on_cut="restart")}) as lab:
            asked = await lab.ask("lab/m")
        assert server.counts.requests == 1
    assert (asked.ended.outcome, asked.ended.error_kind) == ("failed", "server")


async def test_a_dying_server_is_not_hammered(tmp_path: Path) -> None:
    async with ScriptedServer(status(500)) as server:
        async with Lab(tmp_path, {"lab": _endpoint(server, concurrency=50)}) as lab:
            calls = [lab.submit("lab/m", f"Call {number}") for number in range(100)]
            for asked in calls:
                assert (await asked.over()).ended.outcome == "failed"
        assert 100 <= server.counts.requests <= 130


async def test_a_call_of_a_batch_waits_out_refusals_that_a_person_would_be_told_of(tmp_path: Path) -> None:
    refusals = [status(429, "retry-after-ms: 5\r\n")] * 6
    async with ScriptedServer(*refusals, whole("at last")) as server, Lab(tmp_path, {"lab": _endpoint(server)}) as lab:
        asked = await lab.ask("lab/m", priority=Priority.BATCH)
        server.then([*refusals, whole("at last")])
        person = await lab.ask("lab/m", "Hello?")
    assert (asked.ended.outcome, asked.text) == ("done", "at last")
    assert (person.ended.error_kind, person.ended.attempts) == ("rate_limit", 3)


# ---- an answer that is cut ----

TOKENS = [f" {number} bottles" for number in range(100)]
TEXT = "".join(TOKENS)


async def test_an_answer_that_is_cut_ends_as_it_is_unless_more_is_asked_for(tmp_path: Path) -> None:
    async with ScriptedServer(cut(*TOKENS[:40])) as server, Lab(tmp_path, {"lab": _endpoint(server)}) as lab:
        asked = await lab.ask("lab/m")
    assert (asked.ended.outcome, asked.ended.attempts, asked.text) == ("cut", 1, "".join(TOKENS[:40]))


async def test_it_begins_anew_and_what_came_before_is_kept_before_the_offset(tmp_path: Path) -> None:
    async with ScriptedServer(cut(*TOKENS[:40]), whole(*TOKENS)) as server:
        async with Lab(tmp_path, {"lab": _endpoint(server, on_cut="restart")}) as lab:
            asked = await lab.ask("lab/m")
        first, second = (request.json() for request in server.requests)
    (retried,) = asked.of(Retried)
    start = asked.of(StepStarted)[-1]
    assert (asked.ended.outcome, asked.ended.attempts, retried.mode) == ("done", 2, "restart")
    assert first["messages"] == second["messages"]
    assert (asked.text[: start.offset], asked.text[start.offset :]) == ("".join(TOKENS[:40]), TEXT)


@pytest.mark.parametrize("repeated", [0, 5, 15])
async def test_it_goes_on_where_it_was_cut_and_nothing_is_said_twice(repeated: int, tmp_path: Path) -> None:
    async with ScriptedServer(cut(*TOKENS[:40]), whole(*TOKENS[40 - repeated :])) as server:
        async with Lab(tmp_path, {"lab": _endpoint(server, on_cut="resume")}) as lab:
            asked = await lab.ask("lab/m,max_tokens=100")
        sent = server.requests[1].json()
    assert (asked.ended.outcome, asked.ended.attempts, asked.text) == ("done", 2, TEXT)
    assert [event.offset for event in asked.of(StepStarted)] == [0, 0]
    assert [event.mode for event in asked.of(Retried)] == ["resume"]
    assert sent["messages"][-1] == {"role": "assistant", "content": "".join(TOKENS[:40])}  # type: ignore[index]
    assert (sent["max_tokens"], "continue_final_message" in sent) == (60, False)
    assert asked.ended.usage is not None
    assert asked.ended.usage.estimated
    assert asked.ended.usage.output == 100 + repeated


async def test_a_server_that_is_told_to_go_on_is_taken_at_its_word(tmp_path: Path) -> None:
    chorus = words(100)  # it says the same again and again, which is no repetition of its beginning by mistake
    async with ScriptedServer(cut(*chorus[:40]), whole(*chorus[40:])) as server:
        async with Lab(tmp_path, {"lab": _endpoint(server, on_cut="resume", kind="vllm")}) as lab:
            asked = await lab.ask("lab/m")
        sent = server.requests[1].json()
    assert (asked.ended.outcome, asked.text) == ("done", "".join(chorus))
    assert (sent["continue_final_message"], sent["add_generation_prompt"]) == (True, False)


async def test_it_goes_on_more_than_once_also_when_an_attempt_between_said_nothing(tmp_path: Path) -> None:
    scenes = (cut(*TOKENS[:30]), status(503), cut(*TOKENS[30:60]), whole(*TOKENS[60:]))
    async with ScriptedServer(*scenes) as server:
        async with Lab(tmp_path, {"lab": _endpoint(server, on_cut="resume", max_retries=3)}) as lab:
            asked = await lab.ask("lab/m")
        sent = server.requests[3].json()
    assert (asked.ended.outcome, asked.text) == ("done", TEXT)
    assert "continue_final_message" not in sent
    assert sent["messages"][-1] == {"role": "assistant", "content": "".join(TOKENS[:60])}  # type: ignore[index]


@pytest.mark.parametrize("on_cut", ["restart", "resume"])
async def test_only_the_whole_answer_is_kept_and_given_again(on_cut: OnCut, tmp_path: Path) -> None:
    rest = TOKENS if on_cut == "restart" else TOKENS[40:]
    async with ScriptedServer(cut(*TOKENS[:40]), whole(*rest)) as server, Store(tmp_path / "s.db") as store:
        for cached in (False, True):
            async with Lab(tmp_path, {"lab": _endpoint(server, on_cut=on_cut)}, cache=ResponseCache(store)) as lab:
                asked = await lab.ask("lab/m")
                offset = asked.of(StepStarted)[-1].offset
            assert (asked.ended.cached, asked.text[offset:]) == (cached, TEXT)


async def test_who_joins_an_answer_that_goes_on_sees_all_of_it(tmp_path: Path) -> None:
    go = asyncio.Event()
    scenes = (cut(*TOKENS[:40]), after(go, whole(*TOKENS[40:])))
    async with ScriptedServer(*scenes) as server, Lab(tmp_path, {"lab": _endpoint(server, on_cut="resume")}) as lab:
        first = lab.submit("lab/m")
        await server.until(lambda: server.counts.requests == 2)
        second = lab.submit("lab/m")
        await asyncio.sleep(0)
        go.set()
        texts = [(await asked.over()).text for asked in (first, second)]
    assert texts == [TEXT, TEXT]
    assert second.ended.joined


# ---- an endpoint that is ill ----


async def _open(lab: Lab) -> None:
    for number in range(IN_A_ROW):
        await lab.ask("lab/m", f"Fail {number}")
    assert lab.models.figures().health["lab"].state == "open"


async def test_an_open_circuit_fails_calls_at_once_and_says_when_it_is_tried_again(tmp_path: Path) -> None:
    async with ScriptedServer(status(500)) as server, Lab(tmp_path, {"lab": _endpoint(server, max_retries=0)}) as lab:
        await _open(lab)
        asked = await lab.ask("lab/m", priority=Priority.AGENT)
        assert server.counts.requests == IN_A_ROW
    assert asked.ended.error_kind == "server"
    assert re.fullmatch(r"lab: not asked, it is tried again in \d s: failed \(HTTP 500\) \(no\)", str(asked.ended.error))


async def test_a_person_may_always_try_and_what_answers_is_well_again(tmp_path: Path) -> None:
    async with ScriptedServer(status(500)) as server, Lab(tmp_path, {"lab": _endpoint(server, max_retries=0)}) as lab:
        await _open(lab)
        server.then([whole("Here I am.")])
        assert (await lab.ask("lab/m", "Are you there?")).ended.outcome == "done"
        assert lab.models.figures().health["lab"].state == "closed"
        assert (await lab.ask("lab/m", priority=Priority.AGENT)).ended.outcome == "done"


async def test_calls_of_a_batch_wait_until_it_is_well_and_probe_it_one_at_a_time(tmp_path: Path) -> None:
    async with ScriptedServer(status(500)) as server, Lab(tmp_path, {"lab": _endpoint(server, max_retries=0)}) as lab:
        await _open(lab)
        go = asyncio.Event()
        server.then([after(go, whole("yes")), whole("yes")])
        calls = [lab.submit("lab/m", f"Row {number}", priority=Priority.BATCH) for number in range(20)]
        await server.until(lambda: server.counts.requests == IN_A_ROW + 1)
        assert server.counts.in_flight == 1
        go.set()
        ends = [(await asked.over()).ended.outcome for asked in calls]
    assert ends == ["done"] * 20


async def test_a_wrong_key_is_told_once_and_not_tried_by_every_row(tmp_path: Path) -> None:
    async with ScriptedServer(status(401)) as server, Lab(tmp_path, {"lab": _endpoint(server, concurrency=1)}) as lab:
        calls = [lab.submit("lab/m", f"Row {number}", priority=Priority.BATCH) for number in range(10)]
        errors = [(await asked.over()).ended for asked in calls]
        assert server.counts.requests == 1
    assert {ended.error_kind for ended in errors} == {"auth"}
    assert all("wants a key" in str(ended.error) for ended in errors)


async def test_a_wait_longer_than_two_minutes_is_told_and_later_calls_do_not_sit_at_the_door(tmp_path: Path) -> None:
    async with ScriptedServer(status(429, "retry-after: 300\r\n")) as server, Lab(tmp_path, {"lab": _endpoint(server)}) as lab:
        first = await lab.ask("lab/m")
        later = await lab.ask("lab/m", priority=Priority.AGENT)
        assert server.counts.requests == 1
    assert "300 s" in str(first.ended.error)
    assert (later.ended.error_kind, later.ended.outcome) == ("rate_limit", "failed")


@pytest.mark.parametrize("code", [429, 503])
async def test_calls_of_a_batch_wait_where_a_person_would_be_told(
    code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("attempts", "gates"):
        monkeypatch.setattr(f"agents.models.{module}.PATIENCE", 0.01)  # as if 50 ms were minutes
    refusal = status(code, "retry-after-ms: 50\r\n")
    async with ScriptedServer(refusal) as server, Lab(tmp_path, {"lab": _endpoint(server, concurrency=4)}) as lab:
        assert (await lab.ask("lab/m", priority=Priority.AGENT)).ended.outcome == "failed"
        server.then([refusal, refusal, whole("at last")])
        rows = [lab.submit("lab/m", f"Row {number}", priority=Priority.BATCH) for number in range(12)]
        ends = [(await asked.over()).ended.outcome for asked in rows]
        assert server.counts.requests == 1 + 2 + 12
    assert ends == ["done"] * 12


async def test_a_batch_is_told_at_once_of_a_wait_longer_than_it_ever_waits(tmp_path: Path) -> None:
    async with ScriptedServer(status(429, "retry-after: 700\r\n")) as server, Lab(tmp_path, {"lab": _endpoint(server)}) as lab:
        for number in range(3):
            asked = await lab.ask("lab/m", f"Row {number}", priority=Priority.BATCH)
            assert (asked.ended.error_kind, asked.ended.outcome) == ("rate_limit", "failed")
        assert server.counts.requests == 1


# ---- many at once ----


async def test_a_hundred_equal_prompts_make_one_request(tmp_path: Path) -> None:
    async with PacedServer() as server, Lab(tmp_path, {"lab": _endpoint(server)}) as lab:
        calls = [lab.submit("lab/paced-20-400") for _ in range(100)]
        await server.until(lambda: server.counts.in_flight == 1)
        calls[0].run.cancel()
        ends = [(await asked.over()) for asked in calls]
        assert server.counts.requests == 1
        figures = lab.models.figures()
    assert [asked.ended.outcome for asked in ends] == ["cancelled"] + ["done"] * 99
    assert {asked.text for asked in ends[1:]} == {"".join(words(20))}
    assert (figures.joined, figures.flights) == (99, 0)


async def test_a_call_that_a_person_joins_goes_as_fast_as_theirs(tmp_path: Path) -> None:
    go = asyncio.Event()
    scenes = (after(go, whole("first")), whole("next"))
    async with ScriptedServer(*scenes) as server, Lab(tmp_path, {"lab": _endpoint(server, concurrency=1)}) as lab:
        first = lab.submit("lab/m", "First")
        await server.until(lambda: server.counts.in_flight == 1)
        agents = [lab.submit("lab/m", f"Agent {number}", priority=Priority.AGENT) for number in range(3)]
        ahead = lab.submit("lab/m", "Likely", priority=Priority.SPECULATIVE)
        await lab.until(lambda: lab.models.load()[0].depth == 4)
        person = lab.submit("lab/m", "Likely")
        await lab.until(lambda: lab.models.figures().joined == 1)
        go.set()
        for asked in (first, ahead, person, *agents):
            assert (await asked.over()).ended.outcome == "done"
        order = [request.json()["messages"][0]["content"] for request in server.requests]  # type: ignore[index]
    assert order[:2] == ["First", "Likely"]
    assert person.ended.joined


async def test_caps_and_limits_change_while_calls_run(tmp_path: Path) -> None:
    async with ScriptedServer(silence) as server, Lab(tmp_path, {"lab": _endpoint(server, concurrency=1)}) as lab:
        for number in range(4):
            lab.submit("lab/m", f"Call {number}")
        await server.until(lambda: server.counts.in_flight == 1)
        lab.models.set_cap("lab", 3)
        await server.until(lambda: server.counts.in_flight == 3)
        lab.models.set_limits("lab", 4, None)
        lab.models.set_cap("lab", "adaptive")
        door = lab.models.figures().doors["lab"]
        assert (door.adaptive, door.requests.configured, door.tokens.configured) == (True, 4, None)


async def test_a_server_that_never_has_anything_left_is_asked_once_for_each_of_its_resets(tmp_path: Path) -> None:
    sent: list[float] = []

    def play(connection: Connection, request: Request) -> None:
        sent.append(monotonic())
        connection.transport.write(CHUNKED.removesuffix(b"\r\n") + b"x-ratelimit-remaining-requests: 0\r\n")
        connection.transport.write(b"x-ratelimit-reset-requests: 100ms\r\n\r\n")
        connection.transport.write(chunk(said("yes")) + chunk(STOP) + chunk(DONE) + END)
        connection.done()

    async with ScriptedServer(play) as server, Lab(tmp_path, {"lab": _endpoint(server, concurrency=1)}) as lab:
        calls = [lab.submit("lab/m", f"Row {number}", priority=Priority.BATCH) for number in range(5)]
        ends = [(await asked.over()).ended for asked in calls]
    assert [(ended.outcome, ended.attempts) for ended in ends] == [("done", 1)] * 5
    assert all(later - before > 0.09 for before, later in pairwise(sent))


async def test_texts_that_go_with_a_call_are_among_the_tokens_it_is_let_in_with(tmp_path: Path) -> None:
    file = Attachment(name="long.txt", media="text/plain", digest="0" * 64, size=40_000)
    lane = Lane(model=parse_model("lab/m"), messages=(Message("user", "Read it", attachments=(file,)),))
    async with ScriptedServer(silence) as server, Lab(tmp_path, {"lab": _endpoint(server)}) as lab:
        await lab.engine.submit(Chat(lanes=(lane,))).wait()
        assert lab.models.figures().doors["lab"].tokens.used >= 10_000
