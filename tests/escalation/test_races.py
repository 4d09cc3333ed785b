"""People and the clock at the same instant, with real transactions. PostgreSQL only."""

import threading
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta

import pytest
from django.db import connection, connections

from incidents.core import services as core
from incidents.core.errors import DomainError
from incidents.core.models import Incident, Kind
from incidents.escalation import services as escalation
from incidents.escalation.models import Page
from incidents.notifications import engine as outbox
from incidents.notifications.models import Delivery
from incidents.timers import engine
from incidents.timers.models import Timer
from tests.escalation.stage import nobody_is_silent
from tests.sizes import size

pytestmark = [pytest.mark.postgres, pytest.mark.django_db(transaction=True)]

ROUNDS = size(60, 20)


def at_once(*deeds: Callable[[], object]) -> None:
    """Do all of these at the same moment, each on a connection of its own; raise what they raise.

    What a verb declines is a legal outcome of a race.
    """
    barrier, failures = threading.Barrier(len(deeds)), []

    def run(deed: Callable[[], object]) -> None:
        try:
            connection.ensure_connection()
            barrier.wait()
            with suppress(DomainError):
                deed()
        except Exception as error:
            failures.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=[deed]) for deed in deeds]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


@pytest.fixture
def due(policy, service, clock):
    """A function that gives an incident whose second step is due now."""

    def make(number: int) -> Incident:
        incident = core.declare(title=f"Number {number}", service=service, severity="SEV1")
        clock.forward(minutes=5)
        return incident

    return make


def test_an_acknowledgement_and_a_due_step(due, alice, dana):
    for number in range(ROUNDS):
        incident = due(number)

        at_once(
            lambda incident=incident: core.acknowledge(incident, actor=alice),
            engine.tick,
            lambda incident=incident: core.acknowledge(incident, actor=dana),
            engine.tick,
        )

        entries = list(incident.timeline.order_by("pk"))
        taken = next(i for i, entry in enumerate(entries) if entry.kind == Kind.ACKNOWLEDGED)
        assert Kind.PAGED not in [entry.kind for entry in entries[taken:]]
        incident.refresh_from_db()
        assert all(page.epoch < incident.paging_epoch for page in incident.pages.all())
        assert not Delivery.objects.alive().pages().filter(incident=incident).exists()
        assert incident.is_acknowledged
        assert not Timer.objects.pending().of(incident).filter(kind="escalation.step").exists()


def test_a_step_is_taken_once_however_many_engines_run(due, clock):
    for number in range(ROUNDS):
        incident = due(number)

        at_once(*[engine.tick] * 4)
        # One that found the incident or the timer locked just then leaves it until the lease ends.
        clock.forward(seconds=6)
        while engine.tick():
            pass

        assert Page.objects.of(incident).count() == 2
        nobody_is_silent()


def test_a_resolution_an_escalation_and_the_clock(due, alice, bob):
    for number in range(ROUNDS):
        incident = due(number)

        at_once(
            lambda incident=incident: core.dismiss(incident, reason="A test", actor=alice),
            lambda incident=incident: escalation.escalate(incident, reason="Now", actor=bob),
            engine.tick,
        )

        nobody_is_silent()
        assert not Delivery.objects.alive().pages().filter(incident=incident).exists()


def test_reroute_severity_and_a_snooze(due, alice, bob, policy, clock):
    for number in range(ROUNDS):
        incident = due(number)
        until = clock.at + timedelta(minutes=10)

        at_once(
            lambda i=incident: escalation.reroute(i, policy=policy, reason="You", actor=bob),
            lambda i=incident, u=until: core.snooze(i, until=u, reason="Known", actor=alice),
            lambda i=incident: core.change_severity(i, severity="SEV2", reason="So", actor=bob),
            engine.tick,
        )

        nobody_is_silent()
        core.dismiss(incident, reason="Next", actor=alice)


def test_sending_and_acknowledging(due, alice, phones):
    for number in range(ROUNDS):
        incident = due(number)

        at_once(
            lambda incident=incident: core.acknowledge(incident, actor=alice),
            lambda: outbox.dispatch(wait=True),
            engine.tick,
        )
        outbox.dispatch(wait=True)  # what was let go at the last look is looked at again

        assert not (
            Delivery.objects.pages()
            .filter(incident=incident, state=Delivery.State.PENDING)
            .exists()
        )
        nobody_is_silent()
