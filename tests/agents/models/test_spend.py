"""What calls cost while they stream, and what a budget does."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.engine import Engine
from agents.errors import CallError
from agents.events import Usage
from agents.models.flights import Flight
from agents.models.names import parse_model
from agents.models.spend import Spend
from agents.requests import Attachment, Chat, Lane, Message, ModelCall, Priority
from agents.settings import Price

PRICE = Price(input=1.0, output=10.0)
TEXT = "x" * 400
"""About 100 tokens, and 4 for the message."""


def call(text: str = TEXT, priority: Priority = Priority.INTERACTIVE, model: str = "paid/m") -> ModelCall:
    return ModelCall(model=parse_model(model), messages=(Message("user", text),), priority=priority)


def test_input_counts_from_the_start_and_output_as_it_comes() -> None:
    spend = Spend()
    meter = spend.start(call(), PRICE)
    assert spend.figures().spent == pytest.approx(104e-6)
    meter.wrote(40)
    assert spend.figures().spent == pytest.approx(104e-6 + 10 * 10e-6)
    assert spend.figures().estimated == spend.figures().spent


def test_the_servers_own_count_takes_the_place_of_the_estimate() -> None:
    spend = Spend()
    meter = spend.start(call(), PRICE)
    meter.wrote(40)
    meter.settle(Usage(input=200, output=50))
    meter.settle(None)
    figures = spend.figures()
    assert figures.spent == pytest.approx(200e-6 + 500e-6)
    assert (figures.estimated, figures.calls) == (0, 1)
    assert figures.endpoints == {"paid": pytest.approx(700e-6)}


def test_an_estimated_count_of_the_server_is_not_taken_for_its_own() -> None:
    spend = Spend()
    meter = spend.start(call(), PRICE)
    meter.wrote(40)
    meter.settle(Usage(output=500, estimated=True))
    assert spend.figures().spent == pytest.approx(204e-6)
    assert spend.figures().estimated == pytest.approx(204e-6)


def test_what_was_asked_beforehand_is_a_persons_own_once_a_person_asks_it() -> None:
    spend = Spend(budget=1000e-6)
    spend.start(call(), PRICE).settle(Usage(input=600, output=0))
    flight = Flight(call(priority=Priority.SPECULATIVE), PRICE, lambda _: None)
    with pytest.raises(CallError, match="used up"):
        spend.start(flight.call, PRICE, asker=flight)
    flight.urge(Priority.INTERACTIVE)
    spend.start(flight.call, PRICE, asker=flight).settle(Usage(input=100, output=0))
    assert spend.figures().ahead == 0
    assert spend.figures().spent == pytest.approx(700e-6)


def test_what_is_free_needs_no_budget_and_what_costs_needs_one() -> None:
    spend = Spend(0.0)
    meter = spend.start(call(), Price())
    meter.wrote(4000)
    meter.settle(Usage(input=100, output=1000))
    assert (spend.figures().spent, spend.figures().stopped) == (0, 0)
    with pytest.raises(CallError, match="used up"):
        spend.start(call(), PRICE)


def test_an_attempt_that_gave_no_text_costs_nothing() -> None:
    spend = Spend()
    spend.start(call(), PRICE).settle(None)
    assert spend.figures().spent == pytest.approx(0, abs=1e-15)


def test_a_budget_stops_in_the_middle_of_an_answer() -> None:
    spend = Spend(budget=304.5e-6)
    meter = spend.start(call(), PRICE)
    for _ in range(20):
        meter.wrote(4)
    with pytest.raises(CallError, match="budget") as stopped:
        meter.wrote(4)
    assert (stopped.value.kind, stopped.value.retryable) == ("budget", False)
    assert spend.figures().stopped == 1
    assert spend.figures().left == 0


def test_nothing_begins_once_the_budget_is_used_up() -> None:
    spend = Spend(budget=100e-6)
    with pytest.raises(CallError, match="budget"):
        spend.start(call(), PRICE)
    assert spend.figures().spent == 0
    spend.budget = 1.0
    spend.start(call(), PRICE)
    assert spend.figures().left == pytest.approx(1 - 104e-6)


def test_a_piece_is_a_token_at_least_until_the_lane_is_known() -> None:
    spend = Spend()
    meter = spend.start(call(""), PRICE)
    before = meter.cost
    meter.wrote(1)
    assert meter.cost - before == pytest.approx(10e-6)
    for _ in range(19):
        meter.wrote(1)
    meter.settle(Usage(input=4, output=10))
    known = spend.start(call(""), PRICE)
    before = known.cost
    known.wrote(2)
    assert known.cost - before == pytest.approx(10e-6)


def test_what_is_learnt_is_bounded_and_an_answer_without_text_teaches_nothing() -> None:
    spend = Spend()
    for number in range(300):
        meter = spend.start(call(model=f"paid/{number}"), PRICE)
        meter.wrote(100)
        meter.settle(Usage(input=1, output=50))
    assert spend.characters_a_token("paid/0") is None
    assert spend.characters_a_token("paid/299") == 2
    spend.start(call(model="paid/new"), PRICE).settle(Usage(input=1, output=50))
    assert spend.characters_a_token("paid/new") is None


def test_it_is_said_once_that_an_endpoint_without_a_price_cannot_be_counted() -> None:
    spend = Spend(budget=1.0)
    told = [spend.start(call(model=f"{name}/m"), None).notice for name in ("lab", "lab", "other")]
    assert [bool(line) for line in told] == [True, False, True]
    assert "lab, which has no price" in told[0]
    assert Spend().start(call(), None).notice == ""
    meter = spend.start(call(), None)
    meter.wrote(10_000_000)
    meter.settle(Usage(input=1, output=10))
    assert (spend.figures().spent, spend.figures().uncounted) == (0, 4)


def test_what_is_asked_beforehand_leaves_half_of_the_budget() -> None:
    spend = Spend(budget=1e-3)
    ahead = spend.start(call(priority=Priority.SPECULATIVE), PRICE)
    ahead.wrote(100)
    ahead.settle(Usage(input=100, output=40))
    assert spend.figures().ahead == pytest.approx(500e-6)
    with pytest.raises(CallError):
        spend.start(call(priority=Priority.SPECULATIVE), PRICE)
    spend.start(call(), PRICE)


def test_files_that_are_text_count_and_images_do_not() -> None:
    spend = Spend()
    files = (
        Attachment(name="a.txt", media="text/plain", digest="0", size=4000),
        Attachment(name="b.png", media="image/png", digest="0", size=4_000_000),
    )
    asked = ModelCall(model=parse_model("paid/m"), messages=(Message("user", "", files),))
    assert spend.start(asked, PRICE).cost == pytest.approx(1004e-6)


async def test_all_lanes_of_a_run_share_its_budget() -> None:
    async def nothing(run: object) -> None:
        return None

    spend = Spend()
    async with Engine({Chat: nothing}) as engine:
        lane = Lane(model=parse_model("paid/m"), messages=())
        run = engine.submit(Chat(lanes=(lane,), budget=250e-6))
        other = engine.submit(Chat(lanes=(lane,)))
        purse = spend.of_run(run)
        assert purse is spend.of_run(run)
        assert spend.of_run(other) is None
        spend.start(call(), PRICE, purse)
        spend.start(call(), PRICE, purse)
        with pytest.raises(CallError, match="this run's budget"):
            spend.start(call(), PRICE, purse)
        spend.start(call(), PRICE)


@given(st.lists(st.integers(1, 500), max_size=40), st.floats(1e-5, 1e-2))
def test_a_budget_is_passed_by_less_than_the_last_piece(pieces: list[int], budget: float) -> None:
    spend = Spend(budget=budget)
    try:
        meter = spend.start(call(""), PRICE)
        for piece in pieces:
            meter.wrote(piece)
    except CallError:
        pass
    assert spend.figures().spent <= budget + max((max(piece / 4, 1) * 10e-6 for piece in pieces), default=0.0) + 1e-12
    assert spend.figures().spent >= 0
