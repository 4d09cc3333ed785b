"""Without a written runbook its rules cost nothing: no verb asks the database more than before."""

import re

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from incidents.core import services as core
from incidents.core.models import Incident
from incidents.core.signals import entry_recorded
from incidents.escalation import receivers

pytestmark = pytest.mark.django_db

DEEDS = {
    "declare": lambda i, bob: core.declare(title="X", service=i.service, severity="SEV2"),
    "acknowledge": lambda i, bob: core.acknowledge(i, actor=bob),
    "impact": lambda i, bob: core.record_impact(i, data_loss="suspected", actor=bob),
    "recover": lambda i, bob: core.mark_recovered(i, actor=bob),
    "worse": lambda i, bob: core.change_severity(i, severity="SEV1", reason="X", actor=bob),
}


def words(query: dict[str, str]) -> str:
    """The statement without the names of savepoints and the values in it."""
    return re.sub(r"\"s\d+_x\d+\"|\d+|'[^']*'", "?", query["sql"])[:200]


@pytest.mark.parametrize("deed", DEEDS)
def test_a_verb_asks_as_much_as_it_would_without_the_rules(policy, service, bob, clock, deed):
    first, second = (core.declare(title="X", service=service, severity="SEV2") for _ in range(2))
    fresh = [Incident.objects.with_context().get(pk=one.pk) for one in (first, second)]

    with CaptureQueriesContext(connection) as ruled:
        DEEDS[deed](fresh[0], bob)
    known = entry_recorded.connections.copy()
    entry_recorded.disconnect(receivers.follow_rules)
    try:
        with CaptureQueriesContext(connection) as plain:
            DEEDS[deed](fresh[1], bob)
    finally:
        entry_recorded.connections = known

    assert [words(query) for query in ruled] == [words(query) for query in plain]
