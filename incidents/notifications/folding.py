"""Pages that are told together: to one person, at one address, about one service.

Somebody who was just paged is not woken again for each further incident of the same service. What
comes within the interval waits until it is over, or until anything else is told there, and then all
that waits is one message, which names every incident. What decides is `decisions.waits_until`.

A message, once tried, keeps its members and its key: whoever has it already is told nothing new by
a repeat. Only those that have ended meanwhile are left out.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from django.conf import settings
from django.db.models import Q

from incidents.core.models import Incident, Severity
from incidents.notifications import decisions
from incidents.notifications.decisions import Fate
from incidents.notifications.models import Delivery, DeliveryQuerySet
from incidents.notifications.parcels import Parcel
from incidents.notifications.transports.base import Link

MOST_TOGETHER = 500


class Target(NamedTuple):
    """Who is told about what: this decides what may go in one message."""

    person: int | None
    transport: str
    address: str
    service: int


class Candidate(NamedTuple):
    """A due delivery, not locked yet."""

    pk: UUID
    incident_id: int | None
    may_fold: bool
    bundle: UUID | None
    recipient_id: int | None
    transport: str
    address: str
    service_id: int | None

    @property
    def target(self) -> Target:
        return Target(self.recipient_id, self.transport, self.address, self.service_id or 0)


COLUMNS = (
    *("pk", "incident_id", "may_fold", "bundle", "recipient_id", "transport", "address"),
    "incident__service_id",
)


def candidates(deliveries: DeliveryQuerySet, most: int) -> list[Candidate]:
    """The oldest that are due."""
    return [Candidate(*row) for row in deliveries.order_by("due_at").values_list(*COLUMNS)[:most]]


def companions(found: Sequence[Candidate], now: datetime) -> list[Candidate]:
    """What may go in one message with these: it waits for that, is due as well, or did before."""
    folded = [one for one in found if one.may_fold]
    if not settings.PAGE_INTERVAL or not folded:
        return []
    targets = {one.target for one in folded}
    there = Delivery.objects.alive().filter(
        may_fold=True,
        incident__service__in={target.service for target in targets},
        recipient__in={target.person for target in targets},
        address__in={target.address for target in targets},
    )
    ready = there.fresh().filter(Q(waits_since__isnull=False) | Q(due_at__lte=now))
    # One message tells of an incident once: what is said of it again goes by itself.
    known = {(one.target, one.incident_id) for one in found}
    new = {
        (one.target, one.incident_id): one
        for one in reversed(candidates(ready, MOST_TOGETHER))
        if one.target in targets and (one.target, one.incident_id) not in known
    }
    bundles = {one.bundle for one in folded if one.bundle}
    mates = candidates(there.filter(bundle__in=bundles), MOST_TOGETHER) if bundles else []
    have = {one.pk for one in found}
    return [*new.values(), *(mate for mate in mates if mate.pk not in have)]


def told(
    targets: Collection[Target], incidents: Collection[int | None], now: datetime
) -> dict[Target, list[decisions.Told]]:
    """What was told there lately, and ever about these incidents."""
    lately = Q(state=Delivery.State.SENT, sent_at__gt=now - settings.PAGE_INTERVAL)
    before = Q(state=Delivery.State.SENT, incident__in=incidents)
    being_sent = Q(state=Delivery.State.SENDING, lease_until__gt=now)
    rows = Delivery.objects.filter(
        lately | before | being_sent,
        may_fold=True,
        incident__service__in={target.service for target in targets},
        recipient__in={target.person for target in targets},
        address__in={target.address for target in targets},
    )
    columns = ("recipient_id", "transport", "address", "incident__service_id")
    found: dict[Target, list[decisions.Told]] = defaultdict(list)
    for *where, incident, severity, at in rows.values_list(
        *columns, "incident_id", "incident__severity", "sent_at"
    ):
        one = decisions.Told(incident, Severity(severity).rank, at)
        found[Target(*where)].append(one)
    return found


def arrange(
    parcels: Sequence[Parcel], incidents: dict[int, Incident], now: datetime
) -> list[Parcel]:
    """Put those that are to be sent into messages, and say of which it is not the time yet.

    What is sent to a target takes along all that waits for it.
    """
    foldable = [p for p in parcels if p.fate is Fate.SEND and p.delivery.may_fold]
    if not settings.PAGE_INTERVAL or not foldable:
        return list(parcels)
    targets = {parcel.delivery.pk: _target(parcel.delivery, incidents) for parcel in foldable}
    known = told(set(targets.values()), {p.delivery.incident_id for p in foldable}, now)
    arranged = [parcel for parcel in parcels if parcel not in foldable]
    fresh: dict[Target, list[Parcel]] = defaultdict(list)
    again: dict[UUID, list[Parcel]] = defaultdict(list)
    seen: set[tuple[Target, int | None]] = set()
    for parcel in foldable:
        delivery = parcel.delivery
        target = targets[delivery.pk]
        if delivery.attempts or delivery.bundle is not None:
            # It is being sent at this very moment, and what is new is not to arrive beside it.
            here = decisions.Told(delivery.incident_id or 0, _rank(delivery, incidents), None)
            known[target].append(here)
        if delivery.bundle is not None:
            again[delivery.bundle].append(parcel)
        elif delivery.attempts or (target, delivery.incident_id) in seen:
            arranged.append(parcel)
        else:
            seen.add((target, delivery.incident_id))
            fresh[target].append(parcel)
    for target, together in fresh.items():
        arranged += _in_one(together, known[target], incidents, now)
    for together in _complete(again, {parcel.delivery.pk for parcel in parcels}):
        arranged.append(_led_by(together[0], together))
    return arranged


def _target(delivery: Delivery, incidents: dict[int, Incident]) -> Target:
    incident = incidents[delivery.incident_id or 0]
    return Target(delivery.recipient_id, delivery.transport, delivery.address, incident.service_id)


def _in_one(
    parcels: Sequence[Parcel],
    known: Collection[decisions.Told],
    incidents: dict[int, Incident],
    now: datetime,
) -> list[Parcel]:
    """One message with all of these, or each with the moment when it is looked at again."""
    ranks = {p.delivery.pk: _rank(p.delivery, incidents) for p in parcels}
    waits: dict[UUID, datetime] = {}
    for parcel in parcels:
        page = parcel.delivery
        asking = decisions.Asking(
            incident=page.incident_id or 0,
            rank=ranks[page.pk],
            patience=page.give_up_at - page.due_at,
            waits_since=page.waits_since,
            is_second_way=page.fallback_of_id is not None,
        )
        until = decisions.waits_until(asking, known, interval=settings.PAGE_INTERVAL, now=now)
        if until is not None:
            waits[page.pk] = until
    if len(waits) == len(parcels):
        return [replace(p, fate=Fate.LATER, until=waits[p.delivery.pk]) for p in parcels]
    ordered = sorted(parcels, key=lambda p: (ranks[p.delivery.pk], p.delivery.created_at))
    return [_led_by(ordered[0], ordered)]


def _rank(delivery: Delivery, incidents: dict[int, Incident]) -> int:
    return Severity(incidents[delivery.incident_id or 0].severity).rank


def _complete(bundles: dict[UUID, list[Parcel]], here: set[UUID]) -> Iterable[list[Parcel]]:
    """Those of which no member is somewhere else: whatever still goes under a key goes at once.

    Of two halves under one key, a receiver would drop the second.
    """
    if not bundles:
        return
    alive: dict[UUID, set[UUID]] = defaultdict(set)
    members = Delivery.objects.alive().filter(bundle__in=bundles)
    for member in members.only("pk", "bundle"):
        alive[member.bundle or member.pk].add(member.pk)
    for bundle, together in bundles.items():
        if alive[bundle] <= here:
            yield sorted(together, key=lambda parcel: parcel.delivery.pk != bundle)


def reading(parcels: Sequence[Parcel]) -> tuple[str, str, list[Link]]:
    """Subject, body and links of one message about all of these; the first one leads."""
    pages = [parcel.delivery for parcel in parcels]
    if len(pages) == 1:
        return pages[0].subject, pages[0].body, pages[0].as_links
    lines = [f"{len(pages)} incidents at once:", *(f"- {page.subject}" for page in pages)]
    links = [
        Link(f"{parcel.reference}: {link.title}", link.url)
        for parcel in parcels
        for link in parcel.delivery.as_links
    ]
    subject = f"{len(pages)} incidents: {pages[0].subject}, and {len(pages) - 1} more"
    return subject, "\n".join([*lines, "", "The first of them:", pages[0].body]), links


def _led_by(leader: Parcel, together: Sequence[Parcel]) -> Parcel:
    return replace(leader, others=tuple(p for p in together if p is not leader))
