"""Time went on while the backup lay on its shelf: what is still sent, and what happens next.

A page that nobody could have waited for is not sent. Incidents that were open go on from their
next step: its timer is due, and the clock takes it as soon as Tocsin runs.
"""

from django.db import transaction

from incidents.core.models import Incident
from incidents.notifications.models import Delivery
from incidents.notifications.outbox import ending
from incidents.timers import clock
from incidents.timers.models import Timer

SHOWN = 10


@transaction.atomic
def drop_what_is_too_late(taken_at: str) -> int:
    """Deliveries that were to be given up by now are not sent; returns how many."""
    now = clock.now()
    late = Delivery.objects.alive().filter(give_up_at__lte=now)
    reason = f"Restored from the backup of {taken_at}; by then it was too late to send it."
    return late.update(**ending(Delivery.State.CANCELLED, now=now, reason=reason))


def what_goes_on() -> list[str]:
    """One sentence for each thing that happens by itself from now on."""
    told = []
    waiting = Delivery.objects.alive().count()
    if waiting:
        told.append(f"Waiting to leave as soon as Tocsin runs: {waiting}.")
    going = list(Incident.objects.without_canary().open().order_by("severity", "declared_at"))
    if not going:
        return [*told, "No incident is open."]
    names = "; ".join(_next_of(incident) for incident in going[:SHOWN])
    more = f"; and {len(going) - SHOWN} more" if len(going) > SHOWN else ""
    verb = "1 open incident goes on" if len(going) == 1 else f"{len(going)} open incidents go on"
    return [*told, f"{verb}: {names}{more}."]


def _next_of(incident: Incident) -> str:
    timer = Timer.objects.pending().of(incident).order_by("due_at").first()
    held = "acknowledged" if incident.is_acknowledged else "nobody has it"
    what = f"{incident.reference} {incident.severity} ({held}"
    if timer is None:
        return f"{what})"
    when = "at once" if timer.due_at <= clock.now() else f"{timer.due_at:%Y-%m-%d %H:%M} UTC"
    return f"{what}; next step {when})"
