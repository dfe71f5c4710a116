from __future__ import annotations

import sys
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from agents.attachments import attach, attach_text
from agents.compress import MODES, Compressor, check
from agents.errors import InputError
from agents.events import AnyEvent, Log, Saved
from agents.requests import Ask, Chat, Index, Lane, Message, ModelRef, Race, Request
from agents.settings import Defaults, Endpoint, Locations, Settings
from agents.tokens import estimate_tokens
from agents.workspace import Workspace
from tests.agents.retrieval.test_shorten import CODE, LEASE
from tests.servers.paced import PacedServer
from tui.commands.arguments import MODES as WRITTEN

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from agents.compress import Mode
    from agents.requests import Attachment

MODEL = ModelRef("lab", "fast")
QUESTION = "When is the rent due?"
ANSWER = "The rent is due on the third working day of each month."


class Desk:
    def __init__(self, workspace: Workspace, asked: list[dict[str, object]]) -> None:
        self.workspace = workspace
        self.asked = asked

    async def run(self, request: Request) -> list[AnyEvent]:
        with self.workspace.engine.subscribe() as reader:
            run = self.workspace.engine.submit(request)
            events: list[AnyEvent] = []
            while not any(isinstance(event, Saved) and event.step is None for event in events):
                await reader.wait()
                events += [event for event in reader.drain() if event.run == run.id]
        return events

    @property
    def sent(self) -> list[str]:
        return [str(asked["messages"]) for asked in self.asked]

    async def attached(self, *texts: tuple[str, str]) -> tuple[Attachment, ...]:
        return tuple([await attach_text(name, text, self.workspace.attached) for name, text in texts])


@asynccontextmanager
async def desk(folder: Path, mode: Mode) -> AsyncIterator[Desk]:
    asked: list[dict[str, object]] = []

    def reply(request: dict[str, object]) -> str:
        asked.append(request)
        return "On the third working day [1]."

    async with PacedServer(reply=reply) as server:
        settings = Settings(
            defaults=Defaults(compress=mode, cache=False), endpoints={"lab": Endpoint(base_url=server.base_url, max_retries=0)}
        )
        locations = Locations(config=folder / "config.toml", data=folder / "data", themes=folder / "themes")
        async with Workspace(settings, locations) as workspace:
            await workspace.open()
            yield Desk(workspace, asked)


def kept(events: list[AnyEvent]) -> list[str]:
    return [event.message for event in events if isinstance(event, Log) and event.keep]


def lane(*files: Attachment, text: str = QUESTION, **fields: object) -> Lane:
    return Lane(model=MODEL, messages=(Message("user", text, files),), **fields)  # type: ignore[arg-type]


async def test_attached_text_is_sent_shorter_and_the_step_says_so(tmp_path: Path) -> None:
    async with desk(tmp_path, "extract") as at:
        files = await at.attached(("lease.md", LEASE))
        events = await at.run(Chat(lanes=(lane(*files),), use_cache=False))
        (sent,) = at.sent
        assert ANSWER in sent
        assert "He likes to be offered tea" not in sent
        assert "File lease.md, shortened:" in sent
        (line,) = kept(events)
        before, after = (int(word.replace(",", "")) for word in line.split() if word.replace(",", "").isdigit())
        assert line == f"material shortened from ≈ {before} to ≈ {after} tokens"
        assert before == estimate_tokens(LEASE)
        assert after < 0.65 * before


async def test_a_persons_words_and_the_system_prompt_are_never_touched(tmp_path: Path) -> None:
    async with desk(tmp_path, "terse") as at:
        system = f"You are the landlord. {LEASE}"
        await at.run(Chat(lanes=(lane(text=LEASE, system=system),), use_cache=False))
        (asked,) = at.asked
        assert asked["messages"] == [{"role": "system", "content": system}, {"role": "user", "content": LEASE}]


async def test_code_is_sent_whole_by_its_name_and_within_prose(tmp_path: Path) -> None:
    script = f'"""\n{LEASE}"""\n'
    async with desk(tmp_path, "extract") as at:
        files = await at.attached(("lease.py", script), ("notes.md", f"{LEASE}\n{CODE}"))
        await at.run(Chat(lanes=(lane(*files),), use_cache=False))
        content = str(at.asked[0]["messages"][0]["content"])  # type: ignore[index]
        assert script.strip() in content
        assert CODE.strip() in content
        assert content.count("He likes to be offered tea.") == 1


