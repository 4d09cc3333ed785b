"""The claim: which due deliveries this process takes into its hands, and what is to become of each.

Committed before the first byte leaves, together with the raised counts of attempts: a delivery
that kills its sender is thereby counted, and quarantined instead of killing for ever.
"""

import time
import uuid
from collections.abc import Collection, Sequence
from datetime import datetime
from typing import NamedTuple

from django.conf import settings
from django.db import transaction
from django.db.models import Q

from incidents.core.models import Incident, User
from incidents.notifications import decisions, folding, leases
from incidents.notifications.models import Delivery, DeliveryQuerySet
from incidents.notifications.parcels import Parcel
from incidents.timers import clock, failpoints

OVERDUE_AT_ONCE = 50
# About as long as another process holds what it claims (people as well), seconds.
A_CLAIM = 0.03


class Taken(NamedTuple):
    """What is to be done with what was claimed; `handled`: how many were looked at."""

    parcels: list[Parcel]
    handled: int
    has_more: bool


def take(
    urgency: str, transport: str, *, room: int, now: datetime, crowd: Collection[str] = ()
) -> Taken:
    """Claim up to `room` deliveries, and say whether more may be due.

    What somebody else holds (another process that claims, a person who acknowledges) is passed
    over for others, and there is more of it. For the providers in `crowd` there is no room: of
    theirs, what waited for too long is given up.
    """
    due = Delivery.objects.due(now).filter(urgency=urgency, transport=transport)
    over: list[Parcel] = []
    handled = 0
    if crowd or not room:
        crowded = Q(*[("address__startswith", name) for name in crowd], _connector=Q.OR)
        over, handled, _ = _claim(due.filter(crowded), room=0, now=now)
        due = due.exclude(crowded) if crowd else due
    if not room:
        return Taken(over, handled, has_more=True)
    parcels, also, busy = _look(due, room=room, now=now)
    if busy and not parcels:
        time.sleep(A_CLAIM)
        parcels, also, busy = _look(due, room=room, now=now)
    has_more = bool(crowd) or also + len(busy) >= room
    return Taken(over + parcels, handled + also, has_more)


def _look(due: DeliveryQuerySet, *, room: int, now: datetime) -> tuple[list[Parcel], int, set[int]]:
    """A claim, and where incidents were in other hands, one of others in their place."""
    parcels, handled, busy = _claim(due, room=room, now=now)
    if busy and len(parcels) < room:
        free = due.filter(Q(incident=None) | ~Q(incident__in=busy))
        more, also, busier = _claim(free, room=room - len(parcels), now=now)
        return parcels + more, handled + also, busy | busier
    return parcels, handled, busy


def _claim(
    due: DeliveryQuerySet, *, room: int, now: datetime
) -> tuple[list[Parcel], int, set[int]]:
    """One claim, in a constant number of queries: what it got, how many it looked at, and the
    incidents that are in other hands.

    1. Candidates: the oldest that are due, and what may go in one message with them; with no room
       at all, only those to be given up.
    2. Their people and incidents are locked, and what is locked elsewhere is passed over, not
       waited for: an acknowledgement either sees the claim, or is seen by it; and of two claims for
       one person, the later one sees what the other sends.
    3. The deliveries are locked and judged; the lease is committed with the raised counts.
    """
    if not room:
        due = due.filter(give_up_at__lte=now)
    found = folding.candidates(due, room or OVERDUE_AT_ONCE)
    if not found:
        return [], 0, set()
    if room:
        found += folding.companions(found, now)
    with transaction.atomic():
        now = clock.now()
        free, locked, busy = _lock(found, now)
        parcels = _judge(locked, free, now, no_room=not room)
        arranged = folding.arrange(parcels, free, now) if room else parcels
        held = leases.write(arranged, now)
    failpoints.reach("send.after_claim")
    return held, len(parcels), busy


def _lock(
    found: Sequence[folding.Candidate], now: datetime
) -> tuple[dict[int, Incident], list[Delivery], set[int]]:
    """Those incidents, and of the deliveries, that nobody else holds, oldest first; and the
    incidents that somebody holds.

    People come first: of two claims for one person, one has all of it and the other nothing, and
    not each a half that it can do nothing with.
    """
    folded = [one for one in found if one.may_fold and settings.PAGE_INTERVAL]
    told = {one.recipient_id for one in folded if one.recipient_id is not None}
    people = User.objects.select_for_update(no_key=True, skip_locked=True).order_by("pk")
    there = set(people.filter(pk__in=told).values_list("pk", flat=True)) if told else set()
    passed_over = told - there
    ours = [one for one in found if not one.may_fold or one.recipient_id not in passed_over]
    wanted = {one.incident_id for one in ours if one.incident_id is not None}
    incidents = Incident.objects.select_for_update(no_key=True, skip_locked=True)
    incidents = incidents.only("reference", "status", "severity", "service", "paging_epoch")
    free = {i.pk: i for i in incidents.filter(pk__in=wanted).order_by("pk")} if wanted else {}
    rows = Delivery.objects.takeable(now).filter(
        Q(incident=None) | Q(incident__in=free), pk__in=[one.pk for one in ours]
    )
    rows = rows.select_related("recipient", "contact_method").order_by("due_at")
    locked = list(rows.select_for_update(no_key=True, skip_locked=True, of=("self",)))
    return free, locked, {one.incident_id or 0 for one in found} - {0} - set(free)


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
