"""The measurements behind docs/BENCHMARKS.md; each module is one command."""
