"""An incident as a document that people keep: what it says is read here, and written. Pure.

The shape is that of many runbooks: `incident:` with id, severity, title, started_at, impact,
timeline and action_items. Times of day are text ("14:15"), on the day of the start or after.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any

from incidents.core.documents import said
from incidents.core.errors import DomainError
from incidents.core.models import CANARY, Incident, Severity, TimelineEntry

SIGNS = {"$": "USD", "€": "EUR", "£": "GBP", "¥": "JPY"}
TEXTS = ["description", "suspected_cause", "mitigation", "root_cause", "resolution"]
INSTANTS = [
    *("detected_at", "declared_at", "acknowledged_at", "identified_at", "mitigating_at"),
    "recovered_at",
]
EARLIEST, LATEST = datetime(2000, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)
HALF_A_DAY, A_DAY = timedelta(hours=12), timedelta(days=1)
LONGEST, MOST_ENTRIES = 10_000, 2_000
_NO_TEXT = re.compile("[\x00\ud800-\udfff]")  # no database takes these
_CLOCK = re.compile(r"([01]?\d|2[0-3]):[0-5]\d(:[0-5]\d)?")
_AMOUNT = re.compile(r"(?:([A-Z]{3}|[$€£¥]) ?)?(\d[\d,]*(?:\.\d{1,2})?)(?: ?([A-Z]{3}|[$€£¥]))?")


class NotARecord(DomainError):
    """What was given is no incident; `lines` say where, and what to write instead."""

    def __init__(self, lines: list[str]) -> None:
        super().__init__(" ".join(lines), code="not_a_record")
        self.lines = lines


@dataclass(frozen=True)
class Told:
    """An entry of the timeline."""

    at: datetime
    event: str


@dataclass(frozen=True)
class Record:
    """What a document says of one incident that is over. Empty and None: it does not say.

    `began_at`: when it started, or where that is not known, when it was noticed.
    """

    title: str
    severity: str
    began_at: datetime
    resolved_at: datetime
    started_at: datetime | None = None
    reference: str = ""
    service: str = ""
    facts: dict[str, Any] = field(default_factory=dict)
    told: tuple[Told, ...] = ()


# --- Reading --------------------------------------------------------------------------------------


def read(document: Any) -> Record:
    """The incident of a document. Raises NotARecord with every fault that was found."""
    if not isinstance(document, dict) or not isinstance(document.get("incident"), dict):
        raise NotARecord(["Begin with “incident:” and indent what is known of it below."])
    if not all(_NO_TEXT.search(text) is None for text in _texts(document)):
        raise NotARecord(["incident: holds a character that is no text."])
    return _Reading(document["incident"]).record()


def _texts(document: Any) -> Iterator[str]:
    """Every text in it, however deep."""
    waiting = [document]
    while waiting:
        one = waiting.pop()
        if isinstance(one, dict):
            waiting += [*one, *one.values()]
        elif isinstance(one, list):
            waiting += one
        elif isinstance(one, str):
            yield one


class _Reading:
    """Reads one incident, collecting what is wrong with it."""

    def __init__(self, given: dict[Any, Any]) -> None:
        self.given, self.lines = given, list[str]()

    def record(self) -> Record:
        title = self.text("title", longest=300, needed=True)
        started, resolved = self.instant("started_at"), self.instant("resolved_at")
        if resolved is None and "resolved_at" not in self.given:
            self.wrong("resolved_at", "is missing: only what is over is imported.")
        facts: dict[str, Any] = {name: self.text(name) for name in TEXTS}
        facts |= {name: self.instant(name) for name in INSTANTS}
        facts |= {"declared_via": self.text("detected_by", longest=120), **self.impact()}
        facts |= {
            "incident_type": self.text("type", longest=64),
            "mitigation_kind": self.one_of("mitigation_kind", Incident.MitigationKind.values),
        }
        began = started or facts["detected_at"] or facts["declared_at"]
        if began is None and not self.lines:
            self.wrong("started_at", "is missing.")
        self.within(began, resolved, facts)
        told = self.timeline(began or EARLIEST)
        severity, reference = self.severity(), self.reference()
        service = self.text("service", longest=120)
        if self.lines or began is None or resolved is None:
            raise NotARecord(self.lines)
        return Record(title, severity, began, resolved, started, reference, service, facts, told)

    def within(
        self, began: datetime | None, resolved: datetime | None, facts: dict[str, Any]
    ) -> None:
        if began is None or resolved is None:
            return
        if began > resolved:
            return self.wrong("resolved_at", "is before the start.")
        for name in INSTANTS:
            if facts[name] and not began <= facts[name] <= resolved:
                self.wrong(name, "is not between the start and resolved_at.")

    def wrong(self, path: str, message: str) -> None:
        self.lines.append(f"incident.{path}: {message}")

    def text(self, name: str, *, longest: int = LONGEST, needed: bool = False) -> str:
        value = self.given.get(name)
        if value is None or value == "":
            if needed:
                self.wrong(name, "is missing.")
            return ""
        if not isinstance(value, str):
            self.wrong(name, f"{said(value)} must be text; put it in quotes.")
            return ""
        if len(value) > longest:
            self.wrong(name, f"is longer than {longest} characters.")
        return value.strip()

    def one_of(self, name: str, allowed: Iterable[str]) -> str:
        value = self.text(name)
        if value and value not in allowed:
            self.wrong(name, f"{said(value)} is unknown; use one of {', '.join(allowed)}.")
        return value

    def severity(self) -> str:
        value = self.given.get("severity")
        match = re.fullmatch(r"(?:SEV|P)?-?([1-4])", str(value).strip(), re.IGNORECASE)
        if match is None:
            names = ", ".join(Severity.values)
            self.wrong("severity", f"{said(value)} is no severity; use one of {names}.")
            return ""
        return f"SEV{match[1]}"

    def reference(self) -> str:
        value = self.text("id", longest=120)
        if value and (re.search(r"[/\x00-\x1f]", value) or value == CANARY):
            self.wrong("id", f"{said(value)} cannot be a reference.")
        return value

    def instant(self, name: str) -> datetime | None:
        value = self.given.get(name)
        at = _instant_of(value)
        if value is not None and at is None:
            self.wrong(name, f'{said(value)} is no instant; write e.g. "2024-01-15T14:15:00Z".')
        return at

    def impact(self) -> dict[str, Any]:
        given = self.given.get("impact")
        if given is None or isinstance(given, str):
            return {"impact": given or ""}
        if not isinstance(given, dict):
            self.wrong("impact", f"{said(given)} must be text, or users_affected: and the like.")
            return {}
        inner = _Reading(given)
        facts = {
            "impact": inner.text("description"),
            "data_loss": inner.one_of("data_loss", Incident.DataLoss.values) or "unknown",
            "users_affected": inner.count("users_affected"),
            **inner.amount("revenue_lost"),
        }
        self.lines += [line.replace("incident.", "incident.impact.", 1) for line in inner.lines]
        return facts

    def count(self, name: str) -> int | None:
        value = self.given.get(name)
        if value is None:
            return None
        digits = str(value).replace(",", "").strip()
        if isinstance(value, bool) or not re.fullmatch(r"\d{1,9}", digits):
            self.wrong(name, f"{said(value)} is no number of people; write e.g. 15000.")
            return None
        return int(digits)

    def amount(self, name: str) -> dict[str, Any]:
        value = self.given.get(name)
        if value is None:
            return {}
        match = _AMOUNT.fullmatch(str(value).strip())
        sign = (match[1] or match[3]) if match else None
        try:
            number = Decimal(match[2].replace(",", "")) if match else None
        except InvalidOperation:
            number = None
        if number is None or number >= 10**12 or isinstance(value, bool):
            self.wrong(name, f"{said(value)} is no amount; write e.g. $45000 or 45000 EUR.")
            return {}
        return {"revenue_lost": number, "currency": SIGNS.get(sign or "", sign or "")}

    def timeline(self, started: datetime) -> tuple[Told, ...]:
        given = self.given.get("timeline") or []
        if not isinstance(given, list) or len(given) > MOST_ENTRIES:
            self.wrong("timeline", f"must be a list of at most {MOST_ENTRIES} entries.")
            return ()
        told: list[Told] = []
        for number, entry in enumerate(given):
            path = f"timeline[{number}]"
            if not isinstance(entry, dict):
                self.wrong(path, f"{said(entry)} must have a time: and an event:.")
                continue
            event, at = entry.get("event"), _time_of(entry.get("time"), told, started)
            if not isinstance(event, str) or not event.strip() or len(event) > LONGEST:
                self.wrong(f"{path}.event", f"{said(event)} must be text.")
            elif at is None:
                given_time = said(entry.get("time"))
                self.wrong(f"{path}.time", f'{given_time} is no time; write e.g. "14:15".')
            else:
                told.append(Told(at, event.strip()))
        return tuple(told)


def _instant_of(value: object) -> datetime | None:
    if not isinstance(value, str):
        return None
    try:
        at = datetime.fromisoformat(value.strip())
        at = (at if at.tzinfo else at.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return at if EARLIEST <= at < LATEST else None


def _time_of(value: object, told: list[Told], started: datetime) -> datetime | None:
    """An instant, or a time of day on the day of the entry before, or the next where it is past."""
    if not isinstance(value, str) or not _CLOCK.fullmatch(value.strip()):
        return _instant_of(value)
    before = told[-1].at if told else started
    of_day = time.fromisoformat(value.strip().zfill(5 if value.count(":") == 1 else 8))
    at = datetime.combine(before.date(), of_day, UTC)
    return at + A_DAY if before - at > HALF_A_DAY else at


# --- Writing --------------------------------------------------------------------------------------


def written(incident: Incident, entries: Iterable[TimelineEntry]) -> dict[str, Any]:
    """All that is known of the incident, in the document's shape; what is not known is left out."""
    facts: dict[str, Any] = {
        "id": incident.reference,
        "severity": incident.severity,
        "title": incident.title,
        "service": incident.service.slug,
        "type": incident.incident_type,
        "status": incident.status,
        "outcome": incident.outcome,
        "started_at": _stamp(incident.started_at),
        "detected_by": incident.declared_via or str(incident.declared_by or ""),
        **{f"{name}_at": _stamp(getattr(incident, f"{name}_at")) for name in _LATER},
        **{name: getattr(incident, name) for name in TEXTS},
        "mitigation_kind": incident.mitigation_kind,
        "impact": _known(_impact(incident)),
        "timeline": [_entry(entry, incident.clock_starts_at) for entry in entries],
        "action_items": [],
    }
    return {"incident": _known(facts)}


