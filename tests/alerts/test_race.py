"""Two monitors, or one that is impatient, at the very same moment."""

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connection
from django.test import Client

from incidents.alerts import services
from incidents.alerts.models import Alert, Source
from incidents.core import services as core
from incidents.core.models import Incident, Kind
from tests.factories import ServiceFactory

pytestmark = [pytest.mark.postgres, pytest.mark.django_db(transaction=True)]


def post_at_once(source: Source, bodies: list[dict[str, Any]]) -> list[Any]:
    def post(body: dict[str, Any]) -> Any:
        try:
            address = f"/api/v1/alerts/{source.key}/"
            return Client().post(address, json.dumps(body), content_type="application/json")
        finally:
            connection.close()

    with ThreadPoolExecutor(len(bodies)) as threads:
        return list(threads.map(post, bodies))


def test_twenty_identical_first_alerts_make_one_incident() -> None:
    source = services.create_source(name="Probe", service=ServiceFactory(), actor=None)

    answers = post_at_once(source, [{"summary": "Down", "dedup_key": "a"}] * 20)

    alert = Alert.objects.get()
    assert {answer.status_code for answer in answers} == {202}
    assert {answer.json()["incident"] for answer in answers} == {Incident.objects.get().reference}
    assert [answer.json()["action"] for answer in answers].count("declared") == 1
    assert alert.count == 20


def test_firing_and_resolved_at_once_lose_nothing() -> None:
    source = services.create_source(name="Probe", service=ServiceFactory(), actor=None)
    first = {"summary": "Down", "dedup_key": "a"}
    post_at_once(source, [first])

    answers = post_at_once(source, [first, first | {"status": "resolved"}] * 8)

    alert = Alert.objects.get()
    incident = Incident.objects.get()
    assert {answer.status_code for answer in answers} == {202}
    assert alert.count == 17
    assert (alert.status == "resolved") == (incident.recovered_at is not None)


def test_a_recurrence_that_is_reported_twenty_times_is_one() -> None:
    source = services.create_source(name="Probe", service=ServiceFactory(), actor=None)
    first = {"summary": "Down", "dedup_key": "a"}
    post_at_once(source, [first])
    earlier = Incident.objects.get()

    core.dismiss(earlier, reason="Not ours.", actor=None)

    post_at_once(source, [first] * 20)

    recurrence = earlier.recurrences.get()
    assert Incident.objects.count() == 2
    assert recurrence.alerts.get().count == 20
    assert recurrence.timeline.filter(kind=Kind.DECLARED).count() == 1
