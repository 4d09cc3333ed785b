"""The checker is checked: a violation of every invariant is planted, and it must be found."""

from datetime import timedelta

import pytest

from incidents.core import services as core
from incidents.core.models import Incident, Kind, User
from incidents.core.services import Draft
from incidents.escalation.models import Escalation
from incidents.notifications import engine as outbox
from incidents.notifications.models import Delivery
from incidents.timers import services as timers
from incidents.timers.models import Timer
from tests.simulation import faults as going_wrong
from tests.simulation import invariants
from tests.simulation.faults import Faults
from tests.simulation.world import build

pytestmark = pytest.mark.django_db

State = Escalation.State


@pytest.fixture
def faults(clock, settings):
    settings.SMTP_HOST = "mail.example.org"
    found = Faults()
    with going_wrong.injected(found):
        yield found


@pytest.fixture
def incident(faults) -> Incident:
    world = build()
    return core.declare(
        title="It is down", service=world.service("checkout"), severity="SEV1", actor=None
    )


def steps_of(incident):
    return Timer.objects.pending().of(incident).filter(kind="escalation.step")


def lose_the_step(incident):
    steps_of(incident).delete()


def bind_the_step_to_an_older_epoch(incident):
    steps_of(incident).update(epoch=incident.paging_epoch - 1)


def exhaust_without_a_reminder(incident):
    Escalation.objects.update(state=State.EXHAUSTED)


def exhaust_without_a_word(incident):
    Escalation.objects.update(state=State.EXHAUSTED)
    timers.schedule("escalation.last_resort", incident, due_at=incident.declared_at)


def tell_the_last_resort_for_no_reason(incident):
    timers.schedule("escalation.last_resort", incident, due_at=incident.declared_at)


def take_it_behind_the_back(incident):
    Incident.objects.update(is_acknowledged=True)


def sleep_for_ever(incident):
    until = incident.declared_at + timedelta(hours=1)
    core.snooze(incident, until=until, reason="Known", actor=User.objects.get(username="ann"))
    timers.cancel("core.snooze_end", incident)


def ask_on_after_the_end(incident):
    core.dismiss(incident, reason="A test", actor=None)
    timers.schedule("escalation.step", incident, due_at=incident.declared_at)


def leave_a_void_page(incident):
    Delivery.objects.pages().update(paging_epoch=incident.paging_epoch + 1)


def climb_down(incident):
    facts = {"cycle": 1, "level": 1, "epoch": incident.paging_epoch}
    draft = Draft(incident, Kind.PAGED, "Once more", data=facts)
    core.record_many([draft], at=incident.declared_at)


def change_the_severity_without_a_word(incident):
    Incident.objects.update(severity="SEV2")


def quarantine_without_a_word(incident):
    timers.schedule("escalation.ack_expiry", incident, due_at=incident.declared_at)
    rows = Timer.objects.filter(kind="escalation.ack_expiry")
    rows.update(state=Timer.State.QUARANTINED, pending_key=None)


@pytest.mark.parametrize(
    ("plant", "complaint"),
    [
        (lose_the_step, "running without a step"),
        (bind_the_step_to_an_older_epoch, "running without a step"),
        (exhaust_without_a_reminder, "exhausted without reminder"),
        (exhaust_without_a_word, "exhausted without a word"),
        (tell_the_last_resort_for_no_reason, "and the last resort is told"),
        (take_it_behind_the_back, "is taken, yet"),
        (sleep_for_ever, "sleeps for ever"),
        (ask_on_after_the_end, "is over, yet"),
        (leave_a_void_page, "is void and waits"),
        (climb_down, "after"),
        (change_the_severity_without_a_word, "SEV1 is told"),
        (quarantine_without_a_word, "quarantined without a word"),
    ],
)
def test_a_planted_violation_is_found(plant, complaint, incident, faults):
    invariants.hold(faults)

    plant(Incident.objects.get())

    with pytest.raises(AssertionError, match=complaint):
        invariants.hold(faults)


def test_a_message_that_leaves_twice_without_a_death_is_found(incident, faults):
    outbox.dispatch(wait=True)
    invariants.hold(faults)

    faults.sent.append(faults.sent[0])

    with pytest.raises(AssertionError, match="was sent 2 times"):
        invariants.hold(faults)


def test_a_page_that_must_not_leave_is_found_on_the_wire(incident, faults):
    delivery = Delivery.objects.pages().select_related("incident", "recipient").first()
    until = incident.declared_at + timedelta(minutes=1)
    Delivery.objects.update(state=Delivery.State.SENDING, lease_until=until)
    delivery.refresh_from_db()
    going_wrong.may_leave(delivery)

    delivery.recipient.is_active = False
    with pytest.raises(AssertionError, match="is deactivated"):
        going_wrong.may_leave(delivery)

    delivery.recipient = None
    delivery.paging_epoch = 7
    with pytest.raises(AssertionError, match="older epoch"):
        going_wrong.may_leave(delivery)

    core.dismiss(incident, reason="A test", actor=None)
    delivery.refresh_from_db()
    with pytest.raises(AssertionError, match="closed incident"):
        going_wrong.may_leave(delivery)
