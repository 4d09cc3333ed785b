"""How each invariant is broken behind the back of every verb, and what the auditor is to find."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from uuid import uuid4

from django.db import connection

from incidents.alerts.models import Alert
from incidents.core import history
from incidents.core import services as core
from incidents.core.models import Incident, Kind, Service, TimelineEntry
from incidents.escalation.models import Page
from incidents.notifications.models import Attempt, Delivery
from incidents.timers import clock
from incidents.timers.models import Timer
from tests.browser.world import World, settle

STATE = Delivery.State
type Plant = Callable[[World], object]


@dataclass(frozen=True)
class Planted:
    """`name`: of the invariant that is broken. `plant` gives the row that breaks it."""

    name: str
    plant: Plant

    def __str__(self) -> str:
        return f"{self.name}-{self.plant.__name__}"


PLANTED: list[Planted] = []


def breaks(name: str) -> Callable[[Plant], Plant]:
    def note(plant: Plant) -> Plant:
        PLANTED.append(Planted(name, plant))
        return plant

    return note


def copy(row, **changes):
    """The same row once more, with another key."""
    row = type(row).objects.get(pk=row.pk)
    row.pk = uuid4() if isinstance(row, Delivery) else None
    row._state.adding = True
    for name, value in changes.items():
        setattr(row, name, value)
    row.save(force_insert=True)
    return row


def rewrite(row, **changes):
    """Past the triggers that guard history."""
    with history.opened():
        type(row).objects.filter(pk=row.pk).update(**changes)
    return row


def pending(incident: Incident, kind: str) -> Timer:
    return Timer.objects.pending().of(incident).get(kind=kind)


def paged(incident: Incident) -> Delivery:
    return Delivery.objects.pages().filter(incident=incident, state=STATE.SENT).first()


def exhausted() -> Incident:
    """Of a service without policy: the last resort was told, and is going to be told again."""
    incident = core.declare(
        title="No index", service=Service.objects.get(name="Search"), severity="SEV1"
    )
    settle()
    return incident


def last_resort_of(incident: Incident):
    return Delivery.objects.filter(incident=incident, cause__startswith="last-resort:")


# --- I1 -------------------------------------------------------------------------------------------


@breaks("I1")
def a_step_that_asked_nobody(world):
    step = pending(world.incidents["new"], "escalation.step")
    at = clock.now() - timedelta(seconds=1)
    return copy(step, state=Timer.State.DONE, pending_key=None, due_at=at, ended_at=at)


@breaks("I1")
def a_level_that_was_asked_twice(world):
    copy(world.incidents["new"].timeline.filter(kind=Kind.PAGED).first())
    return world.incidents["new"]


# --- I2 -------------------------------------------------------------------------------------------


@breaks("I2")
def a_step_that_is_gone(world):
    pending(world.incidents["new"], "escalation.step").delete()
    return world.incidents["new"]


@breaks("I2")
def a_step_of_an_older_epoch(world):
    step = pending(world.incidents["new"], "escalation.step")
    Timer.objects.filter(pk=step.pk).update(epoch=step.epoch - 1)
    return world.incidents["new"]


@breaks("I2")
def a_quarantined_step_that_nobody_heard_of(world):
    step = pending(world.incidents["new"], "escalation.step")
    Timer.objects.filter(pk=step.pk).update(state=Timer.State.QUARANTINED, pending_key=None)
    return world.incidents["new"]


@breaks("I2")
def nobody_left_and_no_reminder(_world):
    incident = exhausted()
    pending(incident, "escalation.last_resort").delete()
    return incident


@breaks("I2")
def nobody_left_and_nobody_told(_world):
    incident = exhausted()
    last_resort_of(incident).update(state=STATE.FAILED)
    return incident


@breaks("I2")
def a_snooze_without_an_end(world):
    incident = Incident.objects.get(title="Slow receipts")
    pending(incident, "core.snooze_end").delete()
    return incident


# --- I3 -------------------------------------------------------------------------------------------


@breaks("I3")
def a_timer_that_nobody_works_off(world):
    step = pending(world.incidents["new"], "escalation.step")
    Timer.objects.filter(pk=step.pk).update(due_at=clock.now() - timedelta(seconds=16))
    return step


@breaks("I3")
def a_timer_whose_claim_is_renewed_for_ever(world):
    step = a_timer_that_nobody_works_off(world)
    Timer.objects.filter(pk=step.pk).update(claimed_until=clock.now() + timedelta(seconds=5))
    return step


@breaks("I3")
def a_page_that_nobody_sends(world):
    now = clock.now()
    return copy(
        paged(world.incidents["new"]),
        cause="another",
        state=STATE.PENDING,
        due_at=now - timedelta(seconds=17),
        give_up_at=now + timedelta(minutes=3),
    )


@breaks("I3")
def a_page_in_the_hands_of_a_dead_sender(world):
    now = clock.now()
    return copy(
        paged(world.incidents["new"]),
        cause="another",
        state=STATE.SENDING,
        lease=uuid4(),
        lease_until=now - timedelta(seconds=17),
        give_up_at=now + timedelta(minutes=3),
    )


# --- I4 -------------------------------------------------------------------------------------------


@breaks("I4")
def a_page_that_is_tried_for_ever(world):
    now = clock.now()
    return copy(
        paged(world.incidents["new"]),
        cause="another",
        state=STATE.PENDING,
        attempts=7,
        due_at=now + timedelta(seconds=5),
        give_up_at=now - timedelta(minutes=1),
    )


@breaks("I4")
def a_page_that_failed_and_nobody_followed(world):
    page = paged(world.incidents["new"])
    Delivery.objects.filter(cause=page.cause, recipient=page.recipient).exclude(pk=page.pk).delete()
    Delivery.objects.filter(pk=page.pk).update(state=STATE.FAILED)
    return page


@breaks("I4")
def a_page_that_never_was_in_the_outbox(world):
    page = Page.objects.filter(incident=world.incidents["new"]).first()
    return copy(page, key="1.asked.by-nobody", link_digest="0" * 64, level=None, cycle=None)


# --- I5, I6 ---------------------------------------------------------------------------------------


@breaks("I5")
def a_page_that_began_after_the_answer(world):
    taken = Incident.objects.get(title="latency on checkout")
    page = Delivery.objects.pages().filter(incident=taken).first()
    created = taken.acknowledged_at - timedelta(minutes=1)
    Delivery.objects.filter(pk=page.pk).update(created_at=created)
    Attempt.objects.create(
        delivery=page, number=9, started_at=taken.acknowledged_at + timedelta(seconds=1)
    )
    return page


@breaks("I6")
def an_address_that_was_told_twice(world):
    copy(paged(world.incidents["new"]), recipient_key="method:9")
    return world.incidents["new"]


# --- I7 -------------------------------------------------------------------------------------------


def _climb(world) -> Incident:
    """Two levels have been asked, one after the other."""
    incident = core.declare(title="Climbing", service=world.service, severity="SEV1")
    settle()
    house = clock.now()
    step = pending(incident, "escalation.step")
    Timer.objects.filter(pk=step.pk).update(due_at=house)
    settle()
    assert incident.timeline.filter(kind=Kind.PAGED).count() == 2
    return incident


@breaks("I7")
def a_level_that_was_left_out(world):
    incident = _climb(world)
    last = incident.timeline.filter(kind=Kind.PAGED).last()
    rewrite(last, data={**last.data, "level": 3})
    return incident


@breaks("I7")
def levels_the_wrong_way_round(world):
    incident = _climb(world)
    first, second = incident.timeline.filter(kind=Kind.PAGED).order_by("pk")
    rewrite(first, data={**first.data, "level": 2})
    rewrite(second, data={**second.data, "level": 1})
    return incident


# --- I10 ------------------------------------------------------------------------------------------


@breaks("I10")
def an_alert_of_which_nothing_came(world):
    alert = Alert.objects.filter(incident=world.incidents["new"]).first()
    return copy(alert, incident=None, dedup_key="lost", open_key="lost")


@breaks("I10")
def an_alert_that_was_not_counted(world):
    alert = Alert.objects.filter(incident=world.incidents["new"]).first()
    Alert.objects.filter(pk=alert.pk).update(count=0)
    return alert


@breaks("I10")
def an_alert_whose_repeats_go_nowhere(world):
    alert = Alert.objects.filter(incident=world.incidents["new"]).first()
    Alert.objects.filter(pk=alert.pk).update(open_key=None)
    return alert


# --- I11 ------------------------------------------------------------------------------------------


@breaks("I11")
def a_step_of_what_is_over(world):
    step = pending(world.incidents["new"], "escalation.step")
    return copy(step, subject_id=world.incidents["done"].pk, pending_key="over")


@breaks("I11")
def a_page_about_what_is_over(world):
    now = clock.now()
    return copy(
        paged(world.incidents["new"]),
        incident=world.incidents["done"],
        state=STATE.PENDING,
        attempts=0,
        due_at=now + timedelta(minutes=1),
        give_up_at=now + timedelta(minutes=3),
    )


# --- I13 ------------------------------------------------------------------------------------------


@breaks("I13")
def a_guard_that_fell(_world):
    name, table = "incidents_timelineentry_keep", "incidents_timelineentry"
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(f"DROP TRIGGER {name} ON {table}")
            return f"guard:{name}"
        cursor.execute(f"DROP TRIGGER {name}_update")
    return f"guard:{name}_update"


@breaks("I13")
def a_state_that_nobody_recorded(world):
    found = world.incidents["found"]
    Incident.objects.filter(pk=found.pk).update(status="mitigating")
    return found


@breaks("I13")
def a_holder_that_nobody_recorded(world):
    fixed = world.incidents["taken"]
    entry = fixed.timeline.get(kind=Kind.ACKNOWLEDGED)
    rewrite(entry, kind=Kind.NOTE)
    return fixed


@breaks("I13")
def a_beginning_that_is_gone(world):
    entry = TimelineEntry.objects.get(incident=world.incidents["done"], kind=Kind.DECLARED)
    rewrite(entry, kind=Kind.NOTE)
    return world.incidents["done"]
