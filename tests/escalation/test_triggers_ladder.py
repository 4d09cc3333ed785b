"""Rules that ask the next level: while somebody is stuck, and where nobody answers."""

from datetime import timedelta

import pytest

from incidents.core import services as core
from incidents.core.models import Incident, Kind
from incidents.escalation import services as escalation
from incidents.escalation.models import Escalation
from incidents.insights.audit.kinds import Scope
from incidents.insights.audit.run import audit
from incidents.notifications.models import Delivery
from incidents.timers import engine
from incidents.timers.models import Timer
from tests.escalation.rulebook import runbook
from tests.escalation.stage import pass_by, settle
from tests.escalation.triggering import NEXT, STUCK, declare, pending, taken, told, trigger

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("acknowledged_for_good")]


# --- The ladder while somebody is stuck -----------------------------------------------------------


def test_stuck_for_15_minutes_asks_level_2_and_for_30_level_3(policy, service, phones, clock, bob):
    runbook(triggers=STUCK)
    incident = declare(service)
    settle()
    assert phones.paged() == ["bob"]
    pass_by(clock, 3)
    core.acknowledge(incident, actor=bob)

    pass_by(clock, 14.5)
    assert phones.take() == []
    pass_by(clock, 0.5)
    assert phones.paged() == ["alice"]
    pass_by(clock, 15)
    assert phones.paged() == ["dana"]

    assert told(incident) == [
        "Escalated to the next level: Stuck for 15 minutes.",
        "Escalated to the next level: Stuck for 30 minutes.",
    ]
    assert Incident.objects.get(pk=incident.pk).acknowledged_by == bob
    pass_by(clock, 60)
    assert phones.take() == []


def test_identified_is_not_stuck(policy, service, phones, clock, bob):
    runbook(triggers=STUCK)
    incident = taken(service, phones, bob)
    pass_by(clock, 10)

    core.identify(incident, suspected_cause="The disk is full", actor=bob)
    pass_by(clock, 10)

    assert phones.take() == []


def test_without_anybody_who_has_it_nobody_is_stuck(policy, service, phones, clock, bob):
    runbook(triggers=STUCK)
    incident = taken(service, phones, bob)
    pass_by(clock, 10)
    core.unacknowledge(incident, actor=bob, reason="I cannot")
    assert pending(incident) == set()
    pass_by(clock, 4)
    core.acknowledge(incident, actor=bob)
    settle()
    phones.take()

    pass_by(clock, 14.5)
    assert phones.take() == []
    pass_by(clock, 0.5)

    assert phones.paged() == ["alice"]


def test_asleep_is_not_stuck(policy, service, phones, clock, bob):
    runbook(triggers=STUCK)
    incident = taken(service, phones, bob)

    core.snooze(incident, until=clock.at + timedelta(hours=1), reason="Rest", actor=bob)

    assert pending(incident) == set()
    pass_by(clock, 20)
    assert phones.take() == []


def test_at_the_top_nobody_is_paged_again_and_it_is_said(policy, service, phones, clock, bob):
    escalation.set_levels(
        policy,
        levels=[{"timeout": timedelta(minutes=5), "targets": [{"kind": "schedule"}]}],
        actor=None,
    )
    runbook(triggers=STUCK)
    incident = taken(service, phones, bob)

    pass_by(clock, 15)

    assert phones.take() == []
    assert told(incident, Kind.LEVEL_SKIPPED) == [
        "No further level was asked: no higher level has anybody who can be reached."
    ]


def test_the_same_level_is_not_asked_by_its_own_time_and_by_a_rule(policy, service, phones, clock):
    runbook(triggers=[trigger("slow", "Nobody for 5 minutes", to=NEXT, after="5 min")])
    incident = declare(service)
    settle()
    assert phones.paged() == ["bob"]

    pass_by(clock, 5)

    assert phones.paged() == ["alice"]
    assert Escalation.objects.get().level == 2
    assert told(incident)[-1] == "Escalated to the next level: Nobody for 5 minutes."
    pass_by(clock, 10)
    assert phones.paged() == ["dana"]


def test_nobody_is_paged_by_level_and_by_role_at_the_same_moment(policy, service, phones, clock):
    runbook(triggers=[trigger("slow", to={"role": "manager"}, after="5 min")])
    declare(service)
    settle()
    phones.take()

    pass_by(clock, 5)

    assert phones.paged() == ["alice"]


def test_a_rule_takes_the_ladder_up_without_waiting(policy, service, phones, clock):
    runbook(triggers=[trigger("slow", to=NEXT, after="2 min")])
    declare(service)
    settle()
    phones.take()

    pass_by(clock, 2)
    assert phones.paged() == ["alice"]
    pass_by(clock, 9.5)
    assert phones.paged() == []
    pass_by(clock, 0.5)
    assert phones.paged() == ["dana"]


def test_a_ticket_that_takes_too_long_is_paged(policy, service, phones, clock):
    runbook(triggers=[trigger("slow", "Open for 2 hours", to=NEXT, after="2 h")])
    incident = declare(service, "SEV4")
    settle()
    assert phones.told() == ["bob"]

    pass_by(clock, 120)

    assert phones.paged() == ["bob"]
    assert Escalation.objects.get(pk=incident.pk).state == Escalation.State.RUNNING
    assert not Timer.objects.pending().filter(kind="escalation.ticket_due").exists()


def test_a_rule_that_begins_anew_voids_no_word_to_the_last_resort(policy, service, phones, clock):
    escalation.set_active(policy, is_active=False, actor=None)
    runbook(triggers=[trigger("slow", to=NEXT, after="29 min")])
    incident = declare(service)
    settle()
    assert phones.paged() == ["duty"]

    clock.forward(minutes=30)  # the last resort is to be told again, in the same tick
    engine.tick()

    epoch = Incident.objects.get(pk=incident.pk).paging_epoch
    waiting = Delivery.objects.filter(state=Delivery.State.PENDING)
    assert {delivery.paging_epoch for delivery in waiting} == {epoch}
    settle()
    assert set(phones.paged()) == {"duty"}


# --- The auditor ----------------------------------------------------------------------------------


def test_the_auditor_finds_help_by_a_rule_in_order(policy, service, phones, clock, bob):
    runbook(triggers=STUCK)
    taken(service, phones, bob)
    pass_by(clock, 30)
    assert phones.paged() == ["alice", "dana"]

    findings = audit(Scope(now=clock.at)).findings

    assert [one.name for one in findings if one.name in {"I1", "I2", "I3", "I7"}] == []