_LATER = [name for name in Incident.MILESTONES if name != "started"]


def _impact(incident: Incident) -> dict[str, Any]:
    start, end = incident.started_at or incident.detected_at, incident.resolved_at
    lost = incident.revenue_lost
    return {
        "description": incident.impact,
        "users_affected": incident.users_affected,
        "revenue_lost": None
        if lost is None
        else f"{lost.normalize():f} {incident.currency}".strip(),
        "data_loss": "" if incident.data_loss == "unknown" else incident.data_loss,
        "duration_minutes": round((end - start).total_seconds() / 60) if start and end else None,
    }


def _entry(entry: TimelineEntry, start: datetime) -> dict[str, Any]:
    at = entry.at.astimezone(UTC)
    of_day = f"{at:%H:%M:%S}" if at.second else f"{at:%H:%M}"
    told: dict[str, Any] = {
        "time": of_day if at.date() == start.astimezone(UTC).date() else _stamp(at),
        "event": entry.summary,
        "kind": entry.kind,
    }
    return told | ({"by": str(entry.actor)} if entry.actor else {})


def _known(facts: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in facts.items() if value not in (None, "")}


def _stamp(at: datetime | None) -> str | None:
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z") if at else None


def overlaid(
    document: dict[str, Any], before: dict[str, Any], now: dict[str, Any]
) -> dict[str, Any]:
    """`document` as it was given, with what has changed since: from `before` to `now`.

    All else stays as somebody wrote it, unknown keys and action items among it. What was added to
    the timeline since is appended.
    """
    given, was, new = document["incident"], before["incident"], now["incident"]
    result = given | _changed(was, new, but={"impact", "timeline", "action_items"})
    if impact := _changed(was.get("impact", {}), new.get("impact", {}), but=set()):
        old = given.get("impact")
        result["impact"] = (old if isinstance(old, dict) else {"description": old or ""}) | impact
    if added := new["timeline"]:
        result["timeline"] = [*(given.get("timeline") or []), *added]
    return document | {"incident": result}


def _changed(was: dict[str, Any], new: dict[str, Any], *, but: set[str]) -> dict[str, Any]:
    return {
        name: value for name, value in new.items() if name not in but and was.get(name) != value
    }
