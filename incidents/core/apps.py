from django.apps import AppConfig
from django.db.models.signals import post_migrate

from incidents.core import history


class CoreConfig(AppConfig):
    """The noun of the house: incidents, with the people, teams, services and policies around them.

    Announces everything that happens to an incident as a timeline entry. Knows no other room but
    the clock.
    """

    name = "incidents.core"
    label = "incidents"
    verbose_name = "Incidents"

    def ready(self) -> None:
        from incidents.core import handlers
        from incidents.timers import engine

        post_migrate.connect(history.install_guards, sender=self)
        for kind, handle in {
            "core.target": handlers.miss_target,
            "core.snooze_end": handlers.end_snooze,
            "core.repair": handlers.repair,
        }.items():
            engine.register(kind, model="incidents.Incident", handle=engine.each(handle))
