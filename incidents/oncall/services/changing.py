"""The verbs that change who is on call."""

import logging
from collections.abc import Sequence
from datetime import date, datetime, time

from django.core.exceptions import ValidationError
from django.db import models, transaction
from django.utils.text import slugify

from incidents.core.errors import DomainError
from incidents.core.models import Team, User
from incidents.oncall.models import (
    Override,
    Participant,
    Rotation,
    Schedule,
    TeamSchedule,
    Weekday,
)
from incidents.oncall.resolver import first_turn_begins
from incidents.timers import clock

logger = logging.getLogger(__name__)


@transaction.atomic
def create_schedule(
    *,
    name: str,
    timezone: str,
    slug: str = "",
    team: Team | None = None,
    actor: User | None = None,
) -> Schedule:
    """A schedule on which nobody is on call yet. `slug` is made of the name where it is empty."""
    schedule = Schedule(
        name=name.strip(), slug=slug or slugify(name)[:64], team=team, timezone=timezone
    )
    _check(schedule)
    schedule.save(force_insert=True)
    logger.info("%s created the schedule %s", actor or "Tocsin", schedule.slug)
    return schedule


@transaction.atomic
def change_schedule(
    schedule: Schedule,
    *,
    name: str,
    slug: str,
    team: Team | None,
    timezone: str,
    actor: User | None = None,
) -> Schedule:
    """Rename it, give it to another team or move it to another zone (hand-overs move with it)."""
    schedule = _lock(schedule)
    schedule.name, schedule.slug, schedule.team = name.strip(), slug, team
    schedule.timezone = timezone
    _check(schedule)
    schedule.save(update_fields=["name", "slug", "team", "timezone"])
    logger.info("%s changed the schedule %s", actor or "Tocsin", schedule.slug)
    return schedule


@transaction.atomic
def set_rotation(
    schedule: Schedule,
    *,
    kind: str,
    handover_time: time,
    people: Sequence[User | int],
    starts_on: date,
    handover_weekday: int = Weekday.MONDAY,
    actor: User | None = None,
) -> Rotation:
    """Have `people` take turns in this order, the first from `starts_on` on.

    Until the first turn begins, or until now where that is past, what was set before counts: who
    was on call stays on record. What was to follow only later does not come.

    An empty list is allowed: nobody is on call then but by an override. `handover_weekday` (0 is
    Monday) counts for weekly rotations only. Raises DomainError for people who are unknown,
    deactivated or named twice.
    """
    schedule = _lock(schedule)
    _check_rhythm(kind, handover_weekday, handover_time)
    users = _known(people, field="people")
    begins_at = max(clock.now(), first_turn_begins(starts_on, handover_time, schedule.zone))
    _end_rotation(schedule, begins_at)
    rotation = Rotation.objects.create(
        schedule=schedule,
        kind=kind,
        handover_weekday=handover_weekday,
        handover_time=handover_time,
        starts_on=starts_on,
        begins_at=begins_at,
    )
    Participant.objects.bulk_create(
        Participant(rotation=rotation, user=user, position=position)
        for position, user in enumerate(users)
    )
    names = ", ".join(user.username for user in users) or "nobody"
    logger.info("%s set the rotation of %s: %s", actor or "Tocsin", schedule.slug, names)
    return rotation


@transaction.atomic
def add_override(
    schedule: Schedule,
    *,
    user: User | int,
    starts_at: datetime,
    ends_at: datetime,
    reason: str = "",
    actor: User | None = None,
) -> Override:
    """Have `user` on call from `starts_at` until just before `ends_at`, whoever's turn it is.

    It wins over the overrides made before it. Raises DomainError when it ends before it starts or
    is over already, and for a person who is unknown or deactivated.
    """
    schedule = _lock(schedule)  # so that the order of the ids is the order in which they were made
    now = clock.now()
    _check_period(starts_at, ends_at, now)
    override = Override(
        schedule=schedule,
        user=_known([user], field="user")[0],
        starts_at=starts_at,
        ends_at=ends_at,
        reason=reason.strip(),
        created_by=actor,
        created_at=now,
    )
    _check(override)
    override.save(force_insert=True)
    logger.info("%s put %s on call for %s", actor or "Tocsin", override.user, schedule.slug)
    return override


