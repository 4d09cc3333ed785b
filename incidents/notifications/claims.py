"""The claim: which due deliveries this process takes into its hands, and what is to become of each.

Committed before the first byte leaves, together with the raised counts of attempts: a delivery
that kills its sender is thereby counted, and quarantined instead of killing for ever.
"""

import uuid
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from django.conf import settings
from django.db import transaction
from django.db.models import F, Q

from incidents.core.models import Incident
from incidents.notifications import decisions, outbox
from incidents.notifications.decisions import Fate
from incidents.notifications.lanes import provider_of
from incidents.notifications.models import Attempt, Delivery, DeliveryQuerySet
from incidents.timers import clock, failpoints

OVERDUE_AT_ONCE = 50


@dataclass(frozen=True)
class Parcel:
    """A delivery that this process holds by `lease`, and what is to become of it."""

    delivery: Delivery
    lease: uuid.UUID
    fate: Fate
    reason: str = ""
    reference: str = ""
    attempt_id: int | None = None
    takes_slot: bool = True

    @property
    def provider(self) -> str:
        return provider_of(self.delivery.address)


def take(
    urgency: str, transport: str, *, room: int, now: datetime, crowd: Collection[str] = ()
) -> tuple[list[Parcel], int]:
    """Claim up to `room` deliveries: what is to be done with them, and how many were looked at.

    Where incidents are busy (somebody is acknowledging), others come first. For the providers in
    `crowd` there is no room: of theirs, what waited for too long is given up.
    """
    due = Delivery.objects.due(now).filter(urgency=urgency, transport=transport)
    crowded = Q(*[("address__startswith", provider) for provider in crowd], _connector=Q.OR)
    parcels: list[Parcel] = []
    handled = 0
    if crowd or not room:
        parcels, handled, _ = _claim(due.filter(crowded), room=0, now=now)
    if not room:
        return parcels, handled
    due = due.exclude(crowded) if crowd else due
    more, also, busy = _claim(due, room=room, now=now)
    parcels, handled = parcels + more, handled + also
    if busy and len(more) < room:
        due = due.filter(Q(incident=None) | ~Q(incident__in=busy))
        more, also, _ = _claim(due, room=room - len(more), now=now)
        parcels, handled = parcels + more, handled + also
    return parcels, handled


def _claim(
    due: DeliveryQuerySet, *, room: int, now: datetime
) -> tuple[list[Parcel], int, set[int]]:
    """One claim, in a constant number of queries.

    1. Candidates: the oldest that are due; with no room at all, only those to be given up.
    2. Their incidents are locked, and what is locked elsewhere is passed over, not waited for: an
       acknowledgement either sees the claim, or is seen by it.
    3. The deliveries are locked and judged; the lease is committed with the raised counts.
    """
    if not room:
        due = due.filter(give_up_at__lte=now)
    found = list(due.order_by("due_at").values_list("pk", "incident_id")[: room or OVERDUE_AT_ONCE])
    if not found:
        return [], 0, set()
    wanted = {incident_id for _, incident_id in found if incident_id is not None}
    with transaction.atomic():
        now = clock.now()
        incidents = Incident.objects.select_for_update(no_key=True, skip_locked=True)
        free = {i.pk: i for i in incidents.filter(pk__in=wanted).order_by("pk")} if wanted else {}
        rows = Delivery.objects.due(now).select_related("recipient", "contact_method")
        rows = rows.filter(Q(incident=None) | Q(incident__in=free), pk__in=[pk for pk, _ in found])
        locked = rows.select_for_update(no_key=True, skip_locked=True, of=("self",))
        parcels = _judge(list(locked.order_by("due_at")), free, now, no_room=not room)
        held = _lease(parcels, now)
    failpoints.reach("send.after_claim")
    return held, len(parcels), wanted - set(free)


def _judge(
    deliveries: Sequence[Delivery],
    incidents: dict[int, Incident],
    now: datetime,
    *,
    no_room: bool,
) -> list[Parcel]:
    lease, parcels = uuid.uuid4(), []
    for delivery in deliveries:
        incident = incidents.get(delivery.incident_id or 0)
        waiting = decisions.Waiting(
            epoch=delivery.paging_epoch,
            incident_epoch=incident.paging_epoch if incident else None,
            incident_open=incident is not None and incident.is_open,
            recipient_active=delivery.recipient is None or delivery.recipient.is_active,
            address_valid=_is_address_valid(delivery),
            crashes=delivery.unfinished,
            attempts=delivery.attempts,
            give_up_at=delivery.give_up_at,
            no_room=no_room,
        )
        fate, reason = decisions.on_claim(waiting, now)
        reference = incident.reference if incident else ""
        parcel = Parcel(delivery, lease, fate, reason, reference, takes_slot=not no_room)
        parcels.append(parcel)
    return parcels


def _is_address_valid(delivery: Delivery) -> bool:
    method = delivery.contact_method
    if method is not None:
        proven = method.is_verified or not delivery.may_go_elsewhere
        return method.is_active and proven and method.address == delivery.address
    if delivery.recipient is None or not delivery.may_go_elsewhere:
        return True
    return delivery.address == delivery.recipient.email


def _lease(parcels: Sequence[Parcel], now: datetime) -> list[Parcel]:
    """Write down what was decided; returns what is in our hands now."""
    for reason in {p.reason for p in parcels if p.fate is Fate.CANCEL}:
        over = [p.delivery.pk for p in parcels if (p.fate, p.reason) == (Fate.CANCEL, reason)]
        Delivery.objects.filter(pk__in=over).update(
            **outbox.ending(Delivery.State.CANCELLED, now=now, reason=reason)
        )
    held = [parcel for parcel in parcels if parcel.fate is not Fate.CANCEL]
    if not held:
        return []
    sent = [parcel.delivery.pk for parcel in held if parcel.fate is Fate.SEND]
    Delivery.objects.filter(pk__in=sent).update(attempts=F("attempts") + 1)
    Delivery.objects.filter(pk__in=[parcel.delivery.pk for parcel in held]).update(
        state=Delivery.State.SENDING,
        lease=held[0].lease,
        lease_until=now + settings.DELIVERY_LEASE,
        unfinished=F("unfinished") + 1,
    )
    crashed = [parcel.delivery.pk for parcel in held if parcel.delivery.unfinished]
    if crashed:
        unheard = Attempt.objects.filter(delivery__in=crashed, outcome=Attempt.Outcome.UNFINISHED)
        unheard.update(outcome=Attempt.Outcome.INTERRUPTED)
    return _note_attempts(held, now)


def _note_attempts(held: Sequence[Parcel], now: datetime) -> list[Parcel]:
    """Every attempt is evidence, and the evidence is there before the attempt."""
    for parcel in held:
        parcel.delivery.attempts += parcel.fate is Fate.SEND
    attempts = Attempt.objects.bulk_create(
        Attempt(delivery=p.delivery, number=p.delivery.attempts, started_at=now)
        for p in held
        if p.fate is Fate.SEND
    )
    numbered = {attempt.delivery_id: attempt.pk for attempt in attempts}
    return [replace(parcel, attempt_id=numbered.get(parcel.delivery.pk)) for parcel in held]
