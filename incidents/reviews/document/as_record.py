"""A document in the shape of `incident export`, which `incident import` reads. Pure."""

from datetime import datetime
from typing import Any

import yaml

type Json = dict[str, Any]
MILESTONES = [
    *("started", "detected", "declared", "acknowledged"),
    *("identified", "mitigating", "recovered", "resolved"),
]


def as_yaml(document: Json) -> str:
    """Times are quoted, so that no reader takes 14:15 for a number."""
    record = as_record(document)
    return str(yaml.safe_dump(record, sort_keys=False, allow_unicode=True, width=100))


def as_record(document: Json) -> Json:
    """`incident:` with id, severity, title, impact, timeline and action_items."""
    about, sections = document["incident"], _texts(document)
    known = about["milestones"]
    facts = {
        "id": document["reference"],
        "severity": about["severity"],
        "title": document["title"],
        "service": about["service"],
        "type": about["type"],
        "started_at": known.get("started"),
        "detected_by": about["detected_by"],
        **{f"{name}_at": known.get(name) for name in MILESTONES if name != "started"},
        "root_cause": sections.get("root_cause"),
        "contributing_factors": sections.get("contributing_factors"),
        "mitigation": about["mitigation"],
        "resolution": about["resolution"],
        "impact": _known(_impact(document)),
        "timeline": [_entry(entry, about["began_at"]) for entry in document["timeline"]["entries"]],
        "action_items": [_action(item) for item in document["action_items"]],
    }
    return {"incident": _known(facts)}


def _texts(document: Json) -> dict[str, str]:
    return {section["key"]: section["text"] for section in document["sections"]}


def _impact(document: Json) -> Json:
    impact = document["impact"]
    lost = impact["revenue_lost"]
    return {
        "description": impact["description"],
        "users_affected": impact["users_affected"],
        "revenue_lost": None if lost is None else f"{lost} {impact['currency']}".strip(),
        "data_loss": "" if impact["data_loss"] == "unknown" else impact["data_loss"],
        "duration_minutes": impact["minutes"],
    }


def _entry(entry: Json, began: str) -> Json:
    at, first = datetime.fromisoformat(entry["at"]), datetime.fromisoformat(began)
    of_day = f"{at:%H:%M:%S}" if at.second else f"{at:%H:%M}"
    told = {"time": of_day if at.date() == first.date() else entry["at"], "event": entry["text"]}
    return told | ({"by": entry["by"]} if entry["by"] else {})


def _action(item: Json) -> str:
    owner = item["owner"] or "nobody yet"
    due = f", due {item['due_on']}" if item["due_on"] else ""
    return f"{item['title']} ({owner}{due})"


def _known(facts: Json) -> Json:
    return {name: value for name, value in facts.items() if value not in (None, "")}
