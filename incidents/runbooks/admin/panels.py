"""What a revision's page shows of its document, part by part, as people would read it."""

from collections.abc import Callable
from typing import Any

from django.http import HttpRequest
from django.template.loader import render_to_string
from django.utils.html import format_html

from incidents.core import panels
from incidents.core.models import RunbookRevision
from incidents.runbooks import document, services
from incidents.runbooks.document import Runbook
from incidents.runbooks.models import Upkeep
from incidents.runbooks.reading import TARGETS
from incidents.timers import clock


def _book(revision: RunbookRevision) -> Runbook | None:
    """The document of this page's row, read once; None where it has none."""
    known: Runbook | bool | None = revision.__dict__.get("_runbook", False)
    if not isinstance(known, bool):
        return known
    try:
        book = document.parse(revision.document)
    except document.Faulty:
        book = None
    revision.__dict__["_runbook"] = book
    return book


def _part(
    title: str, template: str, is_told: Callable[[Runbook], Any]
) -> Callable[[HttpRequest, RunbookRevision], panels.Panel | None]:
    def render(_request: HttpRequest, revision: RunbookRevision) -> panels.Panel | None:
        book = _book(revision)
        if book is None or not is_told(book):
            return None
        context = {
            "book": book,
            "severities": sorted(book.severities.items()),
            "targets": _targets(book),
            **(_standing(book.slug) if template == "about" else {}),
            **_communication(book),
        }
        html = render_to_string(f"runbooks/{template}.html", context)
        return panels.Panel(title, format_html('<div class="t-reads">{}</div>', html))

    return render


def _standing(slug: str) -> dict[str, Any]:
    """Who has chosen it, and when it is to be read again."""
    upkeep = Upkeep.objects.select_related("reviewed_by").filter(slug=slug).first()
    return {"users": services.users_of(slug), "upkeep": upkeep, "now": clock.now()}


def _targets(book: Runbook) -> set[str]:
    """The targets that any of its severities has; the others need no column."""
    plans = book.severities.values()
    found = {name for name in TARGETS if any(getattr(p.targets, name) for p in plans)}
    return found | ({"respond"} if any(plan.next_working_day for plan in plans) else set())


def _communication(book: Runbook) -> dict[str, Any]:
    """As it is written, and its letters one by one: occasion, audience, letter."""
    section = book.as_json().get("communication", {})
    letters = [
        (occasion, audience, letter)
        for occasion, both in section.get("templates", {}).items()
        for audience, letter in both.items()
    ]
    return {"communication": section, "letters": letters}


SHOWN_LAST = [
    *("goals", "track", "key_metrics", "slo", "contacts", "dashboards", "tools", "related"),
    *("drill", "principles"),
]
PARTS: list[tuple[str, str, Callable[[Runbook], Any]]] = [
    ("What it is", "about", lambda _book: True),
    ("Severities", "severities", lambda book: book.severities),
    ("Who is asked", "escalation", lambda book: book.escalation.ladder),
    ("Incident types", "types", lambda book: book.types),
    ("Procedures", "procedures", lambda book: book.procedures),
    ("Checklists", "checklists", lambda book: book.checklists),
    ("Communication", "communication", lambda book: "communication" in book.model_fields_set),
    ("Reviews", "reviews", lambda book: book.reviews.rules),
    (
        "Goals and addresses",
        "goals",
        lambda book: any(getattr(book, name) for name in SHOWN_LAST),
    ),
]

for _place, (_title, _template, _is_told) in enumerate(PARTS):
    panels.register("runbookrevision", _part(_title, _template, _is_told), order=10 + _place)
