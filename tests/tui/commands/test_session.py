from __future__ import annotations

import asyncio
import os
import stat
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest

from agents.engine import Engine
from agents.errors import InputError
from agents.events import AnyEvent, Log, RunEnded, Saved, StepEnded
from agents.requests import Chat, Lane, Message, ModelRef, Params
from agents.settings import Defaults, Endpoint, Locations, Settings
from agents.workspace import Workspace
from storage.errors import StoreError
from tests.tui.commands.process import SECRET
from tui.commands import session as session_module
from tui.commands.answers import Answers
from tui.commands.arguments import CommandParser, add_model, add_sampling
from tui.commands.session import Session, Stop, event_line
from tui.faults import tell
from tui.terminal import Terminal, cut_to_cells, printable, table

if TYPE_CHECKING:
    from agents.runs import Run

_REQUEST = Chat(lanes=(Lane(model=ModelRef("lab", "m"), messages=(Message("user", "hi"),)),))


async def _say_hello(run: Run) -> None:
    with run.step("model", "m", lane="lab/m") as step:
        step.start()
        step.write("hello")
        step.finish(finish="length")


async def _journal(engine: Engine, *errors: str | None) -> None:
    with engine.subscribe() as reader:
        async for event in reader:
            for error in errors:
                if isinstance(event, StepEnded):
                    engine.stream.emit(Saved, run=event.run, step=event.step, error=error)
                if isinstance(event, RunEnded):
                    engine.stream.emit(Saved, run=event.run, error=error)
            if isinstance(event, RunEnded):
                return


def _session(engine: Engine) -> Session:
    workspace = cast("Any", SimpleNamespace(engine=engine, settings=Settings()))
    return Session(workspace, Terminal(), Stop())


