from __future__ import annotations

import os
import stat
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Self

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.batch.kept import Kept
from agents.batch.output import Files, Output, Part, open_files, side_of
from agents.batch.results import Result, ResultError, line_of
from agents.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


def result(key: str, *, error: str | None = None) -> Result:
    return Result(
        id=key,
        model="lab/m",
        answer=f"answer to {key}",
        finish_reason="stop",
        usage=None,
        timings=None,
        cached=False,
        similar=None,
        cost=None,
        error=None if error is None else ResultError(kind="server", message=error),
        key=key,
    )


def lines(*keys: str) -> bytes:
    return b"".join(line_of(result(key)) for key in keys)


class Life:
    """One process' life with the files, without its thread: what is written is what the test says."""

    def __init__(self, out: Path, *, retry: bool = False) -> None:
        self.out = out
        self.files = open_files(str(out), resume=True)
        self.output = Output(self.files, lambda error: None)
        self.kept = Kept(self.files, self._begin, retry_errors=retry)
        self.kept.open()

    def _begin(self, position: int) -> None:
        self.output._next = position
        self.output._side_end = os.fstat(self.files.side).st_size

    def wanted(self, keys: Sequence[str]) -> list[tuple[int, str]]:
        asked = []
        for position, key in enumerate(keys):
            there = self.kept.take(key)
            if isinstance(there, Part):
                self.output._write([(position, there)])
            elif there is False:
                asked.append((position, key))
        self.kept.finish()
        return asked

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.kept.close()
        self.files.close()

    def end(self, *, all_read: bool = True) -> None:
        if not self.output._waiting and self.kept.unneeded(all_read=all_read):
            side_of(self.out).unlink()


