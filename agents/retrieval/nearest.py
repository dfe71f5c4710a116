"""Exact vector search: a library's vectors as one matrix in the worker's memory, read anew when the library changed."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from agents.errors import InputError
from agents.retrieval.protocol import Nearest, Neighbours

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class _Matrix(NamedTuple):
    changed: int
    chunks: NDArray[np.int64]
    rows: NDArray[np.float32]
    foreign: int


_matrices: dict[tuple[str, str, str], _Matrix] = {}


def nearest(request: Nearest) -> Neighbours:
    """Return the ``limit`` passages whose vectors are most like the query's."""
    import numpy as np

    matrix = _load(request)
    if not len(matrix.chunks):
        return Neighbours([], matrix.foreign)
    query = _query(request)
    if query.shape[0] != matrix.rows.shape[1]:
        raise InputError(
            f"{request.embedder} gave {query.shape[0]} numbers, the library has {matrix.rows.shape[1]}: refresh the library"
        )
    scores = matrix.rows @ query
    count = min(request.limit, len(scores))
    best = np.argpartition(scores, -count)[-count:]
    best = best[np.argsort(-scores[best], kind="stable")]
    return Neighbours([(int(matrix.chunks[at]), float(scores[at])) for at in best if scores[at] > 0], matrix.foreign)


def _query(request: Nearest) -> NDArray[np.float32]:
    import numpy as np

    if request.vector is None:
        from agents.retrieval.static_vectors import static_vectors

        row: NDArray[np.float32] = static_vectors().embed([request.query])[0]
        return row
    vector = np.asarray(request.vector, np.float32)
    return vector / (np.linalg.norm(vector) or 1.0)


def _load(request: Nearest) -> _Matrix:
    import numpy as np

    key = (request.database, request.library, request.embedder)
    connection = sqlite3.connect(f"{Path(request.database).as_uri()}?mode=ro", uri=True, timeout=10)
    try:
        found = connection.execute("SELECT id, changed FROM library WHERE name = ?", (request.library,)).fetchone()
        if found is None:
            _matrices.pop(key, None)
            return _Matrix(0, np.empty(0, np.int64), np.empty((0, 0), np.float32), 0)
        library, changed = found
        held = _matrices.get(key)
        if held is not None and held.changed == changed:
            return held
        connection.execute("BEGIN")  # one moment's state, however many rows are read
        (changed,) = connection.execute("SELECT changed FROM library WHERE id = ?", (library,)).fetchone()
        chunks: list[int] = []
        vectors: list[bytes] = []
        for chunk, data in connection.execute(
            "SELECT chunk, data FROM vector WHERE library = ? AND embedder = ?", (library, request.embedder)
        ):
            chunks.append(chunk)
            vectors.append(data)
        (foreign,) = connection.execute(
            "SELECT count(*) FROM vector WHERE library = ? AND embedder <> ?", (library, request.embedder)
        ).fetchone()
    finally:
        connection.close()
    rows = np.frombuffer(b"".join(vectors), np.float16).reshape(len(chunks), -1) if chunks else np.empty((0, 0), np.float16)
    matrix = _matrices[key] = _Matrix(changed, np.asarray(chunks, np.int64), rows.astype(np.float32), foreign)
    return matrix
