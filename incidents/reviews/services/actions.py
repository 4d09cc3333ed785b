"""The verbs of action items: agreed, given to somebody, worked on, done, shown to have helped."""

from collections.abc import Iterable
from datetime import date, datetime
from typing import Any

from django.db import transaction

from incidents.core import services as core
from incidents.core.access import require_manages
from incidents.core.errors import DomainError, Refused
from incidents.core.models import Incident, Kind, Team, User
from incidents.core.services.recording import require_active, require_text
from incidents.reviews import rules
from incidents.reviews.errors import Stale
from incidents.reviews.models import ActionItem, ItemEntry, Review, ReviewState, Suspicion, Why
from incidents.reviews.services import telling, working
from incidents.timers import clock

Event = ItemEntry.Kind
LONGEST_TITLE, LONGEST_TEXT = 300, 10_000
EARLIEST, LATEST = date(2000, 1, 1), date(2200, 1, 1)
# What an incident's timeline tells of its items; the rest is told on their own pages.
ON_TIMELINE = {
    Event.AGREED: Kind.ACTION_ADDED,
    Event.DONE: Kind.ACTION_DONE,
    Event.VERIFIED: Kind.ACTION_DONE,
    Event.DECLINED: Kind.ACTION_DECLINED,
    Event.REOPENED: Kind.ACTION_REOPENED,
}


@transaction.atomic
def add_item(
    incident: Incident,
    *,
    actor: User | None,
    title: str,
    kind: str = ActionItem.Kind.PREVENT,
    priority: str = ActionItem.Priority.MEDIUM,
    detail: str = "",
    owner: User | None = None,
    owning_team: Team | None = None,
    due_on: date | None = None,
    is_required: bool | None = None,
    why: Why | None = None,
    source: str = "",
) -> ActionItem:
    """Agree on something to be done.

    `due_on` None: by the runbook and the priority. `is_required` None: where the priority is high
    and the review not closed. `source`: an imported one may wait for its owner, and is overdue.
    """
    incident, now = core.lock(incident), clock.now()
    team = incident.service.team
    _require_choice(kind, ActionItem.Kind.values, "kind")
    _require_choice(priority, ActionItem.Priority.values, "priority")
    review = Review.objects.filter(incident=incident).first()
    item = ActionItem(
        incident=incident,
        review=review,
        why=_why_of(incident, why),
        team=team,
        service=incident.service,
        incident_type=incident.incident_type,
        title=require_text(title, "The title", field="title", longest=LONGEST_TITLE),
        detail=_text(detail, "detail"),
        kind=kind,
        priority=priority,
        is_required=_is_required(is_required, priority, review),
        due_on=_day(team, due_on) if due_on else rules.due_on(incident, priority, now),
        created_at=now,
        created_by=actor,
        source=source[:120],
    )
    _give(item, owner, owning_team, now)
    item.save(force_insert=True)
    event = Event.IMPORTED if source else Event.AGREED
    _enter(item, event, _agreed(item), actor, now)
    telling.tell_new_owner(item, actor=actor, now=now)
    working.await_day(item.team, now=now)
    return item


@transaction.atomic
def change_item(
    item: ActionItem, *, actor: User, version: int | None = None, **facts: Any
) -> ActionItem:
    """Other words, another day, kind or priority. What stays the same is not recorded.

    `version`: of the item as it was read (`version_of`). Raises Stale, with both texts, where
    somebody else has changed it since; None: whatever others did.
    Of something required only a manager of its team moves the day, or says that it is not required.
    """
    item = _locked(item)
    changed = {name: value for name, value in facts.items() if getattr(item, name) != value}
    if not changed:
        return item
    _require_pending(item, "change it")
    present = version_of(item)
    if version is not None and version != present:
        raise Stale(
            "Somebody else has changed it since you read it: nothing was stored.",
            state=item.state,
            version=present,
            yours=changed,
            theirs={name: getattr(item, name) for name in changed},
        )
    if item.is_required and changed.keys() & {"due_on", "is_required"}:
        require_manages(actor, item.team_id)
    if changed.get("is_required"):
        _require_unclosed(item.review)
    for name, allowed in [("kind", ActionItem.Kind), ("priority", ActionItem.Priority)]:
        if name in changed:
            _require_choice(changed[name], allowed.values, name)
    if "title" in changed:
        changed["title"] = require_text(
            changed["title"], "The title", field="title", longest=LONGEST_TITLE
        )
    if "due_on" in changed:
        changed["due_on"] = _day(item.team, changed["due_on"])
    if "detail" in changed:
        changed["detail"] = _text(changed["detail"], "detail")
    told = [f"{_NAMES[name]}: {getattr(item, name)} → {value}" for name, value in changed.items()]
    for name, value in changed.items():
        setattr(item, name, value)
    item.save(update_fields=list(changed))
    _enter(item, Event.CHANGED, "; ".join(told), actor, clock.now())
    return item


