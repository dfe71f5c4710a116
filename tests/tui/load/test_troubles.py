from __future__ import annotations

from agents.events import Retried, StepQueued, StepStarted
from tests.tui.room import ended, make
from tui.load.troubles import KEPT, Troubles


def asked(troubles: Troubles, step: str, lane: str, endpoint: str = "") -> None:
    troubles.handle(make(StepQueued, step=step, kind="model", name="m", lane=lane))
    troubles.handle(make(StepStarted, step=step, endpoint=endpoint))


def test_what_fails_is_told_of_the_endpoint_it_was_sent_to() -> None:
    troubles = Troubles()
    asked(troubles, "a", "lab/m,temperature=0.2")
    troubles.handle(make(Retried, 3.0, step="a", attempt=1, reason="lab: 503", delay=1.0))
    asked(troubles, "b", "fast/m", endpoint="slow/m")
    troubles.handle(ended("b", at=4.0, outcome="failed", error="slow: gone", error_kind="unreachable"))
    troubles.handle(ended("a", at=5.0))
    assert [(each.line, each.again) for each in troubles.of("lab")] == [("lab: 503", True)]
    assert [(each.line, each.again) for each in troubles.of("slow")] == [("slow: gone", False)]
    assert troubles.tried_again("lab") == "lab: 503"
    assert troubles.tried_again("slow") == ""
    assert troubles.of("fast") == ()


def test_what_a_person_stopped_is_no_trouble_and_nothing_is_kept_of_steps_that_are_over() -> None:
    troubles = Troubles()
    asked(troubles, "a", "lab/m")
    troubles.handle(ended("a", at=5.0, outcome="cancelled", error="stopped"))
    assert troubles.of("lab") == ()
    assert troubles._where == {}


def test_of_many_failures_the_newest_are_kept() -> None:
    troubles = Troubles()
    for number in range(3 * KEPT):
        asked(troubles, "a", "lab/m")
        troubles.handle(ended("a", at=5.0, outcome="failed", error=f"no {number}"))
    assert len(troubles.of("lab")) == KEPT
    assert troubles.of("lab")[-1].line == f"no {3 * KEPT - 1}"
