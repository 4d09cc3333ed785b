"""An admin page costs the same number of queries with 1 row, with 50 and with thousands.

Every list that is registered, and every page of a row with what hangs on it, is found by itself.
Rows are copies of one that the verbs made: what makes a page ask once per row is the same for all.
"""

import copy
import re
import uuid
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.contrib import admin
from django.db import connection, models, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from incidents.core import history
from incidents.core.models import Incident, Service
from incidents.timers.models import Timer
from tests.browser.world import World, build
from tests.sizes import size

FEW, MANY = 50, size(5_000, 500)
REGISTERED = sorted(admin.site._registry, key=lambda model: model._meta.label_lower)
ONE_ROW_ONLY = {"incidents.organisation"}
# What cannot be many, for its keys are people, roles or severities; and what is edited in place.
ALWAYS_FEW = {
    *("incidents.membership", "incidents.roleassignment", "incidents.severitypolicy"),
    *("oncall.participant", "oncall.rotation", "oncall.teamschedule", "escalation.level"),
    *("escalation.escalation", "escalation.policyassignment", "notifications.attempt"),
    *("comms.stakeholderaddress", "reviews.attendee", "reviews.suspicion"),
}


@pytest.fixture(scope="module")
def db(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    """One transaction for the whole file: the organisation is made once."""
    with django_db_blocker.unblock(), transaction.atomic():
        yield
        transaction.set_rollback(True)


@pytest.fixture(scope="module")
def world(db: None) -> World:
    return build()


@pytest.fixture
def root(world: World) -> Iterator[Client]:
    """An administrator's browser; what the test added is gone afterwards."""
    with transaction.atomic():
        client = Client()
        client.force_login(world.root)
        yield client
        transaction.set_rollback(True)


def copies(row: Any, number: int, **changes: Any) -> None:
    """`number` more rows like `row`, different where they must be."""
    model = type(row)
    rows, free = model._base_manager, _free_fields(model)
    highest = {
        field.attname: rows.aggregate(models.Max(field.attname))[f"{field.attname}__max"] or 0
        for field in free
        if isinstance(field, models.IntegerField | models.DateTimeField)
    }
    rows.bulk_create(
        (_another(row, place, free, highest, changes) for place in range(number)), batch_size=1_000
    )


def _another(
    row: Any,
    place: int,
    free: list[models.Field],
    highest: dict[str, int],
    changes: dict[str, Any],
) -> Any:
    twin = copy.copy(row)
    twin._state = models.base.ModelState()
    twin.pk = uuid.uuid4() if isinstance(row._meta.pk, models.UUIDField) else None
    for field in free:
        if field.null:
            value: Any = None
        elif field.attname in highest:
            step = timedelta(minutes=1) if isinstance(field, models.DateTimeField) else 1
            value = highest[field.attname] + step * (1 + place)
        else:
            value = uuid.uuid4().hex[: field.max_length]
        setattr(twin, field.attname, value)
    for name, value in changes.items():
        setattr(twin, name, value[place] if isinstance(value, list) else value)
    return twin


def _free_fields(model: type[models.Model]) -> list[models.Field]:
    """One field of each unique key, such that changing it makes a row unlike every other."""
    options = model._meta
    alone = [field for field in options.concrete_fields if field.unique and not field.primary_key]
    together = [
        [options.get_field(name) for name in constraint.fields]
        for constraint in options.constraints
        if isinstance(constraint, models.UniqueConstraint)
    ]
    free = [field for field in alone if not field.is_relation]
    for fields in together:
        free += [f for f in fields if not f.is_relation and not f.choices][:1]
    return free


def more_rows(model: type[models.Model], number: int) -> None:
    """Like the first one; where each needs a parent of its own, with as many parents."""
    row = model._base_manager.order_by("pk").first()
    label = model._meta.label_lower
    if label in {"escalation.escalation", "reviews.review"}:
        copies(Incident.objects.order_by("pk").first(), number)
        new = list(Incident.objects.order_by("-pk").values_list("pk", flat=True)[:number])
        copies(row, number, incident_id=new)
    elif label == "escalation.policyassignment":
        copies(Service.objects.order_by("pk").first(), number, is_catch_all=False)
        new = list(Service.objects.order_by("-pk").values_list("pk", flat=True)[:number])
        copies(row, number, service_id=new, team_id=None)
    elif label == "comms.component":
        copies(Service.objects.order_by("pk").first(), number, is_catch_all=False)
        new = list(Service.objects.order_by("-pk").values_list("pk", flat=True)[:number])
        copies(row, number, service_id=new)
    elif label == "incidents.service":
        copies(row, number, is_catch_all=False)
    else:
        copies(row, number)


def queries(client: Client, address: str) -> list[str]:
    with CaptureQueriesContext(connection) as captured:
        answer = client.get(address)
    assert answer.status_code == 200, f"{address}: {answer.status_code}"
    return [query["sql"] for query in captured]


def assert_constant(costs: dict[int, list[str]]) -> None:
    few = min(costs)
    for number, found in costs.items():
        more = Counter(map(_shape, found)) - Counter(map(_shape, costs[few]))
        assert len(found) <= len(costs[few]), (
            f"{len(costs[few])} queries with {few}, {len(found)} with {number}:\n"
            + "\n".join(f"{times} x {sql}" for sql, times in more.items())
        )


def _shape(sql: str) -> str:
    """Without its values, and not longer than one wants to read."""
    without = re.sub(r"'[^']*'|\b\d+\b", "?", sql)
    return re.sub(r"(\?, )+", "", re.sub(r"SELECT .* FROM", "SELECT … FROM", without))[:400]


@pytest.mark.parametrize("model", REGISTERED, ids=lambda model: model._meta.label_lower)
def test_a_list_costs_the_same_however_long_it_is(root: Client, model: type[models.Model]) -> None:
    options = model._meta
    address = reverse(f"admin:{options.app_label}_{options.model_name}_changelist")
    queries(root, address)  # fills what is cached for the whole process
    costs = {1: cost_with_one_row(root, address, model)}

    if options.label_lower not in ONE_ROW_ONLY:
        for number in [FEW, MANY]:
            more_rows(model, number - model._base_manager.count())
            assert model._base_manager.count() >= number
            costs[number] = queries(root, address)

    assert_constant(costs)


def cost_with_one_row(client: Client, address: str, model: type[models.Model]) -> list[str]:
    """As if the first row were the only one; nothing is really gone."""
    first = model._base_manager.order_by("pk").first()
    with transaction.atomic():
        if model._meta.label_lower != "incidents.user":  # somebody has to look
            with history.opened():
                model._base_manager.exclude(pk=first.pk)._raw_delete("default")
        found = queries(client, address)
        transaction.set_rollback(True)
    return found


def children_of(model: type[models.Model]) -> list[tuple[type[models.Model], str]]:
    """What hangs on a row of this model and may become many: the child and its column."""
    related = [
        (relation.related_model, relation.field.attname)
        for relation in model._meta.related_objects
        if relation.one_to_many and relation.related_model._meta.label_lower not in ALWAYS_FEW
        if relation.related_model._meta.app_config.name.startswith("incidents.")
    ]
    return [(child, column) for child, column in related if child._base_manager.exists()]


@pytest.mark.parametrize("model", REGISTERED, ids=lambda model: model._meta.label_lower)
def test_a_page_costs_the_same_however_much_hangs_on_it(
    root: Client, model: type[models.Model]
) -> None:
    options = model._meta
    row: Any = model._base_manager.order_by("pk").first()
    address = reverse(f"admin:{options.app_label}_{options.model_name}_change", args=[row.pk])
    make_children(row, 2)
    queries(root, address)
    costs = {1: queries(root, address)}

    for number in [FEW, MANY]:
        make_children(row, number)
        costs[number] = queries(root, address)

    assert_constant(costs)


@pytest.mark.parametrize("name", ["admin:index", "home", "resolved"])
def test_a_page_of_incidents_costs_the_same_however_many_there_are(root: Client, name: str) -> None:
    queries(root, reverse(name))
    with_a_few = queries(root, reverse(name))
    costs = {}

    for number in [FEW, MANY]:
        for status in ["investigating", "resolved"]:
            copies(Incident.objects.filter(status=status).first(), number)
        costs[number] = queries(root, reverse(name))

    assert_constant(costs)
    # Those that do not fit, but are named on the page, are read together: by one query.
    assert len(costs[FEW]) <= len(with_a_few) + 1


def test_an_incident_on_the_phone_costs_the_same_however_much_hangs_on_it(
    root: Client, world: World
) -> None:
    incident = world.incidents["new"]
    address = reverse("incident", args=[incident.reference])
    make_children(incident, 2)
    queries(root, address)
    costs = {1: queries(root, address)}

    for number in [FEW, MANY]:
        make_children(incident, number)
        costs[number] = queries(root, address)

    assert_constant(costs)


def make_children(row: Any, number: int) -> None:
    for child, column in children_of(type(row)):
        first = child._base_manager.order_by("pk").first()
        missing = number - child._base_manager.filter(**{column: row.pk}).count()
        changes = {"is_catch_all": False} if child is Service else {}
        copies(first, missing, **{column: row.pk}, **changes)
    if isinstance(row, Incident):
        timer = Timer.objects.first()
        copies(timer, number, subject_type="incidents.incident", subject_id=row.pk)
