from __future__ import annotations

import asyncio
import signal
import subprocess
from typing import TYPE_CHECKING

import msgspec
import pytest

from agents.events import AnyEvent, RunEnded, RunStarted, Saved, StepEnded, Text
from agents.requests import Chat, Message
from storage.history import RunHistory
from storage.store import Store
from tests.servers.faults import TEXT
from tests.servers.paced import PacedServer, words
from tests.tui.commands.process import SECRET

if TYPE_CHECKING:
    from storage.records import RunRow
    from tests.servers.faults import FaultServer
    from tests.tui.commands.process import Home


def answer(tokens: int) -> str:
    return "".join(words(tokens)).rstrip("\n") + "\n"


def events(lines: str) -> list[AnyEvent]:
    return [msgspec.json.decode(line, type=AnyEvent) for line in lines.splitlines()]


async def kept(home: Home) -> tuple[RunRow, list[str]]:
    async with Store(home.data / "stretto.db") as store:
        history = RunHistory(store)
        run = (await history.list(1))[0]
        return run, [step.text for step in await history.steps(run.id)]


async def test_only_the_answer_is_on_standard_output(home: Home, paced: PacedServer) -> None:
    home.config.write_text(f"{home.config.read_text()}[defaults]\nmodels = ['lab/paced-7-0', 'lab/delay-9']\nmax_tokens = 11\n")
    done = await asyncio.to_thread(
        home.run, "run", "Sum up", "--system", "Be brief", "--temperature", "0.5", given="the material\n"
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, answer(7), "")
    assert paced.counts.requests == 1
    run, texts = await kept(home)
    chat = msgspec.json.decode(run.request, type=Chat)
    assert (chat.lanes[0].system, chat.lanes[0].messages) == ("Be brief", (Message("user", "Sum up\n\nthe material"),))
    assert (run.outcome, texts) == ("done", ["".join(words(7))])
    asked = paced.requests[-1].json()
    assert (asked["max_tokens"], asked["temperature"]) == (11, 0.5)
    assert asked["messages"][0] == {"role": "system", "content": "Be brief"}  # type: ignore[index]  # a request


async def test_a_budget_stops_the_answer_keeps_its_text_and_says_so(home: Home, paced: PacedServer) -> None:
    home.config.write_text(f"{home.config.read_text()}price = {{ input = 0.0, output = 1000.0 }}\n")
    done = await asyncio.to_thread(home.run, "run", "Sing", "-m", "lab/paced-4000-200", "--budget", "0.0205")
    assert done.returncode == 1
    assert 0 < len(done.stdout) < 400
    assert "budget of 0.0205 is used up" in done.stderr
    assert "Traceback" not in done.stderr
    run, (text,) = await kept(home)
    assert msgspec.json.decode(run.request, type=Chat).budget == 0.0205
    assert done.stdout.startswith(text)
    assert text


@pytest.mark.parametrize("amount", ["0", "-1", "inf", "nan", "much"])
def test_a_budget_is_an_amount_above_nothing(home: Home, amount: str) -> None:
    done = home.run("run", "Sing", "--budget", amount)
    assert done.returncode == 2
    assert "is not an amount above 0" in done.stderr


async def test_several_models_run_at_once_and_are_printed_in_their_order(home: Home, paced: PacedServer) -> None:
    models = ("-m", "lab/delay-0.6-3", "-m", "lab/delay-0.6-4,max_tokens=9", "-m", "nosuch/x")
    done = await asyncio.to_thread(home.run, "run", "hi", *models, "--max-tokens", "5")
    first, second = "# lab/delay-0.6-3,max_tokens=5", "# lab/delay-0.6-4,max_tokens=9"
    assert done.stdout == f"{first}\n\n{answer(3)}\n{second}\n\n{answer(4)}\n# nosuch/x,max_tokens=5\n\n"
    assert done.returncode == 1
    assert done.stderr.startswith("stretto: nosuch/x,max_tokens=5: there is no endpoint 'nosuch'")
    assert done.stderr.count("\n") == 1
    assert paced.counts.peak_in_flight == 2


async def test_json_is_one_event_a_line_and_ends_with_saved(home: Home, paced: PacedServer) -> None:
    line = ("run", "hi", "-m", "lab/paced-30-100", "--json")
    done = await asyncio.to_thread(home.run, *line)
    told = events(done.stdout)
    assert isinstance(told[0], RunStarted)
    assert isinstance(told[-1], Saved)
    assert (told[-1].step, told[-1].error) == (None, None)
    assert "".join(event.text for event in told if isinstance(event, Text)) == "".join(words(30))
    again = events((await asyncio.to_thread(home.run, *line)).stdout)
    assert [event.cached for event in again if isinstance(event, StepEnded)] == [True]
    assert paced.counts.requests == 1
    shown = await asyncio.to_thread(home.run, "runs", "show", "last", "--json")
    assert any(isinstance(event, RunEnded) for event in events(shown.stdout))


