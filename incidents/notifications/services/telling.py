"""Putting something into the outbox: pages, messages, the last resort; and taking it back."""

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from django.conf import settings

from incidents.core.configuration import remembered
from incidents.core.models import Incident, User
from incidents.notifications import outbox
from incidents.notifications.addresses import Address, Channel, parse
from incidents.notifications.decisions import Route, by_mail_first
from incidents.notifications.models import ContactMethod, Delivery, LastResortAddress, Urgency
from incidents.notifications.outbox import Letter
from incidents.notifications.transports.base import Link
from incidents.timers import clock

logger = logging.getLogger(__name__)

PAGE_PATIENCE = timedelta(minutes=3)
MESSAGE_PATIENCE = timedelta(days=1)
LAST_RESORT_PATIENCE = timedelta(minutes=30)
KEEP_ENDED = timedelta(days=90)
PRUNED_AT_ONCE = 1_000


@dataclass(frozen=True)
class PageOrder:
    """Ask this person about this incident, now.

    `cause` names what led to it: one cause in one incident pages an address once; `body` says
    what is wrong in its first line; links are shown below it. `epoch`: the paging epoch for which
    it is meant, by default the incident's. `give_up_after`: when it has failed for this long at
    the last of the person's addresses, somebody else should be asked.
    """

    incident: Incident
    user: User
    cause: str
    subject: str
    body: str
    links: Sequence[Link] = ()
    give_up_after: timedelta = PAGE_PATIENCE
    epoch: int | None = None


@dataclass(frozen=True)
class MessageOrder:
    """Tell this person, by whichever address works, or exactly this address.

    `html` is for e-mail; without it, it is made of the body. Only an e-mail can carry a `calendar`
    (an iCalendar object): for it a person's mail address comes before what they like better.
    """

    to: User | Address
    cause: str
    subject: str
    body: str
    incident: Incident | None = None
    links: Sequence[Link] = ()
    html: str = ""
    calendar: str = ""
    give_up_after: timedelta = MESSAGE_PATIENCE


def page_people(orders: Sequence[PageOrder], now: datetime) -> list[PageOrder]:
    """Queue these pages; returns the orders that reach nobody, so that others can be asked at once.

    Four queries for any number of orders. A person who is inactive, or has no verified contact
    method and no e-mail address that a mail server would take, cannot be reached. Call inside the
    transaction that decided to page.
    """
    if not orders:
        return []
    people, ways = _people_and_ways(frozenset(order.user.pk for order in orders), Urgency.PAGE)
    rows: list[Delivery] = []
    unreached = []
    for order in orders:
        found = ways.get(order.user.pk, [])
        if found:
            letter = _page_letter(order)
            rows += outbox.to_person(letter, people[order.user.pk], found, now=now)
        else:
            unreached.append(order)
    outbox.insert(rows)
    return unreached


def message(
    user: User | Address,
    *,
    cause: str,
    subject: str,
    body: str,
    incident: Incident | None = None,
    links: Sequence[Link] = (),
    html: str = "",
) -> bool:
    """Queue one message; False when this person cannot be reached at all."""
    order = MessageOrder(user, cause, subject, body, incident, links, html)
    return not message_many([order], clock.now())


def message_many(orders: Sequence[MessageOrder], now: datetime) -> list[MessageOrder]:
    """Queue these messages; returns the orders that reach nobody. Four queries at most."""
    wanted = frozenset(order.to.pk for order in orders if isinstance(order.to, User))
    people, ways = _people_and_ways(wanted, Urgency.MESSAGE) if wanted else ({}, {})
    rows: list[Delivery] = []
    unreached = []
    for order in orders:
        letter = _message_letter(order)
        if isinstance(order.to, Address):
            rows.append(outbox.to_address(letter, order.to, recipient_key="address", now=now))
        elif found := ways.get(order.to.pk, []):
            ways_of_theirs = by_mail_first(found) if order.calendar else found
            rows += outbox.to_person(letter, people[order.to.pk], ways_of_theirs, now=now)
        else:
            unreached.append(order)
    outbox.insert(rows)
    return unreached


@remembered
def _people_and_ways(
    ids: frozenset[int], urgency: str
) -> tuple[dict[int, User], dict[int, list[Route]]]:
    """These people as they are now, by id, and every way to those who are active."""
    people = User.objects.in_bulk(ids)
    return people, ContactMethod.objects.routes_of(people.values(), urgency)


