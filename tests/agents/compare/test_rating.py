from __future__ import annotations

import math
import random
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.compare.rating import BASE, ratings
from storage.votes import Vote


def votes(*results: tuple[str, str, int], tie: bool = False) -> list[Vote]:
    return [Vote(round="r", winner=won, loser=lost, tie=tie) for won, lost, count in results for _ in range(count)]


def test_no_votes_are_no_ratings() -> None:
    assert ratings([]) == []
    assert ratings(votes(("a", "a", 3))) == []


def test_three_wins_to_one_are_nearly_191_points() -> None:
    better, worse = ratings(votes(("a", "b", 3000), ("b", "a", 1000)))
    assert (better.model, worse.model) == ("a", "b")
    assert better.rating - worse.rating == pytest.approx(400 * math.log10(3), abs=0.5)
    assert (better.wins, better.losses, better.ties) == (3000, 1000, 0)


def test_ties_count_half() -> None:
    tied = ratings(votes(("a", "b", 10), tie=True))
    assert [each.rating for each in tied] == [pytest.approx(BASE)] * 2
    assert [(each.wins, each.losses, each.ties) for each in tied] == [(0, 0, 10)] * 2
    mixed = ratings([*votes(("a", "b", 4)), *votes(("b", "a", 2), tie=True)])
    halves = ratings([*votes(("a", "b", 5)), *votes(("b", "a", 1))])
    assert [each.rating for each in mixed] == pytest.approx([each.rating for each in halves])


def test_one_that_never_lost_has_a_finite_rating_and_more_votes_make_it_surer() -> None:
    few, many = ratings(votes(("a", "b", 1)))[0], ratings(votes(("a", "b", 50)))[0]
    assert BASE < few.rating < many.rating < 2500
    assert few.low < BASE
    assert many.low > BASE


def test_the_interval_narrows_with_the_root_of_the_votes() -> None:
    small = ratings(votes(("a", "b", 60), ("b", "a", 40)))[0]
    large = ratings(votes(("a", "b", 6000), ("b", "a", 4000)))[0]
    assert (small.high - small.low) / (large.high - large.low) == pytest.approx(10, rel=0.05)


def test_models_that_were_never_compared_leave_the_question_open() -> None:
    found = {each.model: each for each in ratings(votes(("a", "b", 40), ("c", "d", 40)))}
    assert found["a"].rating == pytest.approx(found["c"].rating)
    compared = {each.model: each for each in ratings(votes(("a", "b", 40), ("c", "d", 40), ("a", "c", 20), ("c", "a", 20)))}
    assert compared["a"].high - compared["a"].low < found["a"].high - found["a"].low


def test_strengths_that_made_the_votes_are_found_again() -> None:
    chance = random.Random(3)
    true = {"a": 1200.0, "b": 1050.0, "c": 950.0, "d": 800.0}
    cast = []
    for one, other in permutations(true, 2):
        expected = 1 / (1 + 10 ** ((true[other] - true[one]) / 400))
        for _ in range(400):
            won = chance.random() < expected
            cast += votes((one, other, 1)) if won else votes((other, one, 1))
    found = ratings(cast)
    assert [each.model for each in found] == list("abcd")
    assert all(each.low <= true[each.model] <= each.high for each in found)
    assert all(each.high - each.low < 80 for each in found)


@given(st.lists(st.tuples(st.sampled_from("abcde"), st.sampled_from("abcde"), st.booleans()), max_size=60))
def test_any_votes_give_finite_ratings_whose_mean_is_the_base(cast: list[tuple[str, str, bool]]) -> None:
    found = ratings(Vote(round="", winner=won, loser=lost, tie=tie) for won, lost, tie in cast)
    assert {each.model for each in found} == {name for won, lost, _ in cast for name in (won, lost) if won != lost}
    assert all(math.isfinite(each.rating) and each.low < each.rating < each.high for each in found)
    if found:
        assert sum(each.rating for each in found) / len(found) == pytest.approx(BASE)
    assert [each.rating for each in found] == sorted((each.rating for each in found), reverse=True)


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("abc"), st.booleans()), max_size=40), st.randoms())
def test_the_order_of_the_votes_means_nothing(cast: list[tuple[str, str, bool]], chance: random.Random) -> None:
    plain = [Vote(round="", winner=won, loser=lost, tie=tie) for won, lost, tie in cast]
    mixed = plain.copy()
    chance.shuffle(mixed)
    first, second = ({each.model: each.rating for each in ratings(each_)} for each_ in (plain, mixed))
    assert first == pytest.approx(second, abs=1e-3)
