"""Static word vectors that come with the installation: no model, no network, at once there.

A text's vector is the mean of its tokens' vectors, of length one. The two data files are read from the wordllama distribution
without importing that package, which would configure logging and go to the network. Used in the worker process only: it costs
CPU and memory.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agents.errors import InputError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

NAME = "static"
DIMENSION = 256


class StaticVectors:
    """Turns texts into vectors."""

    def __init__(self, folder: Path) -> None:
        import numpy as np
        from safetensors.numpy import load_file
        from tokenizers import Tokenizer

        weights = load_file(folder / "weights" / "l2_supercat_256.safetensors")
        self._table: NDArray[np.float32] = weights["embedding.weight"].astype(np.float32)
        self._tokenizer: Any = Tokenizer.from_file(str(folder / "tokenizers" / "l2_supercat_tokenizer_config.json"))
        self._tokenizer.no_padding()
        self._tokenizer.no_truncation()

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return one row of length one for each text; a text without tokens gets zeros."""
        import numpy as np

        rows = np.zeros((len(texts), DIMENSION), np.float32)
        # One space between words: the tokens of line ends and indentation say nothing about the meaning.
        encoded = self._tokenizer.encode_batch_fast([" ".join(text.split()) for text in texts], add_special_tokens=False)
        for row, encoding in zip(rows, encoded, strict=True):
            if encoding.ids:
                row[:] = self._table[encoding.ids].mean(axis=0)
        lengths = np.linalg.norm(rows, axis=1, keepdims=True)
        np.divide(rows, lengths, out=rows, where=lengths > 0)
        return rows


@cache
def static_vectors() -> StaticVectors:
    """Return the one set of static vectors of this process; raises :class:`InputError` when its files are not installed."""
    found = importlib.util.find_spec("wordllama")
    for folder in (found.submodule_search_locations or []) if found else []:
        if (Path(folder) / "weights" / "l2_supercat_256.safetensors").is_file():
            return StaticVectors(Path(folder))
    raise InputError("the built-in vectors are not installed: install wordllama, or set library.embeddings to an endpoint's model")
