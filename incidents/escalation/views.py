"""The page behind the link in a page's message: made for a phone, at night."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from incidents.core import plans
from incidents.core import services as core
from incidents.escalation import pocket, services, wording
from incidents.escalation.services.links import Invitation

STATUS_OF_GET = {"refused": 403}
STATUS_OF_POST = {"refused": 403, "resolved": 409, "outdated": 409}


# Exempt: the token is the capability. Whoever holds it may do this one thing with or without a
# session, and a foreign page that does not know it can forge nothing.
@csrf_exempt
@require_http_methods(["GET", "HEAD", "POST"])
def acknowledge(request: HttpRequest, token: str) -> HttpResponse:
    """GET shows and changes nothing, for mail scanners follow every link; POST acknowledges."""
    if request.method == "POST":
        invitation = services.answer_by_link(token)
        if invitation is not None and str(invitation.standing) not in STATUS_OF_POST:
            return _private(redirect(request.path))
        statuses = STATUS_OF_POST
    else:
        invitation, statuses = services.read_link(token), STATUS_OF_GET
    if invitation is None:
        context: dict[str, Any] = {"standing": "unknown"}
        return _private(render(request, "escalation/acknowledge.html", context, status=404))
    standing = str(invitation.standing)
    context = {"standing": standing}
    if standing != "refused":
        context |= _shown(invitation)
    status = statuses.get(standing, 200)
    return _private(render(request, "escalation/acknowledge.html", context, status=status))


def _shown(invitation: Invitation) -> dict[str, Any]:
    """What the page's message said, too, and how it stands now."""
    person, incident = invitation.page.user, invitation.incident
    next_at = pocket.next_due(incident) if str(invitation.standing) == "unanswered" else None
    return {
        "person": person,
        "incident": incident,
        "since": wording.local_time(incident.clock_starts_at, person.timezone),
        "severity": core.policy_of(incident).label,
        "type": plans.title_of_type(incident),
        "description": wording.shortened(incident.description),
        "next_at": wording.local_time(next_at, person.timezone) if next_at else "",
    }


def _private(response: HttpResponse) -> HttpResponse:
    """The address is a key: nobody keeps it, and no other site gets to see it."""
    response["Cache-Control"] = "no-store"
    response["Referrer-Policy"] = "no-referrer"
    response["X-Robots-Tag"] = "noindex"
    return response
