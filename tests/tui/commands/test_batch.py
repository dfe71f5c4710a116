from __future__ import annotations

import asyncio
import json
import signal
import sys
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from agents.events import AnyEvent, Planned, RunEnded, Text
from storage.history import RunHistory
from storage.store import Store
from tests.servers.paced import PacedServer, words
from tui.main import main

if TYPE_CHECKING:
    import subprocess
    from pathlib import Path

    from tests.servers.faults import FaultServer
    from tests.tui.commands.process import Home

Row = dict[str, Any]


def given(home: Home, *rows: object, name: str = "in.jsonl") -> str:
    (home.work / name).write_text("".join(f"{row if isinstance(row, str) else json.dumps(row)}\n" for row in rows))
    return name


def prompts(count: int) -> list[Row]:
    return [{"prompt": f"question {number}"} for number in range(count)]


def results(home: Home, name: str = "out.jsonl") -> list[Row]:
    return [json.loads(line) for line in (home.work / name).read_text().splitlines()]


def names(home: Home) -> list[str]:
    return sorted(path.name for path in home.work.iterdir())


async def batch(home: Home, *arguments: str, given: str | None = None, **variables: str) -> subprocess.CompletedProcess[str]:
    return await asyncio.to_thread(home.run, "batch", *arguments, given=given, **variables)


async def test_every_row_has_a_line_for_each_model_in_the_order_of_the_rows(home: Home, paced: PacedServer) -> None:
    file = given(home, {"id": "a", "prompt": "one", "label": 1}, {"messages": [{"role": "user", "content": "two"}]})
    models = ("-m", "lab/delay-0.3-3", "-m", "lab/paced-5-0,seed=1")
    done = await batch(home, file, "-o", "out.jsonl", *models, "--system", "Be brief", "--max-tokens", "9", "--temperature", "0.5")
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr.splitlines()[0].endswith(": 4 fine, 0 failed")
    rows = results(home)
    assert [(row["id"], row["model"], row["answer"]) for row in rows] == [
        ("a", "lab/delay-0.3-3", "".join(words(3))),
        ("a", "lab/paced-5-0,seed=1", "".join(words(5))),
        (2, "lab/delay-0.3-3", "".join(words(3))),
        (2, "lab/paced-5-0,seed=1", "".join(words(5))),
    ]
    assert {key: rows[0][key] for key in ("finish_reason", "cached", "similar", "cost", "error")} == {
        "finish_reason": "stop",
        "cached": False,
        "similar": None,
        "cost": None,
        "error": None,
    }
    assert rows[0]["usage"]["output"] == 3
    assert 0.2 < rows[0]["timings"]["ttft"] <= rows[0]["timings"]["total"]
    assert names(home) == ["in.jsonl", "out.jsonl"]
    sent = paced.requests[-1].json()
    assert (sent["max_tokens"], sent["temperature"]) == (9, 0.5)
    assert sent["messages"][0] == {"role": "system", "content": "Be brief"}  # type: ignore[index]  # a request


async def test_a_line_that_cannot_be_asked_is_one_row_that_says_so(home: Home, paced: PacedServer) -> None:
    file = given(home, {"prompt": "one"}, "", "nonsense", {"prompt": "two"})
    done = await batch(home, file, "-o", "out.jsonl", "-m", "lab/paced-3-0", "-m", "lab/paced-4-0")
    assert done.returncode == 1
    assert "4 fine, 1 failed (input 1)" in done.stderr
    assert "stretto: 1 of 5 failed (the first: line " in done.stderr
    assert done.stderr.endswith("; ask them again with --resume --retry-errors\n")
    rows = results(home)
    assert [(row["id"], row["model"], row["error"] is None) for row in rows] == [
        (1, "lab/paced-3-0", True),
        (1, "lab/paced-4-0", True),
        (3, None, False),
        (4, "lab/paced-3-0", True),
        (4, "lab/paced-4-0", True),
    ]
    assert rows[2]["error"]["kind"] == "input"
    assert rows[2]["error"]["message"].startswith("line 3 is not a JSON object like")


async def test_what_was_run_shows_what_went_wrong_and_counts_the_rest(home: Home, paced: PacedServer, faults: FaultServer) -> None:
    file = given(home, *prompts(3))
    done = await batch(home, file, "-o", "out.jsonl", "-m", "lab/paced-5-0", "-m", "bad/status-400", BAD_KEY="k")
    assert done.returncode == 1
    shown = (await asyncio.to_thread(home.run, "runs", "show", "last")).stdout
    assert "3 rows answered: see the batch's output" in shown
    assert shown.count("bad/status-400: failed") == 3
    assert "lab/paced-5-0: done" not in shown


