from __future__ import annotations

from collections import defaultdict, deque

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule

from agents.models.lines import PATIENCE, Lines
from agents.requests import Priority

CLASSES = st.sampled_from(list(Priority))


def taken(lines: Lines[str]) -> str:
    turn = lines.next()
    assert turn is not None
    item = lines.take(turn[1])
    assert item == turn[0]
    return item


def test_classes_go_in_order_and_within_a_class_first_come_first_served() -> None:
    lines: Lines[str] = Lines()
    for name, priority in (
        ("s", Priority.SPECULATIVE),
        ("b1", Priority.BATCH),
        ("a", Priority.AGENT),
        ("i1", Priority.INTERACTIVE),
        ("b2", Priority.BATCH),
        ("i2", Priority.INTERACTIVE),
    ):
        lines.add(name, priority)
    assert [taken(lines) for _ in range(6)] == ["i1", "i2", "a", "b1", "b2", "s"]
    assert lines.next() is None


def test_a_class_that_was_passed_over_as_often_as_its_patience_goes_next() -> None:
    lines: Lines[str] = Lines()
    for priority in (Priority.BATCH, Priority.SPECULATIVE):
        lines.add(priority.name, priority)
    for number in range(100):
        lines.add(f"i{number}", Priority.INTERACTIVE)
    order = [taken(lines) for _ in range(40)]
    assert order.index("BATCH") == PATIENCE[Priority.BATCH]
    assert order.index("SPECULATIVE") == PATIENCE[Priority.SPECULATIVE]


def test_a_class_that_is_served_all_the_time_has_no_claim_on_the_next_place() -> None:
    lines: Lines[str] = Lines()
    for number in range(1000):
        lines.add(f"b{number}", Priority.BATCH)
    for _ in range(500):
        assert taken(lines).startswith("b")
    lines.add("person", Priority.INTERACTIVE)
    assert taken(lines) == "person"


def test_ten_thousand_leave_from_the_middle_in_the_time_that_it_takes_to_name_them() -> None:
    lines: Lines[int] = Lines()
    for number in range(10_000):
        lines.add(number, Priority.BATCH)
    for number in range(9_999):
        assert lines.discard(number, Priority.BATCH)
    assert not lines.discard(5, Priority.BATCH)
    assert (len(lines), lines.next()) == (1, (9_999, Priority.BATCH))


class Waiting(RuleBasedStateMachine):
    """Everything that can happen to the lines, against plain lists."""

    items = Bundle("items")

    def __init__(self) -> None:
        super().__init__()
        self.lines: Lines[int] = Lines()
        self.model: dict[Priority, deque[int]] = defaultdict(deque)
        self.count = self.takings = 0
        self.due: dict[int, int] = {}

    @rule(target=items, priority=CLASSES)
    def arrive(self, priority: Priority) -> tuple[int, Priority]:
        self.count += 1
        self.lines.add(self.count, priority)
        self.model[priority].append(self.count)
        self.due[self.count] = self.takings + len(self.model[priority]) * Lines.bound + Lines.bound
        return self.count, priority

    @rule(item=consumes(items))
    def cancel(self, item: tuple[int, Priority]) -> None:
        number, priority = item
        there = number in self.model[priority]
        assert self.lines.discard(number, priority) is there
        if there:
            self.model[priority].remove(number)

    @rule(times=st.integers(1, 40))
    def take(self, times: int) -> None:
        for _ in range(times):
            turn = self.lines.next()
            if turn is None:
                assert not any(self.model.values())
                return
            item = self.lines.take(turn[1])
            self.takings += 1
            assert item == turn[0] == self.model[turn[1]].popleft()
            assert self.takings <= self.due[item]

    @invariant()
    def nothing_is_lost(self) -> None:
        assert len(self.lines) == sum(map(len, self.model.values()))
        assert [self.lines.depth(priority) for priority in Priority] == [len(self.model[priority]) for priority in Priority]
        assert sorted(self.lines.heads()) == sorted(line[0] for line in self.model.values() if line)
        assert all(self.takings <= self.due[item] for line in self.model.values() for item in line)


TestWaiting = Waiting.TestCase
TestWaiting.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
