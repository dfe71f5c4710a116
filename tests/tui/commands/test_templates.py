from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

import msgspec

from tests.agents.test_attachments import PNG

if TYPE_CHECKING:
    from tests.servers.paced import PacedServer
    from tests.tui.commands.process import Home

LETTER = """
description = "A letter"
prompt = "Write to $who."
system = "You are $voice."
model = "lab/other"

[params]
temperature = 0.25
seed = 7
max_tokens = 33

[variables]
voice = "a clerk"
"""


def saved(home: Home, name: str, text: str) -> None:
    folder = home.config.parent / "templates"
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(text)


def asked(server: PacedServer) -> dict[str, Any]:
    return msgspec.json.decode(server.requests[-1].body, type=dict[str, Any])


async def run(home: Home, *arguments: str, given: str | None = None) -> tuple[int, str, str]:
    import asyncio

    done = await asyncio.to_thread(home.run, *arguments, given=given)
    return done.returncode, done.stdout, done.stderr


async def test_a_template_is_filled_in_and_says_who_is_asked_and_how(home: Home, paced: PacedServer) -> None:
    saved(home, "letter.toml", LETTER)
    code, out, err = await run(home, "run", "-t", "letter", "-p", "who=Ada = Lovelace", given="Be short.\n")
    assert (code, err) == (0, "")
    assert out
    body = asked(paced)
    assert body["model"] == "other"
    assert (body["temperature"], body["seed"], body["max_tokens"]) == (0.25, 7, 33)
    assert body["messages"] == [
        {"role": "system", "content": "You are a clerk."},
        {"role": "user", "content": "Write to Ada = Lovelace.\n\nBe short."},
    ]


async def test_flags_win_over_a_template(home: Home, paced: PacedServer) -> None:
    saved(home, "letter.toml", LETTER)
    flags = ("-m", "lab/mine", "--system", "Mine.", "--temperature", "1", "--max-tokens", "5")
    code, _, _ = await run(home, "run", "-t", "letter", "-p", "who=Ada", *flags)
    assert code == 0
    body = asked(paced)
    assert (body["model"], body["temperature"], body["max_tokens"]) == ("mine", 1.0, 5)
    assert body["messages"][0] == {"role": "system", "content": "Mine."}


async def test_a_template_of_the_llm_tool_by_path_says_what_of_it_is_not_used(home: Home, paced: PacedServer) -> None:
    (home.work / "sum.yaml").write_text("model: gpt-4o-mini\nprompt: 'Summarize: $input'\nextract: true\n")
    code, _, err = await run(home, "run", "-t", "sum.yaml", "A text.", "-m", "lab/m")
    assert code == 0
    assert "code blocks are not extracted" in err
    assert asked(paced)["messages"] == [{"role": "user", "content": "Summarize: A text."}]


async def test_files_go_with_a_prompt(home: Home, paced: PacedServer) -> None:
    (home.work / "pixel.png").write_bytes(PNG)
    (home.work / "notes.txt").write_text("three notes\n")
    code, _, err = await run(home, "run", "Look at @notes.txt.", "-m", "lab/m", "-a", "pixel.png", "-a", "notes.txt")
    assert (code, err) == (0, "")
    (message,) = asked(paced)["messages"]
    look, notes, image = message["content"]
    assert look["text"] == "Look at @notes.txt."
    assert notes["text"] == "File notes.txt:\n```\nthree notes\n```"
    assert image["image_url"]["url"] == f"data:image/png;base64,{base64.b64encode(PNG).decode()}"


async def test_an_at_sign_alone_reads_no_file_on_the_command_line(home: Home, paced: PacedServer) -> None:
    (home.work / "secret.txt").write_text("the secret")
    code, _, _ = await run(home, "run", "What of @secret.txt?", "-m", "lab/m")
    assert code == 0
    assert "the secret" not in paced.requests[-1].body.decode()


def test_what_cannot_be_used_is_said_in_one_line(home: Home) -> None:
    home.endpoint("http://127.0.0.1:9/v1")
    saved(home, "letter.toml", LETTER)
    saved(home, "bad.yaml", "prompt: [")
    (home.work / "tool").write_bytes(b"\x7fELF\0\0")
    assert "letter needs who: add -p who=…" in home.fault("run", "-t", "letter", "x")
    assert "has no variable 'whom'" in home.fault("run", "-t", "letter", "-p", "whom=x", "x")
    assert "there is no template 'lettre'" in home.fault("run", "-t", "lettre", "x")
    assert "bad.yaml, line 1: it is not YAML" in home.fault("run", "-t", "bad", "x")
    assert "name the template with -t" in home.fault("run", "-p", "a=b", "x")
    assert "is not KEY=VALUE" in home.fault("run", "-t", "letter", "-p", "who", "x", code=2)
    assert "neither UTF-8 text nor" in home.fault("run", "x", "-m", "lab/m", "-a", "tool")
    assert "does not exist" in home.fault("run", "x", "-m", "lab/m", "-a", "none.png")


def test_templates_are_listed_shown_and_found(home: Home) -> None:
    folder = home.config.parent / "templates"
    empty = home.run("templates")
    assert (empty.returncode, empty.stdout) == (0, "")
    assert str(folder) in empty.stderr
    saved(home, "letter.toml", LETTER)
    saved(home, "bad.yaml", "prompt: [")
    listed = home.run("templates", "list")
    assert listed.returncode == 1
    assert listed.stdout == "letter  A letter\n"
    assert "bad.yaml, line 1" in listed.stderr
    shown = home.run("templates", "show", "letter").stdout
    assert all(
        line in shown for line in ("variable: who\n", "variable: voice = a clerk\n", "temperature: 0.25\n", "Write to $who.")
    )
    assert home.run("templates", "path").stdout == f"{folder}\n"
    assert "show takes the name" in home.fault("templates", "show", code=2)
