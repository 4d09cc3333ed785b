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
        from incidents.core import configuration, handlers, models
        from incidents.timers import engine

        post_migrate.connect(history.install_guards, sender=self)
        post_migrate.connect(configuration.install_triggers, sender=self)
        configuration.watch(
            *(models.User, models.Team, models.Membership, models.Organisation, models.Service),
            *(models.RunbookRevision, models.SeverityPolicy, models.ExpectedSignal),
            models.ExpectedSignal.audience.through,
        )
        for kind, handle, label in [
            ("core.target", handlers.miss_target, "the target to {key} is missed, unless reached"),
            ("core.checklist", handlers.tell_overdue, "what is left of a checklist is overdue"),
            ("core.snooze_end", handlers.end_snooze, "the snooze ends and paging starts again"),
            ("core.repair", handlers.repair, "a reaction that failed is tried again"),
        ]:
            engine.register(
                kind, model="incidents.Incident", handle=engine.each(handle), label=label
            )
