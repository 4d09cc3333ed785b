"""What a person's page shows of the ways to reach them."""

from django.http import HttpRequest
from django.template.loader import render_to_string

from incidents.core.models import User
from incidents.core.panels import Panel
from incidents.notifications.models import ContactMethod, Urgency


def render(_request: HttpRequest, user: User) -> Panel:
    """Whether a page would arrive, and where; addresses are masked."""
    context = {
        "person": user,
        "ways": ContactMethod.objects.routes_of([user], Urgency.PAGE).get(user.pk, []),
        "methods": ContactMethod.objects.filter(user=user, is_active=True).order_by("position"),
    }
    return Panel("How to reach them", render_to_string("notifications/person.html", context))
