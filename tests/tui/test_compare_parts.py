from __future__ import annotations

from collections import deque

from hypothesis import given
from hypothesis import strategies as st

from agents.requests import Accept, ModelRef, Params
from tui.compare.lanes import lane, overlaid, request, shared
from tui.compare.limits import MARKS
from tui.compare.queue import drop_pane, take_due
from tui.compare.shape import GUTTER, LOWEST, NARROWEST, Shape, room, shape, turned
from tui.figures import price, short_model
from tui.prompts import Prompt
from tui.widgets.compare_pane import ComparePane
from tui.widgets.slider import place, step

KEYS = st.integers(1, 5)
PROMPTS = st.lists(st.tuples(st.sets(KEYS, min_size=1), st.booleans()), max_size=8)


def prompts(drawn: list[tuple[set[int], bool]]) -> deque[Prompt]:
    return deque(
        Prompt(str(number), panes=tuple(sorted(panes)), accept=Accept() if race else None)
        for number, (panes, race) in enumerate(drawn)
    )


def test_a_prompt_goes_to_the_panes_that_are_free_and_waits_for_the_others() -> None:
    queue = deque([Prompt("to all", panes=(1, 2, 3)), Prompt("to one", panes=(2,)), Prompt("to two", panes=(2, 3))])
    assert take_due(queue, [1, 3]) == [Prompt("to all", panes=(1, 3))]
    assert list(queue) == [Prompt("to all", panes=(2,)), Prompt("to one", panes=(2,)), Prompt("to two", panes=(2, 3))]


def test_a_race_waits_until_all_its_panes_are_free_and_nothing_overtakes_it() -> None:
    queue = deque([Prompt("race", panes=(1, 2), accept=Accept()), Prompt("next", panes=(1,))])
    assert take_due(queue, [1]) == []
    assert take_due(queue, [1, 2]) == [Prompt("race", panes=(1, 2), accept=Accept())]
    assert list(queue) == [Prompt("next", panes=(1,))]


@given(PROMPTS, st.lists(st.sets(KEYS), max_size=12))
def test_every_pane_is_asked_everything_once_in_the_order_it_was_sent(
    drawn: list[tuple[set[int], bool]], freed: list[set[int]]
) -> None:
    queue = prompts(drawn)
    asked: dict[int, list[int]] = {key: [] for key in range(1, 6)}
    for idle in [*freed, *([set(range(1, 6))] * len(drawn))]:
        due = take_due(queue, idle)
        taken = [key for prompt in due for key in prompt.panes]
        assert len(taken) == len(set(taken))
        assert set(taken) <= idle
        for prompt in due:
            for key in prompt.panes:
                asked[key].append(int(prompt.text))
    assert not queue
    assert asked == {key: [number for number, (panes, _) in enumerate(drawn) if key in panes] for key in asked}


def test_what_waits_for_a_pane_that_is_gone_waits_no_more() -> None:
    queue = deque([Prompt("a", panes=(1, 2)), Prompt("b", panes=(2,))])
    drop_pane(queue, 2)
    assert list(queue) == [Prompt("a", panes=(1,))]


def test_what_waits_for_all_panes_to_come_waits_on_when_one_goes() -> None:
    queue = deque([Prompt("a"), Prompt("b", panes=(2,))])
    drop_pane(queue, 2)
    assert list(queue) == [Prompt("a")]


@given(st.integers(1, 16), st.integers(1, 400), st.integers(1, 120))
def test_panes_that_have_room_are_never_smaller_than_can_be_read(count: int, width: int, height: int) -> None:
    most = room(width, height)
    grid = shape(count, most)
    assert grid.places >= min(count, most.places)
    assert grid.columns <= most.columns
    assert grid.rows <= most.rows
    assert grid.columns == 1 or (width - (grid.columns - 1) * GUTTER) // grid.columns >= NARROWEST
    assert grid.rows == 1 or height // grid.rows >= LOWEST


