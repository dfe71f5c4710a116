"""Earlier questions by likeness: their vectors as one matrix in the worker's memory, grown by what the database has since."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING, Final

from agents.retrieval.protocol import Alike, Resembling
from agents.retrieval.static_vectors import DIMENSION, static_vectors

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MOST: Final = 20_000
"""Questions held; the newest."""
_ROOM: Final = MOST + 2_000
"""Rows of the matrix: the oldest are dropped many at a time, because dropping moves all others."""
_NEW = "SELECT number, circle, vector FROM questions WHERE number > ? ORDER BY number DESC LIMIT ?"


class _Held:
    """The questions of one database, oldest first."""

    def __init__(self) -> None:
        import numpy as np

        self.count = 0
        self.numbers = np.zeros(_ROOM, np.int64)
        self.circles = np.zeros(_ROOM, np.int64)
        self.rows: NDArray[np.float32] = np.zeros((_ROOM, DIMENSION), np.float32)

    def grow(self, connection: sqlite3.Connection) -> None:
        """Take in what was added since; cheap when nothing was."""
        import numpy as np

        last = int(self.numbers[self.count - 1]) if self.count else 0
        new = connection.execute(_NEW, (last, MOST)).fetchall()[::-1]
        if not new:
            return
        if self.count + len(new) > _ROOM:
            keep = max(MOST - len(new), 0)
            for held in (self.numbers, self.circles, self.rows):
                held[:keep] = held[self.count - keep : self.count].copy()
            self.count = keep
        end = self.count + len(new)
        self.numbers[self.count : end] = [number for number, _, _ in new]
        self.circles[self.count : end] = [_circle(circle) for _, circle, _ in new]
        vectors = b"".join(vector for _, _, vector in new)
        self.rows[self.count : end] = np.frombuffer(vectors, np.float16).reshape(len(new), DIMENSION)
        self.count = end

    def nearest(self, circle: int, query: NDArray[np.float32], least: float, limit: int) -> list[tuple[int, float]]:
        """Return numbers and cosines of the circle's questions that are at least so much alike, most alike first."""
        import numpy as np

        scores = self.rows[: self.count] @ query
        found = np.flatnonzero((scores >= least) & (self.circles[: self.count] == circle))
        best = found[np.argsort(-scores[found], kind="stable")][:limit]
        return [(int(self.numbers[at]), min(float(scores[at]), 1.0)) for at in best]


_held: dict[str, _Held] = {}


def alike(request: Alike) -> Resembling:
    """Return the questions of the circle that are most like the one asked, as far as their answers are kept."""
    import numpy as np

    query = static_vectors().embed([request.question])[0]
    if not query.any():
        return Resembling([], b"")
    held = _held.setdefault(request.database, _Held())
    connection = sqlite3.connect(f"{Path(request.database).as_uri()}?mode=ro", uri=True, timeout=1)
    try:
        held.grow(connection)
        questions = []
        for number, cosine in held.nearest(_circle(request.circle), query, request.least - 0.002, request.limit):
            # What was removed from the database is in the matrix until there is no room for it.
            row = connection.execute("SELECT key, text FROM questions WHERE number = ?", (number,)).fetchone()
            if row is not None:
                questions.append((row[0], row[1], cosine))
    finally:
        connection.close()
    return Resembling(questions, query.astype(np.float16).tobytes())


def _circle(circle: bytes) -> int:
    return int.from_bytes(circle[:8], "little", signed=True)
