from __future__ import annotations

import asyncio
import json
import re
from typing import TYPE_CHECKING

import msgspec
import pytest

from agents.errors import InputError
from agents.events import AnyEvent, Judged, RunStarted, StepEnded, Won
from storage.history import RunHistory
from storage.store import Store
from storage.votes import Votes
from tests.servers.paced import words
from tui.commands import contests
from tui.commands.arguments import CommandParser
from tui.main import main

if TYPE_CHECKING:
    from pathlib import Path

    from tests.servers.faults import FaultServer
    from tests.servers.paced import PacedServer
    from tests.tui.commands.process import Home

SLOW = "lab/paced-4000-50"


def answer(tokens: int) -> str:
    return "".join(words(tokens)).rstrip("\n") + "\n"


def events(lines: str) -> list[AnyEvent]:
    return [msgspec.json.decode(line, type=AnyEvent) for line in lines.splitlines()]


async def test_a_race_prints_the_winner_alone_and_says_what_it_saved(home: Home, paced: PacedServer) -> None:
    line = ("run", "hi", "-m", SLOW, "-m", "lab/paced-20-100", "-m", f"{SLOW},max_tokens=50", "--race", "--accept-min", "30")
    done = await asyncio.to_thread(home.run, *line)
    assert (done.returncode, done.stdout) == (0, answer(20))
    said = re.fullmatch(
        r"lab/paced-20-100 won: at least 30 characters; 2 stopped, about (\d+) output tokens saved at most\n", done.stderr
    )
    assert said is not None, done.stderr
    assert 0 < int(said[1]) < 450
    await paced.until(lambda: paced.counts.open == 0)
    assert paced.counts.dropped == 2
    async with Store(home.data / "stretto.db") as store:
        run = (await RunHistory(store).list(1))[0]
        steps = await RunHistory(store).steps(run.id)
        kinds = [event.kind for event in await RunHistory(store).events(run.id)]
    assert (run.kind, run.outcome, run.prompt) == ("race", "done", "hi")
    assert [step.outcome for step in steps] == ["cancelled", "done", "cancelled"]
    assert all(step.text for step in steps[:2])
    assert kinds.count("won") == 1


async def test_the_events_of_a_race_are_printed_with_its_winner(home: Home, paced: PacedServer) -> None:
    done = await asyncio.to_thread(home.run, "run", "hi", "-m", SLOW, "-m", "lab/paced-5-0", "--race", "--json")
    told = events(done.stdout)
    (won,) = [event for event in told if isinstance(event, Won)]
    ended = [event for event in told if isinstance(event, StepEnded)]
    assert [event.outcome for event in ended if event.step == won.step] == ["done"]
    assert won.seq < min(event.seq for event in ended)


async def test_a_race_without_a_winner_is_one_line_with_the_reasons(home: Home, paced: PacedServer) -> None:
    line = ("run", "hi", "-m", "lab/paced-3-0", "-m", "lab/paced-9-0", "--race", "--accept-pattern", "^xyzzy")
    message = await asyncio.to_thread(home.fault, *line)
    reason = "the pattern is not in it"
    assert message == f"stretto: no answer was acceptable (lab/paced-3-0: {reason}; lab/paced-9-0: {reason})"


async def test_a_schema_file_decides_a_race(home: Home, paced: PacedServer) -> None:
    paced._reply = lambda asked: '{"n": 1}' if asked["model"] == "delay-0.4" else "one"
    (home.work / "s.json").write_text('{"type": "object", "required": ["n"]}')
    line = ("run", "hi", "-m", "lab/quick", "-m", "lab/delay-0.4", "--race", "--accept-schema", "s.json")
    done = await asyncio.to_thread(home.run, *line)
    assert (done.returncode, done.stdout) == (0, '{"n": 1}\n')
    assert done.stderr == "lab/delay-0.4 won: it follows the schema\n"


async def test_a_failed_lane_is_named_when_another_wins(home: Home, paced: PacedServer, faults: FaultServer) -> None:
    done = await asyncio.to_thread(home.run, "run", "hi", "-m", "bad/status-500", "-m", "lab/delay-0.5-4", "--race", BAD_KEY="k")
    assert (done.returncode, done.stdout) == (0, answer(4))
    first, second = done.stderr.splitlines()
    assert first == "lab/delay-0.5-4 won: the first whole answer"
    assert second.startswith("stretto: bad/status-500: ")