@pytest.mark.parametrize(
    ("said", "error"), [([None], None), (["the disk is full"], "the disk is full"), (["the disk is full", None], None)]
)
async def test_a_run_is_done_only_when_it_is_saved_even_if_that_took_several_tries(
    said: list[str | None], error: str | None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(session_module, "_TRIED_FOR", 0.05)
    async with Engine({Chat: _say_hello}) as engine, asyncio.TaskGroup() as group:
        session = _session(engine)
        group.create_task(_journal(engine, *said))
        await asyncio.sleep(0)
        answers = Answers(session.terminal, ["lab/m"])
        end = await session.follow(_REQUEST, answers.show)
        code = session.conclude(end)
    captured = capsys.readouterr()
    assert captured.out == "hello\n"
    assert "the answer was stopped; --max-tokens raises the limit" in captured.err
    assert (code, end.unsaved) == (0 if error is None else 1, error)
    assert ("this run was not saved: the disk is full" in captured.err) is (error is not None)


async def test_a_journal_that_says_nothing_is_told_of(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(session_module, "_SAVED_WITHIN", 0.05)
    told: list[AnyEvent] = []

    async def show(event: AnyEvent) -> None:
        told.append(event)

    async with Engine({Chat: _say_hello}) as engine:
        session = _session(engine)
        assert session.conclude(await session.follow(_REQUEST, show)) == 1
    assert isinstance(told[-1], RunEnded)
    assert capsys.readouterr().err == "stretto: this run was not saved: the journal did not confirm it\n"


async def _models(settings: Settings, found: tuple[ModelRef, ...], *line: str) -> list[str]:
    async def defaults() -> tuple[ModelRef, ...]:
        return found

    parser = CommandParser()
    add_model(parser, several=True)
    add_sampling(parser)
    workspace = Workspace(settings, Locations(config=Path("none.toml"), data=Path("none"), themes=Path("none")))
    workspace.models = cast("Any", SimpleNamespace(defaults=defaults))
    return [str(ref) for ref in await Session(workspace, Terminal(), Stop()).models(parser.parse_args(line))]


_SMALL = "smollm2-135m"
_EMBEDDED = (ModelRef("embedded", _SMALL, Params(temperature=0.2)), ModelRef("embedded", _SMALL, Params(temperature=0.9)))


async def test_a_flag_wins_over_a_default_and_a_name_over_a_flag() -> None:
    assert await _models(Settings(), _EMBEDDED) == ["embedded/smollm2-135m,temperature=0.2"]
    assert await _models(Settings(), _EMBEDDED, "--temperature", "0.5") == ["embedded/smollm2-135m,temperature=0.5"]
    line = ("-m", "lab/a,max_tokens=3", "-m", "lab/b", "--max-tokens", "9")
    assert await _models(Settings(), _EMBEDDED, *line) == ["lab/a,max_tokens=3", "lab/b,max_tokens=9"]


async def test_a_model_that_the_embedded_endpoint_does_not_have_is_not_stood_in_for() -> None:
    with pytest.raises(InputError, match=r"^there is no model 'embedded/nosuch'; there is embedded/smollm2-135m$"):
        await _models(Settings(), (), "-m", "embedded/nosuch")
    with pytest.raises(InputError, match="no model 'embedded/big'"):
        await _models(Settings(), (ModelRef("embedded", "big"),))
    own = Settings(endpoints={"embedded": Endpoint(base_url="http://x"), "tiny": Endpoint(kind="embedded", models=("mine",))})
    assert await _models(own, (), "-m", "embedded/any", "-m", "tiny/mine") == ["embedded/any", "tiny/mine"]


async def test_no_model_at_all_says_what_to_do() -> None:
    with pytest.raises(InputError, match="no model was found; name one with -m"):
        await _models(Settings(), ())


async def test_the_embedded_model_does_not_stand_in_unsaid(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    await _models(Settings(), _EMBEDDED)
    lab = {"lab": Endpoint(base_url="http://x")}
    await _models(Settings(defaults=Defaults(models=("embedded/smollm2-135m",)), endpoints=lab), _EMBEDDED)
    assert capsys.readouterr().err == ""
    monkeypatch.setenv("OPENAI_API_KEY", SECRET)
    await _models(Settings(endpoints=lab), _EMBEDDED)
    assert capsys.readouterr().err.startswith(
        "stretto: lab, OPENAI_API_KEY: no model there can be used, so the embedded one answers"
    )


def test_a_line_of_json_holds_any_text() -> None:
    event = Log(run="r", seq=1, at=0.0, step="s", message="half \ud83d\nline")
    assert event_line(event).count(b"\n") == 1
    assert b"half ?\\nline" in event_line(event)


def test_faults_for_a_person_are_one_line_and_leave_no_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    monkeypatch.setenv("STRETTO_DATA_DIR", str(tmp_path / "data"))
    assert tell(ExceptionGroup("unhandled", [ExceptionGroup("inner", [InputError("a\nb \x1b[31m")])])) == 1
    assert tell(StoreError("the disk is full")) == 1
    assert capsys.readouterr().err == "stretto: a b \u241b[31m\nstretto: the disk is full\n"
    assert not (tmp_path / "data").exists()


def test_a_bug_is_one_line_and_its_traceback_is_kept_without_secrets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.setenv("STRETTO_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("LAB_KEY", SECRET)
    held_in_a_local = f"prompt {os.getpid()} of a person"
    with pytest.raises(ExceptionGroup) as caught:
        raise ExceptionGroup("bugs", [InputError("not this"), ValueError(f"bad header Bearer {SECRET} \x1b]0;x\x07")])
    assert tell(caught.value) == 1
    log = tmp_path / "data" / "errors.log"
    assert capsys.readouterr().err == f"stretto: an unexpected ValueError stopped this; its traceback is in {log}\n"
    text = log.read_text()
    assert "test_a_bug_is_one_line" in text
    assert "Bearer [LAB_KEY]" in text
    assert held_in_a_local not in text
    assert "\x1b" not in text
    assert stat.S_IMODE(log.stat().st_mode) == 0o600
    assert stat.S_IMODE(log.parent.stat().st_mode) == 0o700


@pytest.mark.parametrize(
    ("text", "width", "expected"),
    [
        ("short", 5, "short"),
        ("longer", 5, "long…"),
        ("日本語", 6, "日本語"),
        ("日本語", 5, "日本…"),
        ("日本語", 4, "日…"),
        ("", 3, ""),
    ],
)
def test_a_status_line_is_cut_to_the_terminals_cells(text: str, width: int, expected: str) -> None:
    assert cut_to_cells(text, width) == expected


def test_columns_line_up_whatever_the_width_of_characters() -> None:
    assert table([("a", "b"), ("日本", "c")]) == "a     b\n日本  c"
    assert table([("model\nlab/other", "tab\there")]) == "model lab/other  tab here"


@pytest.mark.parametrize("text", ["plain\n\ttext", "\x1b[2J", "\x9b31m", "ä\u202eb", "a\U000e0041b"])
def test_nothing_a_terminal_obeys_is_printable(text: str) -> None:
    assert not {"\x1b", "\x9b", "\u202e", "\U000e0041"} & set(printable(text))
