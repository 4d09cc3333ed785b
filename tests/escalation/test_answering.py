"""What follows for the asking when somebody acts on the incident."""

import pytest

from incidents.core import services as core
from incidents.core.models import Incident, Kind
from incidents.escalation import services as escalation
from incidents.escalation.models import Escalation, Page
from incidents.notifications.models import Delivery
from incidents.notifications.transports.recorder import Recorder
from incidents.timers.models import Timer
from tests.escalation.stage import nobody_is_silent, settle

pytestmark = pytest.mark.django_db


@pytest.fixture
def paged(declared, phones):
    """Bob was paged."""
    settle()
    assert phones.paged() == ["bob"]
    return declared


def pending(incident):
    timers = Timer.objects.pending().of(incident).filter(kind__startswith="escalation.")
    return sorted(timer.kind for timer in timers)


# --- Acknowledge ----------------------------------------------------------------------------------


def test_an_acknowledgement_ends_the_asking(paged, phones, clock, alice):
    core.acknowledge(paged, actor=alice)

    assert pending(paged) == ["escalation.ack_expiry"]
    assert Escalation.objects.get().state == Escalation.State.PAUSED
    clock.forward(minutes=20)
    settle()
    assert ("alice", "page") not in phones.take()


def test_pages_that_have_not_left_are_cancelled(declared, phones, alice):
    core.acknowledge(declared, actor=alice)
    settle()

    assert phones.take() == []
    assert Delivery.objects.get().state == Delivery.State.CANCELLED


def test_help_that_was_asked_for_and_has_not_left_is_void_when_it_is_given_back(
    paged, phones, alice, bob, dana
):
    core.acknowledge(paged, actor=bob)
    escalation.page_person(paged, user=dana, reason="Help", actor=bob)

    core.unacknowledge(paged, actor=bob, reason="Have to go")

    help_wanted = Delivery.objects.get(recipient=dana)
    assert help_wanted.state == Delivery.State.CANCELLED


def test_the_others_who_were_paged_are_told_who_has_it(paged, phones, alice):
    core.acknowledge(paged, actor=alice)
    settle()

    assert Recorder.sent[0].subject.startswith("Alice has it: SEV1 Checkout: ")
    assert phones.told() == ["bob"]


def test_whoever_acknowledged_is_told_nothing(paged, phones, bob):
    core.acknowledge(paged, actor=bob)
    settle()

    assert phones.take() == []


def test_those_to_whom_no_page_ever_left_are_told_nothing(declared, phones, alice):
    core.acknowledge(declared, actor=alice)
    settle()

    assert phones.take() == []


def test_the_pages_of_the_person_are_marked_answered(paged, clock, bob):
    clock.forward(minutes=1)
    core.acknowledge(paged, actor=bob)

    assert Page.objects.get().acknowledged_at == clock.at


def test_the_pages_of_others_are_not(paged, alice):
    core.acknowledge(paged, actor=alice)

    assert Page.objects.get().acknowledged_at is None


def test_joining_marks_the_pages_of_the_one_who_joins(paged, clock, alice, bob):
    core.acknowledge(paged, actor=alice)
    clock.forward(minutes=1)
    core.acknowledge(paged, actor=bob)

    assert Page.objects.get().acknowledged_at == clock.at


# --- Expiry ---------------------------------------------------------------------------------------


def test_an_acknowledgement_without_any_action_expires_and_pages_from_level_1(
    paged, phones, clock, alice
):
    core.acknowledge(paged, actor=alice)
    settle()
    phones.take()

    clock.forward(minutes=30, seconds=-1)
    settle()
    assert phones.told() == ["alice"]  # an update is due
    clock.forward(seconds=1)
    settle()

    assert phones.paged() == ["bob"]
    expired = paged.timeline.get(kind=Kind.ACKNOWLEDGEMENT_EXPIRED)
    assert expired.summary == "No longer with Alice: nothing was done for 30 min."
    assert expired.actor is None
    assert Escalation.objects.get().level == 1


ACTIONS = {
    "note": lambda incident, actor: core.note(incident, text="Looking", actor=actor),
    "identify": lambda incident, actor: core.identify(
        incident, suspected_cause="A deploy", actor=actor
    ),
    "role": lambda incident, actor: core.assign_role(
        incident, role="commander", user=actor, actor=actor
    ),
    "impact": lambda incident, actor: core.record_impact(incident, impact="All", actor=actor),
    "severity": lambda incident, actor: core.change_severity(
        incident, severity="SEV2", reason="Less", actor=actor
    ),
}


@pytest.mark.parametrize("action", ACTIONS.values(), ids=ACTIONS.keys())
def test_every_human_action_puts_the_expiry_off(paged, phones, clock, bob, action):
    core.acknowledge(paged, actor=bob)
    clock.forward(minutes=20)

    action(paged, bob)

    clock.forward(minutes=29)
    settle()
    assert ("bob", "page") not in phones.take()
    assert Incident.objects.get().is_acknowledged
    clock.forward(minutes=1)
    settle()
    assert ("bob", "page") in phones.take()


