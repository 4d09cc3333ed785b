"""How the upkeep of runbooks follows what happens to incidents. Only writes rows."""

from incidents.core.models import Incident, Kind, TimelineEntry
from incidents.core.signals import entry_recorded
from incidents.runbooks import services


def connect() -> None:
    """Called once, when the house is put together."""
    entry_recorded.connect(bring_review_forward, kinds={Kind.RESOLVED}, when=_is_real)


def bring_review_forward(entry: TimelineEntry, incident: Incident) -> None:
    """Whether it was major is for its runbook to say."""
    services.bring_forward(incident, now=entry.at)


def _is_real(incident: Incident) -> bool:
    return not incident.is_drill
