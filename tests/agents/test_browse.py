from __future__ import annotations

import os
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from agents.browse import list_files, rank
from agents.tokens import estimate_tokens

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def made(root: Path, *names: str) -> None:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x")


def test_files_are_listed_without_hidden_ones_builds_links_and_what_gitignore_leaves_out(tmp_path: Path) -> None:
    made(tmp_path, "a.py", "src/b.py", "src/deep/c.py", ".env", ".git/config", "node_modules/d.js", "src/__pycache__/e.pyc")
    made(tmp_path, "out/f.txt", "src/out/g.txt", "src/keep.log", "src/drop.log", "docs/one/x.tmp", "src/deep/only.md", "top.txt")
    (tmp_path / ".gitignore").write_text("# remark\n\n*.log\n!keep.log\n/out/\ndocs/**/*.tmp\n[\n")
    (tmp_path / "src" / ".gitignore").write_text("only.*\n")
    (tmp_path / "link").symlink_to(tmp_path / "src")
    (tmp_path / "link.py").symlink_to(tmp_path / "a.py")
    found = list_files(str(tmp_path))
    assert found.whole
    assert found.paths == ("a.py", "top.txt", "src/b.py", "src/keep.log", "src/deep/c.py", "src/out/g.txt")


def test_a_listing_ends_within_its_bounds_and_says_so(tmp_path: Path) -> None:
    made(tmp_path, *(f"{number:03}.txt" for number in range(30)), "deep/x.txt")
    assert list_files(str(tmp_path), most=10) == (tuple(f"{number:03}.txt" for number in range(10)), False)
    assert not list_files(str(tmp_path), seconds=-1).whole
    assert list_files(str(tmp_path / "none")) == ((), True)


def test_names_no_terminal_should_show_are_left_out(tmp_path: Path) -> None:
    made(tmp_path, "plain.txt")
    for name in ("line\nbreak.txt", "\x1b[31mred.txt"):
        (tmp_path / name).write_text("x")
    (tmp_path / os.fsdecode(b"\xff.txt")).write_text("x")
    assert list_files(str(tmp_path)).paths == ("plain.txt",)


def test_what_fits_best_comes_first() -> None:
    paths = ["docs/storage/x.py", "a/prompt_area.py", "prompts.py", "tui/my_prompt.py", "p/r/o/m/p/t", "none"]
    assert rank("prompt", paths) == ["prompts.py", "a/prompt_area.py", "tui/my_prompt.py", "p/r/o/m/p/t"]
    assert rank("PRA", paths) == ["a/prompt_area.py"]
    assert rank("storage/x", paths) == ["docs/storage/x.py"]
    assert rank("", paths, 2) == paths[:2]


@given(st.lists(st.text(max_size=12), max_size=5), st.text(max_size=6))
def test_all_that_is_found_holds_the_letters_in_their_order(paths: list[str], query: str) -> None:
    for path in rank(query, paths):
        rest = iter(path.lower())
        assert all(letter in rest for letter in query.lower())


@given(st.text(max_size=200))
def test_any_gitignore_can_be_read(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    folder = tmp_path_factory.mktemp("listing")
    made(folder, "a/b.txt")
    (folder / ".gitignore").write_text(text, encoding="utf-8", errors="replace")
    list_files(str(folder))


def test_an_estimate_is_near_four_bytes_a_token() -> None:
    assert estimate_tokens("") == 0
    assert estimate_tokens("four words of text") == 5
    assert estimate_tokens("字" * 40) == 30
    assert estimate_tokens("half \ud800") == 2
