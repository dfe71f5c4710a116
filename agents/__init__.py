"""What runs: the engine, its event stream, the queue, model calls, cache, retrieval, tools and agents. Knows no screen."""
