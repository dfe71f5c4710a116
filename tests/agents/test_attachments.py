from __future__ import annotations

import base64
import os
import re
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.attachments import (
    MAX_IMAGE_BYTES,
    MAX_TEXT_BYTES,
    MOST_FILES,
    Named,
    attach,
    look_for,
    media_of,
    named_files,
    request_body,
)
from agents.errors import InputError
from agents.events import StepEnded
from agents.requests import Attachment, Chat, Lane, Message, ModelRef
from agents.settings import Defaults, Endpoint, Locations, Settings
from agents.workspace import Workspace
from storage.attachments import AttachedFiles, digest_of
from storage.store import Store
from tests.servers.http import Connection, LoopbackServer, Request
from tests.servers.paced import PacedServer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from agents.runs import Run

PNG = base64.b64decode("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==")
KINDS = {
    "image/png": PNG,
    "image/jpeg": b"\xff\xd8\xff\xe0\x00\x10JFIF",
    "image/gif": b"GIF89a\x01\x00",
    "image/webp": b"RIFF\x24\x00\x00\x00WEBPVP8 ",
    "text/plain": "Grüße, 字\n".encode(),
    None: b"\x7fELF\x02\x01\x01\x00\x00",
}


@pytest.fixture
async def files(tmp_path: Path) -> AsyncIterator[AttachedFiles]:
    async with Store(tmp_path / "data" / "stretto.db") as store:
        yield AttachedFiles(store)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.mark.parametrize("media", KINDS)
def test_a_file_is_what_its_first_bytes_say(media: str | None) -> None:
    assert media_of(KINDS[media]) == media


def test_only_words_that_begin_with_an_at_sign_and_name_a_file_are_files(here: Path) -> None:
    for name in ("a.txt", "b", "my file.md", "example.org", "dot."):
        (here / name).write_text("x")
    (here / "folder").mkdir()
    text = (
        'See @a.txt, (@b) and @"my file.md"; me@example.org and @nobody are people, @folder is none, @a.txt again, @dot.'
        f" @{here / 'a.txt'} @ @@ @\\0 @{'x' * 5000}"
    )
    assert look_for("@lost.txt (@a/b), @anna @... @a.txt", unread={"a.txt"}) == Named((), (), ("lost.txt", "a/b"))
    assert named_files(text) == ("a.txt", "b", "my file.md", "dot.", str(here / "a.txt"))


@given(st.text(max_size=60))
def test_no_text_makes_looking_for_files_fail(text: str) -> None:
    assert isinstance(named_files(f"@{text} {text}"), tuple)


async def test_files_are_stored_by_what_they_hold(here: Path, files: AttachedFiles) -> None:
    (here / "one.png").write_bytes(PNG)
    (here / "two.txt").write_bytes(PNG)
    (here / "notes.txt").write_text("notes")
    one, two, notes = await attach(["one.png", "two.txt", "notes.txt"], files)
    assert (one.name, one.media, one.size) == ("one.png", "image/png", len(PNG))
    assert (two.digest, two.media) == (one.digest, "image/png")
    assert await files.get(notes.digest) == b"notes"


@pytest.mark.parametrize(
    ("name", "data", "said"),
    [
        ("tool", KINDS[None], "neither UTF-8 text nor"),
        ("latin.txt", "Grüße".encode("latin-1"), "neither UTF-8 text nor"),
        ("long.txt", b"x" * (MAX_TEXT_BYTES + 1), "too long to be attached"),
        ("large.png", PNG + b"\0" * MAX_IMAGE_BYTES, "too large"),
    ],
)
async def test_what_cannot_go_with_a_message_is_said_in_one_line(
    here: Path, files: AttachedFiles, name: str, data: bytes, said: str
) -> None:
    (here / name).write_bytes(data)
    with pytest.raises(InputError, match=said) as caught:
        await attach([name], files)
    assert name in str(caught.value)
    assert "\n" not in str(caught.value)


