"""The output limit as a control: the marks it stops at."""

from __future__ import annotations

from typing import Final

MARKS: Final = (50, 100, 125, 150, 175, 200, 300, 400, 600, 800, 1200, 1600, 2400, 3200, 4096)
"""Tokens; the marks from 100 to 200, closer together, are for quick prompts."""