@given(data=st.data())
@settings(max_examples=60)
def test_whenever_it_dies_no_result_is_lost_or_asked_again_or_out_of_order(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    out = tmp_path_factory.mktemp("batch") / "out.jsonl"
    keys = [f"key{number}" for number in range(data.draw(st.integers(0, 12)))]
    failing = data.draw(st.sets(st.sampled_from(keys))) if keys else set()
    written: set[str] = set()
    for _ in range(data.draw(st.integers(0, 5))):
        with Life(out) as life:
            asked = life.wanted(keys)
            assert written.isdisjoint(key for _, key in asked)
            order = data.draw(st.permutations(asked))
            for position, key in order[: data.draw(st.integers(0, len(order)))]:
                life.output._write([(position, result(key, error="broke" if key in failing else None))])
                written.add(key)
        torn = line_of(result("key0"))[: data.draw(st.integers(0, 30))]
        with data.draw(st.sampled_from([out, side_of(out)])).open("ab") as file:
            file.write(torn)
    with Life(out) as life:
        for position, key in reversed(life.wanted(keys)):
            assert key not in written
            life.output._write([(position, result(key, error="broke" if key in failing else None))])
        life.end()
    assert out.read_bytes() == b"".join(line_of(result(key, error="broke" if key in failing else None)) for key in keys)
    assert not side_of(out).exists()
    with Life(out, retry=True) as life:
        assert {key for _, key in life.wanted(keys)} == failing


@given(
    before=st.lists(st.sampled_from("abcdefgh"), unique=True),
    after=st.lists(st.sampled_from("abcdefgh"), unique=True),
    aside=st.lists(st.sampled_from("abcdefgh"), unique=True),
)
def test_rows_that_moved_came_or_went_keep_their_results(
    before: list[str], after: list[str], aside: list[str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    out = tmp_path_factory.mktemp("batch") / "out.jsonl"
    out.write_bytes(lines(*before))
    side_of(out).write_bytes(lines(*aside))
    with Life(out) as life:
        asked = life.wanted(after)
        assert [key for _, key in asked] == [key for key in after if key not in {*before, *aside}]
        for position, key in asked:
            life.output._write([(position, result(key))])
        life.end()
    assert out.read_bytes() == lines(*after)
    gone = {*before, *aside} - {*after}
    assert side_of(out).exists() is bool(gone)
    if gone:
        assert all(line_of(result(key)) in side_of(out).read_bytes() for key in gone)


def test_what_failed_and_is_asked_again_takes_the_place_of_the_failure(tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    out.write_bytes(lines("a") + line_of(result("b", error="broke")) + lines("c"))
    with Life(out, retry=True) as life:
        assert life.wanted("abc") == [(1, "b")]
        assert out.read_bytes() == lines("a")
        assert (life.kept.count, life.kept.failed) == (2, 0)
        life.output._write([(1, result("b"))])
        life.end()
    assert out.read_bytes() == lines("a", "b", "c")
    assert not side_of(out).exists()


def test_a_batch_that_stopped_before_it_had_read_all_rows_keeps_what_stands_aside(tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    out.write_bytes(lines("a"))
    side_of(out).write_bytes(lines("d"))
    with Life(out) as life:
        assert life.kept.take("a") is True
        life.end(all_read=False)
    assert out.read_bytes() == lines("a")
    assert side_of(out).read_bytes() == lines("d")


def test_lines_that_no_batch_wrote_are_kept_aside(tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    out.write_bytes(lines("a") + b"my notes\n" + lines("b"))
    with Life(out) as life:
        assert life.wanted("ab") == []
        life.end()
    assert out.read_bytes() == lines("a", "b")
    assert b"my notes\n" in side_of(out).read_bytes()


def test_a_file_that_is_no_batchs_output_is_left_alone(tmp_path: Path) -> None:
    out = tmp_path / "thesis.txt"
    out.write_text("Chapter 1\n")
    with pytest.raises(InputError, match=r"thesis\.txt: is not the output of a batch; name another file$"):
        Life(out)
    assert out.read_text() == "Chapter 1\n"


@contextmanager
def opened(place: Path, *, resume: bool = False) -> Iterator[Files]:
    files = open_files(str(place), resume=resume)
    try:
        yield files
    finally:
        files.close()


def test_what_is_there_is_not_written_over(tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    out.write_bytes(lines("a"))
    with pytest.raises(InputError, match=r"out\.jsonl: is there already; go on with it by --resume"):
        open_files(str(out), resume=False)
    assert [path.name for path in tmp_path.iterdir()] == ["out.jsonl"]
    side_of(out).write_bytes(out.read_bytes())
    out.unlink()
    with pytest.raises(InputError, match=r"out\.jsonl\.partial: is there already"):
        open_files(str(out), resume=False)
    assert not out.exists()


def test_two_batches_never_write_to_the_same_files(tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    with opened(out), pytest.raises(InputError, match="another batch is writing to it"):
        open_files(str(out), resume=True)
    with opened(out, resume=True):
        assert stat.S_ISREG(out.stat().st_mode)


def test_two_batches_never_write_to_the_same_file_by_two_names(tmp_path: Path) -> None:
    out, other = tmp_path / "out.jsonl", tmp_path / "other.jsonl"
    with opened(out):
        other.symlink_to(out)
        with pytest.raises(InputError, match="another batch is writing to it"):
            open_files(str(other), resume=True)
        assert not side_of(other).exists()
    with opened(other, resume=True):
        assert stat.S_ISREG(out.stat().st_mode)


@pytest.mark.parametrize(
    ("place", "reason"), [(".", "is not a file"), ("/dev/null", "is not a file"), ("no/where", "No such file")]
)
def test_a_place_that_cannot_be_written_is_one_line(place: str, reason: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=reason):
        open_files(str(tmp_path / place), resume=True)


def test_the_thread_writes_in_order_what_comes_out_of_order(tmp_path: Path) -> None:
    with opened(tmp_path / "out.jsonl") as files:
        output = Output(files, lambda error: None)
        output.start()
        output.begin(0)
        for position in (3, 1, 0):
            output.put(position, result(str(position)))
        assert output.close() is False
    assert (tmp_path / "out.jsonl").read_bytes() == lines("0", "1")
    assert lines("3") in (tmp_path / "out.jsonl.partial").read_bytes()


def test_a_full_disk_is_said_and_what_was_written_stays(tmp_path: Path) -> None:
    told = threading.Event()
    side = os.open(tmp_path / "side", os.O_RDWR | os.O_CREAT)
    with Path("/dev/full").open("wb") as full:
        output = Output(Files(os.dup(full.fileno()), side, tmp_path / "out.jsonl"), lambda error: told.set())
        output.start()
        output.begin(0)
        output.put(0, result("a"))
        assert told.wait(10)
        assert output.close() is False
    assert output.error is not None
    assert output.error.strerror == "No space left on device"
    output._files.close()


def test_text_that_utf_8_cannot_hold_is_written_all_the_same() -> None:
    assert b"answer to ?" in line_of(result("\ud83d"))
