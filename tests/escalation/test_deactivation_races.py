"""Somebody takes an incident at the very moment in which he is shut out. PostgreSQL only."""

import threading
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta

import pytest
from django.db import connections, transaction

from incidents.core import services as core
from incidents.core.errors import DomainError
from incidents.core.models import User
from tests.escalation.stage import nobody_is_silent
from tests.factories import UserFactory

pytestmark = [pytest.mark.postgres, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def root(db):
    return UserFactory(username="root", is_staff=True, is_superuser=True)


def overlapping(first: Callable[[], object], second: Callable[[], object]) -> None:
    """`second` begins when `first` is done but not committed yet; neither may fail."""
    done, failures = threading.Event(), []

    def run(deed: Callable[[], None]) -> None:
        try:
            with suppress(DomainError):
                deed()
        except Exception as error:
            failures.append(error)
        finally:
            done.set()
            connections.close_all()

    def hesitate() -> None:
        with transaction.atomic():
            first()
            done.set()
            # Long enough for the other to come as far as it can.
            threading.Event().wait(0.5)

    def follow() -> None:
        done.wait()
        second()

    threads = [threading.Thread(target=run, args=[deed]) for deed in [hesitate, follow]]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


def take(incident, bob, clock):
    return {
        "acknowledge": lambda: core.acknowledge(incident, actor=bob),
        "snooze": lambda: core.snooze(
            incident, until=clock.at + timedelta(hours=9), reason="Later", actor=bob
        ),
        "role": lambda: core.assign_role(incident, role="commander", user=bob, actor=bob),
    }


@pytest.mark.parametrize("deed", ["acknowledge", "snooze", "role"])
@pytest.mark.parametrize("first", ["deed", "deactivation"])
def test_nothing_stays_with_somebody_who_is_shut_out(declared, bob, root, clock, deed, first):
    deeds = [take(declared, bob, clock)[deed], lambda: core.deactivate_person(bob, actor=root)]

    overlapping(*(deeds if first == "deed" else reversed(deeds)))

    declared.refresh_from_db()
    assert not User.objects.get(pk=bob.pk).is_active
    assert not declared.is_acknowledged
    assert not declared.roles.filter(until=None).exists()
    nobody_is_silent()


def test_whoever_holds_one_and_takes_another_is_shut_out_of_both(declared, service, bob, root):
    other = core.declare(title="Search is down", service=service, severity="SEV1")
    core.acknowledge(declared, actor=bob)

    overlapping(
        lambda: (
            core.note(declared, text="I look into both", actor=bob)
            and core.acknowledge(other, actor=bob)
        ),
        lambda: core.deactivate_person(bob, actor=root),
    )

    for incident in [declared, other]:
        incident.refresh_from_db()
        assert not incident.is_acknowledged
    nobody_is_silent()
