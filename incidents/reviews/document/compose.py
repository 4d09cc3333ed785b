"""Composes a review's document: all that is known, as data that renders to whatever is asked. Pure.

What is in it stays as it was when it was published; nothing is looked up again when it is shown.
"""

import re
from collections import defaultdict
from collections.abc import Iterable
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from incidents.core.models import Kind
from incidents.reviews.document import prose, timeline
from incidents.reviews.document.facts import Action, Entry, Facts, Why
from incidents.reviews.document.sections import OF_THE_REVIEW, Place, places

FORMAT = 1
LABELS = {
    "detect": "Detection",
    "respond": "Response",
    "identify": "Identification",
    "mitigate": "Mitigation",
    "resolve": "Resolution",
}
ESCALATIONS = {
    *(Kind.ESCALATED, Kind.LEVEL_SKIPPED, Kind.EXHAUSTED, Kind.PAGE_FAILED, Kind.TICKETED),
    Kind.ACKNOWLEDGEMENT_EXPIRED,
}
MOST_ASKED = 60
AFTERWARDS = ("review_", "action_")  # kinds of entries that are no part of the response
_UPDATE = re.compile(r"^\w+ update \d+: ")
_LATE = " It came later than promised."

type Json = dict[str, Any]


def compose(facts: Facts) -> Json:
    """The document as JSON: the same facts, the same document."""
    rows = timeline.told(facts)
    return {
        "format": FORMAT,
        "reference": facts.reference,
        "title": facts.title,
        "runbook": facts.runbook,
        "incident": _incident(facts),
        "impact": _impact(facts),
        "timeline": _timeline(facts, rows),
        "figures": [_phase(phase) for phase in facts.phases],
        "people": _people(facts),
        "escalations": _escalations(facts),
        "messages": _messages(facts),
        "whys": whys(facts.whys, facts.actions),
        "action_items": [_action(action) for action in facts.actions],
        "no_actions_reason": facts.no_actions_reason,
        "follow_up": [_step(step) for step in facts.steps],
        "meeting": {
            "held_at": _stamp(facts.held_at),
            "facilitator": facts.facilitator,
            "attendees": list(facts.attendees),
        },
        "sections": [_section(place, facts) for place in places_of(facts)],
    }


def places_of(facts: Facts) -> list[Place]:
    return places(facts.sections, [one.key for one in facts.written if one.text.strip()])


def text_of(key: str, facts: Facts) -> tuple[str, bool]:
    """What people wrote into a section; where they did not, what it says by itself (True)."""
    written = {one.key: one.text.strip() for one in facts.written}
    kept = {key: getattr(facts, key) for key in OF_THE_REVIEW}
    if text := written.get(key) or kept.get(key, "").strip():
        return text, False
    return composed(key, facts), True


def composed(key: str, facts: Facts) -> str:
    """Markdown; empty where only people can say something."""
    makers = {
        "summary": prose.summary,
        "went_well": prose.went_well,
        "to_improve": prose.to_improve,
        "prevention": prose.prevention,
    }
    return makers[key](facts) if key in makers else ""


def _section(place: Place, facts: Facts) -> Json:
    text, is_composed = text_of(place.key, facts)
    return {
        "key": place.key,
        "title": place.title,
        "text": text,
        "is_composed": is_composed and bool(text),
        "is_asked_for": place.is_asked_for,
    }


# --- Parts ----------------------------------------------------------------------------------------


def _incident(facts: Facts) -> Json:
    return {
        "severity": facts.severity,
        "severity_label": facts.severity_label,
        "severity_meaning": facts.severity_meaning,
        "type": facts.incident_type,
        "service": facts.service,
        "team": facts.team,
        "services": list(facts.services),
        "outcome": facts.outcome,
        "is_drill": facts.is_drill,
        "detected_by": facts.noticed_by,
        "mitigation": facts.mitigation,
        "mitigation_kind": facts.mitigation_kind,
        "resolution": facts.resolution,
        "began_at": _stamp(facts.began_at),
        "ended_at": _stamp(facts.ended_at),
        "seconds": None if facts.lasted is None else round(facts.lasted.total_seconds()),
        "milestones": {name: _stamp(at) for name, at in facts.milestones.items()},
    }


def _impact(facts: Facts) -> Json:
    minutes = None if facts.minutes_down is None else round(facts.minutes_down)
    return {
        "description": facts.impact,
        "users_affected": facts.users_affected,
        "revenue_lost": _number(facts.revenue_lost),
        "currency": facts.currency,
        "data_loss": facts.data_lost,
        "minutes": minutes,
        "error_budget": _budget(facts),
    }


def _budget(facts: Facts) -> Json | None:
    """What it took of the error budget. Nobody said how much: as much as a whole outage would."""
    if facts.slo is None or facts.slo.budget.total_seconds() <= 0:
        return None
    whole = facts.slo.budget.total_seconds() / 60
    said, down = facts.budget_minutes, facts.minutes_down
    if said is None and down is None:
        return None
    used = float(said) if said is not None else down or 0.0
    return {
        "availability": f"{facts.slo.availability.normalize():f} %",
        "window_days": facts.slo.window.days,
        "budget_minutes": round(whole, 1),
        "used_minutes": round(used, 1),
        "share": round(used / whole, 3),
        "is_estimated": said is None,
    }


