from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from agents.retrieval.walk import FileFound, Skipped, walk

if TYPE_CHECKING:
    from pathlib import Path


def found(*places: Path) -> tuple[list[str], dict[str, str]]:
    files: list[str] = []
    skipped: dict[str, str] = {}
    for entry in walk(tuple(map(str, places))):
        if isinstance(entry, FileFound):
            files.append(entry.path)
        else:
            skipped[entry.path] = entry.reason
    return files, skipped


def put(path: Path, text: str = "text") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_files_come_in_order_and_everything_passed_over_has_its_reason(tmp_path: Path) -> None:
    root = tmp_path / "root"
    good = [put(root / name) for name in ("a.md", "b.txt", "sub/c.py", "sub/deep/d")]
    put(root / ".git" / "config")
    put(root / "node_modules" / "x.js")
    put(root / ".venv" / "x.py")
    put(root / "x.egg-info" / "PKG")
    put(root / ".hidden")
    put(root / "empty.txt", "")
    put(root / "picture.png")
    os.mkfifo(root / "pipe")
    put(tmp_path / "outside" / "secret.txt")
    (root / "out").symlink_to(tmp_path / "outside")
    (root / "out.txt").symlink_to(tmp_path / "outside" / "secret.txt")
    (root / "loop").symlink_to(root)
    files, skipped = found(root)
    assert files == [str(path) for path in (good[0], good[1], good[2], good[3])]
    reasons = {path.removeprefix(f"{root}/"): reason for path, reason in skipped.items()}
    assert reasons == {
        ".git": "a hidden folder",
        ".venv": "a hidden folder",
        "node_modules": "a folder of builds or copies",
        "x.egg-info": "a folder of builds or copies",
        ".hidden": "a hidden file",
        "empty.txt": "empty",
        "picture.png": "binary",
        "pipe": "not a regular file",
        "out": "a link; links are not followed",
        "out.txt": "a link; links are not followed",
        "loop": "a link; links are not followed",
    }


def test_a_hidden_file_or_folder_that_is_named_itself_is_read(tmp_path: Path) -> None:
    file = put(tmp_path / ".notes" / ".secret.md")
    assert found(file)[0] == [str(file)]
    assert found(tmp_path / ".notes")[1] == {str(file): "a hidden file"}


def test_a_file_under_two_places_comes_once(tmp_path: Path) -> None:
    file = put(tmp_path / "a" / "b.txt")
    assert found(file, tmp_path / "a", tmp_path) == ([str(file)], {})


@pytest.mark.parametrize("place", ["/proc", "/proc/self/environ", "/sys", "/dev", "/dev/stdin", "/dev/null", "/proc/../proc/1"])
def test_kernel_file_systems_are_never_walked(place: str) -> None:
    entries = list(walk((place,)))
    assert len(entries) == 1
    assert isinstance(entries[0], Skipped)
    assert "kernel" in entries[0].reason or "does not exist" in entries[0].reason


def test_a_link_to_a_kernel_file_system_is_judged_by_where_it_leads(tmp_path: Path) -> None:
    link = tmp_path / "innocent.txt"
    link.symlink_to("/proc/self/environ")
    (entry,) = walk((str(link),))
    assert isinstance(entry, Skipped)
    assert "kernel" in entry.reason


def test_a_place_that_is_not_there_is_passed_over_with_words(tmp_path: Path) -> None:
    (entry,) = walk((str(tmp_path / "none"),))
    assert isinstance(entry, Skipped)
    assert "does not exist" in entry.reason


def test_names_of_any_bytes_are_shown_as_one_line(tmp_path: Path) -> None:
    put(tmp_path / "a\nb\x1b[31m.txt")
    put(tmp_path / os.fsdecode(b"\xff\xfe.txt"))
    (tmp_path / os.fsdecode(b"\xfe-link")).symlink_to("nowhere")
    files, skipped = found(tmp_path)
    assert files == [f"{tmp_path}/a\nb\x1b[31m.txt"]
    assert sorted(skipped.values()) == ["a link; links are not followed", "a name that is not valid text"]
    assert all(path.isprintable() for path in skipped)
