"""What an incident's page shows of its alerts: what fires, how often, where it came from."""

from django.http import HttpRequest
from django.template.loader import render_to_string

from incidents.alerts.models import Alert
from incidents.core.models import Incident
from incidents.core.panels import Panel

MOST_ALERTS = 50


def render(_request: HttpRequest, incident: Incident) -> Panel | None:
    """In one query, however many alerts there are."""
    newest = Alert.objects.filter(incident=incident).select_related("source").order_by("-last_at")
    alerts = list(newest[: MOST_ALERTS + 1])
    if not alerts:
        return None
    shown = alerts[:MOST_ALERTS]
    context = {"alerts": shown, "cut": len(alerts) > MOST_ALERTS, "incident": incident}
    return Panel("Alerts", render_to_string("alerts/panel.html", context))
