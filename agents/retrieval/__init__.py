"""Documents to passages, vectors, sources, fusion and the answer with citations."""
