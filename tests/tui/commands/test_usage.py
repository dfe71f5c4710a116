from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.tui.commands.process import ROOT, Home
from tui.main import COMMANDS, main

_BELOW = [
    "agent research",
    "agent list",
    "cache clear",
    "library add",
    "library list",
    "library remove",
    "library refresh",
    "runs list",
    "runs show",
]
_HEAVY = {"textual", "openai", "numpy", "aiosqlite", "rich", "httpx2", "xllamacpp", "trafilatura", "pypdf", "psutil", "sqlite3"}


@pytest.mark.parametrize("name", ["", *COMMANDS, *_BELOW])
def test_every_help_teaches_by_example(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*name.split(), "--help"]) == 0
    out = capsys.readouterr().out
    examples = out.partition("\nExamples:\n")[2]
    assert f"stretto {name}".rstrip() in examples
    assert max(map(len, out.splitlines())) <= 110


def test_the_general_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    main(["--help"])
    out = capsys.readouterr().out
    assert all(f"\n  {name} " in out for name in COMMANDS)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("rnu hello", "unknown command 'rnu'; did you mean run?"),
        ("--modle x/y", "unrecognized arguments"),
        ("", "the dashboard needs a terminal"),
        ("run hello --max-tokens 0", "is not a whole number of at least 1"),
        ("run hello --temperature warm", "is not a number from 0 to 5"),
        ("run hello -m nonsense", "is not a model's name"),
        ("run hello -m lab/m,temprature=1", "did you mean 'temperature'?"),
        ("ask", "the following arguments are required: QUESTION"),
        ("ask why --source vektor", "invalid choice: 'vektor'"),
        ("agent", "required"),
        ("agent resarch x y", "invalid choice: 'resarch'"),
        ("agent research task", "required: PLACE"),
        ("library", "required"),
        ("library add", "required: PATH|URL"),
        ("library remove", "name places to remove, or give --all"),
        ("library remove x --all", "name places to remove, or give --all"),
        ("runs show", "required: RUN"),
        ("models extra", "unrecognized arguments: extra"),
    ],
)
def test_wrong_usage_is_one_line_and_code_2(line: str, expected: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(line.split()) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("stretto")
    assert captured.err.count("\n") == 1
    assert expected in captured.err


def test_a_usage_error_shows_no_control_codes(capsys: pytest.CaptureFixture[str]) -> None:
    main(["run", "x", "-m", "\x1b]0;title\x07\nno"])
    assert "\x1b" not in capsys.readouterr().err


@pytest.mark.parametrize("line", ["--help", "--version", "paths", "run --help", "ask --help", "library add --help", "nonsense"])
def test_what_needs_no_engine_imports_nothing_heavy(line: str, home: Home) -> None:
    code = "import sys; from tui.main import main; main(sys.argv[1:]); print('LOADED', *sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code, *line.split()], capture_output=True, text=True, check=True, cwd=ROOT, env=home.environ()
    )
    loaded = set(done.stdout.rpartition("LOADED ")[2].split())
    assert "tui.main" in loaded
    assert not loaded & _HEAVY


def test_paths_follow_the_environment(home: Home) -> None:
    done = home.run("paths")
    assert done.returncode == 0
    assert str(home.config) in done.stdout
    assert str(home.data / "stretto.db") in done.stdout
    assert not home.data.exists()


@pytest.mark.parametrize("line", ["paths", "gpu --json", "--version"])
def test_output_that_cannot_be_written_is_one_line(line: str, home: Home) -> None:
    with Path("/dev/full").open("w") as full:
        command = [sys.executable, "-m", "tui.main", *line.split()]
        env = home.environ()
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False, env=env)
    assert (done.returncode, done.stderr) == (1, "stretto: standard output cannot be written: No space left on device\n")


def test_the_version_is_the_distributions(home: Home) -> None:
    assert home.run("--version").stdout.startswith("stretto 0.")


@pytest.mark.parametrize("line", ["run hello", "ask hello", "models", "runs list", "library list", "agent research task http://x"])
def test_a_broken_configuration_is_one_line(line: str, home: Home) -> None:
    home.config.write_text("[defaults]\nmax_tokens = 'many'\n")
    message = home.fault(*line.split())
    assert message == f"stretto: {home.config}: defaults.max_tokens must be a whole number, not text"


def test_an_untrusted_project_is_one_line(home: Home) -> None:
    (home.work / "stretto.toml").write_text(
        '[endpoints.evil]\nbase_url = "http://evil.example/v1"\napi_key_env = "OPENAI_API_KEY"\n'
    )
    assert "a project's file may not send a key to another machine" in home.fault("models", OPENAI_API_KEY="sk-CANARY-5f1e")


@pytest.mark.parametrize("line", ["ask why nosuch.md", "agent research task nosuch.md", "library add nosuch.md"])
def test_a_missing_file_is_one_line(line: str, home: Home) -> None:
    message = home.fault(*line.split())
    assert message.startswith("stretto: nosuch.md: there is no such file")
    assert not home.data.exists()


@pytest.mark.parametrize("line", ["ask why {}", "agent research task {}", "library add {}", "library remove {}"])
@pytest.mark.parametrize(("place", "reason"), [("x" * 300, "File name too long"), ("~nobody-here/x", "home directory")])
def test_a_name_that_no_file_can_have_is_one_line(line: str, place: str, reason: str, home: Home) -> None:
    if line.startswith("library remove") and place.startswith("x"):
        reason = "there is no library"
    assert reason in home.fault(*line.format(place).split())


def test_places_that_cannot_be_looked_at_are_said_so(home: Home) -> None:
    done = home.run("paths", STRETTO_DATA_DIR=f"/{'x' * 300}")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count("(cannot be looked at: File name too long)") == 3


def test_an_empty_prompt_is_wrong_usage(home: Home) -> None:
    assert "there is no prompt" in home.fault("run", code=2)


def test_input_that_is_no_text_is_one_line(home: Home) -> None:
    (home.work / "binary").write_bytes(b"\xff\xfe\x00")
    with (home.work / "binary").open("rb") as file, home.start("run", stdin=file.fileno()) as process:
        _, err = process.communicate(timeout=50)
    assert process.returncode == 1
    assert err == "stretto: standard input is not UTF-8 text; convert it first, for example with iconv\n"