def version_of(item: ActionItem) -> int:
    """Rises with every change of its words, its day, kind or priority; 0: as it was agreed."""
    changes = item.entries.filter(kind__in=[Event.CHANGED, Event.REOPENED]).order_by("-pk")
    return changes.values_list("pk", flat=True).first() or 0


_NAMES = {
    **{"title": "Title", "detail": "Detail", "kind": "Kind", "priority": "Priority"},
    **{"due_on": "Due", "is_required": "Required"},
}


@transaction.atomic
def assign_item(
    item: ActionItem,
    *,
    actor: User | None,
    owner: User | None = None,
    owning_team: Team | None = None,
) -> ActionItem:
    """Give it to a person or a team; to neither: it waits for an owner, which is overdue."""
    item = _locked(item)
    if item.owner == owner and item.owning_team == owning_team:
        return item
    if item.state == ActionItem.State.DECLINED:
        _require_pending(item, "give it to somebody")
    before, now = item.holder, clock.now()
    _give(item, owner, owning_team, now)
    item.save(update_fields=["owner", "owning_team", "waits_since"])
    _enter(item, Event.ASSIGNED, f"{before} → {item.holder}", actor, now)
    telling.tell_new_owner(item, actor=actor, now=now)
    return item


@transaction.atomic
def start_item(item: ActionItem, *, actor: User) -> ActionItem:
    """Somebody works on it. Whoever begins what nobody owns owns it from now on."""
    item, now = _locked(item), clock.now()
    _require_state(item, [ActionItem.State.OPEN], "start it")
    item.start(at=now)
    if item.owner is None and item.owning_team is None:
        _give(item, actor, None, now)
    item.save(update_fields=["state", "started_at", "owner", "waits_since"])
    _enter(item, Event.STARTED, f"{actor} works on it.", actor, now)
    return item


@transaction.atomic
def finish_item(item: ActionItem, *, actor: User, evidence: str) -> ActionItem:
    """It is done, and this shows it. From the action review on its owner is asked if it helped."""
    item, now = _locked(item), clock.now()
    _require_pending(item, "call it done")
    evidence = require_text(evidence, "What shows that it is done", field="evidence")
    item.finish(at=now, by=actor, evidence=evidence)
    item.prove_on, item.watched_until = rules.proof_days(item, now)
    names = ["state", "done_at", "done_by", "evidence", "prove_on", "watched_until"]
    item.save(update_fields=names)
    _enter(item, Event.DONE, f"Done: {evidence}", actor, now)
    return item


@transaction.atomic
def verify_item(item: ActionItem, *, actor: User, proof: str) -> ActionItem:
    """It helped, and this shows it."""
    item, now = _locked(item), clock.now()
    _require_state(item, [ActionItem.State.DONE], "verify it")
    if item.is_suspected:
        raise Refused(
            "It happened again: say first whether this failed.",
            state=item.state,
            allowed=["confirm", "reject"],
        )
    item.verify(at=now, by=actor, proof=require_text(proof, "What shows it", field="proof"))
    item.save(update_fields=["state", "verified_at", "verified_by", "proof"])
    _enter(item, Event.VERIFIED, f"It helped: {item.proof}", actor, now)
    return item


@transaction.atomic
def decline_item(item: ActionItem, *, actor: User, reason: str) -> ActionItem:
    """It will not be done, says a manager of its team, and why."""
    item, now = _locked(item), clock.now()
    require_manages(actor, item.team_id)
    _require_pending(item, "decline it")
    item.decline(at=now, reason=require_text(reason, "The reason", field="reason"))
    item.is_suspected = False
    item.save(update_fields=["state", "declined_at", "decline_reason", "is_suspected"])
    # Whether it failed is no question any more.
    item.suspicions.filter(verdict=Suspicion.Verdict.OPEN).update(
        verdict=Suspicion.Verdict.WITHDRAWN,
        decided_at=now,
        decided_by=actor,
        note=f"The item was declined: {item.decline_reason}",
    )
    _enter(item, Event.DECLINED, f"Declined: {item.decline_reason}", actor, now)
    return item


@transaction.atomic
def reopen_item(item: ActionItem, *, actor: User | None, reason: str) -> ActionItem:
    """It was not done, did not help, or is wanted after all; due anew by the runbook."""
    item = _locked(item)
    return reopen_locked(item, actor=actor, reason=reason, now=clock.now())


def reopen_locked(
    item: ActionItem, *, actor: User | None, reason: str, now: datetime
) -> ActionItem:
    """The same, for a verb that holds the locks already."""
    finished = [*ActionItem.State.values]
    _require_state(
        item, [state for state in finished if state not in {"open", "in_progress"}], "reopen it"
    )
    reason = require_text(reason, "The reason", field="reason")
    item.reopen(due_on=rules.due_on(item.incident, item.priority, now))
    if item.owner is not None and not (item.owner.is_active and item.owner.may_respond):
        _give(item, None, None, now)
    item.save()
    _enter(item, Event.REOPENED, f"Reopened: {reason}", actor, now)
    working.await_day(item.team, now=now)
    return item


