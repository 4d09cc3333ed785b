"""Facts for documents, made by hand: what composing needs, without a database."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from incidents.core.models import Kind
from incidents.reviews.document.facts import Action, Asked, Entry, Facts, Held, Phase, Slo, Why

BEGAN = datetime(2026, 3, 5, 14, 2, tzinfo=UTC)


def at(minutes: float) -> datetime:
    """So many minutes after it began."""
    return BEGAN + timedelta(minutes=minutes)


def entry(minutes: float, kind: str = Kind.NOTE, text: str = "", **more: Any) -> Entry:
    given = {"id": round(minutes * 60) + 1, "by": "Ben", "data": {}} | more
    return Entry(kind=kind, at=at(minutes), text=text or f"{kind} after {minutes} min", **given)


def facts(**changes: Any) -> Facts:
    """A SEV1 of Checkout that lasted 32 minutes, told without gaps."""
    told = [
        entry(3, Kind.DECLARED, "SEV1 declared by Prometheus: Payments fail", by=""),
        entry(5, Kind.ACKNOWLEDGED, "Acknowledged by Ben"),
        entry(12, Kind.NOTE, "All 50 connections are taken."),
        entry(22, Kind.IDENTIFIED, "Identified: a call inside a transaction"),
        entry(24, Kind.MITIGATING, "Rolling back"),
        entry(32, Kind.RECOVERED, "It works again", by=""),
        entry(62, Kind.RESOLVED, "Resolved"),
    ]
    given: dict[str, Any] = {
        "reference": "INC-2026-03-05-001",
        "title": "Payments fail",
        "severity": "SEV1",
        "severity_label": "SEV-1",
        "severity_meaning": "Critical: the service is down.",
        "incident_type": "Connection pool exhausted",
        "service": "Checkout",
        "team": "Payments",
        "services": ("Orders",),
        "runbook": "Schedule generator (version 1)",
        "outcome": "resolved",
        "is_drill": False,
        "noticed_by": "Prometheus",
        "milestones": {
            **{"started": at(0), "detected": at(3), "declared": at(3), "acknowledged": at(5)},
            **{"identified": at(22), "mitigating": at(24), "recovered": at(32)},
            "resolved": at(62),
        },
        "suspected_cause": "A call inside a transaction",
        "mitigation": "Rolled back to 4.17.3",
        "mitigation_kind": "Rollback",
        "resolution": "",
        "root_cause": "Release 4.18.0 waits for the card provider inside a transaction.",
        "contributing_factors": "The provider was slow.",
        "impact": "Customers could not pay",
        "users_affected": 8_400,
        "revenue_lost": Decimal("45000.00"),
        "currency": "USD",
        "data_lost": "none",
        "downtime_minutes": None,
        "budget_minutes": None,
        "slo": Slo(Decimal("99.95"), timedelta(days=30)),
        "entries": tuple(told),
        "marks": (),
        "phases": (
            Phase("detect", 180, 300, True),
            Phase("respond", 120, 300, True),
            Phase("identify", 1140, None, None),
            Phase("resolve", 1740, 900, False),
        ),
        "asked": (Asked(at(3), "Ben", 0, "", at(5)),),
        "roles": (Held("Commander", "Ana", at(6), None),),
        "whys": (
            Why(1, None, "Why did payments fail?", "No connection was free."),
            Why(2, 1, "Why was none free?", "Calls waited inside transactions."),
            Why(3, 1, "Why did all of the shop stop?", "There is one pool.", 1),
        ),
        "actions": (
            Action(
                *(7, "Call the provider outside of transactions", "", "Ben", "High"),
                *("Prevent it", at(0).date() + timedelta(days=7), "open", True),
                why=2,
            ),
        ),
        "no_actions_reason": "",
        "steps": (),
        "written": (),
        "sections": ("Incident summary", "Timeline", "Root cause", "What went well"),
        "held_at": None,
        "facilitator": "",
        "attendees": (),
    }
    return Facts(**given | changes)