def tell_last_resort(
    *,
    incident: Incident | None = None,
    cause: str,
    subject: str,
    body: str,
    links: Sequence[Link] = (),
    epoch: int | None = None,
) -> int:
    """Tell whoever is told when nobody is left; returns to how many addresses.

    That is the incident's own last resort if it has one and that person has an address; else every
    active row and every entry of LAST_RESORT; else, where a mail server is set up, every active
    superuser. 0: there is nobody at all, which the caller must record. `epoch`: where given, void
    once the incident was acknowledged.
    """
    now = clock.now()
    letter = Letter(
        cause=cause,
        subject=_labelled(subject, incident),
        body=_labelled(body, incident),
        urgency=Urgency.PAGE,
        patience=LAST_RESORT_PATIENCE,
        incident=incident,
        epoch=epoch,
        links=links,
    )
    own = _to_own_last_resort(letter, now)
    if not own:
        return _to_organisation(letter, now)
    outbox.insert(own)
    return len(own)


def tell_organisation_instead(delivery: Delivery) -> int:
    """An incident's own last resort was not reached anywhere: tell that of the organisation.

    `delivery` as it was before it ended; returns to how many addresses it goes now.
    """
    letter = Letter(
        cause=delivery.cause,
        subject=delivery.subject,
        body=delivery.body,
        urgency=Urgency.PAGE,
        patience=LAST_RESORT_PATIENCE,
        incident=delivery.incident,
        epoch=delivery.paging_epoch,
        links=delivery.as_links,
    )
    return _to_organisation(letter, clock.now())


def _to_organisation(letter: Letter, now: datetime) -> int:
    rows = [
        outbox.to_address(letter, address, recipient_key="last-resort", now=now)
        for address in last_resorts() or _superusers()
    ]
    outbox.insert(rows)
    if not rows:
        logger.critical("There is no last resort to tell: %s", letter.subject)
    return len(rows)


def last_resorts() -> list[Address]:
    """The organisation's: active rows, then the entries of LAST_RESORT."""
    rows = LastResortAddress.objects.filter(is_active=True).order_by("pk")
    entries = [parse(entry) for entry in settings.LAST_RESORT if entry.strip()]
    return [*(row.as_address for row in rows), *entries]


def cancel_pages(incident: Incident) -> int:
    """Nobody needs to be asked any more: what has not left yet stays. The incident is locked."""
    waiting = Delivery.objects.pages().filter(incident=incident, state=Delivery.State.PENDING)
    reason = "Somebody took the incident, or it is over."
    return waiting.update(**outbox.ending(Delivery.State.CANCELLED, now=clock.now(), reason=reason))


def prune() -> int:
    """Forget deliveries that ended more than 90 days ago; returns how many."""
    old = Delivery.objects.filter(ended_at__lt=clock.now() - KEEP_ENDED).order_by("ended_at")
    forgotten = 0
    while batch := list(old.values_list("pk", flat=True)[:PRUNED_AT_ONCE]):
        Delivery.objects.filter(pk__in=batch).delete()
        forgotten += len(batch)
    return forgotten


def _to_own_last_resort(letter: Letter, now: datetime) -> list[Delivery]:
    person = letter.incident.last_resort if letter.incident else None
    if person is None:
        return []
    ways = ContactMethod.objects.routes_of([person], Urgency.PAGE).get(person.pk, [])
    # Not as long as the organisation's is tried, after which there is nobody.
    return outbox.to_person(replace(letter, patience=PAGE_PATIENCE), person, ways, now=now)


def _superusers() -> Iterable[Address]:
    if not settings.SMTP_HOST:
        return []
    people = User.objects.filter(is_superuser=True, is_active=True).exclude(email="")
    return [Address(Channel.EMAIL, email) for email in people.values_list("email", flat=True)]


def _page_letter(order: PageOrder) -> Letter:
    return Letter(
        cause=order.cause,
        subject=_labelled(order.subject, order.incident),
        body=_labelled(order.body, order.incident),
        urgency=Urgency.PAGE,
        patience=order.give_up_after,
        incident=order.incident,
        epoch=order.incident.paging_epoch if order.epoch is None else order.epoch,
        links=order.links,
        # A drill is to be measured, and is never to delay what is real.
        may_fold=not order.incident.is_drill,
    )


def _message_letter(order: MessageOrder) -> Letter:
    return Letter(
        cause=order.cause,
        subject=_labelled(order.subject, order.incident),
        body=_labelled(order.body, order.incident),
        urgency=Urgency.MESSAGE,
        patience=order.give_up_after,
        incident=order.incident,
        links=order.links,
        html=order.html,
        calendar=order.calendar,
    )


def _labelled(text: str, incident: Incident | None) -> str:
    label = incident.label if incident else ""
    return f"{label} {text}" if label else text
