"""A type that may recover by itself: nobody is paged before it had the time to."""

from datetime import UTC, datetime

import pytest

from incidents.core import services as core
from incidents.core.models import Incident, Kind, Service
from incidents.escalation import services as escalation
from incidents.escalation.models import Page
from incidents.insights.audit.kinds import Scope
from incidents.insights.audit.run import audit
from incidents.notifications.transports.recorder import Recorder
from incidents.timers.models import Timer
from tests.escalation.rulebook import person, runbook
from tests.escalation.stage import nobody_is_silent, settle

pytestmark = pytest.mark.django_db

TUESDAY_EVENING = datetime(2026, 3, 3, 17, 0, tzinfo=UTC)
SLOW = {"title": "Slow", "definition": "Slower than usual.", "severity": "SEV2"}


@pytest.fixture
def house(policy) -> None:
    """Degradation waits two minutes; whatever is a SEV2 calls the director as well."""
    person("diana", "director")
    runbook(
        types={"degradation": SLOW | {"page_after": "2 min"}, "outage": SLOW},
        at_declaration=[{"severities": ["SEV2"], "page": ["director"], "tell": ["team"]}],
    )


@pytest.fixture
def slow(house, service: Service) -> Incident:
    """Declared on Monday at 10:00."""
    return declare(service)


def declare(service: Service, kind: str = "degradation", severity: str = "SEV2") -> Incident:
    return core.declare(title="Slow", service=service, severity=severity, incident_type=kind)


def told(incident: Incident, kind: Kind) -> list[str]:
    entries = incident.timeline.filter(kind=kind).order_by("pk")
    return list(entries.values_list("summary", flat=True))


def test_nobody_is_paged_for_two_minutes_and_a_step_is_due(slow, phones, clock):
    clock.forward(seconds=119)
    settle()

    assert phones.take() == []
    step = Timer.objects.pending().of(slow).get(kind="escalation.step")
    assert step.due_at == slow.declared_at + (clock.at - slow.declared_at) * 120 / 119
    assert told(slow, Kind.NOTE) == ["Nobody is paged for 2 min: it may recover by itself."]
    nobody_is_silent()


def test_what_has_not_recovered_goes_the_ordinary_way(slow, phones, clock):
    clock.forward(minutes=2)
    settle()
    assert phones.take() == [("alice", "message"), ("bob", "page"), ("diana", "page")]

    clock.forward(minutes=5)
    settle()
    assert phones.paged() == ["alice"]


def test_what_recovered_pages_nobody_and_stays_open_as_a_ticket(slow, phones, clock):
    clock.forward(seconds=90)
    core.mark_recovered(slow)
    clock.forward(seconds=30)
    settle()

    assert "It works again since" in Recorder.sent[0].body
    assert phones.told() == ["bob"]
    assert not Page.objects.exists()
    assert Incident.objects.get(pk=slow.pk).is_open
    due = Timer.objects.pending().of(slow).get(kind="escalation.ticket_due")
    assert due.due_at == TUESDAY_EVENING
    assert told(slow, Kind.NOTE)[1:] == [
        "It works again: nobody is paged, and it stays open as a ticket."
    ]
    assert "2026-03-03 17:00 UTC" in told(slow, Kind.TICKETED)[0]
    clock.forward(hours=20)
    settle()
    assert phones.take() == []


def test_such_a_ticket_that_nobody_took_is_paged_the_next_working_day(slow, phones, clock):
    core.mark_recovered(slow)
    clock.forward(minutes=2)
    settle()
    phones.take()

    clock.at = TUESDAY_EVENING
    settle()

    assert phones.paged() == ["bob"]


def test_what_breaks_again_is_paged_at_once_with_all_who_are_called(slow, phones, clock):
    core.mark_recovered(slow)
    clock.forward(minutes=2)
    settle()
    phones.take()
    clock.forward(minutes=10)

    core.relapse(slow)
    settle()

    assert phones.take() == [("alice", "message"), ("bob", "page"), ("diana", "page")]
    assert not Timer.objects.pending().filter(kind="escalation.ticket_due").exists()


def test_what_broke_again_within_the_time_is_paged_when_it_is_over(slow, phones, clock):
    core.mark_recovered(slow)
    clock.forward(seconds=60)
    core.relapse(slow)
    settle()
    assert phones.take() == []

    clock.forward(seconds=60)
    settle()

    assert ("bob", "page") in phones.take()


def test_what_somebody_took_as_a_ticket_and_broke_again_is_no_ticket_any_more(
    slow, phones, clock, bob
):
    core.mark_recovered(slow)
    clock.forward(minutes=2)
    settle()
    core.acknowledge(slow, actor=bob)
    core.relapse(slow)
    settle()
    phones.take()

    core.unacknowledge(slow, actor=bob, reason="I cannot")
    settle()

    assert phones.paged() == ["bob"]


def test_whoever_acknowledges_in_time_is_alone_with_it(slow, phones, clock, bob):
    clock.forward(minutes=1)
    core.acknowledge(slow, actor=bob)
    settle()

    clock.forward(minutes=1)
    settle()

    assert phones.told() == ["alice"]
    assert not Page.objects.exists()


def test_becoming_worse_ends_the_waiting(slow, phones, clock, bob):
    clock.forward(minutes=1)

    core.change_severity(slow, severity="SEV1", reason="Worse", actor=bob)
    settle()
    assert phones.paged() == ["bob"]
    clock.forward(minutes=1)
    settle()

    assert phones.take() == []


def test_becoming_less_bad_does_not(slow, phones, clock, bob):
    clock.forward(minutes=1)
    core.change_severity(slow, severity="SEV3", reason="Only a few", actor=bob)
    settle()
    assert phones.take() == []

    clock.forward(minutes=1)
    settle()

    assert phones.paged() == ["bob"]


def test_a_person_does_not_have_to_wait(slow, phones, clock, bob):
    escalation.escalate(slow, reason="I see it", actor=bob)
    settle()

    assert phones.paged() == ["bob"]


def test_resolved_in_time_it_is_forgotten(slow, phones, clock, bob):
    core.dismiss(slow, reason="A test", actor=bob)
    clock.forward(minutes=2)
    settle()

    assert phones.take() == []


def test_reopened_it_does_not_wait_again(slow, phones, clock, bob):
    core.dismiss(slow, reason="A test", actor=bob)
    core.reopen(slow, reason="No test", actor=bob)
    settle()

    assert ("bob", "page") in phones.take()


@pytest.mark.parametrize("facts", [{"kind": "outage"}, {"severity": "SEV1"}, {"kind": ""}])
def test_another_type_or_a_worse_beginning_is_paged_at_once(house, service, phones, facts):
    declare(service, **facts)
    settle()

    assert ("bob", "page") in phones.take()


def test_a_ticket_is_sent_at_once(house, service, phones):
    declare(service, severity="SEV4")
    settle()

    assert phones.told() == ["bob"]


def test_the_auditor_finds_nothing_wrong_with_either_way(house, service, phones, clock):
    declare(service)
    recovered = declare(service)
    core.mark_recovered(recovered)
    clock.forward(minutes=2)
    settle()
    clock.forward(minutes=5)
    settle()

    findings = audit(Scope(now=clock.at)).findings

    assert [finding.name for finding in findings if finding.name in {"I1", "I2", "I7"}] == []
