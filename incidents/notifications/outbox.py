"""The rows of the outbox: how they are made, passed on to the next address, and ended."""

import hashlib
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import (
    Case,
    DateTimeField,
    DurationField,
    ExpressionWrapper,
    F,
    TextField,
    Value,
    When,
)
from django.db.models.functions import Coalesce

from incidents.core.models import Incident, User
from incidents.notifications import decisions
from incidents.notifications.addresses import Address
from incidents.notifications.models import ContactMethod, Delivery, Urgency
from incidents.notifications.transports.base import Link
from incidents.timers.rows import insert as store

LONGEST_BODY = 65_536
NOW = timedelta(0)


@dataclass(frozen=True)
class Letter:
    """What is to be said, and how long one address is tried. `epoch` set: a page.

    `may_fold`: it may wait for less than a minute, to be told together with others.
    """

    cause: str
    subject: str
    body: str
    urgency: Urgency
    patience: timedelta
    incident: Incident | None = None
    epoch: int | None = None
    links: Sequence[Link] = ()
    html: str = ""
    calendar: str = ""
    is_confidential: bool = False
    may_fold: bool = False


def to_person(
    letter: Letter, person: User, ways: Sequence[decisions.Route], *, now: datetime
) -> list[Delivery]:
    """One row for every way that is used at once or after a delay; none if there is no way."""
    chosen = [way for way in ways if way.delay is not None]
    return [
        _delivery(
            letter,
            way,
            recipient=person,
            recipient_key=f"person:{person.pk}",
            due_at=now + (way.delay or NOW),
            alternatives=len(ways) - 1,
            now=now,
        )
        for way in chosen
    ]


def to_address(
    letter: Letter,
    address: Address,
    *,
    recipient_key: str,
    now: datetime,
    recipient: User | None = None,
    method_id: int | None = None,
) -> Delivery:
    """One row for this address and no other."""
    way = decisions.Route(address, method_id)
    return _delivery(
        letter,
        way,
        recipient=recipient,
        recipient_key=recipient_key,
        due_at=now,
        alternatives=0,
        now=now,
    )


def insert(deliveries: Iterable[Delivery]) -> None:
    """One statement; what was told for the same cause to the same address is not told again."""
    rows = {(d.incident_id or 0, d.cause, d.recipient_key, d.address): d for d in deliveries}
    # One order for everybody, or two bulk writers could wait for each other's rows.
    store([rows[key] for key in sorted(rows)], ignore_conflicts=True)


def pass_on(delivery: Delivery, family: Collection[Delivery], *, now: datetime) -> bool:
    """A delivery was given up: see that its recipient is tried elsewhere.

    `family`: all that went to this recipient for this cause, locked. True when one of them was
    sent or is being tried, when a delayed one was called forward, or when the next address is on
    its way; False when nothing is left.
    """
    others = [other for other in family if other.pk != delivery.pk]
    tried = {Delivery.State.SENT, Delivery.State.SENDING}
    if any(other.state in tried or _is_being_tried(other, now) for other in others):
        return True
    waiting = [other for other in others if other.state == Delivery.State.PENDING]
    if waiting:
        nearest = min(waiting, key=lambda other: other.due_at)
        give_up_at = now + (nearest.give_up_at - nearest.due_at)
        Delivery.objects.filter(pk=nearest.pk).update(due_at=now, give_up_at=give_up_at)
        return True
    return _try_next_address(delivery, {member.address for member in family}, now)


def ending(state: str, *, now: datetime, reason: str = "") -> dict[str, Any]:
    """What an UPDATE sets when deliveries have ended. Keys to other doors are not kept."""
    erased = Case(
        When(is_confidential=True, then=Value("(not kept)")),
        default=F("body"),
        output_field=TextField(),
    )
    return {
        "state": state,
        "ended_at": now,
        "lease": None,
        "lease_until": None,
        "unfinished": 0,
        "secret": "",
        "links": [],
        "body": erased,
        "last_error": reason,
    }


def waiting(until: datetime, *, now: datetime) -> dict[str, Any]:
    """What an UPDATE sets when deliveries are to wait; their address is tried as long as before."""
    patience = ExpressionWrapper(F("give_up_at") - F("due_at"), DurationField())
    moment = Value(until, DateTimeField())
    return {
        "due_at": until,
        "give_up_at": ExpressionWrapper(moment + patience, DateTimeField()),
        "waits_since": Coalesce("waits_since", Value(now, DateTimeField())),
    }


def legible(text: str, *, longest: int = LONGEST_BODY) -> str:
    """Text that every database and transport can take: no NUL, no half characters, not too long."""
    text = text.replace("\x00", "\N{REPLACEMENT CHARACTER}")
    text = text.encode("utf-8", "replace").decode()
    return text if len(text) <= longest else text[: longest - 1] + "…"


def _is_being_tried(delivery: Delivery, now: datetime) -> bool:
    pending = delivery.state == Delivery.State.PENDING
    return pending and (delivery.attempts > 0 or delivery.due_at <= now)


def _try_next_address(delivery: Delivery, tried: set[str], now: datetime) -> bool:
    person = delivery.recipient
    if person is None or not delivery.may_go_elsewhere:
        return False
    ways = ContactMethod.objects.routes_of([person], delivery.urgency).get(person.pk, [])
    way = decisions.next_route(ways, tried)
    if way is None:
        return False
    letter = Letter(
        cause=delivery.cause,
        subject=delivery.subject,
        body=delivery.body,
        urgency=Urgency(delivery.urgency),
        patience=delivery.patience,
        incident=delivery.incident,
        epoch=delivery.paging_epoch,
        links=delivery.as_links,
        html=delivery.html,
        calendar=delivery.calendar,
        is_confidential=delivery.is_confidential,
        may_fold=delivery.may_fold,
    )
    untried = [other for other in ways if other.address.address not in tried]
    following = _delivery(
        letter,
        way,
        recipient=person,
        recipient_key=delivery.recipient_key,
        due_at=now,
        alternatives=len(untried) - 1,
        now=now,
    )
    following.fallback_of = delivery
    insert([following])
    return True


def _delivery(
    letter: Letter,
    way: decisions.Route,
    *,
    recipient: User | None,
    recipient_key: str,
    due_at: datetime,
    alternatives: int,
    now: datetime,
) -> Delivery:
    is_page = letter.urgency == Urgency.PAGE
    patience = decisions.patience(letter.patience, is_page=is_page, alternatives=alternatives)
    return Delivery(
        cause=_short(letter.cause),
        urgency=letter.urgency,
        recipient=recipient,
        recipient_key=recipient_key,
        transport=way.address.kind,
        address=way.address.address,
        secret=way.address.secret,
        contact_method_id=way.method_id,
        incident=letter.incident,
        paging_epoch=letter.epoch,
        may_fold=letter.may_fold,
        subject=legible(" ".join(letter.subject.split()), longest=300),
        body=legible(letter.body),
        html=legible(letter.html, longest=4 * LONGEST_BODY),
        calendar=letter.calendar,
        links=[{"title": link.title, "url": link.url} for link in letter.links],
        is_confidential=letter.is_confidential,
        due_at=due_at,
        give_up_at=due_at + patience,
        patience=letter.patience,
        created_at=now,
    )


def _short(cause: str) -> str:
    """A cause that fits its column and is still as different from others as it was."""
    if len(cause) <= 120:
        return cause
    return f"{cause[:79]}:{hashlib.sha256(cause.encode()).hexdigest()[:40]}"
