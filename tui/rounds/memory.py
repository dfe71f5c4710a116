"""What the forms of a round were filled in with, so that they come back filled in for as long as the program runs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from agents.requests import ModelRef
    from tui.rounds.sweep_run import SweepRun


@dataclass
class Memory:
    """The last values of every form."""

    judge_model: ModelRef | None = None
    criteria: str = ""
    merge_model: ModelRef | None = None
    instruction: str = ""
    race: dict[str, str] = field(default_factory=dict)
    """By the name of the field."""
    race_judge: ModelRef | None = None
    sweep: dict[str, str] = field(default_factory=dict)
    last_sweep: SweepRun | None = None
    voted: set[frozenset[str]] = field(default_factory=set)
    """The steps of each round that was voted on: once the names are known, a vote is blind no more."""