async def test_answers_are_judged_after_they_are_printed(home: Home, paced: PacedServer) -> None:
    def reply(asked: dict[str, object]) -> str | None:
        if asked["model"] != "judge":
            return None
        texts = re.findall(r"\[begin answer \w \w+\]\n(.*)\n", str(asked["messages"][-1]["content"]))  # type: ignore[index]  # a request
        return json.dumps({"AB"[at]: {"reason": f"{len(text)} long", "score": min(len(text), 10)} for at, text in enumerate(texts)})

    paced._reply = reply
    models = ("-m", "lab/paced-1-0", "-m", "lab/paced-8-0")
    done = await asyncio.to_thread(home.run, "run", "hi", *models, "--judge", "lab/judge", "--criteria", "length")
    answers, scores = done.stdout.split("\n# Scores by lab/judge\n\n")
    assert (done.returncode, done.stderr) == (0, "")
    assert answers == f"# lab/paced-1-0\n\n{answer(1)}\n# lab/paced-8-0\n\n{answer(8)}"
    assert scores == f"10  lab/paced-8-0  {len(''.join(words(8)).strip())} long\n3   lab/paced-1-0  3 long\n"
    told = events((await asyncio.to_thread(home.run, "run", "hi", *models, "--judge", "lab/judge", "--json")).stdout)
    assert [event.kind for event in told if isinstance(event, RunStarted)] == ["compare", "judge"]
    assert sum(isinstance(event, Judged) for event in told) == 1


async def test_a_judge_that_babbles_is_one_line_after_the_answers(home: Home, paced: PacedServer) -> None:
    done = await asyncio.to_thread(home.run, "run", "hi", "-m", "lab/paced-1-0", "-m", "lab/paced-2-0", "--judge", "lab/paced-3-0")
    assert done.returncode == 1
    assert done.stdout.startswith("# lab/paced-1-0\n")
    assert done.stderr == "stretto: lab/paced-3-0 gave no scores that can be read: judge with a larger model\n"


async def test_the_merged_answer_alone_is_printed(home: Home, paced: PacedServer) -> None:
    models = ("-m", "lab/paced-3-0", "-m", "lab/paced-5-0")
    done = await asyncio.to_thread(home.run, "run", "hi", *models, "--merge", "lab/paced-7-0")
    assert (done.returncode, done.stdout, done.stderr) == (0, answer(7), "")
    assert paced.requests[-1].json()["model"] == "paced-7-0"
    assert "".join(words(3)).strip() in paced.requests[-1].body.decode()


async def test_what_did_not_come_is_said_and_the_rest_is_merged(home: Home, paced: PacedServer, faults: FaultServer) -> None:
    models = ("-m", "lab/paced-3-0", "-m", "bad/status-500")
    done = await asyncio.to_thread(home.run, "run", "hi", *models, "--merge", "lab/paced-7-0", BAD_KEY="k")
    assert (done.returncode, done.stdout) == (1, answer(7))
    assert done.stderr.startswith("stretto: bad/status-500: ")
    assert done.stderr.count("\n") == 1


async def test_a_sweep_is_a_table_of_figures(home: Home, paced: PacedServer) -> None:
    (home.work / "a.txt").write_text("Be brief.\n")
    (home.work / "b.txt").write_text("Be kind.\n")
    axes = ("--sweep", "temperature=0,0.5", "--sweep", "system=@a.txt,@b.txt", "--repeat", "2", "--accept-max", "100")
    done = await asyncio.to_thread(home.run, "run", "hi", "-m", "lab/paced-10-200", *axes)
    assert (done.returncode, done.stderr) == (0, "")
    head, *rows = done.stdout.splitlines()
    assert re.split(r"  +", head.strip()) == ["answers", "accepted", "TTFT", "tok/s", "tokens", "wall"]
    labels = [f"t={heat} system {number} (Be {how}.)" for heat in ("0", "0.5") for number, how in ((1, "brief"), (2, "kind"))]
    cells = [re.split(r"  +", row) for row in rows]
    assert [row[0] for row in cells] == labels
    assert {(row[1], row[2], row[5]) for row in cells} == {("2", "2/2 (34–100 %)", "10.0 ±0.0")}
    assert paced.counts.requests == 8
    asked = [request.json() for request in paced.requests]
    assert sorted(str(body["temperature"]) for body in asked) == ["0.0"] * 4 + ["0.5"] * 4
    assert {body["messages"][0]["content"] for body in asked} == {"Be brief.", "Be kind."}  # type: ignore[index]  # a request


