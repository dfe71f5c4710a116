from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING

import msgspec
import pytest
from textual import events

from agents.browse import Listing, list_files
from agents.requests import Params
from tests.agents.test_attachments import PNG
from tests.servers.paced import PacedServer
from tests.tui.stage import Stage, stage
from tui.prompts import Prompt
from tui.screens.queue import QueueScreen
from tui.screens.template import TemplateForm, TemplateList
from tui.widgets.prompt_bar import told

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

LETTER = """
description = "A letter in a voice"
prompt = "Write to $who."
system = "You are $voice."
params = { temperature = 0.25 }
variables = { voice = "a clerk" }
"""


@pytest.fixture
async def server() -> AsyncIterator[PacedServer]:
    async with PacedServer() as server:
        yield server


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def bodies(server: PacedServer) -> list[dict[str, object]]:
    return [msgspec.json.decode(request.body, type=dict[str, object]) for request in server.requests]


def contents(server: PacedServer) -> list[object]:
    """Return the last message of each request."""
    return [msgspec.convert(body["messages"], list[dict[str, object]])[-1]["content"] for body in bodies(server)]


async def ready(at: Stage, panes: int = 1) -> None:
    await at.until(lambda: len(at.app.dashboard.compare.answers) == panes and at.app.workspace.opened)


async def change(at: Stage, text: str) -> None:
    """Change what stands in the prompt, as by typing, and send it."""
    prompt = at.app.dashboard.prompt
    prompt.replace(text, (0, 0), prompt.document.end)
    await prompt.action_submit()
    await at.settle()


async def idle(at: Stage) -> None:
    await at.until(lambda: not at.app.workspace.engine.runs and not at.app.dashboard.compare.queue)


# History


async def test_prompts_of_an_earlier_session_come_back_with_up(tmp_path: Path, server: PacedServer) -> None:
    async with stage(tmp_path, server.base_url, "lab/a") as at:
        await ready(at)
        for text in ("the first", "the second\nof two lines"):
            await at.send(text)
            await at.until(lambda text=text: text in contents(server))  # type: ignore[misc]
        await idle(at)
        await at.until(lambda: not any(worker.description == "history" for worker in at.app.workers))
    async with stage(tmp_path, server.base_url, "lab/a") as at:
        await ready(at)
        await at.until(lambda: not any(worker.description == "history" for worker in at.app.workers))
        await at.send("now")
        await at.press("up", "up")
        assert at.app.dashboard.prompt.value == "the second\nof two lines"
        await at.press("up", "up")
        assert at.app.dashboard.prompt.value == "the first"


# Files


async def test_files_named_in_a_prompt_go_with_it_and_addresses_of_people_do_not(
    tmp_path: Path, here: Path, server: PacedServer
) -> None:
    (here / "pixel.png").write_bytes(PNG)
    (here / "example.org").write_text("never meant")
    async with stage(tmp_path, server.base_url, "lab/a") as at:
        await ready(at)
        await at.send("What is @pixel.png, me@example.org?")
        await at.until(lambda: bool(server.requests))
        (content,) = contents(server)
        assert isinstance(content, list)
        assert [part["type"] for part in content] == ["text", "image_url"]
        assert content[0]["text"] == "What is @pixel.png, me@example.org?"
        await idle(at)


async def test_a_prompt_with_a_file_that_cannot_go_is_not_sent_and_comes_back(
    tmp_path: Path, here: Path, server: PacedServer
) -> None:
    (here / "tool").write_bytes(b"\x7fELF\0")
    async with stage(tmp_path, server.base_url, "lab/a") as at:
        await ready(at)
        await at.send("Run @tool")
        await at.until(lambda: at.app.dashboard.prompt.value == "Run @tool")
        await at.until(lambda: "neither UTF-8 text nor" in " ".join(at.screen().split()))
        assert server.requests == []


async def test_prompts_are_sent_in_the_order_they_were_typed_whatever_goes_with_them(
    tmp_path: Path, here: Path, server: PacedServer
) -> None:
    (here / "notes.txt").write_text("n" * 200_000)
    async with stage(tmp_path, server.base_url, "lab/a") as at:
        await ready(at)
        await at.send("one @notes.txt")
        await at.send("two")
        await at.send("three @notes.txt")
        await at.until(lambda: len(server.requests) == 3)
        assert [str(content).partition(" ")[0].partition("\n")[0] for content in contents(server)] == ["one", "two", "three"]
        await idle(at)


