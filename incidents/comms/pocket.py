"""What a responder's phone shows of communication: what is due, and what was told."""

from django.http import HttpRequest
from django.template.loader import render_to_string
from django.urls import reverse

from incidents.comms.told import told_of
from incidents.core.models import Incident
from incidents.core.panels import Panel
from incidents.timers import clock
from incidents.timers.wording import until


def render(request: HttpRequest, incident: Incident) -> Panel | None:
    told, now = told_of(incident, judged=False), clock.now()
    if told.is_empty:
        return None
    address = reverse("move", args=[incident.reference, "publish-update"])
    context = {
        "told": told,
        "incident": incident,
        "promises": [(name, at, until(at, now)) for name, at in told.promises],
        "write": address if request.user.may_respond else "",  # type: ignore[union-attr]
    }
    return Panel("Communication", render_to_string("comms/pocket.html", context))
