"""What this room does when something is recorded on an incident."""

from incidents.alerts.models import Alert
from incidents.core import services as core
from incidents.core.models import Incident, TimelineEntry


def move_alerts_of_duplicate(entry: TimelineEntry, incident: Incident) -> None:
    """A duplicate's alerts speak for the incident that it was merged into from now on.

    MERGED is recorded on both; this acts once, on the duplicate's. One that still fires means
    that the other has not recovered either.
    """
    if entry.data["from"] != incident.pk:
        return
    into = Incident.objects.get(pk=entry.data["into"])
    moved = Alert.objects.filter(incident=incident)
    fires = moved.firing().exists()
    moved.update(incident=into)
    if fires and into.is_open and into.recovered_at is not None:
        core.relapse(into, summary=f"An alert of {incident.reference} is still firing.")
