"""A runbook in the terminal, as people read it."""

from collections.abc import Iterator
from typing import Any

from rich.markup import escape
from rich.table import Table

from incidents.core.documents import duration_text
from incidents.core.models import RunbookRevision
from incidents.runbooks import document
from incidents.runbooks.document import Runbook

TARGETS = {
    "detect": "Detect",
    "respond": "Respond",
    "identify": "Identify",
    "mitigate": "Mitigate",
    "resolve": "Resolve",
}


def of_revision(revision: RunbookRevision) -> Iterator[Any]:
    """What is stored. Without a document, as the built-in one has none, its targets."""
    yield f"[bold]{escape(str(revision))}[/]"
    try:
        yield from _parts(document.parse(revision.document))
    except document.Faulty:
        yield _policies(revision)


def of_runbook(runbook: Runbook) -> Iterator[Any]:
    yield f"[bold]{escape(runbook.title)}[/] (not applied)"
    yield from _parts(runbook)


def _parts(runbook: Runbook) -> Iterator[Any]:
    if runbook.summary:
        yield escape(runbook.summary)
    yield _severities(runbook)
    if runbook.types:
        yield _named("Incident type", {slug: one.title for slug, one in runbook.types.items()})
    if runbook.procedures:
        yield _named("Procedure", {slug: one.title for slug, one in runbook.procedures.items()})
    if runbook.checklists:
        yield _named("Checklist", {slug: one.title for slug, one in runbook.checklists.items()})
    if runbook.escalation.ladder:
        yield "Escalates: " + escape(
            " → ".join(
                f"{runbook.escalation.title(rung.role)} ({duration_text(rung.within)})"
                for rung in runbook.escalation.ladder
            )
        )
    for note in runbook.origin.notes if runbook.origin else []:
        yield f"[dim]Note: {escape(note)}[/]"


def _severities(runbook: Runbook) -> Table:
    table = Table("Severity", "Means", "Response", *TARGETS.values())
    for severity, plan in sorted(runbook.severities.items()):
        targets = [getattr(plan.targets, name) for name in TARGETS]
        table.add_row(
            f"{severity} ({escape(plan.name)})" if plan.name != severity else severity,
            escape(plan.definition),
            plan.response,
            *(duration_text(target) if target else "" for target in targets),
        )
    return table


def _policies(revision: RunbookRevision) -> Table:
    table = Table("Severity", "Means", "Response", *TARGETS.values())
    for policy in revision.severity_policies.all():
        targets = [getattr(policy, f"{name}_target") for name in TARGETS]
        table.add_row(
            escape(policy.label),
            escape(policy.definition),
            policy.response,
            *(duration_text(target) if target else "" for target in targets),
        )
    return table


def _named(what: str, titles: dict[str, str]) -> Table:
    table = Table(what, "")
    for slug, title in titles.items():
        table.add_row(slug, escape(title))
    return table
