"""Whether customers are told: asked by the runbook's rule, answered by an update or a reason."""

from datetime import timedelta

import pytest

from incidents.comms import services as comms
from incidents.comms.models import CustomerNotice
from incidents.core import services as core
from incidents.core.errors import DomainError, Refused
from incidents.core.models import Incident, Kind, Service, User
from incidents.escalation.models import EscalationPolicy
from incidents.timers.clock import VirtualClock
from tests.comms.conftest import Publish, sent_to
from tests.escalation.stage import Phones, settle

pytestmark = pytest.mark.django_db

RULES = [
    {"severities": ["SEV1"], "when": "always", "every": "15 min", "all_clear": True},
    {"severities": ["SEV2"], "when": {"users_over": 100}},
]


@pytest.fixture
def ruled(policy: EscalationPolicy, runbook: Publish) -> None:
    runbook({"customers": RULES, "cadence": [{"every": "1 day"}]})


@pytest.fixture
def outage(ruled: None, service: Service) -> Incident:
    return core.declare(title="Checkout is down", service=service, severity="SEV1")


def asked(person: str) -> list[str]:
    return [one.subject for one in sent_to(person) if one.subject.startswith("Tell the customers?")]


def test_of_a_p1_it_asks_who_takes_it_and_once(outage: Incident, bob: User):
    settle()
    assert asked("bob") == []  # nobody has it yet

    core.acknowledge(outage, actor=bob)
    core.assign_role(outage, role="commander", user=bob, actor=bob)
    settle()

    assert len(asked("bob")) == 1
    assert outage.timeline.get(kind=Kind.CUSTOMERS_ASKED).summary == (
        "Customers are told of every SEV1."
    )


def test_whoever_becomes_communications_lead_is_asked_too(outage: Incident, bob: User, alice: User):
    core.acknowledge(outage, actor=bob)
    core.assign_role(outage, role="communications_lead", user=alice, actor=bob)
    settle()

    assert len(asked("bob")) == len(asked("alice")) == 1


@pytest.mark.parametrize(("users", "is_asked"), [(None, False), (100, False), (101, True)])
def test_of_a_p2_it_asks_above_a_hundred_users(
    ruled: None, service: Service, bob: User, users: int | None, is_asked: bool
):
    incident = core.declare(title="Slow", service=service, severity="SEV2")
    core.acknowledge(incident, actor=bob)
    if users is not None:
        core.record_impact(incident, users_affected=users, actor=bob)
    settle()

    assert bool(asked("bob")) == is_asked
    assert CustomerNotice.objects.exists() == is_asked


def test_an_external_update_answers_it(outage: Incident, bob: User, customers):
    core.acknowledge(outage, actor=bob)

    comms.publish_update(outage, actor=bob, audience="external", known="We are on it.")

    notice = CustomerNotice.objects.get()
    assert (notice.state, notice.decided_by) == ("sent", bob)


def test_they_are_promised_an_update_as_often_as_the_rule_says(
    outage: Incident, bob: User, clock: VirtualClock, phones: Phones
):
    core.acknowledge(outage, actor=bob)
    settle()
    phones.take()
    assert comms.promises(outage)["external"] == clock.at + timedelta(minutes=15)

    clock.forward(minutes=15)
    settle()
    assert phones.told() == ["bob"]
    comms.publish_update(outage, actor=bob, audience="external", known="We are on it.")

    assert comms.promises(outage)["external"] == clock.at + timedelta(minutes=15)


def test_who_declines_says_why_and_no_update_is_due_for_them(
    outage: Incident, bob: User, clock: VirtualClock, phones: Phones
):
    core.acknowledge(outage, actor=bob)

    comms.decline_customer_notice(outage, reason="Only the back office is hurt.", actor=bob)
    settle()
    phones.take()
    clock.forward(minutes=29)
    settle()

    assert phones.take() == []
    assert "external" not in comms.promises(outage)
    entry = outage.timeline.get(kind=Kind.CUSTOMERS_DECLINED)
    assert entry.summary == "Customers are not told: Only the back office is hurt."


def test_what_was_declined_of_a_p2_is_asked_again_when_it_becomes_a_p1_and_once(
    ruled: None, service: Service, bob: User, phones: Phones
):
    incident = core.declare(title="Slow", service=service, severity="SEV2")
    core.acknowledge(incident, actor=bob)
    core.record_impact(incident, users_affected=101, actor=bob)
    comms.decline_customer_notice(incident, reason="They do not notice.", actor=bob)
    core.record_impact(incident, users_affected=110, actor=bob)
    assert CustomerNotice.objects.get().state == "declined"

    core.change_severity(incident, severity="SEV1", reason="All is down", actor=bob)

    notice = CustomerNotice.objects.get()
    assert (notice.state, notice.reason, notice.decided_by) == ("asked", "", None)
    assert "external" in comms.promises(incident)
    assert incident.timeline.filter(kind=Kind.CUSTOMERS_ASKED).count() == 2

    comms.decline_customer_notice(incident, reason="Only staff.", actor=bob)
    core.record_impact(incident, users_affected=120, actor=bob)
    assert CustomerNotice.objects.get().state == "declined"


def test_declining_needs_a_reason_and_a_question(outage: Incident, service: Service, bob: User):
    with pytest.raises(DomainError, match="reason"):
        comms.decline_customer_notice(outage, reason=" ", actor=bob)
    minor = core.declare(title="A typo", service=service, severity="SEV4")
    with pytest.raises(Refused, match="no rule asks"):
        comms.decline_customer_notice(minor, reason="x", actor=bob)
    comms.publish_update(outage, actor=bob, audience="external", known="We are on it.")
    with pytest.raises(Refused, match="told already"):
        comms.decline_customer_notice(outage, reason="x", actor=bob)


def test_it_asks_for_the_all_clear_of_what_customers_were_told(outage: Incident, bob: User):
    core.acknowledge(outage, actor=bob)
    comms.publish_update(outage, actor=bob, audience="external", known="We are on it.")
    settle()
    sent_to("bob")

    core.dismiss(outage, reason="Over.", actor=bob)
    settle()
    subjects = [one.subject for one in sent_to("bob")]
    assert [one for one in subjects if one.startswith("Send the all-clear")]

    update = comms.publish_update(outage, actor=bob, audience="external", known="It works.")

    assert update.occasion == "all_clear"
    assert CustomerNotice.objects.get().all_clear_at is not None


def test_of_a_drill_or_a_private_incident_nobody_is_asked(
    ruled: None, service: Service, bob: User, clock: VirtualClock
):
    core.expect_signal(matchers={"dedup_key": "drill"}, until=clock.at + timedelta(hours=1))
    drill = core.declare(
        title="Drill", service=service, severity="SEV1", signal={"dedup_key": "drill"}
    )
    secret = core.declare(
        title="Leak", service=service, severity="SEV1", is_private=True, audience=[bob]
    )
    for incident in [drill, secret]:
        core.acknowledge(incident, actor=bob)
    settle()

    assert asked("bob") == []
    assert not CustomerNotice.objects.exists()
