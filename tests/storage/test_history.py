from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from storage.history import RunHistory
from storage.recording import record
from storage.records import EventRow, RunRow, StepRow, clean
from storage.store import Store, StoreError


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    async with Store(tmp_path / "stretto.db") as store:
        yield store


def run(name: str, prompt: str = "a question", **fields: object) -> RunRow:
    values = {"kind": "chat", "title": prompt, "request": "{}", "started": 1.0, "at": 1.0, "owner": "", "outcome": "done"} | fields
    return RunRow(id=name, prompt=prompt, **values)  # type: ignore[arg-type]


async def put(store: Store, *rows: RunRow | StepRow | EventRow) -> None:
    await store.write(
        lambda raw: record(
            raw,
            [row for row in rows if isinstance(row, RunRow)],
            [row for row in rows if isinstance(row, StepRow)],
            [row for row in rows if isinstance(row, EventRow)],
        )
    )


async def test_runs_are_listed_newest_first_page_by_page(store: Store) -> None:
    await put(store, *(run(f"r{number:02}") for number in range(25)))
    history = RunHistory(store)
    pages: list[str] = []
    before: str | None = None
    while page := await history.list(10, before):
        pages += [row.id for row in page]
        before = page[-1].id
    assert pages == [f"r{number:02}" for number in reversed(range(25))]


async def test_a_run_is_found_by_the_start_of_its_identity(store: Store) -> None:
    await put(store, run("abc1"), run("abd2"), run("ab"), run("x%_"))
    history = RunHistory(store)
    assert (await history.find("abc")) == run("abc1")
    assert (await history.find("ABD")) == run("abd2")
    assert (await history.find("ab")) == run("ab")
    assert await history.find("zz") is None
    assert await history.find("%") is None
    assert await history.find("") is None
    assert await history.find("\udcff") is None
    with pytest.raises(StoreError, match="more than one run starts with 'a'"):
        await history.find("a")


async def test_steps_and_events_come_back_as_they_were_written_in_order(store: Store) -> None:
    steps = [
        StepRow(id="r.2", run="r", seq=9, kind="model", name="m", cached=True, usage='{"input":1}', cost=0.5, attempts=3),
        StepRow(id="r.1", run="r", seq=2, kind="group", name="g", text="all\x00of\nit 👩‍👩‍👧", outcome="cut", error="why"),
    ]
    events = [EventRow(run="r", seq=seq, step=None, kind="log", body=f'{{"seq":{seq}}}') for seq in range(1, 31)]
    await put(store, run("r"), *steps, *events, *[EventRow(run="q", seq=1, step=None, kind="log", body="{}")])
    history = RunHistory(store)
    assert await history.steps("r") == [steps[1], steps[0]]
    first = await history.events("r", limit=20)
    rest = await history.events("r", after_seq=first[-1].seq, limit=20)
    assert first + rest == events
    assert await history.steps("\ud800") == []


async def test_a_first_event_written_with_its_request_stays_as_it_is(store: Store) -> None:
    whole = EventRow(run="r", seq=1, step=None, kind="run_started", body='{"request":"own","at":1.50}')
    await put(store, run("r", request='{"a":1}'), whole, EventRow(run="gone", seq=1, step=None, kind="run_started", body="{}"))
    history = RunHistory(store)
    assert await history.events("r") == [whole]
    assert [event.body for event in await history.events("gone")] == ["{}"]


async def test_writing_rows_again_changes_only_what_an_end_changes(store: Store) -> None:
    started = run("r", "question", outcome=None, owner=store.owner.name)
    step = StepRow(id="r.1", run="r", seq=2, kind="model", name="m")
    event = EventRow(run="r", seq=2, step="r.1", kind="log", body="{}")
    await put(store, started, step, event)
    ended = run("r", "question", outcome="failed", owner=store.owner.name, error="why", wall=2.0, busy=1.0)
    answered = StepRow(id="r.1", run="r", seq=2, kind="model", name="m", text="forty-two", outcome="done", timings="{}")
    for _ in range(2):
        await put(store, ended, answered, event)
    history = RunHistory(store)
    assert await history.list() == [ended]
    assert await history.steps("r") == [answered]
    assert await history.events("r") == [event]
    assert [hit.step for hit in await history.search("forty")] == ["r.1"]
    await store.write(lambda raw: raw.execute("INSERT INTO runs_text (runs_text, rank) VALUES ('integrity-check', 1)"))
    await store.write(lambda raw: raw.execute("INSERT INTO steps_text (steps_text, rank) VALUES ('integrity-check', 1)"))


async def test_prompts_and_answers_are_searched_by_word_stems_and_the_last_words_beginning(store: Store) -> None:
    await put(
        store,
        run("r1", "How do rivers freeze?", started=5.0),
        StepRow(id="r1.1", run="r1", seq=2, kind="model", name="lab/m0", text="A river is freezing from the top. " + "x " * 200),
        run("r2", "Naïve café"),
    )
    history = RunHistory(store)
    found = await history.search("river freezing")
    assert {(hit.run, hit.step, hit.name) for hit in found} == {("r1", None, ""), ("r1", "r1.1", "lab/m0")}
    assert {(hit.title, hit.started) for hit in found} == {("How do rivers freeze?", 5.0)}
    assert all("freez" in hit.snippet and len(hit.snippet) < 200 for hit in found)
    assert [hit.run for hit in await history.search("naive caf")] == ["r2"]
    assert len(await history.search("river", limit=1)) == 1
    assert await history.search("river absent") == []


@pytest.mark.parametrize(
    "text", ["", "   ", "*", '"', "'", "()", "a AND", "NEAR(", "prompt:", "-", "x\0y", "\ud83d", '" OR "', "^a + b"]
)
async def test_nothing_typed_is_an_operator(store: Store, text: str) -> None:
    await put(store, run("r1", f"before {text.replace(chr(0), ' ')} after"))
    assert isinstance(await RunHistory(store).search(text), list)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(max_size=20))
async def test_any_text_can_be_kept_found_and_looked_for(store: Store, text: str) -> None:
    name = uuid.uuid4().hex
    await put(store, run(name, text), StepRow(id=f"{name}.1", run=name, seq=2, kind="model", name=text, text=f"{text} {name}"))
    history = RunHistory(store)
    row = await history.find(name)
    assert row is not None
    assert row.prompt == clean(text)
    (step,) = await history.steps(name)
    assert (step.name, step.text) == (clean(text), f"{clean(text)} {name}")
    assert [hit.step for hit in await history.search(f"{text} {name}")] in ([f"{name}.1"], [])
    assert [hit.step for hit in await history.search(name)] == [f"{name}.1"]


async def test_values_that_are_never_written_are_said_in_one_line(store: Store) -> None:
    await put(store, run("r1"))
    await store.write(lambda raw: raw.execute("UPDATE runs SET request = ?", (b"\xff",)))
    with pytest.raises(StoreError, match="never wrote"):
        await RunHistory(store).find("r1")
