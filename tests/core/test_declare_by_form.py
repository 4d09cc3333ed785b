"""Declaring by a form: it offers the types that the chosen service's runbook knows."""

import re

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from incidents.core import services
from incidents.core.models import Incident
from tests.core import runbook
from tests.factories import ServiceFactory

pytestmark = pytest.mark.django_db

DOORS = ["/i/declare/", "admin:incidents_incident_add"]
NARROW = runbook.DOCUMENT | {
    "types": {
        "slow": {
            "title": "It crawls",
            "definition": "Slow.",
            "severity": "SEV3",
            "severities": ["SEV3", "SEV4"],
        }
    }
}


@pytest.fixture(params=DOORS)
def door(request, client, alice):
    """The form's page, as `client` sees it who may do everything."""
    alice.is_staff = alice.is_superuser = True
    alice.save()
    client.force_login(alice)
    return request.param if request.param.startswith("/") else reverse(request.param)


@pytest.fixture
def other(service, clock):
    """Checkout follows `small`, this one a runbook of its own whose type has the same name."""
    runbook.publish(service)
    other = ServiceFactory(name="Mail", slug="mail")
    services.publish_revision(slug="mail", title="Mail rules", policies=[], document=NARROW)
    services.choose_runbook("mail", service=other)
    other.refresh_from_db()
    return other


def test_it_offers_each_runbooks_types_and_says_which_service_follows_it(
    door, client, service, other
):
    page = client.get(door).content.decode()

    assert 'label="Mail rules"' in page
    assert 'value="mail:slow">It crawls (SEV3)<' in page
    assert f'value="{service.runbook}:data-loss">Data loss (P1)<' in page
    assert f"&quot;{other.pk}&quot;: &quot;mail&quot;" in page
    assert re.search(r'<script src="[^"]*declaring[^"]*\.js" defer>', page)


def test_the_severity_follows_from_the_type_unless_it_is_chosen(door, client, service, other):
    facts = {"title": "It is slow", "service": other.pk, "incident_type": "mail:slow"}

    client.post(door, facts)
    client.post(door, facts | {"severity": "SEV4"})

    declared = Incident.objects.order_by("pk").values_list("incident_type", "severity")
    assert list(declared) == [("slow", "SEV3"), ("slow", "SEV4")]


def test_what_does_not_go_together_is_refused_with_a_reason(door, client, service, other):
    facts = {"title": "It is slow", "service": other.pk}

    foreign = client.post(door, facts | {"incident_type": f"{service.runbook}:data-loss"})
    namesake = client.post(door, facts | {"incident_type": f"{service.runbook}:slow"})
    too_bad = client.post(door, facts | {"incident_type": "mail:slow", "severity": "SEV1"})

    assert "For Mail the type &quot;data-loss&quot; is unknown" in foreign.content.decode()
    assert "Choose the one of “Mail rules”, which Mail follows." in namesake.content.decode()
    assert "“It crawls” is SEV3 or SEV4, not SEV1" in too_bad.content.decode()
    assert not Incident.objects.exists()


def test_without_any_types_it_does_not_ask(door, client, service, clock):
    assert "incident_type" not in client.get(door).content.decode()
    client.post(door, {"title": "Down", "service": service.pk})
    assert Incident.objects.get().incident_type == ""


def test_the_api_lists_the_types_and_refuses_what_does_not_fit(client, alice, other):
    client.force_login(alice)

    listed = client.get("/api/v1/services/mail/").json()["incident_types"]
    ask = {"title": "Slow", "service": "mail", "incident_type": "slow"}
    answers = [
        client.post("/api/v1/incidents/", ask | more, content_type="application/json")
        for more in [{"incident_type": "sloww"}, {"severity": "SEV1"}, {}]
    ]

    assert [(one["name"], one["title"], one["severities"]) for one in listed] == [
        ("slow", "It crawls", ["SEV3", "SEV4"])
    ]
    assert [answer.status_code for answer in answers] == [400, 400, 201]
    assert 'did you mean "slow"' in answers[0].json()["detail"]
    assert "not SEV1" in answers[1].json()["detail"]
    assert answers[2].json()["severity"] == "SEV3"


def test_it_takes_the_same_queries_for_one_and_for_twenty_services(door, client, service, other):
    client.get(door)
    with CaptureQueriesContext(connection) as few:
        client.get(door)
    for _ in range(18):
        ServiceFactory(team=service.team, runbook=service.runbook)

    with CaptureQueriesContext(connection) as many:
        client.get(door)

    assert len(few) == len(many)
