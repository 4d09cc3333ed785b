"""What pages of runbooks need of templates: times in words, ranges, the names of severities."""

from datetime import timedelta
from typing import Any

from django import template

from incidents.core.documents import duration_text

register = template.Library()


@register.filter
def lasting(duration: timedelta | str | None) -> str:
    """ "1 h 30 min"; empty for none."""
    if isinstance(duration, timedelta):
        return duration_text(duration)
    return duration or ""


@register.filter
def window(phase: Any) -> str:
    """ "5 min to 15 min", "within 1 h"; empty where it has none."""
    if phase.due is None:
        return f"from {duration_text(phase.opens)}" if phase.opens else ""
    if phase.opens:
        return f"{duration_text(phase.opens)} to {duration_text(phase.due)}"
    return f"within {duration_text(phase.due)}"


@register.filter
def span(limits: Any) -> str:
    """ "45 min to 1 h", of a range that may be open at one end."""
    ends = [duration_text(end) for end in [limits.shortest, limits.longest] if end is not None]
    return " to ".join(ends)


@register.filter
def titles(names: list[str], section: Any) -> str:
    """The roles of an escalation section as people say them: "on call, Engineering manager"."""
    return ", ".join(section.title(name) for name in names)


@register.filter
def about(rule: Any, book: Any) -> str:
    """Of which severities and types a rule is, as the runbook calls them: "P1, P2; Data loss"."""
    read = rule.get if isinstance(rule, dict) else lambda name, empty: getattr(rule, name, empty)
    severities = ", ".join(called(name, book) for name in read("severities", []))
    types = [book.types[slug].title for slug in read("types", []) if slug in book.types]
    return "; ".join(filter(None, [severities, ", ".join(types)]))


@register.filter
def called(severity: str, book: Any) -> str:
    """A severity as the runbook calls it: SEV1 → P1."""
    plan = book.severities.get(severity)
    return str(plan.name) if plan else severity


@register.filter
def in_words(name: str) -> str:
    """multiple_services → multiple services"""
    return str(name).replace("_", " ").replace("-", " ")


@register.filter
def title_in(slug: str, known: Any) -> str:
    """The title of a procedure, a checklist …"""
    return str(known[slug].title) if slug in known else in_words(slug)


@register.filter
def title_of(section: Any, role: str) -> str:
    """A role of an escalation section as people say it."""
    return str(section.title(role))