async def test_stop_all_also_drops_a_prompt_whose_files_are_still_read(tmp_path: Path, here: Path, server: PacedServer) -> None:
    (here / "notes.txt").write_text("n")
    async with stage(tmp_path, server.base_url, "lab/a") as at:
        await ready(at)
        prompting, view = at.app.prompting, at.app.dashboard.compare
        prompting.send(view, Prompt("one @notes.txt"))
        prompting.send(view, Prompt("two"))
        at.app.action_stop_all()
        prompting.send(view, Prompt("three @notes.txt"))
        await at.until(lambda: len(server.requests) == 1)
        await idle(at)
        assert [str(content).partition(" ")[0] for content in contents(server)] == ["three"]


async def test_in_ask_an_at_sign_attaches_nothing(tmp_path: Path, here: Path, server: PacedServer) -> None:
    (here / "notes.txt").write_text("notes")
    async with stage(tmp_path, server.base_url, "lab/a") as at:
        await ready(at)
        await at.press("f3", *"@no")
        await at.settle()
        assert not at.app.dashboard.bar.files.display
        assert at.app.dashboard.prompt.value == "@no"


async def test_an_at_sign_offers_files_which_arrows_and_enter_choose(tmp_path: Path, here: Path, server: PacedServer) -> None:
    (here / "src").mkdir()
    (here / ".git").mkdir()
    (here / ".gitignore").write_text("*.log\n")
    for name in ("src/main.py", "src/my main.txt", "main.log", ".git/main", "other.py", "mail.txt"):
        (here / name).write_text("x")
    async with stage(tmp_path, server.base_url, "lab/a") as at:
        await ready(at)
        prompt, files = at.app.dashboard.prompt, at.app.dashboard.bar.files
        await at.press(*"see @mai")
        await at.until(lambda: files.display and "src/main.py" in at.text_of(files))
        shown = at.text_of(files)
        assert "main.log" not in shown
        assert ".git" not in shown
        assert at.app.screen.region.contains_region(files.region)
        assert files.region.bottom <= prompt.region.y
        await at.press("down", "down", "up", "enter")
        assert prompt.value in {"see @src/main.py ", "see @mail.txt "}
        assert not files.display
        await at.press("@", "m")
        await at.until(lambda: "my main" in at.text_of(files))
        await at.press("y", "tab")
        assert prompt.value.endswith('@"src/my main.txt" ')
        assert prompt.has_focus
        assert server.requests == []


