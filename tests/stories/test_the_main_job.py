"""From a monitor's alert to a resolved incident, through the public doors and on the clock."""

import re

import pytest

from incidents.core import services as core
from incidents.core.models import Incident, Kind, Status
from incidents.timers.models import Timer
from tests.stories.conftest import settle

pytestmark = pytest.mark.django_db


def link_in(message) -> str:
    return re.search(r"/a/[\w-]+/", message.body + str(message.links)).group()


def test_an_outage_is_paged_escalated_acknowledged_and_resolved(
    monitor, api, phone, clock, bob, alice
):
    answer = monitor(started_at="2026-03-02T09:59:00Z")
    assert answer.status_code == 202
    reference = answer.json()["incident"]
    settle()
    phone("bob").expects("5xx on checkout")
    phone("alice").is_silent()

    clock.forward(minutes=5)
    settle()
    phone("alice").expects("5xx on checkout")
    phone("bob").is_silent()

    alice_says = api(alice)
    assert alice_says(reference, "acknowledge").status_code == 200
    settle()
    phone("bob").expects("Alice has it")
    assert alice_says(reference, "assign-role", role="commander", user="alice").status_code == 200

    early = alice_says(reference, "resolve", root_cause="Unknown")
    assert early.status_code == 409
    assert {unmet["code"] for unmet in early.json()["unmet"]} == {
        "mitigation",
        "mitigation_kind",
        "recovered",
    }

    assert alice_says(reference, "identify", suspected_cause="Bad deploy").status_code == 200
    assert (
        alice_says(
            reference, "start-mitigating", mitigation="Rolling back", kind="rollback"
        ).status_code
        == 200
    )
    clock.forward(minutes=4)
    assert monitor("resolved").json()["action"] == "recovered"

    clock.forward(minutes=9)
    assert alice_says(reference, "resolve", root_cause="Bad deploy").status_code == 409
    clock.forward(minutes=1)
    assert alice_says(reference, "resolve", root_cause="Bad deploy").status_code == 200
    settle()
    clock.forward(days=3)
    settle()

    incident = Incident.objects.get(reference=reference)
    assert incident.status == Status.RESOLVED
    assert (incident.detected_at - incident.started_at).total_seconds() == 60
    assert not Timer.objects.pending().of(incident).exists()
    kinds = [entry.kind for entry in incident.timeline.order_by("id")]
    for earlier, later in zip(
        [Kind.DECLARED, Kind.PAGED, Kind.ESCALATED, Kind.ACKNOWLEDGED, Kind.IDENTIFIED],
        [Kind.PAGED, Kind.ESCALATED, Kind.ACKNOWLEDGED, Kind.IDENTIFIED, Kind.RESOLVED],
        strict=True,
    ):
        assert kinds.index(earlier) < kinds.index(later)


def test_nobody_answers_and_the_last_resort_is_told_until_somebody_does(
    monitor, phone, clock, client
):
    monitor()
    settle()
    first = phone("bob").expects("5xx")
    for minutes, person in [(5, "alice"), (10, "bob"), (5, "alice")]:
        clock.forward(minutes=minutes)
        settle()
        phone(person).expects("5xx")
    clock.forward(minutes=10)
    settle()
    phone("director").expects("")

    for _ in range(3):
        clock.forward(minutes=29)
        settle()
        phone("director").is_silent()
        clock.forward(minutes=1)
        settle()
        phone("director").expects("")

    client.post(link_in(first))
    clock.forward(minutes=29)
    settle()
    clock.forward(hours=0.4)
    assert Incident.objects.get().acknowledged_by.username == "bob"


def test_a_mail_scanner_that_follows_the_link_acknowledges_nothing(monitor, phone, client):
    monitor()
    settle()
    link = link_in(phone("bob").expects("5xx"))

    for _ in range(10):
        assert client.get(link).status_code == 200
        assert client.head(link).status_code == 200
    assert not Incident.objects.get().is_acknowledged

    client.post(link)
    incident = Incident.objects.get()
    assert incident.is_acknowledged
    assert incident.timeline.get(kind=Kind.ACKNOWLEDGED).actor.username == "bob"


def test_an_acknowledgement_without_a_sign_of_work_expires_and_pages_again(
    monitor, api, phone, clock, bob
):
    reference = monitor().json()["incident"]
    settle()
    phone("bob").expects("5xx")
    say = api(bob)
    say(reference, "acknowledge")

    clock.forward(minutes=29)
    settle()
    say(reference, "note", text="Looking at it")
    phone("bob").expects("Update due")
    clock.forward(minutes=29)
    settle()
    phone("bob").expects("Update due")
    phone("bob").is_silent()

    clock.forward(minutes=1)
    settle()
    phone("bob").expects("5xx")
    assert not Incident.objects.get().is_acknowledged


def test_a_private_incident_pages_its_audience_only(shop, service, phone, alice):
    core.declare(title="Leak", service=service, is_private=True, audience=[alice])
    settle()

    phone("bob").is_silent()
    phone("alice").expects("Leak")
