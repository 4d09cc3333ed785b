"""What the profile shows of a person's own addresses: whether and how pages reach them."""

from dataclasses import dataclass
from datetime import timedelta

from django.conf import settings
from django.http import HttpRequest
from django.template.loader import render_to_string

from incidents.core.models import User
from incidents.core.panels import Panel
from incidents.notifications.models import ContactMethod, Urgency
from incidents.timers.wording import span


@dataclass(frozen=True)
class Way:
    """One address of a person, and when a page goes there (empty: it does not)."""

    method: ContactMethod
    used: str


def render(request: HttpRequest, user: User) -> Panel:
    """In a constant number of queries."""
    ways = ways_of(user)
    context = {
        "ways": ways,
        "used": [way for way in ways if way.used],
        "account_email": user.email if settings.SMTP_HOST and not _usable(ways) else "",
    }
    html = render_to_string("notifications/reached.html", context, request)
    return Panel("How you are reached", html)


def ways_of(user: User) -> list[Way]:
    """Every address that was not removed, in the order in which they are tried."""
    methods = ContactMethod.objects.filter(user=user, is_active=True).order_by("position", "pk")
    routes = ContactMethod.objects.routes_of([user], Urgency.PAGE).get(user.pk, [])
    place = {route.method_id: n for n, route in enumerate(routes)}
    used = {route.method_id: when(route.delay) for route in routes}
    ways = [Way(method, used.get(method.pk, "")) for method in methods]
    return sorted(ways, key=lambda way: place.get(way.method.pk, len(place)))


def when(delay: timedelta | None) -> str:
    if delay is None:
        return "only when the others fail"
    return f"after {span(delay)}" if delay else "at once"


def _usable(ways: list[Way]) -> bool:
    return any(way.used for way in ways)