async def test_standard_input_to_standard_output_and_nothing_else_there(home: Home, paced: PacedServer) -> None:
    text = "\ufeff" + "".join(f"{json.dumps(row)}\r\n" for row in prompts(30)).rstrip()
    done = await batch(home, "-", "-o", "-", "-m", "lab/paced-3-0", given=text)
    assert done.returncode == 0
    assert [json.loads(line)["id"] for line in done.stdout.splitlines()] == list(range(1, 31))
    assert names(home) == []


async def test_answers_come_out_while_rows_still_come_in(home: Home, paced: PacedServer) -> None:
    with home.start("batch", "-", "-o", "-", "-m", "lab/paced-3-0", stdin=-1) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for number in (1, 2):
            process.stdin.write(json.dumps({"id": number, "prompt": "x"}) + "\n")
            process.stdin.flush()
            assert json.loads(await asyncio.to_thread(process.stdout.readline))["id"] == number
        process.stdin.close()
        assert await asyncio.to_thread(process.wait, 20) == 0


async def test_a_reader_that_goes_away_ends_it_quietly(home: Home, paced: PacedServer) -> None:
    file = given(home, *prompts(2000))
    with home.start("batch", file, "-o", "-", "-m", "lab/delay-0.01-3", "-j", "20") as process:
        assert process.stdout is not None
        await asyncio.to_thread(process.stdout.readline)
        process.stdout.close()
        assert await asyncio.to_thread(process.wait, 30) == 141
    assert paced.counts.requests < 2000


async def test_j_says_how_many_are_in_flight_and_widens_the_configured_cap(home: Home, paced: PacedServer) -> None:
    file = given(home, *prompts(30))
    await batch(home, file, "-o", "out.jsonl", "-m", "lab/delay-0.3-3", "-j", "15")
    assert paced.counts.peak_in_flight == 15


def test_an_endpoint_that_does_not_exist_is_told_before_anything_is_written(home: Home) -> None:
    line = home.fault("batch", given(home, *prompts(1)), "-o", "out.jsonl", "-m", "nosuch/x")
    assert line.startswith("stretto: there is no endpoint 'nosuch'; there are ")
    assert names(home) == ["in.jsonl"]


async def test_what_holds_all_of_it_back_is_said_and_a_signal_does_not_wait_for_it(home: Home, paced: PacedServer) -> None:
    home.endpoint(paced.base_url, "tight", requests_per_minute=3)
    with home.start("batch", given(home, *prompts(30)), "-o", "out.jsonl", "-m", "tight/paced-3-0") as process:
        # Under load the first row may be the fourth at the door; the other three then wait in the side file for its turn.
        await lines_of(home.work / "out.jsonl", 3, home.work / "out.jsonl.partial")
        process.send_signal(signal.SIGINT)
        _, err = await asyncio.to_thread(process.communicate, timeout=30)
    assert process.returncode == 130
    assert "nothing is in flight" in err
    assert "27 of 30 not done" in err