@transaction.atomic
def comment_item(item: ActionItem, *, actor: User, text: str) -> ItemEntry:
    """A word about it, in Markdown."""
    text = require_text(text, "The comment", field="text")
    item = ActionItem.objects.select_for_update(no_key=True).get(pk=item.pk)
    return _enter(item, Event.COMMENT, text, actor, clock.now())


def standing_in_the_way(items: Iterable[ActionItem]) -> list[str]:
    """Why a review of which these are the items cannot be closed. Pure."""
    return [
        f"“{item.title}” is required and not done yet ({item.holder}, due {item.due_on})."
        for item in items
        if item.is_required and item.is_pending
    ]


# --- What the verbs have in common ----------------------------------------------------------------


def _locked(item: ActionItem) -> ActionItem:
    """The item as it is now, its incident locked before it."""
    incident = core.lock(Incident(pk=item.incident_id))
    rows = ActionItem.objects.with_context().select_for_update(no_key=True, of=("self",))
    item = rows.get(pk=item.pk)
    item.incident = incident
    return item


def _enter(
    item: ActionItem, kind: Event, text: str, actor: User | None, now: datetime
) -> ItemEntry:
    if kind in ON_TIMELINE:
        core.record(
            item.incident,
            ON_TIMELINE[Event(kind)],
            actor=actor,
            at=now,
            summary=f"Action item “{item.title}”: {text}",
            data={"item": item.pk, "event": kind},
        )
    return ItemEntry.objects.create(item=item, kind=kind, at=now, actor=actor, text=text)


def _agreed(item: ActionItem) -> str:
    required = ", required" if item.is_required else ""
    return (
        f"{item.get_kind_display()} ({item.priority}{required}), {item.holder}, due {item.due_on}"
    )


def _give(item: ActionItem, owner: User | None, team: Team | None, now: datetime) -> None:
    if owner is not None and team is not None:
        raise DomainError("Give it to a person or to a team, not to both.", field="owner")
    if owner is not None:
        require_active(owner)
        if not owner.may_respond:
            raise DomainError(
                f"{owner} only reads here and could not work on it; choose a responder.",
                field="owner",
            )
        if not may_see(owner, item.incident):
            raise DomainError(
                f"{owner} may not see this private incident; choose somebody else.", field="owner"
            )
    is_waiting = owner is None and team is None
    item.waits_since = (item.waits_since or today_of(item.team, now)) if is_waiting else None
    item.owner, item.owning_team = owner, team


def may_see(user: User, incident: Incident) -> bool:
    """Whether this person is told of the incident at all."""
    if not incident.is_private or user.is_superuser:
        return True
    return incident.audience.filter(pk=user.pk).exists()


def _why_of(incident: Incident, why: Why | None) -> Why | None:
    if why is not None and why.review.incident_id != incident.pk:
        raise DomainError("This answer belongs to another incident's review.", field="why")
    return why


def _is_closed(review: Review | None) -> bool:
    return review is not None and review.state == ReviewState.CLOSED


def _is_required(wanted: bool | None, priority: str, review: Review | None) -> bool:
    if wanted:
        _require_unclosed(review)
    if wanted is None:
        return priority == ActionItem.Priority.HIGH and not _is_closed(review)
    return wanted


def _require_unclosed(review: Review | None) -> None:
    if review is not None and _is_closed(review):
        raise Refused(
            "Its review is closed and waits for nothing any more: leave it as not required.",
            state=review.state,
        )


def _day(team: Team, day: date) -> date:
    """The day, or the next on which the team works."""
    if not EARLIEST <= day < LATEST:
        raise DomainError("Write a day between 2000 and 2200.", field="due_on")
    return rules.working_day(team, day)


def today_of(team: Team, now: datetime) -> date:
    """Which day it is where the team works."""
    return rules.day_in(rules.calendars_of([team])[team.pk], now)


def _text(text: str, field: str) -> str:
    return require_text(text, "It", field=field, longest=LONGEST_TEXT) if text.strip() else ""


def _require_choice(value: str, allowed: list[str], field: str) -> None:
    if value not in allowed:
        raise DomainError(f"{value!r} is unknown; use one of {', '.join(allowed)}.", field=field)


def _require_pending(item: ActionItem, deed: str) -> None:
    _require_state(item, [ActionItem.State.OPEN, ActionItem.State.IN_PROGRESS], deed)


def _require_state(item: ActionItem, states: list[str], deed: str) -> None:
    if item.state not in states:
        names = " or ".join(ActionItem.State(state).label.lower() for state in states)
        raise Refused(
            f"“{item.title}” is {item.get_state_display().lower()}: "
            f"you can {deed} while it is {names}.",
            state=item.state,
            allowed=MOVES[ActionItem.State(item.state)],
        )


MOVES = {
    ActionItem.State.OPEN: ["start", "finish", "decline"],
    ActionItem.State.IN_PROGRESS: ["finish", "decline"],
    ActionItem.State.DONE: ["verify", "reopen"],
    ActionItem.State.VERIFIED: ["reopen"],
    ActionItem.State.DECLINED: ["reopen"],
}
