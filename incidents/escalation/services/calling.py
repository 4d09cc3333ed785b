"""Asking people: a page for each, and the record that it was made."""

import secrets
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from incidents.core.models import Incident, User, digest_of
from incidents.escalation import wording
from incidents.escalation.models import Page, cause_of
from incidents.escalation.services.steps import Step
from incidents.notifications import services as notifications
from incidents.timers import failpoints, rows

LONGEST_TRY = timedelta(minutes=3)


@dataclass(frozen=True)
class Call:
    """One person to be paged now. Those who are asked together share the `key`.

    `asked`: on what ground, e.g. "Level 1 of 3 of Payments"; `timeout`: how long there is to
    answer before somebody else is asked; `severity`: as people say it.
    """

    incident: Incident
    user: User
    key: str
    severity: str
    asked: str
    prompt: str = ""
    timeout: timedelta | None = None
    cycle: int | None = None
    level: int | None = None
    requested_by: User | None = None


def ask_people(steps: Sequence[Step], *, now: datetime) -> dict[int, set[int]]:
    """Page whom these steps ask, or send the ticket.

    Returns, by incident id, the ids of those who have no way to be reached.
    """
    tickets = [step for step in steps if step.is_ticket]
    calls = [_call(step, user, now) for step in steps if not step.is_ticket for user in step.asked]
    missed: dict[int, set[int]] = defaultdict(set)
    for call in page(calls, now=now):
        missed[call.incident.pk].add(call.user.pk)
    for incident_id, user_id in _send_tickets(tickets, now):
        missed[incident_id].add(user_id)
    return missed


def _call(step: Step, user: User, now: datetime) -> Call:
    place = step.decision.place
    return Call(
        incident=step.run.incident,
        user=user,
        key=step.key,
        severity=step.run.severity.label,
        asked=f"{step.ground}.",
        prompt=step.run.prompt,
        timeout=(step.decision.due_at or now) - now,
        cycle=place.cycle,
        level=place.level,
        requested_by=step.run.actor,
    )


def _send_tickets(steps: Sequence[Step], now: datetime) -> list[tuple[int, int]]:
    """Who could not be reached, as pairs of incident and person."""
    if not steps:
        return []
    orders = [_ticket(step, user, now) for step in steps for user in step.asked]
    unreached = notifications.message_many(orders, now)
    return [
        (order.incident.pk, order.to.pk)
        for order in unreached
        if order.incident is not None and isinstance(order.to, User)
    ]


def _ticket(step: Step, user: User, now: datetime) -> notifications.MessageOrder:
    incident = step.run.incident
    return notifications.MessageOrder(
        to=user,
        cause=f"ticket:{incident.pk}:{step.key}",
        subject=wording.subject_of(incident, step.run.severity.label),
        body=wording.ticket_body(
            incident, user, asked=f"{step.ground}.", due_at=step.run.ticket_due_at or now
        ),
        incident=incident,
        links=[wording.incident_link(incident)],
    )


def page(calls: Sequence[Call], *, now: datetime) -> list[Call]:
    """Page everybody; returns the calls of those who have no way to be reached.

    The pages are void as soon as the incident's paging epoch is raised.
    """
    if not calls:
        return []
    tokens = [secrets.token_urlsafe(32) for _ in calls]
    orders = [_order(call, token, now) for call, token in zip(calls, tokens, strict=True)]
    unreached = {id(order) for order in notifications.page_people(orders, now)}
    missed: list[Call] = []
    pages: list[Page] = []
    for call, token, order in zip(calls, tokens, orders, strict=True):
        if id(order) in unreached:
            missed.append(call)
        else:
            pages.append(_page(call, token, now))
    rows.insert(pages)
    return missed


def _order(call: Call, token: str, now: datetime) -> notifications.PageOrder:
    failpoints.reach("page.wording")
    patience = LONGEST_TRY if call.timeout is None else min(call.timeout / 2, LONGEST_TRY)
    return notifications.PageOrder(
        incident=call.incident,
        user=call.user,
        cause=cause_of(call.incident.pk, call.key),
        subject=wording.subject_of(call.incident, call.severity),
        body=wording.page_body(
            call.incident, call.user, now=now, asked=call.asked, prompt=call.prompt
        ),
        links=[wording.acknowledge_link(token), wording.incident_link(call.incident)],
        give_up_after=patience,
        epoch=call.incident.paging_epoch,
    )


def _page(call: Call, token: str, now: datetime) -> Page:
    return Page(
        incident=call.incident,
        user=call.user,
        key=call.key,
        epoch=call.incident.paging_epoch,
        cycle=call.cycle,
        level=call.level,
        reason=call.prompt,
        requested_by=call.requested_by,
        at=now,
        link_digest=digest_of(token),
    )
