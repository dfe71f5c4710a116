from __future__ import annotations

import asyncio
import codecs
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agents.batch import intake
from agents.batch.intake import Intake, count_lines, open_source
from agents.batch.kept import Kept
from agents.batch.output import Output, open_files
from agents.batch.rows import Units
from agents.requests import ModelRef

if TYPE_CHECKING:
    from pathlib import Path

    from agents.batch.rows import Unit


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(st.sampled_from([b"{}", b"  ", b"\n", b"\r\n", b"\r", b" ", b"x"]), max_size=20).map(b"".join), st.integers(1, 8))
def test_lines_are_counted_whatever_pieces_they_are_read_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, data: bytes, piece: int
) -> None:
    monkeypatch.setattr(intake, "_PIECE", piece)
    place = tmp_path / "rows"
    place.write_bytes(data)
    assert count_lines(str(place)) == sum(not (not line or line.isspace()) for line in data.split(b"\n"))


def test_the_length_of_a_line_costs_no_memory(tmp_path: Path) -> None:
    import tracemalloc

    place = tmp_path / "rows"
    with place.open("wb") as file:
        file.truncate(64 << 20)
    tracemalloc.start()
    try:
        assert count_lines(str(place)) == 1
        assert tracemalloc.get_traced_memory()[1] < 4 << 20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("piece", [1, 2, 3, 4, 1024])
@pytest.mark.parametrize("text", [b'{"prompt": "a"}\n{"prompt": "b"}\n', b"\n", b"", b"\xef", b"\xef\xbb\xbf"])
async def test_a_mark_of_byte_order_is_taken_off_whatever_pieces_it_comes_in(
    text: bytes, piece: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(intake, "_PIECE", piece)
    plain, marked = [await _units(tmp_path / name, mark + text) for name, mark in (("plain", b""), ("marked", codecs.BOM_UTF8))]
    if text.startswith(codecs.BOM_UTF8):
        assert (plain, len(marked)) == ([], 1)
    else:
        assert plain == marked


async def _units(place: Path, data: bytes) -> list[Unit]:
    await asyncio.to_thread(place.write_bytes, data)
    files = open_files(f"{place}.out", resume=False)
    output = Output(files, lambda _: None)
    kept = Kept(files, output.begin, retry_errors=False)
    source = Intake(open_source(str(place)), Units((ModelRef("lab", "m"),), None), kept, output)
    units = []
    while (unit := await source.next()) is not None:
        units.append(unit)
    source.close()
    files.close()
    return units
