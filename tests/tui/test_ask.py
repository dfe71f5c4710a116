from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING

import pytest

from agents.errors import LateError
from agents.events import AnyEvent, Found, RunEnded, StepQueued
from tests.servers.faults import FaultServer
from tests.servers.paced import PacedServer, words
from tests.tui.stage import Stage, stage
from tui.screens.passage import PassageScreen

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path

    from agents.events import Hit
    from agents.retrieval.sources import Source, Tell
    from agents.stream import Subscription
    from tui.views.ask import AskView

ANSWER = "It never starves [1]. Readers lag alone [2]."


@pytest.fixture
def docs(tmp_path: Path) -> Path:
    docs = tmp_path / "docs"
    docs.mkdir()
    (docs / "loop.md").write_text("# Loop\n\nThe event loop never starves because readers lag alone.\n")
    (docs / "readers.md").write_text("# Readers\n\nReaders of the loop lag alone and starve nobody.\n")
    (docs / "cats.md").write_text("# Cats\n\nCats sleep most of the day on warm sofas.\n")
    return docs


def reply(asked: dict[str, object]) -> str | None:
    return None if "slowly" in str(asked) else ANSWER


@pytest.fixture
async def server() -> AsyncIterator[PacedServer]:
    async with PacedServer(reply=reply, rules=[("slowly", "paced-8000-100")]) as server:
        yield server


async def opened(at: Stage) -> AskView:
    """Show the Ask view once there is a model."""
    view = at.app.dashboard.ask
    await at.until(lambda: view.model is not None)
    await at.press("f3")
    return view


async def indexed(at: Stage, folder: Path, documents: int) -> AskView:
    view = await opened(at)
    await at.send(f"/add {folder}")
    await at.until(lambda: view.answer.state.note.startswith(f"indexed {documents} document"))
    await idle(at)
    return view


async def idle(at: Stage) -> None:
    """Wait until nothing runs and everything that happened was shown."""
    await at.until(lambda: not at.app.workspace.engine.runs)
    at.app.feed.pump()


async def ask(at: Stage, question: str) -> str:
    """Ask, wait for the answer and return the pane's text."""
    view = at.app.dashboard.ask
    await at.send(question)
    await at.until(lambda: question in view.answer.pane.text)
    await idle(at)
    await at.until(lambda: view.answer.state.state not in {"queued", "waiting", "streaming", "done"})
    return view.answer.pane.text


def passage_is_open(at: Stage) -> bool:
    return isinstance(at.app.screen, PassageScreen)


async def seen(at: Stage, text: str) -> None:
    await at.until(lambda: text in at.screen())


def counts(reader: Subscription) -> dict[str, int]:
    """Return how many passages each source and the merge found."""
    events: list[AnyEvent] = reader.drain()
    names = {event.step: event.name for event in events if isinstance(event, StepQueued)}
    return {names[event.step]: len(event.hits) for event in events if isinstance(event, Found)}


async def test_all_sources_show_what_they_found_and_citations_open_their_passages(
    tmp_path: Path, docs: Path, server: PacedServer
) -> None:
    async with stage(tmp_path, server.base_url, "lab/fast", size=(160, 40)) as at:
        view = await indexed(at, docs, 3)
        reader = at.app.workspace.engine.subscribe(text=False)
        text = await ask(at, "Why does the loop never starve?")
        found = counts(reader)
        assert set(found) == {"vector", "keyword", "files", "fuse"}
        assert found["vector"] >= 2
        assert found["keyword"] >= 1
        await at.until(lambda: all(f"{name}: found {count}" in at.text_of(view.lanes) for name, count in found.items()))
        assert "loop.md" in at.text_of(view.lanes)
        assert text.startswith(f"› Why does the loop never starve?\n\n{ANSWER}\n")
        assert "Sources cited:" in text
        assert view.answer.state.state == "saved"
        hits = view._passages
        assert hits[0].place.uri == str(docs / "loop.md")

        view.answer.pane.focus()
        await at.settle()
        await at.press("2")
        await at.until(lambda: hits[1].text.splitlines()[-1] in at.screen() and "[2]" in at.screen())
        assert "readers.md" in at.screen()
        await at.press("escape")
        assert not passage_is_open(at)

        await at.click("[1]", view.answer.pane)
        await seen(at, "because readers lag alone")
        assert passage_is_open(at)
        await at.press("q")

        view.answer.pane.focus()
        await at.settle()
        for keys, number in ((("]",), 1), (("]",), 2), (("[",), 1)):
            await at.press(*keys, "enter")
            assert passage_is_open(at), keys
            await seen(at, f"─ [{number}] ")
            await at.press("enter")
            assert not passage_is_open(at)


