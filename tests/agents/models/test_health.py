from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.errors import CallError
from agents.models.health import FIRST_PROBE, IN_A_ROW, LAST_PROBE, VERDICT, Health, RetryBudget

DOWN = CallError("unreachable", "lab: nothing listens at 127.0.0.1:9", retryable=True)


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def _fail(health: Health, times: int = 1, error: CallError = DOWN) -> None:
    for _ in range(times):
        health.failed(health.begin(), error, "m")


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def health(clock: Clock) -> Health:
    return Health("lab", clock)


def test_five_failures_in_a_row_open_it_and_four_do_not(health: Health) -> None:
    _fail(health, IN_A_ROW - 1)
    assert (health.state, health.lets("m")) == ("closed", True)
    _fail(health)
    assert (health.state, health.lets("m")) == ("open", False)


def test_a_success_between_failures_keeps_it_closed(health: Health) -> None:
    for _ in range(4):
        _fail(health, IN_A_ROW - 1)
        health.passed(health.begin())
        health.passed(health.begin())
        health.passed(health.begin())
        health.passed(health.begin())
    assert health.state == "closed"


def test_more_than_half_of_twenty_open_it_without_five_in_a_row(health: Health) -> None:
    for turn in range(7):
        _fail(health, 2)
        assert health.state == ("open" if turn == 6 else "closed")
        health.passed(health.begin())


@pytest.mark.parametrize("kind", ["unreachable", "timeout", "server", "protocol", "cut"])
def test_every_fault_of_the_endpoint_counts(kind: str, health: Health) -> None:
    _fail(health, IN_A_ROW, CallError(kind, "lab: it failed", retryable=True))  # type: ignore[arg-type]
    assert health.state == "open"


@pytest.mark.parametrize("kind", ["rate_limit", "bad_request", "too_large", "cut", "timeout"])
def test_what_another_attempt_cannot_change_and_what_is_no_fault_does_not_count(kind: str, health: Health) -> None:
    _fail(health, 50, CallError(kind, "lab: no", retryable=kind == "rate_limit"))  # type: ignore[arg-type]
    assert health.state == "closed"


def test_one_probe_is_let_through_when_it_is_time_and_no_second_one(health: Health, clock: Clock) -> None:
    _fail(health, IN_A_ROW)
    clock.now += FIRST_PROBE
    assert (health.state, health.lets("m")) == ("half-open", True)
    probe = health.begin()
    assert probe
    assert (health.state, health.lets("m")) == ("half-open", False)
    health.passed(probe)
    assert (health.state, health.lets("m")) == ("closed", True)


def test_a_probe_that_fails_doubles_the_wait_up_to_two_minutes_and_a_success_begins_anew(health: Health, clock: Clock) -> None:
    _fail(health, IN_A_ROW)
    waits = []
    for _ in range(10):
        waits.append(health.due("m") - clock.now)
        clock.now = health.due("m")
        _fail(health)
    assert waits == [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, LAST_PROBE, LAST_PROBE, LAST_PROBE]
    clock.now = health.due("m")
    health.passed(health.begin())
    _fail(health, IN_A_ROW)
    assert health.due("m") - clock.now == FIRST_PROBE


def test_a_probe_that_was_stopped_leaves_room_for_the_next(health: Health, clock: Clock) -> None:
    _fail(health, IN_A_ROW)
    clock.now += FIRST_PROBE
    health.left(health.begin())
    assert health.lets("m")


def test_attempts_that_began_before_it_opened_neither_close_it_nor_prolong_it(health: Health, clock: Clock) -> None:
    before = [health.begin() for _ in range(3)]
    _fail(health, IN_A_ROW)
    until = health.due("m")
    clock.now += 0.5
    health.failed(before[0], DOWN, "m")
    health.passed(before[1])
    assert (health.state, health.due("m")) == ("open", until)


@pytest.mark.parametrize("kind", ["auth", "quota"])
def test_a_refused_key_and_a_used_up_account_open_it_at_once_and_say_why(kind: str, health: Health, clock: Clock) -> None:
    _fail(health, 1, CallError(kind, "lab: refuses the key in LAB_KEY"))  # type: ignore[arg-type]
    refusal = health.refusal("m")
    assert (health.state, health.due("m") - clock.now) == ("open", VERDICT)
    assert (refusal.kind, refusal.retryable) == (kind, False)
    assert str(refusal) == "lab: not asked, it is tried again in 30 s: refuses the key in LAB_KEY"


