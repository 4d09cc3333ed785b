"""Incident types: found by an alert's name, changed by whoever knows better."""

import pytest
from django.urls import reverse

from incidents.alerts import services as alerts
from incidents.alerts.payload import parse
from incidents.core import services
from incidents.core.errors import DomainError
from incidents.core.models import Incident, Kind
from incidents.timers.models import Timer
from tests.core import runbook

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def book(service, clock):
    return runbook.publish(service)


def declared(service, name="", title="Something", **facts):
    signal = {"source": "Probe", "dedup_key": "key", "service": service.slug, "name": name}
    return services.declare(title=title, service=service, signal=signal | facts)


def test_it_is_found_by_the_alerts_name_in_any_case(service):
    incident = declared(service, "queueINCONSISTENT")

    assert incident.incident_type == "data-loss"
    assert incident.procedure == "freeze"


def test_it_is_found_by_the_summary_and_by_the_key(service):
    by_summary = declared(service, title="HighLatency")
    by_key = declared(service, dedup_key="items lost")

    assert by_summary.incident_type == "slow"
    assert by_key.incident_type == "data-loss"


def test_the_alerts_name_says_more_than_its_summary(service):
    assert declared(service, "HighLatency", title="Items lost").incident_type == "slow"


def test_it_is_no_guess(service):
    almost = declared(service, "HighLatency2", title="HighLatency on checkout")

    assert almost.incident_type == ""
    assert almost.severity == service.default_severity


def test_what_a_person_writes_is_no_alerts_name(service, bob):
    incident = services.declare(title="HighLatency", service=service, actor=bob)

    assert incident.incident_type == ""


def test_the_severity_is_the_given_one_else_the_types_else_the_services(service):
    assert service.default_severity == "SEV1"
    assert declared(service, "HighLatency").severity == "SEV2"
    given = services.declare(title="x", service=service, severity="SEV4", incident_type="slow")
    assert (given.severity, given.incident_type) == ("SEV4", "slow")


def test_a_type_that_the_runbook_does_not_know_never_stops_a_declaration(service):
    incident = services.declare(title="x", service=service, incident_type="alien")

    assert incident.incident_type == "alien"
    assert incident.severity == "SEV1"


def test_an_alert_brings_its_name(service, team, alice):
    source = alerts.create_source(name="Probe", team=team, service=service, actor=alice)

    alerts.ingest(source, parse({"summary": "p99 is 4 s", "labels": {"alertname": "HighLatency"}}))

    assert Incident.objects.get().incident_type == "slow"


def test_an_alert_brings_all_that_its_type_asks_for(service, team, alice):
    source = alerts.create_source(name="Probe", team=team, service=service, actor=alice)

    alerts.ingest(source, parse({"summary": "Items lost"}))

    incident = Incident.objects.get()
    texts = set(incident.checklist.values_list("text", flat=True))
    assert {"Copy the queue", "Stop the workers", "Stop the bleeding"} <= texts
    assert incident.severity == "SEV1"
    assert Timer.objects.pending().of(incident).filter(kind="core.checklist").count() == 3


class TestChangeType:
    def test_it_works(self, service, bob):
        incident = declared(service, "HighLatency")

        changed = services.change_type(
            incident, incident_type="data-loss", reason="The queue shrinks", actor=bob
        )

        assert changed.incident_type == "data-loss"
        assert changed.severity == "SEV2"
        entry = incident.timeline.get(kind=Kind.TYPE_CHANGED)
        assert entry.summary == "Type Performance degradation → Data loss. The queue shrinks"

    def test_it_brings_the_types_checklist_and_procedure(self, service, bob):
        incident = declared(service, "HighLatency")
        services.change_type(incident, incident_type="data-loss", actor=bob)

        texts = set(incident.checklist.values_list("text", flat=True))

        assert {"Copy the queue", "Stop the workers", "Stop the bleeding"} <= texts

    def test_what_somebody_chose_stays(self, service, bob):
        incident = declared(service, "HighLatency")
        services.follow_procedure(incident, procedure="restart", actor=bob)

        changed = services.change_type(incident, incident_type="data-loss", actor=bob)

        assert changed.procedure == "restart"

    def test_it_refuses_what_the_incidents_own_runbook_does_not_know(self, service, bob):
        incident = declared(service)
        newer = runbook.DOCUMENT | {
            "types": {"new": {"title": "New", "definition": "x", "severity": "SEV1"}}
        }
        runbook.publish(service, document=newer)

        with pytest.raises(DomainError) as refusal:
            services.change_type(incident, incident_type="new", actor=bob)

        assert refusal.value.field == "incident_type"
        assert "data-loss, slow" in refusal.value.message
        assert Incident.objects.get().incident_type == ""

    def test_the_same_again_is_refused_kindly(self, service, bob):
        incident = declared(service, "HighLatency")

        with pytest.raises(DomainError, match="of the type “Performance degradation” already"):
            services.change_type(incident, incident_type="slow", actor=bob)

        assert not incident.timeline.filter(kind=Kind.TYPE_CHANGED).exists()


def test_the_api_changes_it_and_says_what_is_allowed(service, bob, client):
    incident = declared(service)
    client.force_login(bob)
    address = f"/api/v1/incidents/{incident.reference}/change-type/"

    wrong = client.post(address, {"incident_type": "sloww"}, content_type="application/json")
    right = client.post(address, {"incident_type": "slow"}, content_type="application/json")

    assert wrong.status_code == 400
    assert 'did you mean "slow"' in wrong.json()["detail"]
    assert right.json()["incident_type"] == "slow"
    assert right.json()["type_title"] == "Performance degradation"


def test_the_title_of_the_type_is_in_every_list(service, bob, client, alice):
    incident = declared(service, "HighLatency")
    client.force_login(alice)

    listed = client.get("/api/v1/incidents/").json()["results"][0]

    assert listed["type_title"] == "Performance degradation"
    for page in [
        "/i/",
        f"/i/{incident.reference}/",
        reverse("admin:incidents_incident_change", args=[incident.pk]),
        reverse("admin:incidents_incident_changelist"),
    ]:
        assert "Performance degradation" in client.get(page).content.decode(), page


def test_the_admin_offers_the_runbooks_types_only(service, alice, client):
    incident = declared(service)
    client.force_login(alice)
    address = reverse("admin:incidents_incident_verb", args=[incident.pk, "change-type"])

    offered = client.get(address).content.decode()
    client.post(address, {"incident_type": "slow", "reason": "Seen"})

    assert 'value="data-loss"' in offered
    assert Incident.objects.get().incident_type == "slow"


def test_without_types_there_is_nothing_to_change(service, alice, client):
    runbook.publish(service, document={})
    incident = services.declare(title="x", service=service)
    client.force_login(alice)

    page = client.get(reverse("admin:incidents_incident_change", args=[incident.pk]))

    assert "change-type" not in page.content.decode()
