"""What an incident teaches about the runbook, and what came with an imported incident."""

import json
from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any

from django.db import transaction
from django.db.models import Q

from incidents.core import services as core
from incidents.core.errors import DomainError
from incidents.core.models import Incident, Team, User
from incidents.core.services.recording import require_text
from incidents.reviews.models import ActionItem, RunbookProposal
from incidents.reviews.services.actions import EARLIEST, LATEST, add_item, may_see
from incidents.timers import clock

MOST_IMPORTED = 200
KINDS = {
    **dict.fromkeys(["detect", "detective", "monitoring"], "detect"),
    **dict.fromkeys(["mitigate", "corrective", "mitigation"], "mitigate"),
    **dict.fromkeys(["process"], "process"),
    **dict.fromkeys(["document", "documentation"], "document"),
}
PRIORITIES = {
    **dict.fromkeys(["high", "critical", "urgent", "p1", "p0"], "high"),
    **dict.fromkeys(["low", "p3", "p4"], "low"),
}


@transaction.atomic
def propose_runbook_change(
    incident: Incident, *, actor: User, section: str, text: str, priority: str = "medium"
) -> RunbookProposal:
    """Have the runbook of this incident say something else: an item for whoever keeps it."""
    section = require_text(section, "The section", field="section", longest=120)
    text = require_text(text, "The text", field="text")
    owner, team = keeper_of(incident)
    item = add_item(
        incident,
        actor=actor,
        title=f"Runbook {incident.revision.title}: change {section}"[:300],
        detail=text,
        kind=ActionItem.Kind.DOCUMENT,
        priority=priority,
        owner=owner,
        owning_team=team,
        is_required=False,
    )
    return RunbookProposal.objects.create(
        item=item,
        slug=incident.revision.slug,
        section=section,
        text=text,
        proposed_at=clock.now(),
        proposed_by=actor,
    )


def keeper_of(incident: Incident) -> tuple[User | None, Team | None]:
    """Who keeps its runbook: whom its `owner` names, a person or a team; else the incident's team.

    Of a private incident nobody else hears by it: whom the runbook names does not own it where he
    or she may not see it, or only reads here.
    """
    named = str(incident.revision.document.get("owner") or "")
    if named:
        person = User.objects.filter(is_active=True, username__iexact=named).first()
        if person is not None and person.may_respond and may_see(person, incident):
            return person, None
        team = Team.objects.filter(Q(name__iexact=named) | Q(slug__iexact=named)).first()
        if team is not None:
            return None, team
    return None, incident.service.team


@transaction.atomic
def import_items(
    incident: Incident, rows: Iterable[Mapping[str, Any]], *, actor: User | None, source: str
) -> list[ActionItem]:
    """Take in what was agreed elsewhere; the same title of the same incident is taken once.

    Who is named and is known here owns it; else it waits for an owner. Raises DomainError where a
    row is nothing that could be done.
    """
    rows = list(rows)
    if len(rows) > MOST_IMPORTED:
        raise DomainError(f"At most {MOST_IMPORTED} items at once.", field="items")
    incident = core.lock(incident)
    known = set(incident.action_items.values_list("title", flat=True))
    made = []
    for row in rows:
        facts = _facts(incident, row)
        if facts["title"] not in known:
            known.add(facts["title"])
            made.append(add_item(incident, actor=actor, source=source, **facts))
    return made


def import_with(incident: Incident, document: str) -> None:
    """An incident was imported: what its document lists under action_items, as far as it is any."""
    try:
        given = json.loads(document)["incident"].get("action_items") or []
    except (ValueError, KeyError, AttributeError):
        return
    rows = [
        {"title": row} if isinstance(row, str) else row
        for row in (given if isinstance(given, list) else [])
        if isinstance(row, str | dict)
    ]
    wanted = [row for row in rows if _title_of(row) and not _is_over(row)][:MOST_IMPORTED]
    import_items(incident, wanted, actor=None, source=f"import of {incident.reference}"[:120])


def _facts(incident: Incident, row: Mapping[str, Any]) -> dict[str, Any]:
    owner = core.person_called(str(row.get("owner") or ""))
    may_own = (
        owner is not None and owner.is_active and owner.may_respond and may_see(owner, incident)
    )
    said = "" if may_own or not row.get("owner") else f"Owner, as imported: {row['owner']}"
    detail = "\n".join(filter(None, [str(row.get("detail") or ""), said]))
    return {
        "title": require_text(_title_of(row), "The title", field="title", longest=300),
        "detail": detail[:10_000],
        "kind": KINDS.get(str(row.get("kind") or row.get("type") or "").lower(), "prevent"),
        "priority": PRIORITIES.get(str(row.get("priority") or "").lower(), "medium"),
        "owner": owner if may_own else None,
        "due_on": _day_of(row.get("due") or row.get("due_on") or row.get("deadline")),
        "is_required": False,
    }


def _title_of(row: Mapping[str, Any]) -> str:
    found = row.get("title") or row.get("action") or row.get("description") or ""
    return str(found).strip()[:300]


def _is_over(row: Mapping[str, Any]) -> bool:
    return str(row.get("status") or "").lower() in {"done", "closed", "completed", "resolved"}


def _day_of(value: Any) -> date | None:
    try:
        day = date.fromisoformat(str(value)[:10]) if value else None
    except ValueError:
        return None
    return day if day and EARLIEST <= day < LATEST else None
