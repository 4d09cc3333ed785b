import pytest

from incidents.core import services as core
from incidents.core.models import Incident, Kind
from incidents.escalation import services as escalation
from incidents.escalation.models import Escalation
from incidents.notifications.transports.recorder import Recorder
from tests.escalation.conftest import FIVE, give_phone
from tests.escalation.stage import settle
from tests.factories import UserFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def erin(db):
    user = UserFactory(username="erin")
    give_phone(user)
    return user


@pytest.fixture
def worst(policy, erin, dana, bob):
    """For SEV1: Erin and Bob at once, then Dana."""
    policy = escalation.create_policy(
        name="Worst",
        levels=[
            {
                "timeout": FIVE,
                "targets": [{"kind": "person", "user": erin}, {"kind": "person", "user": bob}],
            },
            {"timeout": FIVE, "targets": [{"kind": "person", "user": dana}]},
        ],
        actor=None,
    )
    escalation.assign_policy(policy, severity="SEV1", actor=None)
    return policy


@pytest.fixture
def sev2(policy, service, team, worst, phones):
    """Paged by the team's policy; SEV1 of this team has another one."""
    escalation.assign_policy(worst, team=team, severity="SEV1", actor=None)
    incident = core.declare(title="Checkout is slow", service=service, severity="SEV2")
    settle()
    assert phones.paged() == ["bob"]
    return incident


def raise_it(incident, actor, severity="SEV1"):
    return core.change_severity(incident, severity=severity, reason="Worse", actor=actor)


def test_the_new_policy_applies_at_once(sev2, worst, phones, clock, alice):
    clock.forward(minutes=2)

    raise_it(sev2, alice)
    settle()

    assert phones.paged() == ["bob", "erin"]
    assert Escalation.objects.get().policy == worst
    clock.forward(minutes=5)
    settle()
    assert phones.paged() == ["dana"]


def test_steps_of_the_old_policy_do_not_happen_any_more(sev2, phones, clock, alice):
    raise_it(sev2, alice)
    settle()
    phones.take()

    clock.forward(minutes=5)
    settle()

    assert phones.paged() == ["dana"]


def test_the_page_says_why(sev2, alice):
    raise_it(sev2, alice)
    settle()

    assert "Severity SEV2 → SEV1: Worse" in Recorder.sent[0].body
    assert Recorder.sent[0].subject.startswith("SEV1 ")


def test_after_an_acknowledgement_those_whom_it_adds_are_paged_and_it_stays_acknowledged(
    sev2, phones, clock, alice
):
    core.acknowledge(sev2, actor=alice)
    settle()
    phones.take()

    raise_it(sev2, alice)
    settle()

    # Bob has been paged by this incident before.
    assert phones.paged() == ["erin"]
    assert Incident.objects.get().is_acknowledged
    clock.forward(minutes=29)
    settle()
    assert ("dana", "page") not in phones.take()


def test_whoever_has_it_is_not_paged_for_it(sev2, phones, erin):
    core.acknowledge(sev2, actor=erin)
    settle()
    phones.take()

    raise_it(sev2, erin)
    settle()

    assert phones.take() == []


def test_a_lower_severity_goes_on_as_it_was(sev2, phones, clock, alice, policy):
    core.change_severity(sev2, severity="SEV4", reason="Less", actor=alice)
    settle()
    assert phones.take() == []

    clock.forward(minutes=5)
    settle()

    assert phones.paged() == ["alice"]


def test_a_worse_severity_under_the_same_policy_does_not_start_over(
    policy, service, phones, clock, alice
):
    incident = core.declare(title="Checkout is slow", service=service, severity="SEV2")
    settle()
    phones.take()
    clock.forward(minutes=5)
    settle()
    assert phones.take() == [("alice", "page")]

    raise_it(incident, alice)
    settle()

    assert phones.take() == []
    clock.forward(minutes=10)
    settle()
    assert phones.take() == [("dana", "page")]


def test_an_exhausted_incident_is_asked_for_again_under_another_policy(
    sev2, policy, phones, clock, alice
):
    escalation.set_active(policy, is_active=False, actor=None)
    clock.forward(minutes=5)
    settle()
    assert phones.paged() == ["duty"]

    raise_it(sev2, alice)
    settle()

    assert phones.paged() == ["bob", "erin"]
    assert Escalation.objects.get().state == Escalation.State.RUNNING


def test_a_level_that_knows_already_is_passed_and_that_is_written_down(
    policy, service, phones, bob
):
    incident = core.declare(title="Slow", service=service, severity="SEV2")
    core.acknowledge(incident, actor=bob)
    settle()
    phones.take()

    core.change_severity(incident, severity="SEV1", reason="Down now", actor=bob)
    settle()

    assert phones.take() == []
    entry = incident.timeline.get(kind=Kind.LEVEL_SKIPPED)
    assert entry.summary == "Level 1 of Payments was not asked again: it knows."
    assert (entry.data["cycle"], entry.data["level"]) == (2, 1)
