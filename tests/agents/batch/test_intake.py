from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agents.batch import intake
from agents.batch.intake import count_lines

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


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
