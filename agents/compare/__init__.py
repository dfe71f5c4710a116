"""Answers against each other: races, judges, merges, sweeps with their statistics, and ratings from votes."""