def test_a_model_that_is_not_there_is_left_out_alone(health: Health, clock: Clock) -> None:
    _fail(health, 1, CallError("not_found", "lab: no such model"))
    assert [health.lets(model) for model in ("m", "other")] == [False, True]
    assert (health.state, health.figures().missing) == ("closed", ("m",))
    assert health.refusal("m").kind == "not_found"
    clock.now += VERDICT
    assert health.lets("m")


@pytest.mark.parametrize("kind", ["unreachable", "protocol"])
def test_what_is_no_answer_at_all_counts_though_no_further_attempt_would_help(kind: str, health: Health, clock: Clock) -> None:
    error = CallError(kind, "lab: the certificate is not trusted")  # type: ignore[arg-type]
    _fail(health, IN_A_ROW, error)
    assert (health.state, health.figures().answered, health.figures().failed) == ("open", 0, IN_A_ROW)
    assert not health.refusal("m").retryable
    clock.now += FIRST_PROBE
    _fail(health, 1, error)
    assert health.state == "open"


@pytest.mark.parametrize("kind", ["timeout", "cut"])
def test_a_call_that_had_all_its_time_says_nothing_of_a_circuit_that_is_open(kind: str, health: Health, clock: Clock) -> None:
    _fail(health, IN_A_ROW)
    clock.now += FIRST_PROBE
    _fail(health, 1, CallError(kind, "lab: not finished after 600 s"))  # type: ignore[arg-type]
    assert (health.state, health.lets("m"), health.figures().answered) == ("half-open", True, 0)


def test_a_server_that_asks_to_wait_is_not_asked_before(health: Health, clock: Clock) -> None:
    health.shut(300.0, CallError("rate_limit", "lab: too many requests", retryable=True, retry_after=300.0))
    clock.now += 299.0
    assert not health.lets("m")
    clock.now += 1.0
    assert health.lets("m")


def test_the_figures_tell_what_happened(health: Health, clock: Clock) -> None:
    health.passed(health.begin())
    _fail(health, IN_A_ROW)
    clock.now += 0.25
    figures = health.figures()
    assert (figures.state, figures.failures, figures.failed, figures.answered, figures.opened) == ("open", 5, 5, 1, 1)
    assert (figures.probe_in, figures.reason) == (0.75, "nothing listens at 127.0.0.1:9")


async def test_who_waits_hears_of_a_change_and_cancelling_one_leaves_the_others(health: Health) -> None:
    async with asyncio.TaskGroup() as group:
        waiting = [group.create_task(health.change(60.0)) for _ in range(3)]
        await asyncio.sleep(0)
        waiting[0].cancel()
        await asyncio.sleep(0)
        _fail(health, IN_A_ROW)
    assert [task.cancelled() for task in waiting] == [True, False, False]


def test_retries_are_a_fifth_of_the_calls_and_a_burst() -> None:
    budget = RetryBudget()
    assert [budget.spend() for _ in range(11)] == [True] * 10 + [False]
    for _ in range(5):
        budget.earn()
    assert [budget.spend(), budget.spend()] == [True, False]
    assert budget.spent == 11


@given(st.lists(st.sampled_from(["begin", "pass", "fail", "stop", "auth", "wait"]), max_size=200))
def test_whatever_happens_there_is_at_most_one_probe_and_it_can_always_recover(steps: list[str]) -> None:
    clock = Clock()
    health = Health("lab", clock)
    under_way: list[bool] = []
    for step in steps:
        match step:
            case "begin" if health.lets("m"):
                under_way.append(health.begin())
            case "pass" if under_way:
                health.passed(under_way.pop())
            case "fail" if under_way:
                health.failed(under_way.pop(), DOWN, "m")
            case "auth" if under_way:
                health.failed(under_way.pop(), CallError("auth", "lab: no"), "m")
            case "stop" if under_way:
                health.left(under_way.pop())
            case "wait":
                clock.now += 7.0
        assert sum(under_way) <= 1
        assert 0 <= health.figures().probe_in <= LAST_PROBE
    for probe in under_way:
        health.left(probe)
    clock.now += LAST_PROBE
    assert health.lets("m")
    health.passed(health.begin())
    assert health.state == "closed"