@transaction.atomic
def remove_override(override: Override, *, actor: User | None = None) -> Override | None:
    """The rotation counts again from now on: take back what is to come, cut short what has begun.

    Returns what is left of it. Raises DomainError when it is over: who was on call stays on record.
    """
    _lock(override.schedule)
    override = Override.objects.select_related("schedule", "user").get(pk=override.pk)
    now = clock.now()
    if override.ends_at <= now:
        raise DomainError(
            "This override is over; leave it, as it tells who was on call.", code="over"
        )
    logger.info("%s ended: %s", actor or "Tocsin", override)
    if override.starts_at >= now:
        override.delete()
        return None
    override.ends_at = now
    override.save(update_fields=["ends_at"])
    return override


@transaction.atomic
def assign_schedule(
    team: Team, *, schedule: Schedule | None, actor: User | None = None
) -> TeamSchedule | None:
    """Have `schedule` answer for the team; None: no schedule does."""
    name = schedule.slug if schedule else "no schedule"
    logger.info("%s assigned %s to %s", actor or "Tocsin", name, team.slug)
    if schedule is None:
        TeamSchedule.objects.filter(team=team).delete()
        return None
    return TeamSchedule.objects.update_or_create(team=team, defaults={"schedule": schedule})[0]


def _end_rotation(schedule: Schedule, at: datetime) -> None:
    lowest = schedule.rotations.filter(layer=0)
    lowest.filter(begins_at__gte=at).delete()
    lowest.not_over(at).update(ends_at=at)


def _lock(schedule: Schedule) -> Schedule:
    return Schedule.objects.select_for_update(no_key=True).get(pk=schedule.pk)


def _check(row: models.Model) -> None:
    """The columns' own rules, told as a DomainError that names the first column at fault."""
    try:
        row.full_clean(validate_constraints=False)
    except ValidationError as error:
        field, messages = next(iter(error.message_dict.items()))
        raise DomainError(messages[0], field=field) from error


def _check_rhythm(kind: str, weekday: int, at: time) -> None:
    if kind not in Rotation.Kind.values:
        allowed = " or ".join(Rotation.Kind.values)
        raise DomainError(f"{kind!r} is no kind of rotation; use {allowed}.", field="kind")
    if weekday not in Weekday.values:
        raise DomainError(
            "Give the hand-over day as a number from 0 (Monday) to 6 (Sunday).",
            field="handover_weekday",
        )
    if at.tzinfo is not None:
        raise DomainError(
            "Give the hand-over time without a zone; it is in the schedule's.",
            field="handover_time",
        )


def _check_period(starts_at: datetime, ends_at: datetime, now: datetime) -> None:
    for field, moment in [("starts_at", starts_at), ("ends_at", ends_at)]:
        if moment.tzinfo is None:
            raise DomainError(
                "Give the time with its offset, e.g. 2026-03-02T09:00+01:00.", field=field
            )
    if ends_at <= starts_at:
        raise DomainError(
            "The override must end after it starts; choose a later end.", field="ends_at"
        )
    if ends_at <= now:
        raise DomainError(
            "The override would be over already; choose an end in the future.", field="ends_at"
        )


def _known(people: Sequence[User | int], *, field: str) -> list[User]:
    """The people as they are stored now, in the given order; DomainError for whom cannot serve."""
    ids = [person.pk if isinstance(person, User) else person for person in people]
    found = User.objects.in_bulk(set(ids))
    for place, user_id in enumerate(ids):
        if user_id not in found:
            raise DomainError(
                f"There is no person with the id {user_id}; choose somebody who has an account.",
                field=field,
            )
        user = found[user_id]
        if not user.is_active:
            raise DomainError(
                f"{user} is deactivated; choose somebody else, or activate the account first.",
                field=field,
            )
        if user_id in ids[:place]:
            raise DomainError(f"{user} is named twice; leave one of the places out.", field=field)
    return [found[user_id] for user_id in ids]