def _timeline(facts: Facts, rows: list[timeline.Row]) -> Json:
    found = timeline.gaps(rows, facts)
    return {
        "entries": [
            {
                "at": _stamp(row.at),
                "kind": str(row.kind),
                "text": row.text,
                "by": row.by,
                "recorded_at": _stamp(row.was),
                "is_added": row.entry is None and row.mark is not None,
            }
            for row in rows
        ],
        "gaps": [{"after": _stamp(gap.after), "until": _stamp(gap.until)} for gap in found],
        "missing": timeline.missing(facts),
    }


def _phase(phase: Any) -> Json:
    return {
        "name": phase.name,
        "label": LABELS.get(phase.name, phase.name),
        "seconds": None if phase.seconds is None else round(phase.seconds),
        "target_seconds": None if phase.target is None else round(phase.target),
        "met": phase.met,
    }


def _people(facts: Facts) -> list[Json]:
    """Everybody once, with what they did: roles first, then who answered, acted, was asked."""
    did: dict[str, list[str]] = defaultdict(list)
    for held in facts.roles:
        did[held.who].append(held.role)
    for entry in facts.entries:
        if entry.by and not entry.kind.startswith(AFTERWARDS):
            did[entry.by].append(_DEEDS.get(Kind(entry.kind), "Responder"))
    for asked in facts.asked:
        did[asked.who].append("Paged")
    for name in facts.attendees:
        did[name].append("Attended the review")
    return [{"name": name, "as": _once(roles)} for name, roles in did.items() if name]


_DEEDS = {
    Kind.ACKNOWLEDGED: "Acknowledged it",
    Kind.DECLARED: "Declared it",
    Kind.UPDATE_PUBLISHED: "Wrote updates",
}


def _once(roles: Iterable[str]) -> list[str]:
    """Without repeats; whoever has a role or a deed need not be called a responder as well."""
    found = list(dict.fromkeys(roles))
    telling = [role for role in found if role not in {"Responder", "Paged"}]
    attended = ["Attended the review"]
    return telling if telling and telling != attended else found


def _escalations(facts: Facts) -> Json:
    events = [entry for entry in facts.entries if entry.kind in ESCALATIONS]
    asked = sorted(facts.asked, key=lambda page: page.at)
    return {
        "asked": [
            {
                "at": _stamp(page.at),
                "who": page.who,
                "level": page.level,
                "reason": page.reason,
                "answered_at": _stamp(page.answered_at),
            }
            for page in asked[:MOST_ASKED]
        ],
        "left_out": max(len(asked) - MOST_ASKED, 0),
        "events": [{"at": _stamp(entry.at), "text": entry.text} for entry in events],
    }


def _messages(facts: Facts) -> Json:
    on_time, late, missed = prose.promises(facts)
    updates = [entry for entry in facts.entries if entry.kind == Kind.UPDATE_PUBLISHED]
    declined = [entry.text for entry in facts.entries if entry.kind == Kind.CUSTOMERS_DECLINED]
    return {
        "updates": [_update(entry) for entry in updates],
        "on_time": on_time,
        "late": late,
        "missed": missed,
        "customers_not_told": declined[-1] if declined else "",
    }


def _update(entry: Entry) -> Json:
    return {
        "at": _stamp(entry.at),
        "audience": str(entry.data.get("audience") or ""),
        "number": entry.data.get("number"),
        "text": _UPDATE.sub("", entry.text).removesuffix(_LATE),
        "by": entry.by,
        "on_time": entry.data.get("on_time"),
        "recipients": entry.data.get("recipients"),
    }


def whys(given: Iterable[Why], actions: Iterable[Action] = ()) -> list[Json]:
    """As a tree: several causes, each with the questions that its answer raised."""
    items: dict[int | None, list[int]] = defaultdict(list)
    for action in actions:
        items[action.why].append(action.id)
    below: dict[int | None, list[Why]] = defaultdict(list)
    known = list(given)
    present = {why.id for why in known}
    for why in sorted(known, key=lambda one: (one.position, one.id)):
        below[why.parent if why.parent in present else None].append(why)

    def branch(parent: int | None) -> list[Json]:
        return [
            {
                "id": why.id,
                "ask": why.ask,
                "answer": why.answer,
                "action_items": items[why.id],
                "whys": branch(why.id),
            }
            for why in below[parent]
        ]

    return branch(None)


def _action(action: Action) -> Json:
    return {
        "id": action.id,
        "title": action.title,
        "detail": action.detail,
        "owner": action.owner,
        "priority": action.priority,
        "kind": action.kind,
        "due_on": action.due_on.isoformat() if isinstance(action.due_on, date) else None,
        "state": action.state,
        "required": action.required,
        "why": action.why,
        "evidence": action.evidence,
    }


def _step(step: Any) -> Json:
    return {
        "title": step.title,
        "due_at": _stamp(step.due_at),
        "who": step.who,
        "done_at": _stamp(step.done_at),
        "note": step.note,
        "link": step.link,
    }


def _stamp(at: datetime | None) -> str | None:
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z") if at else None


def _number(amount: Decimal | None) -> str | None:
    return None if amount is None else f"{amount:f}"
