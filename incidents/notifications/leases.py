"""The lease: what was decided about deliveries is written down, and what is sent is held by it."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

from django.conf import settings
from django.db import connection
from django.db.models import F

from incidents.notifications import outbox
from incidents.notifications.decisions import Fate
from incidents.notifications.models import Attempt, Delivery
from incidents.notifications.parcels import Parcel
from incidents.timers import clock, rows


def write(parcels: Sequence[Parcel], now: datetime) -> list[Parcel]:
    """Write down what was decided; returns what is in our hands now."""
    for reason in {p.reason for p in parcels if p.fate is Fate.CANCEL}:
        over = [p.delivery.pk for p in parcels if (p.fate, p.reason) == (Fate.CANCEL, reason)]
        Delivery.objects.filter(pk__in=over).update(
            **outbox.ending(Delivery.State.CANCELLED, now=now, reason=reason)
        )
    for until in {p.until for p in parcels if p.until is not None}:
        waiting = [p.delivery.pk for p in parcels if p.until == until]
        Delivery.objects.filter(pk__in=waiting).update(**outbox.waiting(until, now=now))
    leaders = [p for p in parcels if p.fate not in {Fate.CANCEL, Fate.LATER}]
    held = [parcel for leader in leaders for parcel in leader.all]
    if not held:
        return []
    _hold([p for p in held if p.fate is Fate.SEND], now, raised=1)
    _hold([p for p in held if p.fate is not Fate.SEND], now, raised=0)
    for leader in leaders:
        if leader.others:
            _bundle(leader)
    crashed = [parcel.delivery.pk for parcel in held if parcel.delivery.unfinished]
    if crashed:
        unheard = Attempt.objects.filter(delivery__in=crashed, outcome=Attempt.Outcome.UNFINISHED)
        unheard.update(outcome=Attempt.Outcome.INTERRUPTED)
    attempts = _note_attempts(held, now)
    return [_with_attempts(leader, attempts) for leader in leaders]


def _hold(parcels: Sequence[Parcel], now: datetime, *, raised: int) -> None:
    if not parcels:
        return
    Delivery.objects.filter(pk__in=[parcel.delivery.pk for parcel in parcels]).update(
        state=Delivery.State.SENDING,
        lease=parcels[0].lease,
        lease_until=now + settings.DELIVERY_LEASE,
        attempts=F("attempts") + raised,
        unfinished=F("unfinished") + 1,
    )
    for parcel in parcels:
        parcel.delivery.attempts += raised


def _bundle(leader: Parcel) -> None:
    """From now on these go together, under one key."""
    bundle = leader.delivery.bundle or leader.delivery.pk
    fresh = [parcel.delivery for parcel in leader.all if parcel.delivery.bundle is None]
    for delivery in fresh:
        delivery.bundle = bundle
    if fresh:
        Delivery.objects.filter(pk__in=[one.pk for one in fresh]).update(bundle=bundle)


def _note_attempts(held: Sequence[Parcel], now: datetime) -> dict[object, int]:
    """Every attempt is evidence, and the evidence is there before the attempt."""
    attempts = rows.insert(
        [
            Attempt(delivery=p.delivery, number=p.delivery.attempts, started_at=now)
            for p in held
            if p.fate is Fate.SEND
        ]
    )
    return {attempt.delivery_id: attempt.pk for attempt in attempts}


def _with_attempts(parcel: Parcel, attempts: dict[object, int]) -> Parcel:
    others = tuple(_with_attempts(other, attempts) for other in parcel.others)
    return replace(parcel, attempt_id=attempts.get(parcel.delivery.pk), others=others)


# One statement of which nothing is composed anew: it is asked before each and every send.
_HELD_UNTIL = """(
SELECT delivery.lease_until FROM notifications_delivery delivery
  LEFT JOIN incidents_incident incident ON incident.id = delivery.incident_id
  LEFT JOIN incidents_user person ON person.id = delivery.recipient_id
 WHERE delivery.id = %s AND delivery.lease = %s AND delivery.state = 'sending'
   AND (delivery.paging_epoch IS NULL
        OR incident.status <> 'resolved' AND incident.paging_epoch = delivery.paging_epoch)
   AND (delivery.recipient_id IS NULL OR person.is_active))"""


def held_until(parcel: Parcel) -> tuple[datetime, datetime | None]:
    """The present, and until when it is held; None: somebody else has it, or nobody waits for it
    any more (its incident was taken or has ended, its person is gone)."""
    key = Delivery._meta.pk.get_db_prep_value
    params = [key(parcel.delivery.pk, connection), key(parcel.lease, connection)]
    now, (until,) = clock.now_and(_HELD_UNTIL, params)
    if until is not None and until.tzinfo is None:  # SQLite knows no zones.
        until = until.replace(tzinfo=UTC)
    return now, until


def is_long_enough(parcel: Parcel, until: datetime, now: datetime) -> bool:
    """Whether there is time to send it. Where the lease is about to end it is renewed, and only
    there, for a write waits for the disk."""
    if until - now >= settings.DELIVERY_LEASE / 2:
        return True
    ours = Delivery.objects.filter(pk=parcel.delivery.pk, lease_until__gt=now).held(parcel.lease)
    return ours.update(lease_until=now + settings.DELIVERY_LEASE) == 1
