"""Sources, through their doors: API and admin."""

from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from incidents.alerts import services
from incidents.alerts.models import Alert, Source
from incidents.core.errors import DomainError
from incidents.core.models import Incident, Service, User
from tests.factories import UserFactory


@pytest.fixture
def manager(client: Client, alice: User) -> Client:
    client.force_login(alice)
    return client


def test_its_key_takes_it_from_alert_to_incident(manager: Client, service: Service) -> None:
    made = manager.post(
        "/api/v1/sources/",
        {"name": "Grafana", "team": "payments", "service": "checkout"},
        content_type="application/json",
    ).json()

    answer = Client().post(made["address"], '{"summary": "x"}', content_type="application/json")

    assert answer.status_code == 202
    assert Incident.objects.get().service == service


def test_rotating_the_key_closes_the_old_address(manager: Client, source: Source) -> None:
    answer = manager.post(f"/api/v1/sources/{source.pk}/rotate-key/")

    old = Client().post(f"/api/v1/alerts/{source.key}/", "{}", content_type="application/json")
    assert old.status_code == 404
    assert source.key not in answer.json()["address"]


def test_a_manager_switches_it_off(manager: Client, source: Source) -> None:
    answer = manager.patch(
        f"/api/v1/sources/{source.pk}/", {"is_active": False}, content_type="application/json"
    )

    source.refresh_from_db()
    assert answer.status_code == 200
    assert not source.is_active


def test_only_its_managers_are_shown_the_address(client: Client, source: Source, bob: User) -> None:
    client.force_login(bob)

    shown = client.get(f"/api/v1/sources/{source.pk}/")

    assert shown.json()["address"] is None
    assert source.key not in shown.content.decode()


@pytest.mark.parametrize("door", ["patch", "rotate"])
def test_a_manager_of_another_team_is_refused(manager: Client, door: str) -> None:
    foreign = Source.objects.create(name="Foreign")
    address = f"/api/v1/sources/{foreign.pk}/"

    if door == "patch":
        answer = manager.patch(address, {"is_active": False}, content_type="application/json")
    else:
        answer = manager.post(f"{address}rotate-key/")

    assert answer.status_code == 403
    foreign.refresh_from_db()
    assert foreign.is_active


def test_it_refuses_a_name_that_is_taken(source: Source, alice: User) -> None:
    with pytest.raises(DomainError, match="Probe"):
        services.create_source(name="Probe", actor=alice)


def test_alerts_of_private_incidents_stay_unseen(
    client: Client, source: Source, send: Any, bob: User
) -> None:
    send()
    Incident.objects.update(is_private=True)
    client.force_login(bob)

    hidden = client.get("/api/v1/alerts/").json()["results"]
    Incident.objects.get().audience.add(bob)
    shown = client.get("/api/v1/alerts/").json()["results"]

    assert hidden == []
    assert [alert["dedup_key"] for alert in shown] == ["checkout:health"]


# --- Admin ----------------------------------------------------------------------------------------


def test_the_admin_shows_a_line_to_paste(manager: Client, source: Source, alice: User) -> None:
    alice.is_staff = True
    alice.save()

    page = manager.get(f"/admin/alerts/source/{source.pk}/change/").content.decode()

    assert "curl -H" in page
    assert f"/api/v1/alerts/{source.key}/" in page


def test_the_admin_hides_the_key_from_who_does_not_manage_it(
    client: Client, source: Source
) -> None:
    client.force_login(UserFactory(username="viewer", is_staff=True))

    page = client.get(f"/admin/alerts/source/{source.pk}/change/")

    assert page.status_code == 200
    assert source.key not in page.content.decode()


def test_the_admin_lists_alerts_in_a_constant_number_of_queries(client: Client, send: Any) -> None:
    client.force_login(UserFactory(username="root", is_staff=True, is_superuser=True))
    send(dedup_key="one")
    client.get("/admin/alerts/alert/")
    with CaptureQueriesContext(connection) as one:
        client.get("/admin/alerts/alert/")

    for n in range(4):
        send(dedup_key=f"more {n}")
    with CaptureQueriesContext(connection) as five:
        client.get("/admin/alerts/alert/")

    assert len(one) == len(five)
    assert Alert.objects.count() == 5
