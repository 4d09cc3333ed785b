"""Who is asked next: tables and properties of the pure decision."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from incidents.escalation.engine import UNREACHABLE, Decision, Ladder, Place, Rung, decide

NOW = datetime(2026, 3, 2, 10, 0, tzinfo=UTC)
FIVE = timedelta(minutes=5)
ANN, BOB, CAT = 1, 2, 3


def ladder(*people: tuple[int, ...], repeats: int = 0) -> Ladder:
    """One rung for each tuple of people; an empty one means nobody."""
    rungs = [
        Rung(level, FIVE, who, "" if who else "nobody is on call")
        for level, who in enumerate(people, 1)
    ]
    return Ladder(tuple(rungs), repeats)


@pytest.mark.parametrize(
    ("place", "people", "repeats", "asked_at", "asked"),
    [
        (Place(1, 0), [(ANN,), (BOB,)], 0, Place(1, 1), (ANN,)),
        (Place(1, 1), [(ANN,), (BOB,)], 0, Place(1, 2), (BOB,)),
        (Place(1, 2), [(ANN,), (BOB,)], 1, Place(2, 1), (ANN,)),
        (Place(1, 0), [(), (BOB,)], 0, Place(1, 2), (BOB,)),
        (Place(1, 1), [(ANN,), ()], 1, Place(2, 1), (ANN,)),
        (Place(2, 1), [(ANN,), (BOB, CAT)], 1, Place(2, 2), (BOB, CAT)),
        # A policy that lost levels meanwhile goes on with what is left.
        (Place(1, 5), [(ANN,), (BOB,)], 1, Place(2, 1), (ANN,)),
    ],
)
def test_it_asks_the_next_level_that_has_somebody(place, people, repeats, asked_at, asked):
    decision = decide(place, ladder(*people, repeats=repeats), NOW)

    assert (decision.place, decision.people) == (asked_at, asked)
    assert decision.due_at == NOW + FIVE
    assert decision.exhausted == ""


def test_it_notes_the_levels_that_it_skips():
    decision = decide(Place(), ladder((), (ANN,), (BOB,)), NOW, unreachable={ANN})

    assert [(skip.place, skip.why) for skip in decision.skipped] == [
        (Place(1, 1), "nobody is on call"),
        (Place(1, 2), UNREACHABLE),
    ]
    assert decision.people == (BOB,)


def test_it_leaves_out_only_those_who_cannot_be_reached():
    decision = decide(Place(), ladder((ANN, BOB)), NOW, unreachable={ANN})

    assert decision.people == (BOB,)
    assert decision.skipped == ()


@pytest.mark.parametrize(
    ("place", "given", "why"),
    [
        (Place(1, 2), ladder((ANN,), (BOB,)), "every level was asked and nobody acknowledged"),
        (
            Place(3, 1),
            ladder((ANN,), repeats=2),
            "every level was asked 3 times and nobody acknowledged",
        ),
        (Place(), ladder((), ()), "nobody on any level of its escalation policy can be reached"),
        (Place(1, 1), ladder((), (), repeats=9), "nobody on any level"),
        (Place(), Ladder(fault="it is switched off"), "it is switched off"),
    ],
)
def test_it_gives_up_when_nobody_is_left(place, given, why):
    decision = decide(place, given, NOW)

    assert decision.exhausted.startswith(why)
    assert (decision.people, decision.due_at) == ((), None)


LADDERS = st.builds(
    lambda people, repeats: ladder(*map(tuple, people), repeats=repeats),
    st.lists(st.lists(st.integers(1, 5), max_size=3, unique=True), min_size=1, max_size=6),
    st.integers(0, 4),
)


def climb(given: Ladder, unreachable: set[int]) -> list[Decision]:
    decisions, place = [], Place()
    while True:
        decision = decide(place, given, NOW, unreachable=unreachable)
        decisions.append(decision)
        if decision.exhausted:
            return decisions
        place = decision.place
        assert len(decisions) <= given.cycles * len(given.rungs)


@given(LADDERS, st.sets(st.integers(1, 5)))
def test_every_climb_ends_and_asks_each_level_that_has_somebody_in_order(given, unreachable):
    *steps, last = climb(given, unreachable)

    reachable = [rung.level for rung in given.rungs if set(rung.people) - unreachable]
    expected = [Place(cycle, level) for cycle in range(1, given.cycles + 1) for level in reachable]
    assert [step.place for step in steps] == expected
    assert last.exhausted
    assert not {person for step in steps for person in step.people} & unreachable


@given(LADDERS, st.sets(st.integers(1, 5)))
def test_no_level_is_passed_without_being_asked_or_noted(given, unreachable):
    decisions = climb(given, unreachable)

    passed = [
        place
        for decision in decisions
        for place in [
            *(skip.place for skip in decision.skipped),
            *([] if decision.exhausted else [decision.place]),
        ]
    ]
    everybody_silent = not any(set(rung.people) - unreachable for rung in given.rungs)
    cycles = 1 if everybody_silent else given.cycles
    assert passed == [
        Place(cycle, rung.level) for cycle in range(1, cycles + 1) for rung in given.rungs
    ]


@given(LADDERS, st.integers(1, 6), st.integers(0, 8))
def test_it_is_always_either_a_step_with_a_due_time_or_the_end(given, cycle, level):
    decision = decide(Place(cycle, level), given, NOW)

    assert bool(decision.people) == (decision.due_at is not None)
    assert bool(decision.people) != bool(decision.exhausted)
