"""The runbook itself is read again: by its cycle, and after a major incident."""

from datetime import datetime

from django.conf import settings
from django.db import transaction
from django.db.models import Q, QuerySet
from django.urls import reverse

from incidents.core.documents import duration_text, section_of
from incidents.core.errors import DomainError, Forbidden
from incidents.core.models import (
    Incident,
    Membership,
    Organisation,
    Role,
    RunbookRevision,
    Team,
    User,
)
from incidents.notifications import services as notifications
from incidents.runbooks.models import Upkeep
from incidents.runbooks.shapes import ReviewCycle
from incidents.timers import clock
from incidents.timers import services as timers

REVIEW_DUE = "runbooks.review"


def follow_cycle(revision: RunbookRevision, *, now: datetime) -> None:
    """It was applied, maybe with another cycle: when it is to be read by that.

    What was asked for already, by time or by an incident, stays so.
    """
    upkeep = _upkeep_of(revision.slug, now)
    if upkeep.told_at is None and not upkeep.after:
        _await_cycle(upkeep, _cycle_of(revision))


def bring_forward(incident: Incident, *, now: datetime) -> None:
    """A real incident was resolved: where its runbook asks for that, it is to be read now."""
    revision = RunbookRevision.objects.current(incident.revision.slug)
    if revision is None or incident.severity not in _cycle_of(revision).after_severities:
        return
    upkeep = _upkeep_of(revision.slug, now)
    if upkeep.told_at is not None or upkeep.after:
        return
    # The reference may name the service, and this is told to whoever keeps the runbook.
    upkeep.after = "a private incident" if incident.is_private else incident.reference
    upkeep.due_at = now
    upkeep.save(update_fields=["after", "due_at"])
    timers.schedule(REVIEW_DUE, upkeep, due_at=now)


def ask_for_review(upkeep: Upkeep, *, now: datetime) -> None:
    """It is due (timer, upkeep locked): whoever keeps it is told, once, and not paged.

    Where none of them can be reached, the administrators are told.
    """
    revision = RunbookRevision.objects.current(upkeep.slug)
    if revision is None or upkeep.due_at is None or upkeep.told_at is not None:
        return
    keepers = _keepers(revision)
    if len(_tell(keepers, upkeep, revision, now)) == len(keepers):
        administrators = User.objects.filter(is_superuser=True, is_active=True)
        _tell(list(administrators), upkeep, revision, now)
    upkeep.told_at = now
    upkeep.save(update_fields=["told_at"])


@transaction.atomic
def mark_reviewed(slug: str, *, actor: User | None) -> Upkeep:
    """Somebody has read it: the next time is counted from now.

    `actor` None: somebody at the server's terminal. Raises DomainError, Forbidden.
    """
    revision = RunbookRevision.objects.current(slug)
    if revision is None:
        raise DomainError(f"There is no runbook {slug!r}; apply it first.", field="slug")
    if actor is not None and not may_review(actor, revision):
        raise Forbidden("Only those who keep this runbook may mark it as reviewed.")
    now = clock.now()
    upkeep = _upkeep_of(slug, now)
    upkeep.reviewed_at, upkeep.reviewed_by = now, actor
    upkeep.after, upkeep.told_at = "", None
    upkeep.save(update_fields=["reviewed_at", "reviewed_by", "after", "told_at"])
    _await_cycle(upkeep, _cycle_of(revision))
    return upkeep


def may_review(user: User, revision: RunbookRevision) -> bool:
    """Administrators, and whoever is told when it is due."""
    return user.is_superuser or user in _keepers(revision)


def _upkeep_of(slug: str, now: datetime) -> Upkeep:
    """Locked; made where there is none yet."""
    Upkeep.objects.get_or_create(slug=slug, defaults={"reviewed_at": now})
    return Upkeep.objects.select_for_update(no_key=True).get(slug=slug)


def _await_cycle(upkeep: Upkeep, cycle: ReviewCycle) -> None:
    upkeep.due_at = upkeep.reviewed_at + cycle.every if cycle.every else None
    upkeep.save(update_fields=["due_at"])
    if upkeep.due_at is None:
        timers.cancel(REVIEW_DUE, upkeep)
    else:
        timers.schedule(REVIEW_DUE, upkeep, due_at=upkeep.due_at)


def _cycle_of(revision: RunbookRevision) -> ReviewCycle:
    return section_of(ReviewCycle, revision, key="review_cycle")


def _keepers(revision: RunbookRevision) -> list[User]:
    """Whom its `owner` names, a person or a team; else the managers of those who chose it.

    Where the organisation chose it, or nobody did, the administrators.
    """
    active = User.objects.filter(is_active=True)
    owner = revision.document.get("owner") or ""
    if owner and (person := active.filter(username__iexact=owner).first()):
        return [person]
    owning = Team.objects.filter(Q(name__iexact=owner) | Q(slug__iexact=owner))
    if managers := _managers(owning):
        return managers
    chosen = Q(runbook=revision.slug) | Q(services__runbook=revision.slug)
    managers = _managers(Team.objects.filter(chosen))
    if managers and Organisation.current().runbook != revision.slug:
        return managers
    return list(dict.fromkeys([*managers, *active.filter(is_superuser=True)]))


def _managers(teams: QuerySet[Team]) -> list[User]:
    theirs = Membership.objects.filter(role=Role.MANAGER, team__in=teams)
    return list(User.objects.filter(is_active=True, pk__in=theirs.values("user")).order_by("pk"))


def _tell(
    people: list[User], upkeep: Upkeep, revision: RunbookRevision, now: datetime
) -> list[User]:
    """Gives those who cannot be reached."""
    every = _cycle_of(revision).every
    occasion = f"{upkeep.after} was resolved" if upkeep.after else ""
    if not occasion and every:
        occasion = f"It is read every {duration_text(every)}"
    page = reverse("admin:incidents_runbookrevision_change", args=[revision.pk])
    orders = [
        notifications.MessageOrder(
            to=user,
            cause=f"runbook-review:{upkeep.slug}:{upkeep.due_at:%Y-%m-%dT%H:%M:%S.%f}",
            subject=f"To be reviewed: the runbook “{revision.title}”",
            body=f"{occasion}. Is everything in the runbook “{revision.title}” still right?\n"
            f"It was last reviewed on {upkeep.reviewed_at:%Y-%m-%d}.\n"
            "Change what is not, then mark it as reviewed on its page, or by\n"
            f"manage.py runbook reviewed {revision.slug}",
            links=[notifications.Link("Open the runbook", f"{settings.PUBLIC_URL}{page}")],
        )
        for user in people
    ]
    lost = notifications.message_many(orders, now)
    return [one.to for one in lost if isinstance(one.to, User)]
