from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from agents.errors import InputError
from agents.tools.files import locate, read_regular, shown


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "docs"
    (root / "sub").mkdir(parents=True)
    (root / "sub" / "a.txt").write_text("inside")
    secret = tmp_path / "docs-secret"
    secret.mkdir()
    (secret / "s.txt").write_text("outside")
    (root / "link.txt").symlink_to(secret / "s.txt")
    (root / "folder").symlink_to(secret)
    (root / "inner.txt").symlink_to(root / "sub" / "a.txt")
    (root / "self").symlink_to(root / "self")
    return root


@pytest.mark.parametrize(
    "place",
    [
        *("../docs-secret/s.txt", "sub/../../docs-secret/s.txt", "link.txt", "folder/s.txt", "folder", "..", "self", "none.txt"),
        *("a\0b", "sub/a.txt/x", "/etc/hostname", "/proc/self/environ", "/dev/zero", "x" * 5000),
    ],
)
def test_nothing_outside_the_root_can_be_named(root: Path, place: str) -> None:
    with pytest.raises(InputError) as error:
        locate(root / place, root)
    assert str(error.value).isprintable()


@pytest.mark.parametrize("place", ["sub/a.txt", "sub/../sub/a.txt", "inner.txt", "."])
def test_what_is_inside_can(root: Path, place: str) -> None:
    assert locate(root / place, root).is_relative_to(root)


def test_a_regular_file_is_read_with_its_size_and_time(root: Path) -> None:
    path = root / "sub" / "a.txt"
    contents = read_regular(path)
    assert contents == (b"inside", 6, path.stat().st_mtime_ns)


def test_a_named_pipe_a_socket_a_folder_and_a_device_are_refused_at_once(root: Path) -> None:
    os.mkfifo(root / "pipe")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(root / "s"))
        for path in (root / "pipe", root / "s", root, Path("/dev/zero")):
            with pytest.raises(InputError):
                read_regular(path)


def test_a_link_put_in_the_place_of_a_file_is_not_followed(root: Path) -> None:
    with pytest.raises(InputError, match="cannot be opened"):
        read_regular(root / "link.txt")


def test_a_file_over_the_limit_is_refused(root: Path) -> None:
    with pytest.raises(InputError, match="too large"):
        read_regular(root / "sub" / "a.txt", 5)


def test_a_file_without_permission_is_one_line(root: Path) -> None:
    path = root / "sub" / "a.txt"
    path.chmod(0)
    if os.access(path, os.R_OK):
        pytest.skip("the superuser may read everything")
    with pytest.raises(InputError, match="Permission denied"):
        read_regular(path)


def test_names_are_shown_in_one_line() -> None:
    assert shown("a\nb\x1b\udcff") == r"'a\nb\x1b\udcff'"
    assert shown("häuser/日本") == "häuser/日本"
