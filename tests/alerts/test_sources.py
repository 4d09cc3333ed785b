"""Sources, through their doors: API and admin."""

import hashlib
import html
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from incidents.alerts import services
from incidents.alerts.models import Alert, Source
from incidents.core.errors import DomainError
from incidents.core.models import Incident, Service, Team, User
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
    answer = manager.post(f"/api/v1/sources/{source.pk}/rotate-key/").json()

    old, new = (
        Client().post(f"/api/v1/alerts/{key}/", '{"summary": "x"}', content_type="application/json")
        for key in [source.key, answer["key"]]
    )
    assert (old.status_code, new.status_code) == (404, 202)
    assert answer["key"] in answer["address"]


def test_only_the_digest_of_a_key_is_kept(source: Source) -> None:
    row = Source.objects.filter(pk=source.pk).values().get()

    assert row["digest"] == hashlib.sha256(source.key.encode()).hexdigest()
    assert source.key not in row.values()
    assert Source.objects.get().key == ""


def test_the_source_of_a_key_is_one_indexed_look(
    source: Source, django_assert_num_queries: Any
) -> None:
    with django_assert_num_queries(1):
        found = services.source_of(source.key)

    assert found == source
    assert Source._meta.get_field("digest").unique


def test_a_manager_switches_it_off(manager: Client, source: Source) -> None:
    answer = manager.patch(
        f"/api/v1/sources/{source.pk}/", {"is_active": False}, content_type="application/json"
    )

    source.refresh_from_db()
    assert answer.status_code == 200
    assert not source.is_active


@pytest.mark.parametrize("who", ["alice", "bob"])
def test_nobody_is_told_the_key_again(
    client: Client, source: Source, who: str, request: pytest.FixtureRequest
) -> None:
    client.force_login(request.getfixturevalue(who))

    shown = client.get(f"/api/v1/sources/{source.pk}/")

    assert shown.json()["prefix"] == source.key[:6]
    assert "address" not in shown.json()
    assert source.key not in shown.content.decode()


@pytest.mark.parametrize("door", ["patch", "rotate"])
def test_a_manager_of_another_team_is_refused(manager: Client, door: str) -> None:
    foreign = services.create_source(name="Foreign", actor=None)
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


def test_a_new_source_is_told_its_key_once(manager: Client, team: Team) -> None:
    form = {"name": "Grafana", "team": team.pk, "service": ""}

    told = manager.post("/admin/alerts/source/add/", form)

    source = Source.objects.get()
    key = html.unescape(told.text).split("/api/v1/alerts/")[1][:32]
    assert services.source_of(key) == source
    assert "no-store" in told["Cache-Control"]
    page = manager.get(f"/admin/alerts/source/{source.pk}/change/")
    assert key not in page.text
    assert key[:6] in page.text
    assert not any(key in str(morsel) for morsel in manager.cookies.values())


def test_a_manager_makes_no_source_that_only_administrators_could_change(manager: Client) -> None:
    answer = manager.post("/admin/alerts/source/add/", {"name": "Nobody's", "team": ""})

    assert b"This field is required." in answer.content
    assert not Source.objects.filter(name="Nobody's").exists()


def test_another_key_is_told_once(manager: Client, source: Source) -> None:
    verb = f"/admin/alerts/source/{source.pk}/do/rotate-key/"
    asked = manager.get(verb)

    told = manager.post(verb)

    key = html.unescape(told.text).split("/api/v1/alerts/")[1][:32]
    assert "opens nothing from that moment on" in asked.text
    assert services.source_of(source.key) is None
    assert services.source_of(key) == source


def test_it_is_switched_off_and_on_by_verbs(manager: Client, source: Source) -> None:
    page = f"/admin/alerts/source/{source.pk}"

    manager.post(f"{page}/do/switch-off/")
    assert not Source.objects.get().is_active
    manager.post(f"{page}/do/switch-on/")
    assert Source.objects.get().is_active


def test_its_form_changes_what_it_is_called_and_keeps_the_key(
    manager: Client, source: Source, team: Team, service: Service
) -> None:
    form = {"name": "Renamed", "team": team.pk, "service": service.pk}

    manager.post(f"/admin/alerts/source/{source.pk}/change/", form)

    found = services.source_of(source.key)
    assert found is not None
    assert (found.name, found.service, found.is_active) == ("Renamed", service, True)


def test_a_manager_of_another_team_gives_it_no_key(
    client: Client, source: Source, charlie: User
) -> None:
    charlie.memberships.update(role="manager")
    client.force_login(charlie)

    client.post(f"/admin/alerts/source/{source.pk}/do/rotate-key/")

    assert services.source_of(source.key) == source


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