async def test_files_are_listed_once_however_much_is_typed_meanwhile(
    tmp_path: Path, here: Path, server: PacedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    (here / "mail.txt").write_text("x")
    listed: list[str] = []
    typed = threading.Event()

    def slowly(root: str) -> Listing:
        listed.append(root)
        typed.wait(20)
        return list_files(root)

    monkeypatch.setattr("tui.widgets.file_picker.list_files", slowly)
    async with stage(tmp_path, server.base_url, "lab/a") as at:
        await ready(at)
        await at.press(*"@mail")
        typed.set()
        await at.until(lambda: "mail.txt" in at.text_of(at.app.dashboard.bar.files))
        assert len(listed) == 1


async def test_escape_closes_the_files_and_enter_sends_a_name_that_is_typed_whole(
    tmp_path: Path, here: Path, server: PacedServer
) -> None:
    (here / "mail.txt").write_text("x")
    async with stage(tmp_path, server.base_url, "lab/a") as at:
        await ready(at)
        prompt, files = at.app.dashboard.prompt, at.app.dashboard.bar.files
        await at.press(*"@mai")
        await at.until(lambda: bool(files.display))
        await at.press("escape", "l")
        await at.settle()
        assert not files.display
        prompt.value = ""
        await at.settle()
        await at.press(*"@mail.txt")
        await at.until(lambda: bool(files.display))
        await at.press("enter")
        await at.until(lambda: len(server.requests) == 1)
        assert "File mail.txt" in str(contents(server)[0])
        await idle(at)


# What waits


async def test_what_waits_stands_over_the_prompt_and_can_be_changed_dropped_and_moved(tmp_path: Path, server: PacedServer) -> None:
    async with stage(tmp_path, server.base_url, "lab/paced-4000-50") as at:
        await ready(at)
        strip = at.app.dashboard.bar.waiting
        assert not strip.display
        await at.send("go")
        await at.until(lambda: bool(server.requests))
        for text in ("first", "second", "third"):
            await at.send(text)
        await at.until(lambda: "3 waiting" in at.text_of(strip))
        assert "first" in at.text_of(strip)
        at.app.dashboard.prompt.value = "a draft"
        at.app.action_queue()
        await at.until(lambda: isinstance(at.app.screen, QueueScreen) and "third" in at.screen())
        await at.press("down", "u")
        queue = at.app.dashboard.compare.queue
        assert [prompt.text for prompt in queue] == ["second", "first", "third"]
        await at.press("down", "d")
        assert [prompt.text for prompt in queue] == ["second", "third"]
        await at.press("enter")  # the mark is on what took the dropped one's place
        await at.until(lambda: at.app.screen is at.app.dashboard)
        assert at.app.dashboard.prompt.value == "third"
        assert [prompt.text for prompt in queue] == ["second"]
        await at.press("up")
        assert at.app.dashboard.prompt.value == "a draft"
        await at.press("f9")
        await at.until(lambda: not strip.display)


async def test_what_goes_with_a_prompt_that_is_taken_back_goes_with_it_again(
    tmp_path: Path, here: Path, server: PacedServer
) -> None:
    (here / "notes.txt").write_text("my notes")
    async with stage(tmp_path, server.base_url, "lab/paced-4000-50", "lab/b") as at:
        await ready(at, 2)
        view, bar = at.app.dashboard.compare, at.app.dashboard.bar
        await at.send("go")
        await at.until(lambda: len(server.requests) == 2)
        key = view.answers[0].key
        wanted = Prompt("sum up @notes.txt", system="Be brief.", params=Params(temperature=0.5), panes=(key,))
        at.app.prompting.send(view, wanted)
        await at.until(lambda: "sum up @notes.txt for 1 paced-4000-50" in at.text_of(bar.waiting))
        (here / "notes.txt").unlink()
        for again in ("sum up @notes.txt at last", "sum up"):
            at.app.action_queue()
            await at.until(lambda: isinstance(at.app.screen, QueueScreen))
            await at.press("enter")
            told_of = "goes with it: to 1 paced-4000-50, a system prompt, temperature 0.5, a stored file"
            await at.until(lambda told_of=told_of: told_of in at.text_of(bar))  # type: ignore[misc]
            assert not view.queue
            await change(at, again)
            await at.until(lambda: len(view.queue) == 1)
            (prompt,) = view.queue
            assert (prompt.text, prompt.system, prompt.panes) == (again, "Be brief.", (key,))
            assert prompt.params == Params(temperature=0.5)
            assert [each.name for each in prompt.attachments] == ["notes.txt"] * ("@" in again)
            await at.until(lambda: "goes with it" not in at.text_of(bar))
        await at.press("f9")


async def test_a_prompt_that_waits_to_take_the_place_of_another_still_does_so_when_taken_back(
    tmp_path: Path, server: PacedServer
) -> None:
    async with stage(tmp_path, server.base_url, "lab/a") as at:
        await ready(at)
        view = at.app.dashboard.compare
        await at.send("first")
        await idle(at)
        back = view.taken_back(Prompt("first", panes=(view.answers[0].key,), replaces=True, use_cache=False))
        at.app.dashboard.prompt.bring_back(back)
        await change(at, "changed")
        await at.until(lambda: len(server.requests) == 2)
        await idle(at)
        assert bodies(server)[1]["messages"] == [{"role": "user", "content": "changed"}]
        assert [turn.prompt.text for turn in view.answers[0].turns] == ["changed"]


async def test_clearing_the_prompt_lets_go_of_what_went_with_it(tmp_path: Path, server: PacedServer) -> None:
    async with stage(tmp_path, server.base_url, "lab/a") as at:
        await ready(at)
        bar = at.app.dashboard.bar
        bar.prompt.bring_back(Prompt("text", system="Be brief."))
        await at.until(lambda: "goes with it: a system prompt" in at.text_of(bar))
        await at.press("ctrl+u")
        await at.until(lambda: "goes with it" not in at.text_of(bar))
        await at.send("plain")
        await at.until(lambda: len(server.requests) == 1)
        assert bodies(server)[0]["messages"] == [{"role": "user", "content": "plain"}]
        await idle(at)


async def test_a_changed_prompt_keeps_the_files_it_was_sent_with(tmp_path: Path, here: Path, server: PacedServer) -> None:
    (here / "notes.txt").write_text("my notes")
    async with stage(tmp_path, server.base_url, "lab/a") as at:
        await ready(at)
        await at.send("sum up @notes.txt")
        await at.until(lambda: len(server.requests) == 1)
        await idle(at)
        (here / "notes.txt").unlink()
        await at.app.action_act("edit")
        await at.until(lambda: at.app.dashboard.prompt.value == "sum up @notes.txt")
        await change(at, "sum up @notes.txt, please")
        await at.until(lambda: len(server.requests) == 2)
        assert "my notes" in str(contents(server)[1])
        await idle(at)


async def test_a_mistyped_files_name_is_named_and_the_prompt_sent_as_text(tmp_path: Path, here: Path, server: PacedServer) -> None:
    async with stage(tmp_path, server.base_url, "lab/a") as at:
        await ready(at)
        await at.send("sum up @nosuch.txt, @anna")
        await at.until(lambda: "@nosuch.txt: no such file" in " ".join(at.screen().split()))
        await at.until(lambda: contents(server) == ["sum up @nosuch.txt, @anna"])
        assert "@anna:" not in at.screen()
        await idle(at)


async def test_a_key_behind_an_arrow_acts_on_the_prompt_that_the_arrow_went_to(tmp_path: Path, server: PacedServer) -> None:
    async with stage(tmp_path, server.base_url, "lab/paced-4000-50") as at:
        await ready(at)
        await at.send("go")
        await at.until(lambda: bool(server.requests))
        queue = at.app.dashboard.compare.queue
        for text in ("first", "second", "third"):
            await at.send(text)
        await at.until(lambda: len(queue) == 3)
        at.app.action_queue()
        await at.until(lambda: isinstance(at.app.screen, QueueScreen) and "third" in at.screen())
        for key in ("down", "delete"):
            at.app.post_message(events.Key(key, None))
        await at.until(lambda: len(queue) == 2)
        assert [prompt.text for prompt in queue] == ["first", "third"]


# Templates


async def test_a_template_is_found_filled_in_and_sent(tmp_path: Path, server: PacedServer) -> None:
    (tmp_path / "templates").mkdir()
    (tmp_path / "templates" / "letter.toml").write_text(LETTER)
    (tmp_path / "templates" / "other.yaml").write_text("prompt: other")
    (tmp_path / "templates" / "bad.yaml").write_text("prompt: [")
    async with stage(tmp_path, server.base_url, "lab/a") as at:
        await ready(at)
        at.app.dashboard.prompt.value = "P.S. short"
        at.app.action_template()
        await at.until(lambda: isinstance(at.app.screen, TemplateList) and "bad.yaml, line 1" in at.screen())
        await at.press(*"voice")
        await at.until(lambda: "other" not in at.screen())
        await at.press("enter")
        await at.until(lambda: isinstance(at.app.screen, TemplateForm) and "⟨who⟩" in at.screen())
        await at.press("ctrl+s")
        await at.until(lambda: "letter needs who" in at.screen())
        await at.press(*"Ada")
        await at.until(lambda: "Write to Ada." in at.screen())
        await at.press("ctrl+s")
        await at.until(lambda: len(server.requests) == 1)
        (body,) = bodies(server)
        assert body["temperature"] == 0.25
        assert body["messages"] == [
            {"role": "system", "content": "You are a clerk."},
            {"role": "user", "content": "Write to Ada.\n\nP.S. short"},
        ]
        assert at.app.dashboard.prompt.value == ""
        await idle(at)


async def test_a_templates_own_words_attach_no_files_but_what_is_typed_into_it_does(
    tmp_path: Path, here: Path, server: PacedServer
) -> None:
    (here / "secret.txt").write_text("the secret")
    (here / "mine.txt").write_text("my notes")
    (tmp_path / "templates").mkdir()
    (tmp_path / "templates" / "sly.toml").write_text(
        'prompt = "Sum up @secret.txt $what $more"\nvariables = { more = "@secret.txt" }'
    )
    async with stage(tmp_path, server.base_url, "lab/a") as at:
        await ready(at)
        at.app.action_template()
        await at.until(lambda: isinstance(at.app.screen, TemplateList) and "sly" in at.screen())
        await at.press("enter")
        await at.until(lambda: isinstance(at.app.screen, TemplateForm))
        await at.press(*"@mine.txt", "ctrl+s")
        await at.until(lambda: len(server.requests) == 1)
        assert "my notes" in str(contents(server)[0])
        assert "the secret" not in str(contents(server)[0])
        await idle(at)


async def test_a_filled_in_template_can_be_put_into_the_prompt_instead(tmp_path: Path, server: PacedServer) -> None:
    (tmp_path / "templates").mkdir()
    (tmp_path / "templates" / "letter.toml").write_text(LETTER)
    async with stage(tmp_path, server.base_url, "lab/a") as at:
        await ready(at)
        at.app.action_template()
        await at.until(lambda: isinstance(at.app.screen, TemplateList) and "letter" in at.screen())
        await at.press("enter")
        await at.until(lambda: isinstance(at.app.screen, TemplateForm))
        await at.press(*"Ada", "ctrl+e")
        await at.until(lambda: at.app.screen is at.app.dashboard)
        assert at.app.dashboard.prompt.value == "Write to Ada."
        assert server.requests == []


# The estimate and the editor


@pytest.mark.parametrize(
    ("tokens", "shown"),
    [(0, ""), (7, "≈ 7 tok"), (999, "≈ 999 tok"), (1240, "≈ 1.2k tok"), (99_949, "≈ 99.9k tok"), (250_000, "≈ 250k tok")],
)
def test_an_estimate_says_that_it_is_one(tokens: int, shown: str) -> None:
    assert told(tokens) == shown


async def test_the_estimate_follows_what_is_typed(tmp_path: Path, server: PacedServer) -> None:
    async with stage(tmp_path, server.base_url, "lab/a") as at:
        await ready(at)
        assert "tok " not in at.text_of(at.app.dashboard.bar)
        await at.press(*"four words of text")
        await at.until(lambda: "≈ 5 tok" in at.text_of(at.app.dashboard.bar))
        await at.press("ctrl+u")
        await at.until(lambda: "≈" not in at.text_of(at.app.dashboard.bar))


async def test_the_estimate_counts_the_files_that_go_with_it(tmp_path: Path, here: Path, server: PacedServer) -> None:
    (here / "notes.txt").write_text("n" * 4000)
    (here / "pixel.png").write_bytes(PNG)
    async with stage(tmp_path, server.base_url, "lab/a") as at:
        await ready(at)
        at.app.dashboard.prompt.value = "see @notes.txt"
        await at.until(lambda: "≈ 1.0k tok" in at.text_of(at.app.dashboard.bar))
        at.app.dashboard.prompt.value = "see @notes.txt @pixel.png"
        await at.until(lambda: "≈ 1.0k tok + 1 image" in at.text_of(at.app.dashboard.bar))


async def test_without_an_editor_or_a_terminal_for_it_one_line_says_so(
    tmp_path: Path, server: PacedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("VISUAL", "EDITOR"):
        monkeypatch.delenv(name, raising=False)
    async with stage(tmp_path, server.base_url, "lab/a") as at:
        await ready(at)
        at.app.dashboard.prompt.value = "kept"
        at.app.action_editor()
        await at.until(lambda: "no editor is set" in at.screen())
        monkeypatch.setenv("EDITOR", "true")
        at.app.action_editor()
        await at.until(lambda: "needs a terminal of its own" in " ".join(at.screen().split()))
        assert at.app.dashboard.prompt.value == "kept"


@pytest.mark.parametrize("size", [(20, 10), (40, 16), (80, 24), (200, 50)])
async def test_nothing_around_the_prompt_overlaps_at_any_size(tmp_path: Path, server: PacedServer, size: tuple[int, int]) -> None:
    async with stage(tmp_path, server.base_url, "lab/paced-4000-50", size=size) as at:
        await ready(at)
        for text in ("go", "first", "second"):
            await at.send(text)
        at.app.dashboard.prompt.value = "\n".join(["a line of some words"] * 20)
        await at.settle()
        await at.until(lambda: at.app.dashboard.bar.waiting.display)
        dashboard = at.app.dashboard
        await at.until(lambda: dashboard.prompt.region.height <= max(size[1] // 3, 1))
        regions = [dashboard.bar.waiting.region, dashboard.prompt.region, dashboard.status.region, dashboard.view.region]
        assert all(dashboard.region.contains_region(region) for region in regions)
        assert [one for one in regions for other in regions if one is not other and one.overlaps(other)] == []
        await at.press("f9")
        await asyncio.sleep(0)