async def test_digits_that_are_no_passage_and_other_keys_open_nothing(tmp_path: Path, docs: Path, server: PacedServer) -> None:
    async with stage(tmp_path, server.base_url, "lab/fast") as at:
        view = await indexed(at, docs, 3)
        await ask(at, "Why does the loop never starve?")
        view.answer.pane.focus()
        await at.settle()
        await at.press("²", "½", "0", "9", "①", "x")
        assert not passage_is_open(at)
        assert at.app.is_running


async def test_when_nothing_is_found_the_answer_says_so_and_no_model_is_asked(tmp_path: Path, server: PacedServer) -> None:
    (tmp_path / "empty").mkdir()
    async with stage(tmp_path, server.base_url, "lab/fast") as at:
        view = await opened(at)
        await at.send(f"/add {tmp_path / 'empty'}")
        await at.until(lambda: "nothing to read was found in" in at.screen())
        await idle(at)
        text = await ask(at, "Is anybody there?")
        assert text.count("Nothing was found in") == 1
        assert "No model was asked." in text
        assert server.counts.by_path.get("/v1/chat/completions", 0) == 0
        await at.until(lambda: "✓ saved" in at.text_of(view.answer.header))


async def test_a_question_to_a_library_that_is_not_there_is_told_once(tmp_path: Path, server: PacedServer) -> None:
    async with stage(tmp_path, server.base_url, "lab/fast") as at:
        view = await opened(at)
        await at.send("/library letters")
        await at.until(lambda: "Ask letters" in at.text_of(view.answer.header))
        text = await ask(at, "Is anybody there?")
        assert text.count("there is no library 'letters'") == 1
        await at.until(lambda: "✗ failed" in at.text_of(view.answer.header))


@pytest.mark.parametrize("width", [80, 120])
async def test_what_an_indexing_came_to_is_on_the_screen(tmp_path: Path, docs: Path, server: PacedServer, width: int) -> None:
    async with stage(tmp_path, server.base_url, "lab/fast", size=(width, 30)) as at:
        await opened(at)
        await at.send(f"/add {docs}")
        await at.until(lambda: "indexed 3 documents" in at.screen())


class Late:
    """A source that is never in time."""

    def __init__(self, name: str) -> None:
        self.name = name

    async def search(self, query: str, limit: int) -> Sequence[Hit]:
        raise LateError("no answer within 2 s")


