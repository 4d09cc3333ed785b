"""Marking a runbook as reviewed, on the page of its current edition."""

from typing import Any

from incidents.core.adminsite import Verb, offer
from incidents.core.models import RunbookRevision
from incidents.runbooks import services
from incidents.runbooks.models import Upkeep


def _is_current(revision: RunbookRevision) -> bool:
    return bool(revision.document) and revision == RunbookRevision.objects.current(revision.slug)


def _said(revision: RunbookRevision, _facts: dict[str, Any]) -> str:
    upkeep = Upkeep.objects.get(slug=revision.slug)
    next_time = f" It is due again on {upkeep.due_at:%Y-%m-%d}." if upkeep.due_at else ""
    return f"“{revision.title}” is marked as reviewed.{next_time}"


offer(
    "incidents.runbookrevision",
    Verb(
        "reviewed",
        "Mark as reviewed",
        lambda revision, actor, _facts: services.mark_reviewed(revision.slug, actor=actor),
        may=services.may_review,
        when=_is_current,
        ask=False,
        done=_said,
    ),
)
