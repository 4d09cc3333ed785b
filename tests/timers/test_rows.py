"""Rows that are written together: in one statement, all or none of them."""

from datetime import UTC, datetime

import pytest
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext

from incidents.core.models import Team
from incidents.timers import rows
from incidents.timers.models import Timer

pytestmark = pytest.mark.django_db

AT = datetime(2026, 3, 2, 10, tzinfo=UTC)


def timer(key: str, **facts: object) -> Timer:
    given = {"kind": "test", "subject_type": "test", "subject_id": 1, "payload": {"key": key}}
    return Timer(key=key, pending_key=key, due_at=AT, scheduled_at=AT, **(given | facts))


def test_it_gives_the_keys_back() -> None:
    made = rows.insert([timer("a"), timer("b")])

    assert [Timer.objects.get(pk=one.pk).key for one in made] == ["a", "b"]


def test_it_gives_the_keys_back_where_a_row_was_replaced() -> None:
    (old,) = rows.insert([timer("a")])

    (new,) = rows.insert([timer("a", epoch=7)], unique="pending_key", update=("epoch",))

    assert new.pk == old.pk
    assert Timer.objects.get().epoch == 7


def test_what_json_holds_is_json_whatever_it_is() -> None:
    held = ["", 0, True, [], {"a": 'b"\\'}]
    with rows.together():
        rows.insert([timer(str(number), payload=one) for number, one in enumerate(held)])

    assert [one.payload for one in Timer.objects.order_by("pk")] == held


@pytest.mark.postgres
def test_what_is_inserted_together_is_one_statement() -> None:
    with CaptureQueriesContext(connection) as asked, rows.together():
        rows.insert([timer("a")])
        rows.insert([Team(name="Payments", slug="payments")], ignore_conflicts=True)
        rows.insert([timer("b", epoch=0, last_error="100 % of $1 'it'")])

    assert len(asked) == 1
    assert [one.key for one in Timer.objects.order_by("pk")] == ["a", "b"]
    assert Timer.objects.get(key="b").last_error == "100 % of $1 'it'"
    assert Team.objects.get(slug="payments").name == "Payments"


def test_who_asks_meanwhile_finds_what_was_inserted() -> None:
    with rows.together():
        rows.insert([timer("a")])
        assert Timer.objects.filter(key="a").update(epoch=3) == 1
        rows.insert([timer("b")])

    assert list(Timer.objects.order_by("pk").values_list("key", "epoch")) == [("a", 3), ("b", None)]


def test_what_a_savepoint_undoes_is_not_written_after_all() -> None:
    with rows.together():
        rows.insert([timer("a")])
        with pytest.raises(ZeroDivisionError), transaction.atomic():
            rows.insert([timer("b")])
            raise ZeroDivisionError
        rows.insert([timer("c")])

    assert [one.key for one in Timer.objects.order_by("pk")] == ["a", "c"]


def test_nothing_is_left_of_a_block_that_fails() -> None:
    with pytest.raises(ZeroDivisionError), transaction.atomic(), rows.together():
        rows.insert([timer("a")])
        raise ZeroDivisionError

    assert not Timer.objects.exists()
    rows.insert([timer("b")])
    assert Timer.objects.get().key == "b"


def test_a_row_that_is_refused_refuses_all_of_them() -> None:
    rows.insert([timer("a")])

    with pytest.raises(IntegrityError), transaction.atomic(), rows.together():
        rows.insert([Team(name="Payments", slug="payments")])
        rows.insert([timer("a")])

    assert Timer.objects.count() == 1
    assert not Team.objects.filter(slug="payments").exists()


def test_a_row_may_bring_its_own_key() -> None:
    with rows.together():
        rows.insert([timer("a", pk=4_711)])

    assert Timer.objects.get().pk == 4_711


@pytest.mark.postgres
def test_a_reserved_key_is_nobody_elses() -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {rows.reserved_key(Timer)}")
        (key,) = cursor.fetchone()

    made = rows.insert([timer("a"), timer("b")])

    assert key not in {one.pk for one in made}
    rows.insert([timer("c", pk=key)])
    assert Timer.objects.get(pk=key).key == "c"