async def test_one_answer_alone_has_no_interval_and_failures_are_counted(
    home: Home, paced: PacedServer, faults: FaultServer
) -> None:
    models = ("-m", "lab/paced-4-0", "-m", "bad/status-500")
    done = await asyncio.to_thread(home.run, "run", "hi", *models, "--sweep", "seed=1", BAD_KEY="k")
    assert done.returncode == 1
    rows = [re.split(r"  +", row) for row in done.stdout.splitlines()[1:]]
    assert rows[0][:2] == ["lab/paced-4-0", "seed=1"]
    assert (rows[0][3], rows[0][6]) == ("1/1", "4.0 ±–")
    assert rows[1] == ["bad/status-500", "seed=1", "1", "0/1", "–", "–", "–", "–"]
    assert done.stderr.startswith("stretto: bad/status-500: ")


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("--race -m lab/x", "--race needs several models; give -m more than once"),
        ("--merge lab/x -m lab/x", "--merge needs several models"),
        ("--race --judge lab/x", "--race and --judge do not go together"),
        ("--merge lab/x --repeat 2", "--merge and --repeat do not go together"),
        ("--accept-min 3", "--accept-min tests answers of --race or --sweep"),
        ("--judge lab/x --accept-pattern y", "--accept-pattern tests answers of --race or --sweep"),
        ("--repeat 2 --accept-judge lab/x", "--accept-judge goes with --race alone"),
        ("--race --criterion short", "--criterion is what --accept-judge is asked about"),
        ("--criteria short", "--criteria goes with --judge MODEL"),
        ("--race --accept-min 5 --accept-max 4", "no answer could be accepted"),
        ("--race --accept-pattern (", "is no regular expression"),
        ("--sweep temperature", "is not NAME=VALUE,VALUE"),
        ("--sweep heat=1", "there is no parameter 'heat'"),
        ("--sweep temperature=1,warm", "temperature must be a number, not 'warm'"),
        ("--sweep temperature=1 --temperature 2", "--temperature and --sweep temperature do not go together"),
        ("--sweep max_tokens=1 --max-tokens 2", "--max-tokens and --sweep max_tokens do not go together"),
        ("--sweep system=@nosuch.txt", "nosuch.txt does not exist"),
        ("--repeat 0", "not a whole number of at least 1"),
    ],
)
def test_what_does_not_go_together_is_wrong_usage(line: str, expected: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "hi", *line.split()]) == 2
    captured = capsys.readouterr()
    assert (captured.out, captured.err.count("\n")) == ("", 1)
    assert expected in captured.err


@pytest.mark.parametrize(
    ("schema", "expected"),
    [(None, "does not exist"), ("[1]", "is no JSON schema"), ("{", "is no JSON schema"), ("\xff", "not UTF-8")],
)
def test_a_schema_that_is_none_is_said(schema: str | None, expected: str, tmp_path: Path) -> None:
    file = tmp_path / "s.json"
    if schema is not None:
        file.write_bytes(schema.encode("latin-1"))
    parser = CommandParser(prog="stretto run")
    contests.configure(parser)
    with pytest.raises(InputError, match=expected):
        contests.accept(parser.parse_args(["--accept-schema", str(file)]))


async def test_ratings_are_listed_from_the_votes_and_can_be_forgotten(home: Home) -> None:
    async with Store(home.data / "stretto.db") as store:
        for _ in range(9):
            await Votes(store).add("r", "lab/good", "lab/bad")
        await Votes(store).add("r", "lab/good", "lab/bad", tie=True)
    done = await asyncio.to_thread(home.run, "ratings")
    head, first, second = [re.split(r"  +", line) for line in done.stdout.splitlines()]
    assert head == ["rating", "95 %", "won", "lost", "tied", "model"]
    assert (first[2:], second[2:]) == (["9", "0", "1", "lab/good"], ["0", "9", "1", "lab/bad"])
    assert int(first[0]) + int(second[0]) == 2000
    lines = (await asyncio.to_thread(home.run, "ratings", "--json")).stdout.splitlines()
    assert [json.loads(line)["model"] for line in lines] == ["lab/good", "lab/bad"]
    assert (await asyncio.to_thread(home.run, "ratings", "--reset")).stdout == "forgot 10 votes\n"
    done = await asyncio.to_thread(home.run, "ratings")
    assert (done.returncode, done.stdout) == (0, "")
    assert "There are no votes yet" in done.stderr


@pytest.mark.parametrize("how", [("--race",), ("--merge", "lab/paced-2-0"), ("--repeat", "2")])
async def test_files_go_along_however_models_are_set_against_each_other(
    how: tuple[str, ...], home: Home, paced: PacedServer
) -> None:
    (home.work / "notes.txt").write_text("the tide tables")
    done = await asyncio.to_thread(home.run, "run", "hi", "-a", "notes.txt", "-m", "lab/paced-3-0", "-m", "lab/paced-4-0", *how)
    assert done.returncode == 0, done.stderr
    asked = [request.body.decode() for request in paced.requests if "paced-2-0" not in request.body.decode()]
    assert asked
    assert all("the tide tables" in body for body in asked)