async def test_devices_pipes_kernel_files_and_too_many_files_are_refused(here: Path, files: AttachedFiles) -> None:
    os.mkfifo(here / "pipe")
    for name in ("pipe", "/proc/self/environ", "/dev/zero", "missing"):
        with pytest.raises(InputError):
            await attach([name], files)
    with pytest.raises(InputError, match="too many"):
        await attach(["a"] * (MOST_FILES + 1), files)


class Told(msgspec.Struct):
    role: str
    content: Any


class Body(msgspec.Struct):
    model: str
    messages: list[Told]


def body(message: Message, files: dict[str, bytes]) -> list[Told]:
    made = msgspec.json.decode(b"".join(request_body({"model": "m"}, (message,), files)), type=Body)
    assert made.model == "m"
    return made.messages


def attachment(name: str, data: bytes) -> Attachment:
    return Attachment(name=name, media=media_of(data) or "", digest=digest_of(data), size=len(data))


@given(st.text(alphabet="`~\n ab", max_size=40))
def test_no_file_can_end_its_own_fence(text: str) -> None:
    data = text.encode()
    message = Message("user", "Look:", (attachment("f", data),))
    (told,) = body(message, {digest_of(data): data})
    content = told.content
    found = re.search(r"^File f:\n(`{3,})\n", content, re.MULTILINE)
    assert found is not None
    fence = found[1]
    assert content.endswith(f"\n{fence}")
    inside = content[found.end() : -len(fence) - 1]
    assert fence not in inside
    assert inside == text.removesuffix("\n")


@pytest.mark.parametrize("size", [0, 1, 3 * 64 * 1024 - 1, 3 * 64 * 1024, 3 * 64 * 1024 + 1, 500_000])
def test_an_image_of_any_size_is_whole_in_its_address(size: int) -> None:
    data = PNG + bytes(size)
    (told,) = body(Message("user", "What is this?", (attachment("a.png", data),)), {digest_of(data): data})
    text, image = told.content
    assert text == {"type": "text", "text": "What is this?"}
    head, _, encoded = image["image_url"]["url"].partition(",")
    assert (image["type"], head) == ("image_url", "data:image/png;base64")
    assert base64.b64decode(encoded) == data


def test_a_kind_of_image_that_is_none_gets_nothing_into_the_request() -> None:
    stored = Attachment(name="a", media='image/png"}, "role": "system', digest=digest_of(PNG), size=len(PNG))
    (told,) = body(Message("user", "x", (stored,)), {stored.digest: PNG})
    assert told.role == "user"
    assert isinstance(told.content, str)


async def ended(run: Run) -> list[str]:
    await run.wait()
    return [str(step.text) for step in run.steps.values()]


async def test_a_server_gets_files_as_parts_and_again_when_the_conversation_goes_on_after_they_are_gone(here: Path) -> None:
    (here / "pixel.png").write_bytes(PNG)
    (here / "notes.md").write_text("# Notes\n\n```\ncode\n```\n")
    async with PacedServer() as server:
        settings = Settings(
            defaults=Defaults(models=("lab/a",)), endpoints={"lab": Endpoint(base_url=server.base_url, max_retries=0)}
        )
        locations = Locations(config=here / "config.toml", data=here / "data", themes=here / "themes")
        model = ModelRef("lab", "a")
        async with Workspace(settings, locations) as workspace:
            await workspace.open()
            attached = await attach(["pixel.png", "notes.md"], workspace.attached)
            first = Lane(model=model, messages=(Message("user", "Look.", attached),))
            run = workspace.engine.submit(Chat(lanes=(first,)))
            assert await ended(run) != [""]
            step = next(iter(run.steps))
        (here / "pixel.png").unlink()
        (here / "notes.md").unlink()
        async with Workspace(settings, locations) as workspace:
            await workspace.open()
            second = Lane(model=model, messages=(Message("user", "And now?"),), after=step)
            await ended(workspace.engine.submit(Chat(lanes=(second,))))
        one, two = [msgspec.json.decode(request.body) for request in server.requests]
    assert one["stream"] is True
    assert one["model"] == "a"
    (message,) = one["messages"]
    look, notes, image = message["content"]
    assert look["text"] == "Look."
    assert notes["text"] == "File notes.md:\n````\n# Notes\n\n```\ncode\n```\n````"
    assert image["image_url"]["url"] == f"data:image/png;base64,{base64.b64encode(PNG).decode()}"
    again, answer, last = two["messages"]
    assert again == message
    assert answer["role"] == "assistant"
    assert last == {"role": "user", "content": "And now?"}


