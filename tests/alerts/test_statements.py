"""What an alert asks of the database: the speed of the intake is the number of its statements."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from incidents.alerts.models import Alert
from incidents.core import services as core
from incidents.core.models import Incident, Kind, TimelineEntry
from incidents.core.signals import entry_recorded
from incidents.escalation.models import EscalationPolicy
from incidents.notifications.models import Delivery
from incidents.timers import services as timers
from incidents.timers.models import Timer
from tests.escalation import conftest as escalation
from tests.escalation.stage import Phones

# A schedule, a policy of three levels, and a team whose people have phones.
schedule, policy = escalation.schedule, escalation.policy
dana, last_resort = escalation.dana, escalation.last_resort

Send = Callable[..., Any]


@pytest.fixture
def phones(db: None) -> Phones:
    return Phones()


def statements(send: Send, **facts: Any) -> list[str]:
    with CaptureQueriesContext(connection) as captured:
        assert send(**facts).status_code == 202
    return [query["sql"] for query in captured]


@pytest.fixture
def settled(policy: EscalationPolicy, send: Send) -> None:
    """Everything that is configured was read: the first alert publishes the built-in runbook."""
    for number in range(2):
        statements(send, dedup_key=f"before-{number}")


def test_a_new_alert_takes_eight(settled: None, send: Send) -> None:
    """One look, is it known, place, number, BEGIN, one INSERT into seven tables, COMMIT; the note.

    SQLite, which is no journey away, writes the rows one kind after the other.
    """
    asked = statements(send, dedup_key="new")

    assert len(asked) == (8 if connection.vendor == "postgresql" else 17), "\n".join(asked)
    assert Alert.objects.count() == Incident.objects.count() == Delivery.objects.count() == 3
    assert Timer.objects.filter(kind="escalation.step").count() == 3


def test_a_repeat_takes_four(settled: None, send: Send) -> None:
    """One look, is it known, one UPDATE; and the note, which the web process writes later."""
    statements(send)

    asked = statements(send)

    assert len(asked) == 4, "\n".join(asked)


def test_the_number_does_not_grow(settled: None, send: Send) -> None:
    counts = [len(statements(send, dedup_key=f"key-{number}")) for number in range(6)]

    assert counts == [counts[0]] * 6


def test_what_was_configured_meanwhile_counts_at_once(
    settled: None, send: Send, policy: EscalationPolicy
) -> None:
    EscalationPolicy.objects.filter(pk=policy.pk).update(is_active=False)

    send(dedup_key="new")

    incident = Alert.objects.get(dedup_key="new").incident
    assert incident is not None
    assert incident.escalation.state == "exhausted"


def test_a_reaction_that_fails_costs_a_second_try_and_no_alert(
    policy: EscalationPolicy, send: Send
) -> None:
    def broken(_entry: TimelineEntry, _incident: Incident) -> None:
        with connection.cursor() as cursor:
            cursor.execute("INSERT INTO no_such_table VALUES (1)")

    entry_recorded.connect(broken, kinds={Kind.DECLARED})
    try:
        answer = send()
    finally:
        entry_recorded.disconnect(broken)

    incident = Incident.objects.get()
    assert answer.json()["incident"] == incident.reference
    assert incident.timeline.filter(kind=Kind.PAGED).count() == 1
    assert Delivery.objects.filter(incident=incident).count() == 1
    assert Timer.objects.pending().of(incident).filter(kind="core.repair").count() == 1
    assert Timer.objects.pending().of(incident).filter(kind="escalation.step").count() == 1


def test_rows_that_cannot_be_written_together_cost_a_second_try_and_no_alert(
    policy: EscalationPolicy, send: Send
) -> None:
    def twice(entry: TimelineEntry, incident: Incident) -> None:
        for _ in range(2):
            timers.schedule("core.target", incident, due_at=entry.at, key="twice")

    entry_recorded.connect(twice, kinds={Kind.DECLARED})
    try:
        answer = send()
    finally:
        entry_recorded.disconnect(twice)

    incident = Incident.objects.get()
    assert answer.json()["incident"] == incident.reference
    assert Alert.objects.get().incident == incident
    assert Delivery.objects.filter(incident=incident).count() == 1
    assert Timer.objects.pending().of(incident).filter(key="twice").count() == 1


def test_asking_that_fails_tells_the_last_resort(
    policy: EscalationPolicy, send: Send, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("incidents.escalation.services.asking.ask", broken)

    assert send().status_code == 202

    incident = Incident.objects.get()
    assert incident.timeline.filter(kind=Kind.EXHAUSTED).count() == 1
    assert Delivery.objects.get(incident=incident).address == "duty"
    assert core.lock(incident).is_open
