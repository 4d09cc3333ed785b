"""Did it work? What was done is watched; where it happens again, a person says if it failed."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from django.db import transaction
from django.db.models import Count, Min, Q, QuerySet

from incidents.core import services as core
from incidents.core.errors import Refused
from incidents.core.models import Incident, Kind, User
from incidents.core.services.recording import require_text
from incidents.reviews.models import FINISHED, ActionItem, ItemEntry, Suspicion
from incidents.reviews.services import working
from incidents.reviews.services.actions import reopen_locked
from incidents.timers import clock

Verdict = Suspicion.Verdict


# --- Suspicion ------------------------------------------------------------------------------------


def consider(incident: Incident, *, now: datetime) -> None:
    """It happened (the incident is locked): what was done to prevent it is suspected.

    Of the same type and service, while it is watched; or of the incident that this one is a
    recurrence of. What was suspected by another type of it is not any more. Drills count nowhere.
    """
    if incident.is_drill:
        return
    meant, held = _meant_to_prevent(incident), incident.suspicions.filter(verdict=Verdict.OPEN)
    _lock_items(Q(pk__in=meant.values("pk")) | Q(pk__in=held.values("item")))
    fitting = list(meant)
    known = set(incident.suspicions.values_list("item_id", flat=True))
    for item in fitting:
        if item.pk not in known:
            _suspect(item, incident, now)
    _withdraw(held.exclude(item__in=fitting), "It is of another type.", now)


def withdraw(incident: Incident, *, now: datetime) -> None:
    """It was no incident of its own: it speaks against nothing."""
    why = f"{incident.reference} was {incident.get_outcome_display().lower()}."
    held = incident.suspicions.filter(verdict=Verdict.OPEN)
    _lock_items(Q(pk__in=held.values("item")))
    _withdraw(held, why, now)


def _lock_items(wanted: Q) -> None:
    """Before their suspicions and in the order of their ids, as every verb does."""
    rows = ActionItem.objects.filter(wanted).order_by("pk").select_for_update(no_key=True)
    list(rows.values_list("pk", flat=True))


def _meant_to_prevent(incident: Incident) -> QuerySet[ActionItem]:
    same = Q(incident=incident.recurrence_of_id) if incident.recurrence_of_id else Q(pk=None)
    if incident.incident_type:
        same |= Q(service=incident.service_id, incident_type=incident.incident_type)
    watched = ActionItem.objects.real().filter(
        state__in=FINISHED,
        kind=ActionItem.Kind.PREVENT,
        done_at__lte=incident.declared_at,
        watched_until__gte=incident.declared_at.date(),
    )
    return watched.filter(same).exclude(incident=incident).select_related("team").order_by("pk")


def _suspect(item: ActionItem, incident: Incident, now: datetime) -> None:
    Suspicion.objects.create(item=item, incident=incident, at=now)
    item.is_suspected = True
    item.save(update_fields=["is_suspected"])
    ItemEntry.objects.create(
        item=item,
        kind=ItemEntry.Kind.SUSPECTED,
        at=now,
        text=f"It happened again: {_named(incident, item)}.",
    )
    working.await_day(item.team, now=now)


def _named(incident: Incident, item: ActionItem) -> str:
    """A private incident is named to nobody who reads of another one."""
    is_secret = incident.is_private and incident.pk != item.incident_id
    return "a private incident" if is_secret else incident.reference


def _withdraw(suspicions: QuerySet[Suspicion], why: str, now: datetime) -> None:
    """The items are locked."""
    for suspicion in suspicions.select_related("item"):
        suspicion.verdict, suspicion.decided_at = Verdict.WITHDRAWN, now
        suspicion.note = why
        suspicion.save(update_fields=["verdict", "decided_at", "note"])
        _clear(suspicion.item, f"No longer suspected: {why}", None, now)


@transaction.atomic
def confirm_suspicion(suspicion: Suspicion, *, actor: User, note: str) -> ActionItem:
    """It failed: the item is to be done anew, and both incidents say so."""
    suspicion, again = _locked(suspicion, note)
    item, now = suspicion.item, clock.now()
    _judge(suspicion, Verdict.CONFIRMED, actor, note, now)
    item.failures += 1
    item.is_suspected = False
    item.save(update_fields=["failures", "is_suspected"])
    # One failure is enough: whatever else was suspected of it is answered by that.
    item.suspicions.filter(verdict=Verdict.OPEN).update(
        verdict=Verdict.CONFIRMED, decided_at=now, decided_by=actor, note=suspicion.note
    )
    if item.state in FINISHED:
        name = _named(again, item)
        reopen_locked(item, actor=actor, reason=f"It did not prevent {name}: {note}", now=now)
    core.record(
        again,
        Kind.ACTION_REOPENED,
        actor=actor,
        at=now,
        summary=_failed(item, again, note),
        data={"item": item.pk, "event": "failed", "of": item.incident_id},
    )
    return item


def _failed(item: ActionItem, again: Incident, note: str) -> str:
    if item.incident.is_private:
        return "What was done after a private incident did not prevent this."
    return (
        f"Action item “{item.title}” of {item.incident.reference} was done, and did not prevent "
        f"this: {note}"
    )


@transaction.atomic
def reject_suspicion(suspicion: Suspicion, *, actor: User, note: str) -> ActionItem:
    """It did not fail: this had another cause."""
    suspicion, _ = _locked(suspicion, note)
    now = clock.now()
    _judge(suspicion, Verdict.REJECTED, actor, note, now)
    _clear(suspicion.item, f"It did not fail: {suspicion.note}", actor, now)
    return suspicion.item


def _locked(suspicion: Suspicion, note: str) -> tuple[Suspicion, Incident]:
    """Both incidents in the order of their ids, then the item, then the suspicion."""
    require_text(note, "The reason", field="note")
    both = {suspicion.incident_id, suspicion.item.incident_id}
    incidents = {pk: core.lock(Incident(pk=pk)) for pk in sorted(both)}
    item = (
        ActionItem.objects.with_context()
        .select_for_update(no_key=True, of=("self",))
        .get(pk=suspicion.item_id)
    )
    item.incident = incidents[item.incident_id]
    found = Suspicion.objects.select_for_update(no_key=True).get(pk=suspicion.pk)
    if found.verdict != Verdict.OPEN:
        raise Refused(
            f"This was {found.get_verdict_display().lower()} already.", state=found.verdict
        )
    found.item = item
    return found, incidents[found.incident_id]


def _judge(suspicion: Suspicion, verdict: str, actor: User, note: str, now: datetime) -> None:
    suspicion.verdict, suspicion.decided_at, suspicion.decided_by = verdict, now, actor
    suspicion.note = note.strip()
    suspicion.save(update_fields=["verdict", "decided_at", "decided_by", "note"])


def _clear(item: ActionItem, text: str, actor: User | None, now: datetime) -> None:
    item.is_suspected = item.suspicions.filter(verdict=Verdict.OPEN).exists()
    item.save(update_fields=["is_suspected"])
    ItemEntry.objects.create(item=item, kind=ItemEntry.Kind.CLEARED, at=now, actor=actor, text=text)


# --- Figures --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Prevention:
    """Of what a team did so that something never happens again: how much of it holds."""

    done: int
    failed: int
    suspected: int

    @property
    def share(self) -> float | None:
        """0 to 1; None: nothing was done yet. What is only suspected has not failed."""
        return (self.done - self.failed) / self.done if self.done else None


def prevention_by_team(incidents: QuerySet[Incident]) -> dict[str, Prevention]:
    """By name of the team; drills do not count. One query."""
    meant = ActionItem.objects.filter(incident__in=incidents, kind=ActionItem.Kind.PREVENT).real()
    was_done = meant.filter(Q(state__in=FINISHED) | Q(failures__gt=0))
    rows = (
        was_done.order_by()
        .values("team__name")
        .annotate(
            done=Count("pk"),
            failed=Count("pk", filter=Q(failures__gt=0)),
            suspected=Count("pk", filter=Q(is_suspected=True, failures=0)),
        )
    )
    return {
        row["team__name"]: Prevention(row["done"], row["failed"], row["suspected"])
        for row in sorted(rows, key=lambda row: str(row["team__name"]))
    }


@dataclass(frozen=True)
class Backlog:
    """A team's open items: how many are overdue, since when the oldest, how many nobody owns."""

    team_id: int
    team: str
    open: int
    overdue: int
    unowned: int
    oldest: date | None

    def age(self, today: date) -> int:
        """How many days the oldest overdue one has waited."""
        return (today - self.oldest).days if self.oldest and self.oldest < today else 0


def backlog_by_team(items: QuerySet[ActionItem], today: date) -> list[Backlog]:
    """Those with anything open, the longest overdue first; one query."""
    unowned: Any = Q(owner=None, owning_team=None)
    late = Q(due_on__lt=today) | unowned
    rows = (
        items.filter(state__in=["open", "in_progress"])
        .order_by()
        .values("team_id", "team__name")
        .annotate(
            all=Count("pk"),
            overdue=Count("pk", filter=late),
            unowned=Count("pk", filter=unowned),
            oldest=Min("due_on", filter=Q(due_on__lt=today)),
        )
    )
    found = [
        Backlog(
            team_id=row["team_id"],
            team=row["team__name"],
            open=row["all"],
            overdue=row["overdue"],
            unowned=row["unowned"],
            oldest=row["oldest"],
        )
        for row in rows
    ]
    return sorted(found, key=lambda one: (-one.age(today), -one.overdue, one.team))
