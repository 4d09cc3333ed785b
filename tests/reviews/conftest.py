"""Bob commands, Alice manages Payments; the organisation's runbook asks for reviews."""

from collections.abc import Callable
from typing import Any

import pytest

from incidents.core import services as core
from incidents.core.models import Incident, Organisation, RunbookRevision, Service, User
from incidents.core.services.policies import DEFAULT_POLICIES
from incidents.notifications.transports.recorder import Recorder
from incidents.reviews.models import Review
from incidents.timers.clock import VirtualClock
from tests.escalation.conftest import give_phone
from tests.reviews.stage import heard, resolved, review_of

Publish = Callable[..., RunbookRevision]

SECTION: dict[str, Any] = {
    "rules": [
        {"severities": ["SEV1", "SEV2"], "required": True, "earliest": "24 h", "latest": "72 h"},
        {"severities": ["SEV3"], "required": False, "note": "Encouraged"},
    ],
}


@pytest.fixture
def runbook(db: None) -> Publish:
    """`runbook(reviews={…})`: the organisation's runbook says this from now on."""

    def publish(reviews: dict[str, Any] | None = None, **document: Any) -> RunbookRevision:
        said = SECTION if reviews is None else reviews
        revision = core.publish_revision(
            slug="house",
            title="Our runbook",
            policies=[{**one, "required_roles": []} for one in DEFAULT_POLICIES],
            document={**document, "reviews": said},
        )
        Organisation.objects.update_or_create(pk=1, defaults={"runbook": "house"})
        return revision

    return publish


@pytest.fixture
def phones(alice: User, bob: User) -> None:
    Recorder.reset()
    for user in [alice, bob]:
        give_phone(user)


@pytest.fixture
def over(
    runbook: Publish, phones: None, service: Service, bob: User, clock: VirtualClock
) -> Incident:
    """A SEV1 that Bob commanded and has just resolved, Monday at 10:00."""
    runbook()
    incident = core.declare(title="Checkout is down", service=service, severity="SEV1")
    core.acknowledge(incident, actor=bob)
    return resolved(incident, actor=bob)


@pytest.fixture
def review(over: Incident) -> Review:
    """Its review, whose opening has been told."""
    heard()
    return review_of(over)
