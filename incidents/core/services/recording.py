"""Locking an incident and recording what happened to it: what every verb begins and ends with."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django_fsm import TransitionNotAllowed

from incidents.core.criteria import following
from incidents.core.errors import DomainError, Refused
from incidents.core.models import Incident, Kind, TimelineEntry, User
from incidents.core.signals import entry_recorded
from incidents.timers import clock, rows

# What shows that somebody is working on an acknowledged incident.
HUMAN_ACTIONS = frozenset(
    {
        Kind.ACKNOWLEDGED,
        Kind.JOINED,
        Kind.IDENTIFIED,
        Kind.MITIGATING,
        Kind.RECOVERED,
        Kind.ATTESTED,
        Kind.SEVERITY_CHANGED,
        Kind.TYPE_CHANGED,
        Kind.PROCEDURE_FOLLOWED,
        Kind.ROLE_ASSIGNED,
        Kind.IMPACT_RECORDED,
        Kind.NOTE,
        Kind.CHECKLIST_TICKED,
        Kind.CHECKLIST_UNTICKED,
        Kind.MERGED,
        Kind.UPDATE_PUBLISHED,
        Kind.CUSTOMERS_DECLINED,
    }
)


@dataclass(frozen=True)
class Draft:
    """An entry to be recorded."""

    incident: Incident
    kind: Kind
    summary: str
    actor: User | None = None
    data: dict[str, Any] = field(default_factory=dict)


def lock(incident: Incident) -> Incident:
    """The incident as it is now, locked until the transaction ends."""
    rows = Incident.objects.select_for_update(no_key=True, of=("self",)).with_context()
    return rows.get(pk=incident.pk)


def record(
    incident: Incident,
    kind: Kind,
    *,
    summary: str,
    actor: User | None = None,
    data: dict[str, Any] | None = None,
    at: datetime | None = None,
) -> TimelineEntry:
    """Add to the timeline and announce it. Call inside the verb's transaction."""
    draft = Draft(incident, kind, summary, actor, data or {})
    return record_many([draft], at=at or clock.now())[0]


def record_many(drafts: Sequence[Draft], *, at: datetime) -> Sequence[TimelineEntry]:
    """The same for many entries in one statement."""
    entries = rows.insert(
        [
            TimelineEntry(
                incident=draft.incident,
                kind=draft.kind,
                at=at,
                actor=draft.actor,
                summary=draft.summary,
                data=draft.data,
            )
            for draft in drafts
        ]
    )
    for entry, draft in zip(entries, drafts, strict=True):
        entry_recorded.send(entry, draft.incident)
    return entries


def require_open(incident: Incident, deed: str) -> None:
    """Raises Refused when the incident is resolved."""
    if not incident.is_open:
        raise Refused(
            f"{incident.reference} is resolved; reopen it before you {deed}.",
            state=incident.status,
            allowed=["reopen"],
        )


def refuse_transition(incident: Incident, deed: str, error: TransitionNotAllowed) -> Refused:
    """What to tell somebody who tried a move that does not follow from this state."""
    nxt = following(incident.status)
    allowed = ["dismiss", nxt.value] if nxt else ["reopen"]
    refusal = Refused(
        f"{incident.reference} is {incident.status}: it cannot {deed} from there. "
        f"Next is {nxt.value if nxt else 'reopen'}.",
        state=incident.status,
        allowed=allowed,
    )
    refusal.__cause__ = error
    return refusal


def require_active(user: User) -> None:
    """Raises DomainError when this person has been shut out. Call behind the incident's lock.

    `user` may have been read long ago; a deactivation takes the locks of all open incidents.
    """
    if not User.objects.filter(pk=user.pk, is_active=True).exists():
        raise DomainError(f"{user} is deactivated; choose somebody else.", field="user")


def require_text(text: str, what: str, *, field: str, longest: int = 10_000) -> str:
    """`text` without blanks around it; DomainError when empty or longer than `longest`."""
    cleaned = text.replace("\x00", "\N{REPLACEMENT CHARACTER}").strip()
    if not cleaned:
        raise DomainError(f"{what} is missing: write it down.", field=field)
    if len(cleaned) > longest:
        raise DomainError(f"{what} is longer than {longest} characters.", field=field)
    return cleaned


def raise_paging_epoch(incident: Incident) -> None:
    """Make every older escalation timer and unsent page void. The incident must be locked."""
    incident.paging_epoch += 1
    incident.save(update_fields=["paging_epoch"])
