"""Reading a timeline as this room wrote it."""

from incidents.core.models import Kind

OF_ESCALATION = {
    *(Kind.PAGED, Kind.PAGE_FAILED, Kind.TICKETED),
    *(Kind.ESCALATED, Kind.LEVEL_SKIPPED, Kind.EXHAUSTED),
}


def kinds(incident):
    """The kinds of entries in order, without what the escalation room adds."""
    entries = incident.timeline.exclude(kind__in=OF_ESCALATION).order_by("id")
    return [entry.kind for entry in entries]