async def test_several_models_share_one_shortening_and_a_conversation_keeps_what_was_given(tmp_path: Path) -> None:
    async with desk(tmp_path, "extract") as at:
        files = await at.attached(("lease.md", LEASE))
        first = Chat(lanes=(lane(*files), lane(*files)), use_cache=False)
        events = await at.run(first)
        assert len(kept(events)) == 2
        assert len(at.workspace.compressor._shorter) == 1
        step = next(event.step for event in events if isinstance(event, Log))
        await at.run(Chat(lanes=(lane(text="And where are the keys?", after=step),), use_cache=False))
        assert len({sent[:200] for sent in at.sent}) == 1  # the file is as short in the next turn as it was in this one
        assert at.workspace.conversations._turns[step].messages[0].attachments == files


async def test_racing_lanes_are_sent_shorter_material_too(tmp_path: Path) -> None:
    async with desk(tmp_path, "extract") as at:
        files = await at.attached(("lease.md", LEASE))
        await at.run(Race(lanes=(lane(*files),)))
        assert "shortened" in at.sent[0]


async def test_short_and_missing_material(tmp_path: Path) -> None:
    async with desk(tmp_path, "extract") as at:
        files = await at.attached(("short.md", "The rent is due. It is paid."))
        events = await at.run(Chat(lanes=(lane(*files),), use_cache=False))
        assert kept(events) == ["nothing to shorten in ≈ 7 tokens of material"]
        assert "It is paid." in at.sent[0]
        lost = (await at.attached(("lease.md", LEASE)))[0]
        gone = Message("user", QUESTION, (type(lost)(name="lease.md", media="text/plain", digest="0" * 64, size=lost.size),))
        events = await at.run(Chat(lanes=(Lane(model=MODEL, messages=(gone,)),), use_cache=False))
        assert any("lease.md is no longer stored" in str(event) for event in events)


async def test_a_shortening_that_fails_costs_the_answer_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with desk(tmp_path, "extract") as at:
        files = await at.attached(("lease.md", LEASE))
        monkeypatch.setattr("agents.compress._SECONDS", {"extract": 0.0})
        events = await at.run(Chat(lanes=(lane(*files),), use_cache=False))
        assert "He likes to be offered tea." in at.sent[0]
        (line,) = kept(events)
        assert line.startswith("sent whole, because it could not be shortened: takes longer than")


async def test_passages_are_sent_shorter_and_citations_open_what_was_found(tmp_path: Path) -> None:
    docs = tmp_path / "docs"
    docs.mkdir()
    (docs / "lease.md").write_text(LEASE)
    (docs / "cats.md").write_text(
        "# Cats\n\n" + "Cats sleep most of the day when the rent is paid. They wake at dusk. Some hunt mice. " * 5
    )
    asked = Ask(question=QUESTION, model=MODEL, use_cache=False)
    async with desk(tmp_path / "plain", "off") as at:
        await at.run(Index(places=(str(docs),)))
        await at.run(asked)
        (whole,) = at.sent
    async with desk(tmp_path / "short", "extract") as at:
        await at.run(Index(places=(str(docs),)))
        events = await at.run(asked)
        (shorter,) = at.sent
    assert ANSWER in shorter
    assert len(shorter) < 0.75 * len(whole)
    assert shorter.count("<passage number=") == whole.count("<passage number=")
    found = [event for event in events if event.__class__.__name__ == "Found"][-1]
    assert "He likes to be offered tea." in str(found)  # what a citation opens is the passage, not what was sent of it
    assert any("docs/lease.md" in getattr(event, "text", "") for event in events)
    assert len(kept(events)) == 1


def test_ways_are_written_as_they_are_read() -> None:
    assert WRITTEN == MODES


def test_what_is_not_installed_is_told_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "llmlingua", None)
    monkeypatch.setattr("agents.compress.find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"stretto\[llmlingua\]") as caught:
        check("llmlingua")
    assert "\n" not in str(caught.value)
    check("extract")


async def test_a_call_that_needs_what_is_not_installed_ends_with_that_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agents.compress.find_spec", lambda name: None)
    async with desk(tmp_path, "llmlingua") as at:
        files = await at.attached(("lease.md", LEASE))
        events = await at.run(Chat(lanes=(lane(*files),), use_cache=False))
        assert any("pip install 'stretto[llmlingua]'" in str(event) for event in events)
        assert at.asked == []


async def test_files_read_from_disk_are_told_by_their_names(tmp_path: Path) -> None:
    (tmp_path / "lease.md").write_text(LEASE)
    (tmp_path / "lease.csv").write_text(LEASE)
    async with desk(tmp_path, "extract") as at:
        files = await attach([str(tmp_path / "lease.md"), str(tmp_path / "lease.csv")], at.workspace.attached)
        compressor: Compressor = at.workspace.compressor
        (message,) = await compressor.messages(None, (Message("user", QUESTION, files),))
        assert [file.name.endswith(", shortened") for file in message.attachments] == [True, False]
