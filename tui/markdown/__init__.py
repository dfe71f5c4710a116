"""Markdown of finished blocks: where blocks end in text that grows, and what a block looks like, as text with named spans."""