async def test_a_late_source_is_named_in_its_lane_and_below_the_answer(
    tmp_path: Path, docs: Path, server: PacedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with stage(tmp_path, server.base_url, "lab/fast", size=(160, 40)) as at:
        view = await indexed(at, docs, 3)
        make = at.app.workspace.library.source

        def source(which: str, name: str, paths: Sequence[str], tell: Tell, seconds: float) -> Source:
            return Late(which) if which == "keyword" else make(which, name, paths, tell, seconds)

        monkeypatch.setattr(at.app.workspace.library, "source", source)
        text = await ask(at, "Why does the loop never starve?")
        assert ANSWER in text
        assert "Not searched: keyword (late: no answer within 2 s)" in text
        await at.until(lambda: "◷ keyword: late" in at.text_of(view.lanes))
        assert "no answer within 2 s" in at.text_of(view.lanes)
        await at.until(lambda: re.search(r"✓ vector: found \d", at.text_of(view.lanes)) is not None)
        assert view.answer.state.state == "saved"


async def test_when_every_source_is_late_that_is_told_once(tmp_path: Path, docs: Path, server: PacedServer) -> None:
    async with stage(tmp_path, server.base_url, "lab/fast", source_timeout=1e-6) as at:
        view = await indexed(at, docs, 3)
        text = await ask(at, "Why does the loop never starve?")
        assert text.count("no source answered") == 1
        assert text.count("✗") == 1
        await at.until(lambda: all(f"{name}: late" in at.text_of(view.lanes) for name in ("vector", "keyword", "files")))
        await at.until(lambda: "✗ failed" in at.text_of(view.answer.header))


async def test_places_that_cannot_be_added_are_told_and_the_app_lives(tmp_path: Path, server: PacedServer) -> None:
    places = (
        "/no/such/place",
        "~nosuchuser_x/letters",
        "'an open quotation",
        "x" * 3000,
        "http://[::1",
        "/proc/self/environ",
    )
    async with stage(tmp_path, server.base_url, "lab/fast") as at:
        view = await opened(at)
        for count, place in enumerate(places, 1):
            await at.send(f"/add {place}")
            await at.until(lambda count=count: view.answer.pane.text.count("✗") == count)  # type: ignore[misc]
            await idle(at)
        text = view.answer.pane.text
        assert text.count("✗") == len(places)
        assert not re.search(r"\w+(Error|Exception): ", text), text
        assert view.answer.state.state == "idle"
        assert at.app.is_running


async def test_slash_words_that_are_no_commands_are_told_and_never_sent_to_a_model(
    tmp_path: Path, docs: Path, server: PacedServer
) -> None:
    async with stage(tmp_path, server.base_url, "lab/fast", size=(160, 40)) as at:
        view = await indexed(at, docs, 3)
        for line in ("/frobnicate now", "/add", "/library", "/Add docs", "/add-folder docs"):
            await at.send(line)
            await at.until(lambda line=line: f"not a command here: {line}" in at.screen())  # type: ignore[misc]
            assert at.app.workspace.engine.runs == {}
        assert view.library == "default"
        assert server.counts.by_path.get("/v1/chat/completions", 0) == 0


async def test_a_path_at_the_start_of_a_question_is_no_command(tmp_path: Path, docs: Path, server: PacedServer) -> None:
    async with stage(tmp_path, server.base_url, "lab/fast") as at:
        await indexed(at, docs, 3)
        text = await ask(at, "/etc/hosts or the loop: which one starves?")
        assert ANSWER in text


async def test_an_indexing_while_an_answer_streams_leaves_the_answer_alone(tmp_path: Path, docs: Path, server: PacedServer) -> None:
    more = tmp_path / "more"
    more.mkdir()
    (more / "broken.pdf").write_bytes(b"%PDF-1.4\nnot really")
    (more / "new.md").write_text("# New\n\nSomething new.\n")
    async with stage(tmp_path, server.base_url, "lab/fast", size=(160, 40)) as at:
        view = await indexed(at, docs, 3)
        await at.send("How does the loop work, told slowly?")
        await at.until(lambda: view.answer.state.state == "streaming" and "soprano" in view.answer.pane.text)
        reader = at.app.workspace.engine.subscribe(text=False)

        def ended() -> list[RunEnded]:
            ends.extend(event for event in reader.drain() if isinstance(event, RunEnded))
            return ends

        ends: list[RunEnded] = []
        await at.send(f"/add {more}")
        await at.until(lambda: len(ended()) == 1)
        await at.send("/add /no/such/place")
        await at.until(lambda: len(ended()) == 2)
        at.app.feed.pump()
        head, rest = view.answer.pane.text[:40], view.answer.pane.text.partition("\n\n")[2]
        assert head.startswith("› How does the loop work")
        assert "".join(words(8000)).startswith(rest)
        assert view.answer.state.state == "streaming"
        await at.press("escape")
        await at.until(lambda: view.answer.state.state == "cancelled")
        await idle(at)
        text = view.answer.pane.text
        assert "broken.pdf" in text
        assert "/no/such/place does not exist" in text
        assert text.index("soprano") < text.index("broken.pdf")


async def test_a_call_that_fails_is_told_once(tmp_path: Path, docs: Path, server: PacedServer) -> None:
    async with stage(tmp_path, server.base_url, "nowhere/model") as at:
        view = await indexed(at, docs, 3)
        text = await ask(at, "Why does the loop never starve?")
        assert text.count("✗") == 1
        assert text.count("nowhere") == 1
        await at.until(lambda: "✗ failed" in at.text_of(view.answer.header))


async def test_an_answer_that_was_cut_stays_cut_with_its_text(tmp_path: Path, docs: Path) -> None:
    async with FaultServer() as server, stage(tmp_path, server.base_url, "lab/reset-mid") as at:
        view = await indexed(at, docs, 3)
        text = await ask(at, "Why does the loop never starve?")
        assert "Hello wörld" in text
        assert text.count("✗") == 1
        await at.until(lambda: "cut" in at.text_of(view.answer.header))
        assert view.answer.state.state == "cut"


async def test_a_question_asked_while_an_answer_streams_waits_and_has_passages_of_its_own(
    tmp_path: Path, docs: Path, server: PacedServer
) -> None:
    async with stage(tmp_path, server.base_url, "lab/fast") as at:
        view = await indexed(at, docs, 3)
        await at.send("How does the loop work, told slowly?")
        await at.until(lambda: view.answer.state.state == "streaming")
        await at.send("Where do cats sleep?")
        await at.until(lambda: "prompts waiting 1" in at.screen())
        await at.press("escape")
        await at.until(lambda: view.answer.pane.text.startswith("› Where do cats sleep?"))
        await at.until(lambda: view.answer.state.state == "saved")
        await idle(at)
        assert "soprano" not in view.answer.pane.text
        assert view._passages[0].place.uri == str(docs / "cats.md")
        await at.until(lambda: "prompts waiting" not in at.screen())


async def test_stopping_while_sources_search_ends_the_question_and_the_next_one_is_answered(
    tmp_path: Path, docs: Path, server: PacedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Stuck(Late):
        async def search(self, query: str, limit: int) -> Sequence[Hit]:
            await asyncio.Event().wait()
            return []

    async with stage(tmp_path, server.base_url, "lab/fast", size=(160, 40)) as at:
        view = await indexed(at, docs, 3)
        with monkeypatch.context() as patch:
            patch.setattr(at.app.workspace.library, "source", lambda which, *rest: Stuck(which))
            await at.send("Why does the loop never starve?")
            await at.until(lambda: at.text_of(view.lanes).count("searching") == 3)
            await at.press("escape")
            await idle(at)
        await at.until(lambda: at.text_of(view.lanes).count("stopped") == 3)
        assert "■ stopped" in at.text_of(view.answer.header)
        assert ANSWER in await ask(at, "And why not now?")


async def test_hostile_names_and_passages_are_shown_as_text(tmp_path: Path, server: PacedServer) -> None:
    docs = tmp_path / "docs"
    docs.mkdir()
    name = "[@click=app.quit]x[\x9b31m\u202e.md"
    (docs / name).write_text("# [/] Loop \x1b]0;title\x07\n\nThe loop [@click=app.bell]never[/] starves \x1b[2J here.\n")
    async with stage(tmp_path, server.base_url, "lab/fast", size=(160, 40)) as at:
        view = await indexed(at, docs, 1)
        await ask(at, "Why does the loop never starve?")
        view.answer.pane.focus()
        await at.settle()
        for number in (None, "1"):
            if number is not None:
                await at.press(number)
                assert passage_is_open(at)
            shown = at.screen()
            assert "[@click=app.quit]x[" in shown
            assert not any(ord(char) < 32 or 127 <= ord(char) < 160 or char == "\u202e" for char in shown if char != "\n")
        await at.click("[@click=app.bell]")
        assert at.app.is_running


async def test_a_question_is_searched_while_it_is_typed_and_its_lanes_say_so(
    tmp_path: Path, docs: Path, server: PacedServer
) -> None:
    async with stage(tmp_path, server.base_url, "lab/fast", size=(160, 40)) as at:
        view = await indexed(at, docs, 3)
        prefetch = at.app.workspace.prefetch
        at.app.dashboard.prompt.focus()
        await at.press(*"Why does the loop never starve", "space")
        await at.until(lambda: prefetch._typed is not None and prefetch._typed[0].text.endswith("never starve"))
        await at.press("?", "enter")
        await at.until(lambda: ANSWER in view.answer.pane.text)
        await idle(at)
        await at.until(lambda: at.text_of(view.lanes).count("searched ahead by") == 3)
        figures = prefetch.figures()
        assert (figures.used, figures.wasted, figures.opened) == (1, figures.searched - 1, 1)
        await ask(at, "Why do cats sleep?")
        await idle(at)

        def once_more() -> int:
            # A prompt that is put there at once is searched ahead only where that took longer than a person pauses.
            return 3 * (prefetch.figures().used - figures.used)

        await at.until(lambda: at.text_of(view.lanes).count("searched ahead by") == once_more())


def about_to_search(at: Stage) -> bool:
    timer = at.app.workspace.prefetch._timer
    return timer is not None and "_begin" in repr(timer)


async def test_commands_and_what_is_typed_elsewhere_are_not_searched_for(tmp_path: Path, docs: Path, server: PacedServer) -> None:
    async with stage(tmp_path, server.base_url, "lab/fast") as at:
        view = await indexed(at, docs, 3)
        assert not about_to_search(at)
        at.app.dashboard.prompt.value = "/add the loop and its readers"
        await at.settle()
        assert not about_to_search(at)
        at.app.dashboard.prompt.value = "x " * 2000
        await at.settle()
        assert not about_to_search(at)
        await at.press("f2")
        at.app.dashboard.prompt.value = "Why does the loop never starve?"
        await at.settle()
        assert not about_to_search(at)
        await at.press("f3")
        at.app.dashboard.prompt.value = "Why does the loop never starve"
        await at.settle()
        assert about_to_search(at)
        at.app.dashboard.prompt.value = ""
        await at.settle()
        assert not about_to_search(at)
        assert view.lanes.display is False
        assert at.app.workspace.prefetch.figures().searched == 0


async def test_documents_added_meanwhile_are_searched_for_anew(tmp_path: Path, docs: Path, server: PacedServer) -> None:
    more = tmp_path / "more"
    more.mkdir()
    (more / "new.md").write_text("# New\n\nThe loop never starves, says the new page.\n")
    async with stage(tmp_path, server.base_url, "lab/fast", size=(160, 40)) as at:
        view = await indexed(at, docs, 3)
        prefetch = at.app.workspace.prefetch
        at.app.dashboard.prompt.value = "Why does the loop never starve"
        await at.until(lambda: prefetch.figures().searched == 1)
        view._add(str(more))
        await at.until(lambda: view.answer.state.note.startswith("indexed 1 document"))
        await idle(at)
        assert prefetch.figures().wasted == 1
        await ask(at, "Why does the loop never starve")
        assert any("new.md" in hit.place.uri for hit in view._passages)
