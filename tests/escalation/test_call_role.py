"""A person calls a role by hand."""

import pytest

from incidents.core.errors import DomainError
from incidents.core.models import Incident
from incidents.escalation import services as escalation
from incidents.notifications.transports.recorder import Recorder
from tests.escalation.rulebook import runbook
from tests.escalation.stage import settle
from tests.escalation.triggering import taken, told

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("acknowledged_for_good")]


def test_a_person_calls_a_role_with_a_reason(lena, service, phones, bob):
    runbook()
    incident = taken(service, phones, bob)

    escalation.escalate(incident, role="engineering-lead", reason="Who decides?", actor=bob)
    settle()

    assert Recorder.sent[0].body.endswith("Bob: Who decides?")
    assert phones.paged() == ["lena"]
    assert told(incident) == ["Escalated to the Engineering Lead. Bob: Who decides?"]
    assert Incident.objects.get(pk=incident.pk).acknowledged_by == bob


def test_a_role_that_nobody_has_asks_who_stands_in(policy, service, phones, bob):
    runbook(roles={"director": {"title": "Director", "fallback": ["manager"]}})
    incident = taken(service, phones, bob)

    escalation.escalate(incident, role="director", reason="Who decides?", actor=bob)
    settle()

    assert phones.paged() == ["alice"]


def test_a_role_that_neither_the_runbook_nor_anybody_knows_is_refused(policy, service, phones, bob):
    runbook()
    incident = taken(service, phones, bob)

    with pytest.raises(DomainError, match="choose one of director, engineering-lead, manager"):
        escalation.escalate(incident, role="ceo", reason="Who decides?", actor=bob)

    assert told(incident) == []
