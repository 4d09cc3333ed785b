"""Has this happened before? What is shown with an open incident, wherever it is worked on."""

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from incidents.alerts import services as alerts
from incidents.alerts.payload import parse
from incidents.core import services as core
from incidents.core.models import Incident
from incidents.insights.similar import similar_to
from incidents.reviews import services as reviews
from incidents.reviews.models import Review
from tests.api.conftest import caller
from tests.factories import ServiceFactory
from tests.reviews.desk import over

pytestmark = pytest.mark.django_db


@pytest.fixture
def declare(service, clock):
    def declare(**facts) -> Incident:
        return core.declare(
            **{"title": "Disk full", "service": service, "severity": "SEV2"} | facts
        )

    return declare


@pytest.fixture
def past(declare, bob):
    """One of the type disk-full that is over, and what was agreed after it."""
    incident = over(declare(title="The disk ran full", incident_type="disk-full"), bob)
    reviews.add_item(incident, actor=bob, title="Rotate the logs", owner=bob)
    reviews.add_item(incident, actor=bob, title="Alert on it", owner=bob, kind="detect")
    return incident


@pytest.fixture
def now(past, declare, clock):
    clock.forward(days=20)
    return declare(incident_type="disk-full")


def test_the_same_type_of_the_same_service_is_alike(now, past, bob) -> None:
    [found] = similar_to(now, bob)

    assert (found.incident, found.why) == (past, "the same type")
    assert (found.cause, found.fix) == ("Logs were not rotated", "Deleted old logs")
    assert [item.title for item in found.items] == ["Rotate the logs"]


@pytest.mark.parametrize(("state", "cause"), [("published", "No quota"), ("held", None)])
def test_what_its_review_found_is_its_cause_once_that_is_public(now, past, alice, state, cause):
    made = reviews.request(past, reason="To learn", actor=alice)
    Review.objects.filter(pk=made.pk).update(state=state, root_cause="No quota")

    said = caller(alice).get(f"/api/v1/incidents/{now.reference}/").json()["similar"]["past"]

    assert said[0]["root_cause"] == (cause or "Logs were not rotated")


def test_an_alert_of_the_same_name_is_alike_whatever_the_type(service, team, alice, bob, clock):
    source = alerts.create_source(name="Probe", team=team, service=service, actor=alice)

    def fire(host: str, name: str = "DiskFull") -> Incident:
        body = {"dedup_key": f"disk-{host}", "summary": host, "labels": {"alertname": name}}
        found = alerts.ingest(source, parse(body)).incident
        assert found is not None
        return found

    first, other = fire("db1"), fire("db2", "HighLatency")
    over(first, bob)
    over(other, bob)

    [found] = similar_to(fire("db3"), bob)

    assert (found.incident, found.why) == (first, "the same alert")


@pytest.mark.parametrize("what", ["another service", "a drill", "a false alarm", "still open"])
def test_what_says_nothing_about_it_is_not_shown(declare, team, bob, what, clock) -> None:
    other = ServiceFactory(name="Search", team=team)
    facts = {"service": other} if what == "another service" else {}
    before = declare(incident_type="disk-full", **facts)
    if what == "a drill":
        Incident.objects.filter(pk=before.pk).update(is_drill=True)
    if what == "a false alarm":
        core.dismiss(before, reason="The sensor", actor=bob)
    elif what != "still open":
        over(before, bob)

    assert similar_to(declare(incident_type="disk-full"), bob) == []


def test_a_private_one_is_not_shown_to_whom_it_does_not_concern(now, past, bob, charlie) -> None:
    past.is_private = True
    past.save()
    past.audience.add(bob)

    assert similar_to(now, bob)
    assert similar_to(now, charlie) == []


def test_the_newest_five_are_shown_in_the_same_number_of_queries(now, past, declare, bob) -> None:
    with CaptureQueriesContext(connection) as one:
        similar_to(now, bob)
    later = [over(declare(incident_type="disk-full"), bob) for _ in range(7)]

    with CaptureQueriesContext(connection) as many:
        found = similar_to(now, bob)

    assert [one.incident for one in found] == later[:1:-1]
    assert len(many) == len(one)


def test_it_stands_on_every_page_of_an_open_incident(now, past, alice) -> None:
    client = Client()
    client.force_login(alice)

    admin = client.get(reverse("admin:incidents_incident_change", args=[now.pk])).text
    phone = client.get(reverse("incident", args=[now.reference])).text
    said = caller(alice).get(f"/api/v1/incidents/{now.reference}/").json()["similar"]["past"]

    for text in [admin, phone]:
        assert "It happened before" in text
        assert "Logs were not rotated" in text
        assert "Rotate the logs" in text
    assert said[0]["reference"] == past.reference
    assert said[0]["root_cause"] == "Logs were not rotated"
    assert said[0]["action_items"] == ["Rotate the logs (open)"]


def test_once_it_is_over_nobody_needs_it(now, bob) -> None:
    assert similar_to(over(now, bob), bob) == []
