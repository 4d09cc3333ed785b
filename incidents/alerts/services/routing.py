"""Which service an alert is about."""

from django.db import transaction
from django.db.models import QuerySet

from incidents.alerts.models import Source
from incidents.core.configuration import remembered
from incidents.core.models import Service, Team


def route(source: Source, named: str) -> tuple[Service, list[str]]:
    """The service that an alert naming `named` is about, and what a reader should know of that.

    Nothing is dropped: what names no known service goes to the source's, else to the catch-all,
    else to a service "Unrouted" that is made for it.
    """
    if named:
        service = _service_called(named.lower())
        if service is not None:
            return service, []
    own = source.service if source.service and source.service.is_active else None
    fallback = own or _catch_all() or unrouted()
    if not named:
        return fallback, []
    return fallback, [f"There is no service {named!r}: taken by {fallback.name}."]


@remembered
def _service_called(slug: str) -> Service | None:
    return _services().filter(slug=slug).first()


@remembered
def _catch_all() -> Service | None:
    return _services().filter(is_catch_all=True).first()


def _services() -> QuerySet[Service]:
    return Service.objects.filter(is_active=True).select_related("team")


def unrouted() -> Service:
    """The catch-all of last resort, made at the first need: team and service "Unrouted"."""
    with transaction.atomic():
        team, _ = Team.objects.get_or_create(slug="unrouted", defaults={"name": "Unrouted"})
        service, _ = Service.objects.select_related("team").get_or_create(
            slug="unrouted",
            defaults={
                "name": "Unrouted",
                "team": team,
                "description": "Takes the alerts that name no known service. Give it a policy, "
                "or mark another service as catch-all.",
                "is_catch_all": not Service.objects.filter(is_catch_all=True).exists(),
            },
        )
    return service
