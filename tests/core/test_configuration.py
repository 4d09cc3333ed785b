"""What is configured is read once for each change of it; no change goes unnoticed."""

from collections.abc import Callable
from typing import Any

import pytest
from django.apps import apps
from django.db import connection, transaction

from incidents.core import configuration
from incidents.core.models import ConfigurationChange, Service, Team
from tests.factories import ServiceFactory, TeamFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def reading() -> Any:
    """A remembered function that counts how often it really reads."""

    class Reading:
        times = 0

    @configuration.remembered
    def names(prefix: str) -> list[str]:
        Reading.times += 1
        found = Service.objects.filter(name__startswith=prefix).order_by("name")
        return list(found.values_list("name", flat=True))

    Reading.names = staticmethod(names)
    return Reading


def ask(reading: Any, prefix: str = "") -> list[str]:
    with configuration.settled():
        return reading.names(prefix)


def test_it_reads_once_for_each_question(service: Service, reading: Any) -> None:
    answers = [ask(reading), ask(reading), ask(reading, "Z"), ask(reading, "Z")]

    assert answers == [["Checkout"], ["Checkout"], [], []]
    assert reading.times == 2


def test_outside_of_a_settled_block_it_always_reads(service: Service, reading: Any) -> None:
    for _ in range(2):
        assert reading.names("") == ["Checkout"]

    assert reading.times == 2


def rename_by_orm(service: Service) -> None:
    Service.objects.filter(pk=service.pk).update(name="Till")


def rename_by_hand(service: Service) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE incidents_service SET name = 'Till' WHERE id = %s",
            [service.pk],
        )


@pytest.mark.parametrize("rename", [rename_by_orm, rename_by_hand])
def test_a_change_is_seen_by_the_next_look(
    service: Service, reading: Any, rename: Callable[[Service], None]
) -> None:
    ask(reading)

    rename(service)

    assert ask(reading) == ["Till"]


def test_what_was_taken_back_is_not_remembered(service: Service, reading: Any) -> None:
    """Nor mistaken for the next change, which has the same number in SQLite."""
    ask(reading)
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        rename_by_orm(service)
        assert ask(reading) == ["Till"]
        raise ZeroDivisionError

    assert ask(reading) == ["Checkout"]
    Service.objects.filter(pk=service.pk).update(name="Desk")
    assert ask(reading) == ["Desk"]


def test_new_and_deleted_rows_are_changes(reading: Any) -> None:
    assert ask(reading) == []
    made = ServiceFactory(name="Search")
    assert ask(reading) == ["Search"]

    made.delete()

    assert ask(reading) == []


def test_every_table_that_decides_who_is_asked_is_watched() -> None:
    rooms = {"incidents", "oncall", "escalation", "notifications", "alerts"}
    # What happens and what is told; nothing of it decides who is asked.
    records = {
        *("Incident", "TimelineEntry", "RoleAssignment", "ChecklistItem", "Attestation"),
        *("ReferenceCounter", "IdempotencyKey", "ConfigurationChange", "ApiToken"),
        *("LoginAttempt", "SavedView", "Escalation", "Page", "Delivery", "Attempt"),
        *("Alert", "IntakeRequest", "Burst"),
        "LastResortAddress",  # read every time
    }
    known = {model for room in rooms for model in apps.get_app_config(room).get_models()}

    missing = {model.__name__ for model in known - configuration._watched.keys()} - records

    assert missing == set()


def test_old_changes_are_forgotten_and_nothing_is_mistaken_for_old(
    service: Service, reading: Any
) -> None:
    for number in range(configuration.KEPT + 10):
        Team.objects.filter(pk=service.team_id).update(name=f"Payments {number}")
    ask(reading)

    forgotten = configuration.forget_changes()

    assert forgotten > 0
    assert ConfigurationChange.objects.count() == configuration.KEPT
    TeamFactory(name="Another")
    rename_by_orm(service)
    assert ask(reading) == ["Till"]


@pytest.mark.django_db(transaction=True)
@pytest.mark.postgres
def test_a_change_that_commits_late_is_seen(reading: Any) -> None:
    """Its token has a lower number than one that was seen before."""
    first, second = ServiceFactory(name="A"), ServiceFactory(name="B")
    late = connection.copy()
    try:
        late.set_autocommit(False)
        with late.cursor() as cursor:
            cursor.execute("UPDATE incidents_service SET name = 'Z' WHERE id = %s", [first.pk])
            Service.objects.filter(pk=second.pk).update(name="Y")
            assert ask(reading) == ["A", "Y"]
            late.commit()

        assert ask(reading) == ["Y", "Z"]
    finally:
        late.close()
