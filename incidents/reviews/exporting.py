"""A review's document in the forms that people take away: Markdown, HTML, JSON, YAML."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from incidents.core.errors import DomainError
from incidents.reviews import reading
from incidents.reviews.document import Edition, as_html, as_markdown, as_yaml, lay
from incidents.reviews.models import Review, Revision

type Json = dict[str, Any]


@dataclass(frozen=True)
class File:
    """What was made, what it is called, and what it is to a browser."""

    text: str
    name: str
    media_type: str


def _as_json(document: Json, edition: Edition) -> str:
    published = {
        "number": edition.number,
        "by": edition.by,
        "at": edition.at.isoformat().replace("+00:00", "Z") if edition.at else None,
        "note": edition.note,
    }
    whole = {**document, "revision": published if edition.number else None}
    return json.dumps(whole, ensure_ascii=False, indent=2) + "\n"


@dataclass(frozen=True)
class Form:
    ending: str
    media_type: str
    make: Callable[[Json, Edition], str]


FORMS = {
    "markdown": Form("md", "text/markdown; charset=utf-8", lambda d, e: as_markdown(lay(d, e))),
    "html": Form("html", "text/html; charset=utf-8", lambda d, e: as_html(lay(d, e))),
    "json": Form("json", "application/json; charset=utf-8", _as_json),
    "yaml": Form("yaml", "application/yaml; charset=utf-8", lambda d, _: as_yaml(d)),
}


def export(review: Review, *, form: str, number: int = 0, draft: bool = False) -> File:
    """The published revision `number` (0: the last one), else the draft; `draft`: as it is now."""
    if form not in FORMS:
        known = ", ".join(FORMS)
        raise DomainError(f"{form!r} is no form; use one of {known}.", field="form")
    revision = None if draft else _revision(review, number)
    document = revision.document if revision else reading.document_of(review)
    made = FORMS[form]
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", review.incident.reference)
    suffix = f"-{revision.number}" if revision else "-draft"
    return File(
        made.make(document, _edition(revision)),
        f"{name}-review{suffix}.{made.ending}",
        made.media_type,
    )


def _revision(review: Review, number: int) -> Revision | None:
    rows = review.revisions.select_related("author").order_by("-number")
    if not number:
        return rows.first()
    found = rows.filter(number=number).first()
    if found is None:
        raise DomainError(f"There is no revision {number}.", field="number", code="not_found")
    return found


def _edition(revision: Revision | None) -> Edition:
    if revision is None:
        return Edition()
    return Edition(revision.number, str(revision.author or ""), revision.at, revision.note)
