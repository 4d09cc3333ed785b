"""The roles of an incident: the detector takes command, and what stays vacant is said once."""

import pytest

from incidents.core import services as core
from incidents.core.models import Incident, IncidentRole, Kind, Service, User
from incidents.escalation.models import EscalationPolicy
from incidents.notifications.transports.recorder import Recorder
from incidents.timers.models import Timer
from tests.escalation.rulebook import runbook
from tests.escalation.stage import settle

pytestmark = pytest.mark.django_db

WANTED = ["commander", "technical_lead", "scribe"]


@pytest.fixture(autouse=True)
def _acknowledged_for_good(policy: EscalationPolicy) -> None:
    EscalationPolicy.objects.update(acknowledgement_expiry=None)


def declare(service: Service, **facts) -> Incident:
    return core.declare(title="It is down", service=service, severity="SEV1", **facts)


def commander(incident: Incident) -> User | None:
    held = incident.roles.filter(role=IncidentRole.COMMANDER, until=None).first()
    return held.user if held else None


def test_whoever_has_it_is_reminded_once_of_what_is_vacant(service, phones, clock, bob):
    runbook(required_roles=WANTED)
    incident = declare(service)
    core.acknowledge(incident, actor=bob)
    core.assign_role(incident, role="scribe", user=bob, actor=bob)
    settle()
    phones.take()

    clock.forward(seconds=599)
    settle()
    assert phones.take() == []
    clock.forward(seconds=1)
    settle()

    assert "asks for commander and technical lead, and nobody" in Recorder.sent[0].body
    assert phones.told() == ["bob"]
    assert incident.timeline.get(kind=Kind.NOTE).summary == (
        "Still without commander and technical lead; Bob was reminded."
    )
    clock.forward(hours=2)
    settle()
    assert phones.take() == []


def test_the_commander_is_reminded_rather_than_who_acknowledged(service, phones, clock, alice, bob):
    runbook(required_roles=WANTED, remind_roles="5 min")
    incident = declare(service)
    core.acknowledge(incident, actor=bob)
    core.assign_role(incident, role="commander", user=alice, actor=bob)
    settle()
    phones.take()

    clock.forward(minutes=5)
    settle()

    assert phones.told() == ["alice"]


def test_nobody_is_reminded_of_roles_that_are_filled(service, phones, clock, bob):
    runbook(required_roles=["commander"])
    incident = declare(service)
    core.acknowledge(incident, actor=bob)
    core.assign_role(incident, role="commander", user=bob, actor=bob)
    settle()
    phones.take()

    clock.forward(minutes=10)
    settle()

    assert phones.take() == []


def test_while_nobody_has_it_the_reminder_waits(service, phones, clock, bob):
    runbook(required_roles=["commander"])
    incident = declare(service)
    clock.forward(minutes=10)
    settle()
    core.acknowledge(incident, actor=bob)
    settle()
    phones.take()

    clock.forward(minutes=10)
    settle()

    assert phones.told() == ["bob"]


def test_nobody_is_reminded_of_what_is_over(service, phones, clock, bob):
    runbook(required_roles=["commander"])
    incident = declare(service)
    core.dismiss(incident, reason="Nothing", actor=bob)
    settle()
    phones.take()

    assert not Timer.objects.pending().filter(kind="escalation.roles").exists()
    clock.forward(minutes=10)
    settle()
    assert phones.take() == []


def test_without_a_written_runbook_nobody_is_reminded(service, phones, clock, bob):
    declare(service)

    assert not Timer.objects.filter(kind="escalation.roles").exists()


# --- Command --------------------------------------------------------------------------------------


def detector_commands() -> None:
    plan = {"name": "1", "definition": "Critical.", "detector_commands": True}
    runbook(severities={"SEV1": plan})


def test_whoever_declares_it_is_commander(service, bob):
    detector_commands()

    assert commander(declare(service, actor=bob)) == bob


def test_what_a_machine_declares_is_commanded_by_the_first_who_acknowledges(
    service, alice, bob, clock
):
    detector_commands()
    incident = declare(service)
    assert commander(incident) is None

    core.acknowledge(incident, actor=bob)
    core.acknowledge(incident, actor=alice)

    assert commander(incident) == bob


def test_a_commander_who_is_there_stays(service, alice, bob, clock):
    detector_commands()
    incident = declare(service)
    core.assign_role(incident, role="commander", user=alice, actor=bob)

    core.acknowledge(incident, actor=bob)

    assert commander(incident) == alice


def test_where_the_runbook_does_not_say_so_nobody_is_appointed(service, bob, clock):
    runbook()

    assert commander(declare(service, actor=bob)) is None
