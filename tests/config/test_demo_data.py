"""Demo data: a small history, lived through for the test, and what must be true of it."""

from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.db import transaction

from config.demo_data import history
from config.demo_data.history import Wish
from incidents.core.models import Incident, Kind, Service, Status, Team, TimelineEntry, User
from incidents.core.signals import entry_recorded
from incidents.escalation.models import Escalation
from incidents.notifications import engine as outbox
from incidents.notifications.models import ContactMethod, Delivery
from incidents.notifications.transports import TRANSPORTS, email
from incidents.oncall import services as oncall
from incidents.oncall.models import Schedule
from incidents.timers import clock
from incidents.timers import engine as timers
from incidents.timers.models import Timer

pytestmark = pytest.mark.django_db


def make(seed: int = 3, years: float = 0.12, incidents: int = 30) -> None:
    wish = Wish(seed=seed, years=years, incidents=incidents, password="not-a-secret-1")
    history.make(wish, progress=lambda at, done: None)


def titles() -> list[str]:
    return list(Incident.objects.order_by("pk").values_list("title", flat=True))


def test_it_lives_through_a_history_of_which_nothing_is_left_to_send():
    receivers = dict(entry_recorded.connections)
    make()
    now = clock.now()

    assert (Team.objects.count(), Service.objects.count()) == (6, 30)
    assert User.objects.count() >= 35
    assert Incident.objects.count() >= 30
    assert not User.objects.exclude(email__endswith="@example.org").exists()
    assert not ContactMethod.objects.exclude(address__endswith="@example.org").exists()
    assert not Delivery.objects.exclude(address__endswith="@example.org").exists()
    assert not Delivery.objects.alive().exists()
    assert not Timer.objects.pending().filter(due_at__lte=now).exists()
    assert not TimelineEntry.objects.filter(at__gt=now).exists()
    # The house is as it was: real time, real ways out, every receiver.
    assert abs(clock.now() - now) < timedelta(minutes=5)
    assert TRANSPORTS["email"] is email
    assert dict(entry_recorded.connections) == receivers


def test_what_is_open_goes_on_and_wakes_nobody_at_once():
    make()
    opened = {incident.service.slug: incident for incident in Incident.objects.open()}
    before = Delivery.objects.count()

    while timers.tick() + outbox.dispatch(wait=True):
        pass

    assert Delivery.objects.count() == before
    assert set(opened) == {
        *("checkout", "event-bus", "search"),
        *("label-printing", "nightly-exports"),
    }
    assert all(Timer.objects.pending().of(one).exists() for one in opened.values())
    asking = Escalation.objects.get(incident=opened["checkout"])
    assert (asking.state, asking.level) == (Escalation.State.RUNNING, 2)
    assert opened["event-bus"].status == Status.MITIGATING
    missed = opened["event-bus"].timeline.filter(kind=Kind.TARGET_MISSED)
    assert missed.get().data["target"] == "identify"
    assert opened["search"].recovered_at is not None
    assert opened["nightly-exports"].snoozed_until > clock.now()


def test_somebody_left_and_the_schedule_has_a_gap():
    make(incidents=10)
    now = clock.now()

    roster = oncall.roster(Schedule.objects.all(), start=now, end=now + timedelta(days=50))

    gaps = {pk for pk, turns in roster.items() if any(turn.user is None for turn in turns)}
    assert gaps == {Schedule.objects.get(slug="platform").pk}


def test_the_same_seed_tells_the_same_story():
    told = []
    for seed in [1, 1, 2]:
        with transaction.atomic():
            make(seed=seed, years=0.05, incidents=15)
            told.append(titles())
            transaction.set_rollback(True)

    assert told[0] == told[1] != told[2]


def test_it_leaves_a_database_alone_that_somebody_uses(service):
    with pytest.raises(CommandError, match="for an empty one"):
        call_command("demo_data")

    assert Team.objects.count() == 1
    assert not Incident.objects.exists()
