"""What an incident's page in the admin shows of communication, and of a draft before it is sent."""

from django.http import HttpRequest
from django.template.loader import render_to_string

from incidents.comms.told import told_of
from incidents.core.models import Incident
from incidents.core.panels import Panel
from incidents.timers import clock


def render(_request: HttpRequest, incident: Incident) -> Panel | None:
    told = told_of(incident)
    if told.is_empty:
        return None
    context = {"told": told, "incident": incident, "now": clock.now()}
    return Panel("Communication", render_to_string("comms/panel.html", context))