def test_up_to_three_panes_stand_side_by_side_and_more_nearly_as_a_square() -> None:
    wide = room(200, 45)
    assert [shape(count, wide) for count in (1, 2, 3, 4, 6, 9, 16)] == [(1, 1), (2, 1), (3, 1), (2, 2), (3, 2), (3, 3), (4, 4)]
    assert shape(3, room(80, 18)) == Shape(2, 2)
    assert shape(9, room(20, 18)) == Shape(1, 3)


@given(st.lists(st.integers(1, 9), min_size=2, max_size=5), st.sampled_from([-1, 1]), st.integers(20, 200))
def test_widening_leaves_every_column_enough(weights: list[int], by: int, cells: int) -> None:
    changed = turned(weights, 0, by, cells, 10)
    if changed is not None:
        assert changed[0] != weights[0]
        assert changed[1:] == weights[1:]
        assert all(weight * cells // sum(changed) >= 10 for weight in changed)


def test_a_template_s_parameters_and_system_prompt_go_before_the_pane_s_own() -> None:
    pane = ComparePane(ModelRef("lab", "m", Params(temperature=0.5, seed=7)), system="be brief")
    plain = lane(pane, Prompt("hello"))
    assert (plain.model, plain.system, plain.after) == (pane.model, "be brief", None)
    own = lane(pane, Prompt("hello", system="sing", params=Params(temperature=0.0, max_tokens=9)))
    assert own.model.params == Params(temperature=0.0, seed=7, max_tokens=9)
    assert own.system == "sing"
    assert overlaid(Params(top_p=0.5), Params()) == Params(top_p=0.5)


def test_a_prompt_that_is_a_race_becomes_one() -> None:
    pane = ComparePane(ModelRef("lab", "m"))
    race = request(Prompt("go", accept=Accept(min_chars=3)), [pane, pane], use_cache=True, session="s")
    assert (type(race).__name__, race.use_cache, len(race.lanes)) == ("Race", True, 2)
    assert request(Prompt("go", use_cache=False), [pane], use_cache=True, session="s").use_cache is False


@given(st.integers(1, 9999), st.sampled_from([-1, 1]))
def test_the_slider_goes_from_mark_to_mark_and_stays_at_its_ends(value: int, by: int) -> None:
    to = step(MARKS, value, by)
    assert to in MARKS
    assert (to > value) == (by > 0) or to in {MARKS[0], MARKS[-1]}
    assert 0.0 <= place(MARKS, value) <= 1.0


def test_the_slider_s_line_rises_with_the_number() -> None:
    places = [place(MARKS, value) for value in range(1, 5000, 7)]
    assert places == sorted(places)
    assert place(MARKS, 200) < 0.5


def test_titles_begin_with_what_tells_panes_apart() -> None:
    cool, hot = (ModelRef("lab", "alto", Params(temperature=heat, max_tokens=200)) for heat in (0.1, 0.9))
    bass = ModelRef("lab", "bass", Params(temperature=0.9, max_tokens=200))
    assert shared([cool, hot]) == {"model", "top_p", "max_tokens", "seed"}
    assert [short_model(model, shared([cool, hot])) for model in (cool, hot)] == [
        "temp 0.1 alto @lab max 200",
        "temp 0.9 alto @lab max 200",
    ]
    assert [short_model(model, shared([cool, bass])) for model in (cool, bass)] == [
        "alto temp 0.1 @lab max 200",
        "bass temp 0.9 @lab max 200",
    ]
    assert short_model(cool, shared([cool])) == "alto temp 0.1 max 200 @lab"
    assert short_model(bass, shared([bass, bass])) == "bass @lab temp 0.9 max 200"


def test_costs_are_as_long_as_they_must_be() -> None:
    assert [price(value) for value in (None, 0.0, 1.5, 0.25, 0.0123, 0.000045)] == [
        "–",
        "0.00",
        "1.50",
        "0.25",
        "0.012",
        "0.000045",
    ]