def test_what_a_machine_reports_is_no_sign_of_work(paged, phones, clock, bob):
    core.acknowledge(paged, actor=bob)
    clock.forward(minutes=20)

    core.mark_recovered(paged, actor=None)
    core.relapse(paged, actor=None)
    clock.forward(minutes=10)
    settle()

    assert ("bob", "page") in phones.take()


def test_without_an_expiry_an_acknowledgement_stays(policy, declared, phones, clock, bob):
    policy.acknowledgement_expiry = None
    policy.save()

    core.acknowledge(declared, actor=bob)
    clock.forward(days=7)
    settle()

    assert Incident.objects.get().is_acknowledged
    assert ("bob", "page") not in phones.take()


def test_nobody_is_told_of_an_expiry_after_the_end(paged, phones, clock, bob):
    core.acknowledge(paged, actor=bob)
    core.dismiss(paged, reason="A test", actor=bob)
    settle()
    phones.take()

    clock.forward(hours=2)
    settle()

    assert phones.take() == []


# --- Giving back, snoozing, reopening -------------------------------------------------------------


def test_giving_it_back_pages_from_level_1_at_once(paged, phones, clock, bob):
    clock.forward(minutes=5)
    settle()
    assert phones.take()[0] == ("alice", "page")
    core.acknowledge(paged, actor=bob)

    core.unacknowledge(paged, actor=bob, reason="I have to go")
    settle()

    pages = [sent for sent in Recorder.sent if sent.urgency == "page"]
    assert [sent.address for sent in pages] == ["bob"]
    assert "I have to go" in pages[0].body
    assert pending(paged) == ["escalation.step"]


def test_a_snooze_is_silent_until_it_ends_and_then_pages_from_level_1(paged, phones, clock, bob):
    core.snooze(paged, until=clock.at.replace(hour=12), reason="Known", actor=bob)
    settle()
    assert pending(paged) == []
    clock.forward(hours=2, seconds=-1)
    settle()
    assert ("bob", "page") not in phones.take()

    clock.forward(seconds=1)
    settle()

    assert phones.paged() == ["bob"]
    assert pending(paged) == ["escalation.step"]


def test_reopening_pages_from_level_1(paged, phones, bob):
    core.acknowledge(paged, actor=bob)
    core.dismiss(paged, reason="A test", actor=bob)
    settle()
    phones.take()

    core.reopen(paged, reason="It was real", actor=bob)
    settle()

    assert phones.paged() == ["bob"]


# --- Endings --------------------------------------------------------------------------------------


def test_a_resolved_incident_is_silent_and_everybody_paged_is_told(
    paged, phones, clock, bob, alice, dana
):
    clock.forward(minutes=5)
    settle()
    phones.take()

    core.dismiss(paged, reason="A test alert", actor=dana)
    settle()

    assert {sent.subject[:12] for sent in Recorder.sent} == {"Over: SEV1 C"}
    assert "False alarm: A test alert" in Recorder.sent[0].body
    assert phones.told() == ["alice", "bob"]
    assert pending(paged) == []
    clock.forward(days=1)
    settle()
    assert phones.take() == []


def test_those_to_whom_no_page_left_are_not_told_of_the_end(declared, phones, dana):
    core.dismiss(declared, reason="A test alert", actor=dana)
    settle()

    assert phones.take() == []


def test_a_duplicate_ends_and_the_other_goes_on(paged, service, phones, clock, dana):
    other = core.declare(title="Checkout slow", service=service, severity="SEV1")
    settle()
    phones.take()

    core.merge(paged, into=other, actor=dana)
    settle()

    assert phones.told() == ["bob"]
    assert (pending(paged), pending(other)) == ([], ["escalation.step"])
    clock.forward(minutes=1)  # Bob is not woken twice in a minute for one service.
    settle()
    assert [title for title, _ in phones.take()] == ["bob"]
    clock.forward(minutes=4)
    settle()
    assert [title for title, _ in phones.take()] == ["alice"]


def test_a_missed_target_is_told_to_the_commander(paged, phones, clock, bob, alice):
    core.acknowledge(paged, actor=bob)
    core.assign_role(paged, role="commander", user=alice, actor=bob)
    settle()
    phones.take()

    clock.forward(minutes=29)
    core.note(paged, text="Still looking", actor=bob)
    clock.forward(minutes=1)
    settle()

    told = [sent.body for sent in Recorder.sent if "Update due" not in sent.subject]
    assert len(told) == 1 and "identification was missed" in told[0]
    assert set(phones.told()) == {"alice"}


def test_without_a_commander_a_missed_target_tells_nobody(paged, phones, clock, bob):
    clock.forward(minutes=5)
    settle()

    assert phones.paged() == ["alice"]


def test_a_fault_in_a_message_never_stops_an_acknowledgement(
    paged, phones, alice, monkeypatch, errors_expected
):
    from incidents.escalation.services import telling

    def fail(*_):
        raise RuntimeError("a bug")

    with monkeypatch.context() as broken:
        broken.setattr(telling.targets, "severity_policies", fail)
        core.acknowledge(paged, actor=alice)

    assert Incident.objects.get().is_acknowledged
    nobody_is_silent()
    settle()
    assert phones.told() == ["bob"]
