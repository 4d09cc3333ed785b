from datetime import timedelta

import pytest

from incidents.core import services as core
from incidents.core.models import Incident, Kind
from incidents.escalation import services as escalation
from incidents.escalation.models import Escalation, Page
from incidents.oncall import services as oncall
from incidents.timers import engine
from incidents.timers.models import Timer
from tests.escalation.conftest import FIVE, give_phone, take_phone
from tests.escalation.stage import settle

pytestmark = pytest.mark.django_db


def test_it_pages_the_next_level_when_nobody_acknowledges(declared, phones, clock):
    settle()
    assert phones.paged() == ["bob"]

    clock.forward(minutes=5)
    settle()

    assert phones.paged() == ["alice"]
    escalated = declared.timeline.get(kind=Kind.ESCALATED)
    assert escalated.summary == (
        "Escalated to level 2 of 3 of Payments. Nobody acknowledged in time."
    )


def test_it_pages_nobody_a_second_too_early(declared, phones, clock):
    settle()
    phones.paged()

    clock.forward(minutes=5, seconds=-1)
    settle()

    assert phones.paged() == []


def test_the_policy_repeats_and_then_the_last_resort_is_told(declared, phones, clock):
    asked = []
    for minutes in [0, 5, 10, 10, 5, 10, 10]:
        clock.forward(minutes=minutes)
        settle()
        asked += phones.paged()

    assert asked == ["bob", "alice", "dana", "bob", "alice", "dana", "duty"]
    assert declared.timeline.filter(kind=Kind.EXHAUSTED).count() == 1
    assert "asked 2 times" in declared.timeline.get(kind=Kind.EXHAUSTED).summary
    escalation_now = Escalation.objects.get()
    assert escalation_now.state == Escalation.State.EXHAUSTED
    assert escalation_now.exhausted_at == clock.at


def exhaust(incident, phones, clock):
    for minutes in [0, 5, 10, 10, 5, 10, 10]:
        clock.forward(minutes=minutes)
        settle()
    assert ("duty", "page") in phones.take()
    incident.escalation.refresh_from_db()
    assert incident.escalation.state == Escalation.State.EXHAUSTED


def test_the_last_resort_is_told_again_every_half_hour_until_somebody_acknowledges(
    declared, phones, clock, dana
):
    exhaust(declared, phones, clock)

    for _ in range(3):
        clock.forward(minutes=29)
        settle()
        assert phones.paged() == []
        clock.forward(minutes=1)
        settle()
        assert phones.paged() == ["duty"]

    core.acknowledge(declared, actor=dana)
    settle()
    phones.take()
    clock.forward(minutes=29)
    settle()
    assert phones.told() == ["dana"]  # an update is due


def test_the_last_resort_is_left_alone_once_it_is_resolved(declared, phones, clock, dana):
    exhaust(declared, phones, clock)

    core.dismiss(declared, reason="A test", actor=dana)
    settle()
    phones.take()
    clock.forward(hours=3)
    settle()

    assert phones.take() == []


def test_after_an_outage_one_step_follows_and_not_a_burst(declared, phones, clock):
    settle()
    phones.paged()

    clock.forward(hours=2)
    settle()
    assert phones.paged() == ["alice"]

    clock.forward(minutes=10, seconds=-1)
    settle()
    assert phones.paged() == []
    clock.forward(seconds=1)
    settle()
    assert phones.paged() == ["dana"]


def test_who_is_on_call_is_asked_at_the_moment_of_the_step(
    declared, phones, clock, schedule, charlie
):
    give_phone(charlie)
    settle()
    phones.paged()
    # From the very instant of the second round's first step on.
    begins = clock.at + timedelta(minutes=25)
    oncall.add_override(
        schedule,
        user=charlie,
        starts_at=begins,
        ends_at=begins + FIVE,
        reason="Swap",
        actor=charlie,
    )

    for minutes in [5, 10]:
        clock.forward(minutes=minutes)
        settle()
    phones.paged()
    clock.forward(minutes=10)
    settle()

    assert phones.paged() == ["charlie"]


def test_a_person_deactivated_meanwhile_is_skipped(declared, phones, clock, alice):
    settle()
    phones.paged()
    alice.is_active = False
    alice.save()

    clock.forward(minutes=5)
    settle()

    assert phones.paged() == ["dana"]
    assert "no active manager" in declared.timeline.get(kind=Kind.LEVEL_SKIPPED).summary


def test_an_unreachable_level_is_skipped_at_once(declared, phones, clock, alice):
    settle()
    phones.paged()
    take_phone(alice)

    clock.forward(minutes=5)
    settle()

    assert phones.paged() == ["dana"]
    assert declared.timeline.filter(kind=Kind.LEVEL_SKIPPED).count() == 1


def test_a_changed_policy_applies_from_the_next_step_on(declared, phones, clock, policy, dana):
    settle()
    phones.paged()

    levels = [{"timeout": FIVE, "targets": [{"kind": "person", "user": dana}]}]
    escalation.set_levels(policy, levels=levels, actor=None)
    clock.forward(minutes=5)
    settle()

    assert phones.paged() == ["dana"]


@pytest.mark.parametrize(
    "spoil",
    [
        lambda policy: escalation.set_active(policy, is_active=False, actor=None),
        lambda policy: policy.levels.all().delete(),
        lambda policy: (policy.assignments.all().delete(), policy.delete()),
    ],
)
def test_a_policy_that_breaks_meanwhile_goes_to_the_last_resort(
    declared, phones, clock, policy, spoil
):
    settle()
    phones.paged()

    spoil(policy)
    clock.forward(minutes=5)
    settle()

    assert phones.paged() == ["duty"]
    assert declared.timeline.filter(kind=Kind.EXHAUSTED).exists()


def test_nothing_happens_to_an_acknowledged_incident(declared, phones, clock, alice):
    settle()
    phones.paged()

    core.acknowledge(declared, actor=alice)
    clock.forward(minutes=29)
    settle()

    assert ("bob", "page") not in phones.take()
    assert Page.objects.count() == 1


def test_a_batch_takes_a_constant_number_of_queries(
    policy, service, clock, django_assert_max_num_queries
):
    def queries_of(count):
        for number in range(count):
            core.declare(title=f"Number {number}", service=service, severity="SEV1")
        Timer.objects.filter(kind="core.target").delete()
        clock.forward(minutes=5)
        with django_assert_max_num_queries(1_000) as captured:
            assert engine.tick() == count
        verbs = [query["sql"].split(" ", 1)[0] for query in captured.captured_queries]
        # Savepoints are left out: every other room that listens adds a pair for each entry.
        return [verb for verb in verbs if verb in {"SELECT", "INSERT", "UPDATE"}]

    few = queries_of(3)
    Timer.objects.all().delete()
    Incident.objects.update(status="resolved", outcome="resolved")
    many = queries_of(45)

    assert len(many) == len(few) <= 45