def test_a_file_that_no_batch_wrote_is_left_alone(home: Home) -> None:
    home.endpoint("http://127.0.0.1:9/v1")
    file = given(home, *prompts(1))
    (home.work / "out.jsonl").write_text("mine\n")
    line = home.fault("batch", file, "-o", "out.jsonl", "-m", "lab/x", "--resume")
    assert line == f"stretto: {home.work}/out.jsonl: is not the output of a batch; name another file"
    assert (home.work / "out.jsonl").read_text() == "mine\n"
    assert names(home) == ["in.jsonl", "out.jsonl"]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("nosuch.jsonl -o out.jsonl", "nosuch.jsonl: there is no such file"),
        (". -o out.jsonl", ".: is a folder"),
        ("in.jsonl -o in.jsonl --resume", "cannot be both FILE and OUT"),
        ("in.jsonl -o no/out.jsonl", "there is no such folder"),
        ("in.jsonl", "required: -o/--out"),
        ("in.jsonl -o there.jsonl", "there.jsonl: is there already; go on with it by --resume, or remove it first"),
        ("in.jsonl -o aside.jsonl", "aside.jsonl.partial: is there already"),
        ("in.jsonl -o - --resume", "--resume needs a file"),
        ("in.jsonl -o - --json", "either the answers"),
        ("in.jsonl -o out.jsonl --retry-errors", "goes with --resume"),
        ("in.jsonl -o out.jsonl --budget 0", "is not an amount above 0"),
        ("in.jsonl -o out.jsonl -m lab/x -m lab/x", "-m lab/x is given twice"),
    ],
)
def test_wrong_usage_is_one_line_and_writes_nothing(
    line: str, expected: str, home: Home, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(home.work)
    given(home, *prompts(1))
    given(home, *prompts(1), name="there.jsonl")
    given(home, *prompts(1), name="aside.jsonl.partial")
    assert main(["batch", *line.split()]) == 2
    captured = capsys.readouterr()
    assert (captured.out, captured.err.count("\n")) == ("", 1)
    assert expected in captured.err
    assert names(home) == ["aside.jsonl.partial", "in.jsonl", "there.jsonl"]


async def test_json_tells_all_events_and_how_much_there_is_to_do(home: Home, paced: PacedServer) -> None:
    done = await batch(home, given(home, *prompts(3)), "-o", "out.jsonl", "-m", "lab/paced-3-0", "--json")
    events = [msgspec.json.decode(line, type=AnyEvent) for line in done.stdout.splitlines()]
    assert [event.total for event in events if isinstance(event, Planned)][-1] == 3
    assert "".join(event.text for event in events if isinstance(event, Text)) == "".join(words(3)) * 3
    assert [event.outcome for event in events if isinstance(event, RunEnded)] == ["done"]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
async def test_one_signal_lets_what_is_in_flight_finish(home: Home, paced: PacedServer, number: int, code: int) -> None:
    file = given(home, *prompts(10))
    arguments = ("batch", file, "-o", "out.jsonl", "-m", "lab/delay-1.0-3", "-j", "3", "--system", "Be brief", "--no-cache")
    with home.start(*arguments) as process:
        await paced.until(lambda: paced.counts.in_flight == 3)
        process.send_signal(number)
        _, err = await asyncio.to_thread(process.communicate, timeout=30)
    assert process.returncode == code
    assert "stopping: no new row is begun, 3 in flight may finish; once more stops at once" in err
    assert "7 of 10 not done" in err
    line = f"stretto batch {home.work}/in.jsonl -o {home.work}/out.jsonl -m lab/delay-1.0-3 --jobs 3 --system 'Be brief' --no-cache"
    assert err.endswith(f"; go on with: {line} --resume\n")
    assert [row["id"] for row in results(home)] == [1, 2, 3]
    assert (paced.counts.requests, paced.counts.dropped) == (3, 0)
    assert names(home) == ["in.jsonl", "out.jsonl"]
    async with Store(home.data / "stretto.db") as store:
        assert [run.outcome for run in await RunHistory(store).list()] == ["cancelled"]


def whole_lines(path: Path) -> set[str]:
    return {line for line in path.read_text().splitlines(keepends=True) if line.endswith("\n")} if path.exists() else set()


async def lines_of(path: Path, count: int, *more: Path) -> None:
    """Wait until there are ``count`` different lines in the files together."""
    async with asyncio.timeout(30):
        while len(set().union(*map(whole_lines, (path, *more)))) < count:  # noqa: ASYNC110  # another process' files
            await asyncio.sleep(0.02)


async def test_a_second_signal_stops_what_is_in_flight_and_loses_nothing_that_was_done(home: Home) -> None:
    async with PacedServer(rules=[("question 0", "delay-600")]) as server:
        home.endpoint(server.base_url)
        file = given(home, *prompts(5))
        with home.start("batch", file, "-o", "out.jsonl", "-m", "lab/paced-3-0", "-j", "2", "--no-cache") as process:
            assert process.stderr is not None
            await lines_of(home.work / "out.jsonl.partial", 4)
            process.send_signal(signal.SIGINT)
            assert "1 in flight may finish" in await asyncio.to_thread(process.stderr.readline)
            process.send_signal(signal.SIGINT)
            _, err = await asyncio.to_thread(process.communicate, timeout=30)
        assert process.returncode == 130
        assert "1 of 5 not done" in err
        assert results(home) == []
        assert sorted(row["id"] for row in results(home, "out.jsonl.partial")) == [2, 3, 4, 5]
        await server.until(lambda: server.counts.dropped == 1)


async def test_a_signal_is_heard_while_standard_input_gives_nothing(home: Home, paced: PacedServer) -> None:
    with home.start("batch", "-", "-o", "out.jsonl", "-m", "lab/paced-3-0", stdin=-1) as process:
        assert process.stdin is not None
        process.stdin.write('{"prompt": "x"}\n')
        process.stdin.flush()
        await paced.until(lambda: paced.counts.requests == 1 and paced.counts.in_flight == 0)
        process.send_signal(signal.SIGINT)
        assert await asyncio.to_thread(process.wait, 20) == 130
        process.stdin.close()
    assert len(results(home)) == 1


async def test_a_full_disk_ends_it_with_one_line(home: Home, paced: PacedServer) -> None:
    # Standard output is the one file that a test can make full.
    with open("/dev/full", "w") as full:  # noqa: PTH123, ASYNC230  # a device
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tui.main", "batch", given(home, *prompts(3)), "-o", "-", "-m", "lab/paced-3-0"),
            stdout=full,
            stderr=-1,
            env=home.environ(),
            cwd=home.work,
        )
        _, err = await process.communicate()
    assert process.returncode == 1
    assert "cannot be written: No space left on device" in err.decode()
    assert "Traceback" not in err.decode()
