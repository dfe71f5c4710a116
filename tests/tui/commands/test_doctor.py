from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import pytest

from agents.locations import find_locations
from tui.commands.doctor import check_data, check_sqlite, check_terminal
from tui.commands.doctor_endpoints import Check

if TYPE_CHECKING:
    from tests.servers.faults import FaultServer
    from tests.servers.paced import PacedServer
    from tests.tui.commands.process import Home


@pytest.mark.parametrize(
    ("version", "state"),
    [
        ((3, 40, 1), "warn"),
        ((3, 44, 5), "warn"),
        ((3, 44, 6), "ok"),
        ((3, 45, 0), "warn"),
        ((3, 50, 6), "warn"),
        ((3, 50, 7), "ok"),
        ((3, 51, 2), "warn"),
        ((3, 51, 3), "ok"),
        ((3, 53, 0), "ok"),
    ],
)
def test_releases_of_sqlite_with_the_log_fault_are_warned_of(version: tuple[int, ...], state: str) -> None:
    checks = check_sqlite(version)
    assert [check.state for check in checks] == [state]
    assert ("two stretto at once work" in checks[0].message) is (state == "warn")


def _data(folder: Path) -> dict[str, str]:
    locations = find_locations({"STRETTO_CONFIG": "/nowhere/config.toml", "STRETTO_DATA_DIR": str(folder)})
    return {check.name: f"{check.state}: {check.message}" for check in check_data(locations)}


def test_the_data_folder_is_looked_at_and_not_made(tmp_path: Path) -> None:
    assert _data(tmp_path / "new" / "data")["data"].startswith("ok: ")
    assert not (tmp_path / "new").exists()
    (tmp_path / "open").mkdir(mode=0o755)
    assert "chmod 700" in _data(tmp_path / "open")["data"]
    (tmp_path / "own").mkdir(mode=0o700)
    assert _data(tmp_path / "own")["data"] == f"ok: {tmp_path / 'own'}"
    (tmp_path / "file").write_text("x")
    assert _data(tmp_path / "file")["data"].startswith("fail: ")
    assert "cannot be looked at (File name too long)" in _data(tmp_path / ("x" * 300))["data"]
    (tmp_path / "own" / "stretto.db").write_bytes(b"no database at all" * 99)
    assert _data(tmp_path / "own")["database"].startswith("fail: ")


def test_a_terminal_that_is_none_is_no_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", None)
    assert check_terminal().state == "ok"


def test_the_doctor_goes_on_after_a_broken_configuration_and_ends_with_1(home: Home) -> None:
    home.config.write_text("[defaults\n")
    done = home.run("doctor", "--offline", "--json")
    checks = [msgspec.json.decode(line, type=Check) for line in done.stdout.splitlines()]
    assert done.returncode == 1
    assert [check.name for check in checks if check.state == "fail"] == ["config"]
    assert {"Python", "SQLite", "data", "embedded", "vectors", "terminal", "GPU"} <= {check.name for check in checks}


async def test_an_endpoint_is_not_said_to_be_in_order_without_its_key_or_without_an_answer(home: Home, faults: FaultServer) -> None:
    home.endpoint(faults.base_url, "named", api_key_env="NAMED_KEY", models=["m"])
    home.endpoint("http://127.0.0.1:9/v1", "dead", models=["m"])
    home.endpoint(faults.base_url, "good", models=["m"])

    async def told(*line: str) -> list[str]:
        done = await asyncio.to_thread(home.run, "doctor", *line)
        assert done.returncode == 1
        return [
            line.partition("endpoint")[0] + line.partition("endpoint")[2].strip()
            for line in done.stdout.splitlines()
            if "endpoint " in line
        ]

    unset = "is not set: export it with the endpoint's key"
    keys = [f"fail  bad: the variable BAD_KEY {unset}", f"fail  named: the variable NAMED_KEY {unset}"]
    assert await told("--offline") == keys
    dead, good, embedded = (await told())[len(keys) :]
    assert dead.startswith("fail  dead (http://127.0.0.1:9/v1): nothing answers there within 2 s")
    assert good == f"ok    good ({faults.base_url}): 1 model"
    assert embedded.startswith("ok    embedded ")
    listed = await asyncio.to_thread(home.run, "models")
    assert listed.returncode == 1
    assert f"stretto: named: the variable NAMED_KEY {unset}" in listed.stderr.splitlines()
    assert "named/-" in listed.stdout
    assert "good/m" in listed.stdout


async def test_declared_models_are_tried_and_routes_are_told(home: Home, paced: PacedServer) -> None:
    home.endpoint(paced.base_url, "vectors", models=["m"], embedding_model="words", image_model="flux")
    home.endpoint(paced.url, "wrong", models=["m"], embedding_model="words")
    with home.config.open("a") as file:
        file.write(
            '[routes.pool]\nmembers = ["lab", "vectors"]\nfallbacks = ["openai/gpt"]\n[routes.gone]\nmembers = ["anthropic"]\n'
        )
    done = await asyncio.to_thread(home.run, "doctor")
    lines = [" ".join(line.split()) for line in done.stdout.splitlines()]
    assert done.returncode == 1
    assert f"ok endpoint lab ({paced.base_url}): 3 models" in lines
    assert "ok images vectors/flux (not among the models it lists)" in lines
    assert any(line.startswith("ok embeddings vectors/words: vectors of ") for line in lines)
    assert any(line.startswith("fail embeddings wrong/words: ") and line.endswith("wrong.embedding_model") for line in lines)
    todo = "cannot be used: configure the endpoint or set the variable of its key"
    assert f"warn route pool leads to lab, vectors, else to openai/gpt; openai/gpt {todo}" in lines
    assert f"fail route gone leads to anthropic; anthropic {todo}" in lines
    assert paced.counts.by_path["/v1/embeddings"] == 1


def test_a_sound_installation_ends_with_0(home: Home) -> None:
    done = home.run("doctor", "--offline")
    assert (done.returncode, done.stderr) == (0, "")
    assert "\x1b" not in done.stdout