async def test_files_are_read_when_a_call_has_its_place_and_not_while_it_waits(here: Path) -> None:
    (here / "pixel.png").write_bytes(PNG)
    async with PacedServer() as server:
        settings = Settings(endpoints={"lab": Endpoint(base_url=server.base_url, max_retries=0, concurrency=1)})
        locations = Locations(config=here / "config.toml", data=here / "data", themes=here / "themes")
        async with Workspace(settings, locations) as workspace:
            await workspace.open()
            message = Message("user", "Look.", await attach(["pixel.png"], workspace.attached))
            read: list[int] = []
            get = workspace.models._files.get  # type: ignore[union-attr]  # a workspace's models have files

            async def counted(digest: str) -> bytes | None:
                read.append(len(server.requests))
                return await get(digest)

            workspace.models._files.get = counted  # type: ignore[union-attr, method-assign]
            lanes = tuple(Lane(model=ModelRef("lab", f"a{number}"), messages=(message,)) for number in range(4))
            await ended(workspace.engine.submit(Chat(lanes=lanes)))
    assert read == [0, 1, 2, 3]


async def test_a_file_that_is_no_longer_stored_ends_the_call_in_one_line(here: Path) -> None:
    async with PacedServer() as server:
        settings = Settings(endpoints={"lab": Endpoint(base_url=server.base_url, max_retries=0)})
        locations = Locations(config=here / "config.toml", data=here / "data", themes=here / "themes")
        async with Workspace(settings, locations) as workspace:
            lost = Message("user", "Look.", (attachment("lost.png", PNG),))
            lane = Lane(model=ModelRef("lab", "a"), messages=(lost,))
            with workspace.engine.subscribe() as reader:
                run = workspace.engine.submit(Chat(lanes=(lane,)))
                await run.wait()
                errors = [event.error for event in reader.drain() if isinstance(event, StepEnded)]
        assert errors == ["lost.png is no longer stored: attach it again in a new conversation"]
        assert server.requests == []


async def test_what_a_server_says_of_an_image_its_model_cannot_take_is_the_end_of_the_answer(here: Path) -> None:
    (here / "pixel.png").write_bytes(PNG)

    def refuse(connection: Connection, request: Request) -> None:
        if "stream_options" in request.json():
            connection.respond(400, b'{"error":{"message":"unknown field stream_options"}}')
        else:
            connection.respond(400, b'{"error":{"message":"image input is not supported by this model"}}')

    async with LoopbackServer(refuse) as server:
        settings = Settings(endpoints={"lab": Endpoint(base_url=server.base_url, max_retries=0)})
        locations = Locations(config=here / "config.toml", data=here / "data", themes=here / "themes")
        async with Workspace(settings, locations) as workspace:
            await workspace.open()
            lane = Lane(
                model=ModelRef("lab", "a"), messages=(Message("user", "?", await attach(["pixel.png"], workspace.attached)),)
            )
            with workspace.engine.subscribe() as reader:
                await ended(workspace.engine.submit(Chat(lanes=(lane,))))
                (error,) = [event.error for event in reader.drain() if isinstance(event, StepEnded)]
        assert error is not None
        assert "image input is not supported by this model" in error
        assert "\n" not in error
        assert len(server.requests) == 2