async def test_a_dead_endpoint_is_one_line_and_the_run_is_kept(home: Home) -> None:
    async with PacedServer() as server:
        home.endpoint(server.base_url, "dead")
        address = f"127.0.0.1:{server.port}"
    message = await asyncio.to_thread(home.fault, "run", "hi", "-m", "dead/m")
    assert message.startswith("stretto: dead/m: ")
    assert address in message
    run, _ = await kept(home)
    assert (run.outcome, run.title) == ("failed", "hi")


async def test_a_key_that_is_refused_is_a_line_that_does_not_show_it(home: Home, faults: FaultServer) -> None:
    models = ("status-401", "secret-echoed")
    line = [part for model in models for part in ("-m", f"bad/{model}")]
    done = await asyncio.to_thread(home.run, "run", "hi", *line, BAD_KEY=SECRET)
    assert done.returncode == 1
    assert [text.split(": ")[:2] for text in done.stderr.splitlines()] == [["stretto", f"bad/{model}"] for model in models]
    assert SECRET[-6:] not in done.stderr + done.stdout
    assert {request.headers["authorization"] for request in faults.requests} == {f"Bearer {SECRET}"}


async def test_a_key_that_is_not_set_is_one_line_that_names_the_variable(home: Home, faults: FaultServer) -> None:
    assert "BAD_KEY" in await asyncio.to_thread(home.fault, "run", "hi", "-m", "bad/no-done")
    assert faults.counts.requests == 0


async def test_an_answer_that_is_cut_is_printed_and_said_to_be_cut(home: Home, faults: FaultServer) -> None:
    done = await asyncio.to_thread(home.run, "run", "hi", "-m", "bad/fin-mid-chunked", BAD_KEY=SECRET)
    assert (done.returncode, done.stdout) == (1, f"{TEXT}\n")
    assert done.stderr.startswith("stretto: bad/fin-mid-chunked: ")
    assert done.stderr.count("\n") == 1
    run, texts = await kept(home)
    assert (run.outcome, texts) == ("cut", [TEXT])


async def ended(home: Home) -> None:
    async with asyncio.timeout(30), Store(home.data / "stretto.db") as store:
        while (await RunHistory(store).list(1))[0].outcome is None:  # noqa: ASYNC110  # another process writes it
            await asyncio.sleep(0.1)


def first_line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline()


def to_the_end(process: subprocess.Popen[str]) -> tuple[str, str]:
    # Not communicate(): it would pass over what readline() has buffered.
    assert process.stdout is not None
    assert process.stderr is not None
    out = "" if process.stdout.closed else process.stdout.read()
    err = process.stderr.read()
    process.wait(20)
    return out, err


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
async def test_a_signal_stops_the_answer_and_keeps_what_came(home: Home, paced: PacedServer, number: int, code: int) -> None:
    with home.start("run", "hi", "-m", "lab/paced-2000-100") as process:
        begun = await asyncio.to_thread(first_line, process)
        process.send_signal(number)
        out, err = await asyncio.to_thread(to_the_end, process)
    assert process.returncode == code
    run, texts = await kept(home)
    assert err == f"stretto: stopped; what came so far is kept: stretto runs show {run.id}\n"
    assert run.outcome == "cancelled"
    assert begun + out == texts[0].rstrip("\n") + "\n"
    await paced.until(lambda: paced.counts.open == 0)
    assert paced.counts.dropped == 1


async def test_a_reader_that_goes_away_ends_the_run_quietly(home: Home, paced: PacedServer) -> None:
    with home.start("run", "hi", "-m", "lab/paced-2000-100") as process:
        await asyncio.to_thread(first_line, process)
        assert process.stdout is not None
        process.stdout.close()
        _, err = await asyncio.to_thread(to_the_end, process)
    assert (process.returncode, err) == (141, "")
    run, texts = await kept(home)
    assert run.outcome == "cancelled"
    assert texts[0]


async def test_a_reader_that_is_slow_does_not_hold_up_the_run(home: Home, paced: PacedServer) -> None:
    tokens = 40_000  # more than a pipe and the buffers before it hold
    with home.start("run", "hi", "-m", f"lab/paced-{tokens}-0") as process:
        begun = await asyncio.to_thread(first_line, process)
        # Nothing is read from here on; the run's end comes to the disk all the same.
        await ended(home)
        out, err = await asyncio.to_thread(to_the_end, process)
    assert (process.returncode, err) == (0, "")
    assert begun + out == answer(tokens)
