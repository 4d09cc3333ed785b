"""Payments is paged as ever; customers and the support desk want to hear of Checkout."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from incidents.comms import services as comms
from incidents.comms import snapshot
from incidents.comms.models import Component, Stakeholders
from incidents.core import services as core
from incidents.core.models import Incident, Organisation, RunbookRevision, Service, Team, User
from incidents.core.services.policies import DEFAULT_POLICIES
from incidents.escalation.models import EscalationPolicy
from incidents.notifications.services import Address
from incidents.notifications.transports.base import Outgoing
from incidents.notifications.transports.recorder import Recorder
from incidents.timers.clock import VirtualClock
from tests.escalation import conftest as escalation

# A schedule, a policy of three levels, and a team whose people have phones.
schedule, policy = escalation.schedule, escalation.policy
dana, last_resort, phones = escalation.dana, escalation.last_resort, escalation.phones
give_phone = escalation.give_phone
_never_silent, errors_expected = escalation._never_silent, escalation.errors_expected

Publish = Callable[..., RunbookRevision]

SECTION: dict[str, Any] = {
    "zones": {"internal": "Europe/Berlin", "external": "America/New_York"},
    "cadence": [
        {"severities": ["SEV1"], "audience": "internal", "every": "15 min", "missed": "5 min"},
        {"severities": ["SEV2"], "audience": "internal", "every": "30 min", "missed": "5 min"},
        {"severities": ["SEV1"], "audience": "external", "every": "30 min", "missed": "5 min"},
    ],
}


@pytest.fixture(autouse=True)
def _status_page_is_read_anew(tmp_path: Any, settings: Any) -> Iterator[None]:
    settings.DATA_DIR = tmp_path
    snapshot.forget()
    yield
    snapshot.forget()


@pytest.fixture
def runbook(db: None) -> Publish:
    """`runbook(communication={…})`: the organisation's runbook says this from now on."""

    def publish(communication: dict[str, Any] | None = None, **document: Any) -> RunbookRevision:
        said = SECTION if communication is None else communication
        revision = core.publish_revision(
            slug="house",
            title="Our runbook",
            # Nobody is reminded of roles that are vacant: only updates are told of here.
            policies=[{**policy, "required_roles": []} for policy in DEFAULT_POLICIES],
            document={**document, "communication": said},
        )
        Organisation.objects.update_or_create(pk=1, defaults={"runbook": "house"})
        return revision

    return publish


@pytest.fixture
def declared(policy: EscalationPolicy, service: Service, runbook: Publish) -> Incident:
    """A SEV1 of Checkout under a runbook that wants updates every 15 minutes."""
    runbook()
    return core.declare(title="Checkout is down", service=service, severity="SEV1")


@pytest.fixture
def taken(declared: Incident, bob: User) -> Incident:
    """The same, which Bob has acknowledged."""
    return core.acknowledge(declared, actor=bob)


@pytest.fixture
def desk(team: Team) -> Stakeholders:
    """Colleagues who want to hear of everything of Payments."""
    return comms.create_stakeholders(
        name="Support desk", team=team, addresses=[Address("recorder", "desk")], actor=None
    )


@pytest.fixture
def customers(service: Service) -> Stakeholders:
    return comms.create_stakeholders(
        name="Merchants",
        service=service,
        audience="external",
        addresses=[Address("recorder", "merchant")],
        actor=None,
    )


@pytest.fixture
def component(service: Service, clock: VirtualClock) -> Component:
    """Checkout, as customers know it."""
    return comms.set_component(service=service, name="Payments in shops", actor=None)


def sent_to(address: str) -> list[Outgoing]:
    """What arrived there since the last look, oldest first."""
    found = Recorder.to(address)
    Recorder.sent[:] = [one for one in Recorder.sent if one.address != address]
    return found
