"""Screens that stand over the dashboard: help and the passage behind a citation."""
