"""From the body of a request to a Signal. Pure: no ORM, no clock.

A wrong type is refused by the name of its field. A text that means nothing here (an unknown
severity, an unreadable time) is noted and never loses the alert; a long one is cut and says so.
"""

import hashlib
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from incidents.core.errors import DomainError
from incidents.core.models import Severity
from incidents.core.rest import storable

CUT = "… (cut)"
LONGEST = {"summary": 300, "description": 6_000, "severity": 40, "service": 120, "text": 200}
LONGEST_LABEL, MOST_LABELS, LONGEST_KEY = 500, 64, 100
MOST_LINKS, LONGEST_HREF = 20, 1_000
LONGEST_DEDUP_KEY = 255
EPOCH = datetime(2000, 1, 1, tzinfo=UTC)

SEVERITIES = {
    Severity.SEV1: ["sev1", "sev-1", "p1", "critical", "emergency", "fatal", "disaster", "page"],
    Severity.SEV2: ["sev2", "sev-2", "p2", "error", "high", "major"],
    Severity.SEV3: ["sev3", "sev-3", "p3", "warning", "warn", "medium", "minor", "average"],
    Severity.SEV4: ["sev4", "sev-4", "p4", "p5", "info", "information", "low", "notice", "debug"],
}
_SEVERITY_OF = {word: severity for severity, words in SEVERITIES.items() for word in words}


@dataclass(frozen=True)
class Link:
    href: str
    text: str = ""


@dataclass(frozen=True)
class Signal:
    """What a monitor says. `service` and `severity` may be empty: it named none that is known."""

    dedup_key: str
    summary: str
    is_firing: bool = True
    service: str = ""
    severity: str = ""
    description: str = ""
    links: tuple[Link, ...] = ()
    labels: dict[str, str] = field(default_factory=dict)
    started_at: datetime | None = None
    notes: tuple[str, ...] = ()


class InvalidPayload(DomainError):
    """The body is no alert. `errors`: field name → what to write there instead."""

    def __init__(self, errors: dict[str, str]) -> None:
        told = "; ".join(f"{name}: {message}" for name, message in errors.items())
        super().__init__(f"This is no alert. {told}", code="invalid_alert")
        self.errors = errors


def parse(body: object) -> Signal:
    """The signal that `body` (decoded JSON) means. Raises InvalidPayload."""
    if not isinstance(body, dict):
        raise InvalidPayload({"body": "Send a JSON object."})
    return _Reading(body).signal()


class _Reading:
    """Reads one body, collecting what is wrong with it and what had to be left out."""

    def __init__(self, body: dict[Any, Any]) -> None:
        self.body = body
        self.errors: dict[str, str] = {}
        self.notes: list[str] = []

    def signal(self) -> Signal:
        is_firing = self._is_firing()
        service, severity = self._text("service"), self._severity()
        description, summary = self._text("description"), self._text("summary")
        links, labels, started_at = self._links(), self._labels(), self._started_at()
        dedup_key = self._dedup_key(service, summary)
        if not self.errors and not dedup_key:
            self.errors["summary"] = "Say in one line what is wrong, or send a dedup_key."
        if self.errors:
            raise InvalidPayload(self.errors)
        return Signal(
            dedup_key=dedup_key,
            summary=summary or _cut(dedup_key, LONGEST["summary"]),
            is_firing=is_firing,
            service=service,
            severity=severity,
            description=description,
            links=links,
            labels=labels,
            started_at=started_at,
            notes=tuple(dict.fromkeys(self.notes)),
        )

    def _raw_text(self, name: str) -> str:
        value = self.body.get(name)
        if value is None:
            return ""
        if not isinstance(value, str):
            self.errors[name] = f"Write a text, not {_kind(value)}."
            return ""
        return storable(value).strip()

    def _text(self, name: str) -> str:
        return _cut(self._raw_text(name), LONGEST[name])

    def _is_firing(self) -> bool:
        word = self._raw_text("status").lower() or "firing"
        if word not in {"firing", "resolved"} and "status" not in self.errors:
            self.errors["status"] = "Write firing or resolved."
        return word != "resolved"

    def _severity(self) -> str:
        word = self._text("severity")
        severity = _SEVERITY_OF.get(word.lower(), "")
        if word and not severity:
            self.notes.append(f"The alert's severity {word!r} is unknown; the service's was used.")
        return severity

    def _dedup_key(self, service: str, summary: str) -> str:
        key = self._raw_text("dedup_key")
        if not key and summary:
            return hashlib.sha256(f"{service}\n{summary}".encode()).hexdigest()[:32]
        if len(key) <= LONGEST_DEDUP_KEY:
            return key
        digest = hashlib.sha256(key.encode()).hexdigest()
        return f"{key[: LONGEST_DEDUP_KEY - len(digest) - 1]}:{digest}"

    def _started_at(self) -> datetime | None:
        written = _cut(self._raw_text("started_at"), 60)
        if not written:
            return None
        try:
            at = datetime.fromisoformat(written)
            at = (at if at.tzinfo else at.replace(tzinfo=UTC)).astimezone(UTC)
        except (ValueError, OverflowError):
            self.notes.append(f"The alert's started_at {written!r} is no ISO 8601 time.")
            return None
        if at < EPOCH:
            self.notes.append(f"The alert's started_at {written!r} is too old to be true.")
            return None
        return at

    def _labels(self) -> dict[str, str]:
        given = self.body.get("labels")
        if given is None:
            return {}
        if not isinstance(given, dict):
            self.errors["labels"] = f"Write an object, not {_kind(given)}."
            return {}
        if len(given) > MOST_LABELS:
            self.notes.append(f"Only the first {MOST_LABELS} of {len(given)} labels were kept.")
        return {
            _cut(storable(str(key)), LONGEST_KEY): _cut(storable(_as_text(value)), LONGEST_LABEL)
            for key, value in list(given.items())[:MOST_LABELS]
        }

    def _links(self) -> tuple[Link, ...]:
        given = self.body.get("links")
        if given is None:
            return ()
        if not isinstance(given, list):
            self.errors["links"] = f"Write a list of {{href, text}}, not {_kind(given)}."
            return ()
        if len(given) > MOST_LINKS:
            self.notes.append(f"Only the first {MOST_LINKS} of {len(given)} links were kept.")
        found = [self._link(place, value) for place, value in enumerate(given[:MOST_LINKS])]
        return tuple(link for link in found if link is not None)

    def _link(self, place: int, value: object) -> Link | None:
        given = {"href": value} if isinstance(value, str) else value
        href = given.get("href") if isinstance(given, dict) else None
        text = (given.get("text") or "") if isinstance(given, dict) else ""
        if not isinstance(href, str) or not isinstance(text, str):
            self.errors[f"links.{place}"] = "Write an object with the texts href and text."
            return None
        href = storable(href).strip()
        if not href.lower().startswith(("http://", "https://")) or len(href) > LONGEST_HREF:
            self.notes.append("A link that is no http(s) address, or too long, was left out.")
            return None
        return Link(href, _cut(storable(text).strip(), LONGEST["text"]))


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else text[: longest - len(CUT)] + CUT


def _as_text(value: object) -> str:
    if isinstance(value, str):
        return value
    return "" if value is None else json.dumps(value, ensure_ascii=False)


def _kind(value: object) -> str:
    names = {bool: "true or false", int: "a number", float: "a number", list: "a list"}
    return names.get(type(value), "an object")
