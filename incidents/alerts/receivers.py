"""What this room does when something is recorded on an incident."""

from incidents.alerts.models import Alert
from incidents.core import services as core
from incidents.core.models import Incident, Kind, TimelineEntry


def move_alerts_of_duplicate(entry: TimelineEntry, incident: Incident) -> None:
    """A duplicate's alerts speak for the incident that it was merged into from now on.

    MERGED is recorded on both; this acts once, on the duplicate's. One that still fires means
    that the other has not recovered either.
    """
    if entry.data["from"] != incident.pk:
        return
    into = Incident.objects.get(pk=entry.data["into"])
    moved = list(Alert.objects.filter(incident=incident).values_list("pk", "status"))
    fires = any(status == Alert.Status.FIRING for _, status in moved)
    if moved:
        _move([pk for pk, _ in moved], incident, into)
    if fires and into.is_open and into.recovered_at is not None:
        core.relapse(into, summary=f"An alert of {incident.reference} is still firing.")


def bring_alerts_back(_entry: TimelineEntry, incident: Incident) -> None:
    """It was no duplicate after all: the alerts that went with it speak for it again."""
    gone = TimelineEntry.objects.filter(kind=Kind.ALERT_ATTACHED, data__from=incident.pk)
    last = gone.select_related("incident").order_by("-pk").first()
    if last is None:
        return
    there = Alert.objects.filter(pk__in=last.data["alerts"], incident=last.incident)
    if back := list(there.values_list("pk", flat=True)):
        _move(back, last.incident, incident)


def _move(alerts: list[int], start: Incident, to: Incident) -> None:
    Alert.objects.filter(pk__in=alerts, incident=start).update(incident=to)
    alone = len(alerts) == 1
    core.record(
        to,
        Kind.ALERT_ATTACHED,
        summary=f"{'An alert' if alone else f'{len(alerts)} alerts'} of {start.reference} "
        f"{'belongs' if alone else 'belong'} to this incident now.",
        data={"from": start.pk, "alerts": alerts},
    )
