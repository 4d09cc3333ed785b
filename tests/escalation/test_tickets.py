from datetime import UTC, datetime, timedelta

import pytest

from incidents.core import services as core
from incidents.core.models import Kind
from incidents.escalation import services as escalation
from incidents.escalation.models import Escalation, Page
from incidents.notifications.transports.recorder import Recorder
from incidents.timers.models import Timer
from tests.escalation.conftest import take_phone
from tests.escalation.stage import settle

pytestmark = pytest.mark.django_db

TUESDAY_EVENING = datetime(2026, 3, 3, 17, 0, tzinfo=UTC)


@pytest.fixture
def ticket(policy, service):
    """Declared on Monday at 10:00; a SEV4 is answered by a ticket."""
    return core.declare(title="A typo", service=service, severity="SEV4")


def test_a_ticket_is_a_message_and_a_deadline_but_no_page(ticket, phones, clock):
    settle()

    assert "Acknowledge it by 2026-03-03 17:00 UTC, or it will page." in Recorder.sent[0].body
    assert phones.told() == ["bob"]
    assert not Page.objects.exists()
    due = Timer.objects.pending().of(ticket).get(kind="escalation.ticket_due")
    assert due.due_at == TUESDAY_EVENING
    assert ticket.timeline.filter(kind=Kind.TICKETED).exists()
    assert not ticket.timeline.filter(kind=Kind.PAGED).exists()


def test_nobody_is_bothered_before_the_deadline(ticket, phones, clock):
    settle()
    phones.told()

    clock.forward(hours=30)
    settle()

    assert phones.take() == []


def test_a_ticket_that_nobody_took_in_time_is_paged_like_a_page(ticket, phones, clock):
    settle()
    phones.told()

    clock.forward(hours=31)
    settle()
    assert phones.paged() == ["bob"]

    clock.forward(minutes=5)
    settle()
    assert phones.paged() == ["alice"]


def test_an_acknowledged_ticket_is_never_paged(ticket, phones, clock, bob):
    core.acknowledge(ticket, actor=bob)
    settle()
    phones.take()

    clock.forward(days=9)
    settle()

    assert phones.take() == []


def test_a_ticket_that_becomes_a_page_is_paged_at_once(ticket, phones, bob):
    settle()
    phones.told()

    core.change_severity(ticket, severity="SEV1", reason="Everybody sees it", actor=bob)
    settle()

    assert phones.paged() == ["bob"]
    assert not Timer.objects.pending().filter(kind="escalation.ticket_due").exists()


def test_a_ticket_that_becomes_a_worse_ticket_stays_one(ticket, phones, bob):
    settle()
    phones.told()

    core.change_severity(ticket, severity="SEV3", reason="A bit", actor=bob)
    settle()

    assert phones.take() == []
    assert Timer.objects.pending().filter(kind="escalation.ticket_due").exists()


def test_a_ticket_somebody_has_that_becomes_a_page_pages_the_others(ticket, phones, alice):
    core.acknowledge(ticket, actor=alice)
    settle()
    phones.take()

    core.change_severity(ticket, severity="SEV1", reason="Everybody sees it", actor=alice)
    settle()

    assert phones.paged() == ["bob"]


def test_a_ticket_given_back_is_a_ticket_again(ticket, phones, clock, bob):
    core.acknowledge(ticket, actor=bob)
    settle()
    phones.take()
    clock.forward(days=2)

    core.unacknowledge(ticket, actor=bob, reason="On holiday")
    settle()

    assert phones.told() == ["bob"]
    due = Timer.objects.pending().get(kind="escalation.ticket_due")
    assert due.due_at == TUESDAY_EVENING + timedelta(days=2)


def test_a_ticket_whose_first_level_cannot_be_told_goes_to_the_next(policy, service, bob, phones):
    take_phone(bob)

    incident = core.declare(title="A typo", service=service, severity="SEV4")
    settle()

    assert phones.told() == ["alice"]
    assert incident.timeline.filter(kind=Kind.LEVEL_SKIPPED).count() == 1


def test_a_ticket_that_nobody_can_be_told_of_goes_to_the_last_resort(policy, service, phones):
    escalation.set_active(policy, is_active=False, actor=None)

    core.declare(title="A typo", service=service, severity="SEV4")
    settle()

    assert phones.paged() == ["duty"]
    assert Escalation.objects.get().state == Escalation.State.EXHAUSTED


def test_a_ticket_that_was_resolved_is_forgotten(ticket, phones, clock, bob):
    core.dismiss(ticket, reason="Not a typo", actor=bob)
    settle()
    phones.take()

    clock.forward(days=9)
    settle()

    assert phones.take() == []


def test_a_reopened_ticket_has_until_the_next_close_of_business(
    policy, service, clock, phones, alice
):
    incident = core.declare(title="A typo", service=service, severity="SEV4")
    core.dismiss(incident, reason="No", actor=alice)
    settle()
    phones.take()

    clock.forward(days=7)
    core.reopen(incident, reason="It is one", actor=alice)
    settle()

    assert phones.told() == ["bob"]
    due = Timer.objects.pending().get(kind="escalation.ticket_due")
    assert due.due_at > clock.at
