"""The last requests of a source and what became of each: written always, in nobody's way."""

import importlib
import logging
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from django.apps import apps
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from incidents.alerts import services, tasks
from incidents.alerts.models import IntakeRequest, Source
from incidents.alerts.services import requests
from incidents.core.models import Incident, User
from incidents.timers.clock import VirtualClock
from tests.factories import UserFactory

Send = Callable[..., Any]


def logged() -> list[str]:
    return list(IntakeRequest.objects.order_by("pk").values_list("outcome", flat=True))


def page_of(client: Client, source: Source) -> Any:
    return client.get(f"/admin/alerts/source/{source.pk}/change/")


@pytest.fixture
def manager(client: Client, alice: User) -> Client:
    client.force_login(alice)
    return client


def test_it_tells_what_became_of_each(send: Send, source: Source, clock: VirtualClock) -> None:
    send()
    send()
    send(status="resolved")
    send(status="resolved", dedup_key="never fired")

    assert logged() == ["declared", "counted", "recovered", "ignored"]
    first = IntakeRequest.objects.earliest("pk")
    assert (first.source, first.at, first.status) == (source, clock.at, 202)
    assert first.incident == Incident.objects.get()
    assert first.dedup_key == "checkout:health"
    assert '"summary": "Checkout is down"' in first.body


@pytest.mark.parametrize(
    ("raw", "status", "problem"),
    [
        (b"{not json", 400, "This is no JSON"),
        (b'{"summary": 7}', 400, "summary:"),
        (b'{"summary": "' + b"x" * 300_000 + b'"}', 413, "larger than"),
        (b'{"summary": "a\x00b', 400, "This is no JSON"),
    ],
)
def test_what_was_refused_is_there_with_its_reason(
    send: Send, raw: bytes, status: int, problem: str
) -> None:
    answer = send(raw)

    row = IntakeRequest.objects.get()
    assert answer.status_code == row.status == status
    assert row.outcome == "refused"
    assert problem in row.problem
    assert row.body.startswith(raw[:8].decode())
    assert len(row.body) <= 2_000


def test_what_came_while_it_was_switched_off_is_there(send: Send, source: Source) -> None:
    services.change_source(source, is_active=False, actor=None)

    send()

    assert IntakeRequest.objects.get().status == 403


def test_a_form_is_refused_and_there(client: Client, source: Source) -> None:
    client.post(f"/api/v1/alerts/{source.key}/", {"summary": "x"})

    assert IntakeRequest.objects.get().status == 415


def test_what_was_not_understood_is_told(send: Send) -> None:
    send(severity="purple")

    row = IntakeRequest.objects.get()
    assert row.outcome == "declared"
    assert "purple" in row.problem


def test_a_key_that_is_nobodys_leaves_nothing(send: Send) -> None:
    send(key="x" * 32)

    assert not IntakeRequest.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_an_alert_is_taken_in_when_its_request_cannot_be_written_down(
    send: Send, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: Any, **__: Any) -> None:
        with connection.cursor() as cursor:
            cursor.execute("INSERT INTO no_such_table VALUES (1)")

    monkeypatch.setattr(requests, "rows", SimpleNamespace(insert=broken))
    caplog.set_level(logging.ERROR)

    answer, again = send(), send()

    assert (answer.status_code, again.status_code) == (202, 202)
    assert Incident.objects.count() == 1
    assert "Unable to write down a request" in caplog.text
    assert "no_such_table" in caplog.text


# --- The last 50 ----------------------------------------------------------------------------------


def test_the_last_fifty_of_each_source_are_kept(source: Source) -> None:
    other = services.create_source(name="Other", actor=None)
    for number in range(53):
        services.log_request(source, status=202, body=f"{number}")
    services.log_request(other, status=202, body="other")

    tasks.prune()

    bodies = list(source.requests.order_by("pk").values_list("body", flat=True))
    assert bodies == [str(number) for number in range(3, 53)]
    assert other.requests.count() == 1
    assert services.prune_requests() == 0


# --- The page -------------------------------------------------------------------------------------


def test_the_page_shows_them_with_what_to_do(manager: Client, source: Source, send: Send) -> None:
    send()
    send(b"{not json")

    page = page_of(manager, source).text

    assert "Declared an incident" in page
    assert Incident.objects.get().reference in page
    assert "Refused (400)" in page
    assert "Correct what the monitor sends" in page
    assert "{not json" in page
    assert "Nothing has arrived yet" not in page


def test_an_empty_page_says_what_to_send(manager: Client, source: Source) -> None:
    page = page_of(manager, source).text

    assert "Nothing has arrived yet" in page
    assert "/api/v1/alerts/YOUR_KEY/" in page


def test_who_does_not_manage_it_sees_no_bodies(client: Client, source: Source, send: Send) -> None:
    send(summary="Only for managers")
    client.force_login(UserFactory(username="viewer", is_staff=True))

    page = page_of(client, source).text

    assert "Declared an incident" in page
    assert "Only for managers" not in page


def test_requests_of_private_incidents_stay_unseen(
    manager: Client, source: Source, send: Send, alice: User
) -> None:
    send(summary="Secret")
    Incident.objects.update(is_private=True)

    assert "Secret" not in page_of(manager, source).text
    Incident.objects.get().audience.add(alice)
    assert "Secret" in page_of(manager, source).text


def test_the_page_takes_the_same_queries_for_one_and_for_fifty(
    manager: Client, source: Source, send: Send
) -> None:
    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            assert page_of(manager, source).status_code == 200
        return len(captured)

    send()
    queries()
    one = queries()
    for number in range(49):
        send(dedup_key=f"alert {number % 3}")

    assert queries() == one


def test_keys_that_were_given_out_before_go_on_working(db: None) -> None:
    """What migration 0002 does to the rows that it finds."""
    migration = importlib.import_module("incidents.alerts.migrations.0002_digests_and_requests")
    source = services.create_source(name="Old", actor=None)

    class Rows:
        def all(self) -> list[Any]:
            row: Any = Source.objects.get()
            row.key = "an-old-key-of-24-bytes"
            return [row]

    class OldSource:
        objects = Rows()

    class OldApps:
        def get_model(self, *_: str) -> type[OldSource]:
            return OldSource

    migration.hash_keys(OldApps(), None)

    assert services.source_of("an-old-key-of-24-bytes") == source
    assert apps.get_model("alerts", "Source").objects.get().prefix == "an-old"
