"""A role that is needed only sometimes: it is asked for as soon as what it waits for is known."""

import pytest

from incidents.core import services as core
from incidents.core.models import Incident, Kind, Service, User
from incidents.escalation import services as escalation
from incidents.escalation.models import EscalationPolicy
from incidents.notifications.transports.recorder import Recorder
from incidents.timers.clock import VirtualClock
from tests.escalation.rulebook import person, runbook
from tests.escalation.stage import Phones, settle

pytestmark = pytest.mark.django_db

WANTED = {
    "role": "database_administrator",
    "when": "The database is involved",
    "fact": "database",
}
KIND = {"title": "Database", "definition": "It does not answer.", "severity": "SEV1"}
TYPES = {
    "database-failure": KIND | {"facts": ["database"]},
    "slow-queries": KIND | {"facts": ["database"], "page_after": "2 min"},
    "other": KIND,
}


@pytest.fixture(autouse=True)
def _rules(policy: EscalationPolicy) -> None:
    EscalationPolicy.objects.update(acknowledgement_expiry=None)
    severity = {"name": "SEV-1", "definition": "All is down.", "roles_when": [WANTED]}
    runbook(types=TYPES, severities={"SEV1": severity})


@pytest.fixture
def dora(policy: EscalationPolicy) -> User:
    return person("dora", "database-administrator")


def declare(service: Service, kind: str = "", severity: str = "SEV1") -> Incident:
    facts = {"incident_type": kind} if kind else {}
    incident = core.declare(title="It is down", service=service, severity=severity, **facts)
    settle()
    return incident


def told(incident: Incident, kind: Kind) -> list[str]:
    entries = incident.timeline.filter(kind=kind).order_by("pk")
    return list(entries.values_list("summary", flat=True))


def test_whoever_has_it_is_called_at_once_where_the_type_says_so(dora, service, phones):
    incident = declare(service, "database-failure")

    (page,) = [sent for sent in Recorder.sent if sent.address == "dora"]
    assert page.body.splitlines()[2:4] == [
        "You are asked as database administrator.",
        "The database is involved.",
    ]
    assert phones.paged() == ["bob", "dora"]
    assert told(incident, Kind.ESCALATED) == [
        "Escalated to the database administrator: The database is involved."
    ]
    assert escalation.vacant_roles(incident) == ["database administrator"]


def test_it_is_vacant_only_while_it_is_about_that_and_nobody_was_given_it(
    dora, service, phones, bob
):
    incident = declare(service)
    assert escalation.vacant_roles(incident) == []
    assert phones.paged() == ["bob"]

    for _ in range(2):
        escalation.report_fact(incident, fact="database", reason="Locks", actor=bob)
        settle()

    assert phones.paged() == ["dora"]  # once
    assert escalation.vacant_roles(incident) == ["database administrator"]
    core.assign_role(incident, role="database_administrator", user=dora, actor=bob)
    assert escalation.vacant_roles(incident) == []


def test_whoever_was_given_the_role_before_is_there_already(dora, service, phones, bob):
    incident = declare(service)
    core.assign_role(incident, role="database_administrator", user=bob, actor=bob)
    settle()
    phones.take()

    escalation.report_fact(incident, fact="database", reason="Locks", actor=bob)
    settle()

    assert phones.take() == []
    assert told(incident, Kind.ESCALATED) == []


def test_where_nobody_is_that_it_stays_vacant_and_whoever_leads_is_reminded(
    service, phones, clock: VirtualClock, bob
):
    incident = declare(service)
    core.acknowledge(incident, actor=bob)
    clock.forward(minutes=30)
    settle()
    phones.take()

    escalation.report_fact(incident, fact="database", reason="Locks", actor=bob)
    settle()

    assert phones.take() == []  # the ladder is not climbed for it
    assert told(incident, Kind.LEVEL_SKIPPED) == [
        "Nobody is database administrator (nobody has the function database-administrator): "
        "the role is vacant."
    ]
    clock.forward(minutes=10)
    settle()
    assert phones.told() == ["bob"]
    assert told(incident, Kind.NOTE)[-1] == (
        "Still without database administrator; Bob was reminded."
    )


def test_what_may_recover_by_itself_calls_nobody_before(
    dora, service, phones: Phones, clock: VirtualClock
):
    incident = declare(service, "slow-queries")
    gone = declare(service, "slow-queries")
    core.mark_recovered(gone, actor=None)
    assert phones.take() == []

    clock.forward(minutes=2)
    settle()

    assert {who for who, kind in phones.take() if kind == "page"} == {"bob", "dora"}
    assert len(told(incident, Kind.ESCALATED)) == 1
    assert told(gone, Kind.ESCALATED) == []


def test_another_severity_or_type_asks_for_nobody_until_it_becomes_this_one(
    dora, service, phones, bob, clock
):
    lesser = declare(service, "database-failure", "SEV2")
    other = declare(service, "other")
    assert {who for who, _ in phones.take()} == {"bob"}
    assert escalation.vacant_roles(lesser) == escalation.vacant_roles(other) == []

    core.change_severity(lesser, severity="SEV1", reason="Worse", actor=bob)
    settle()
    assert "dora" in phones.paged()

    clock.forward(minutes=1)  # so that it need not wait to be told together with that
    other = core.change_type(other, incident_type="database-failure", actor=bob)
    settle()
    assert phones.paged() == ["dora"]
    assert escalation.vacant_roles(other) == ["database administrator"]
