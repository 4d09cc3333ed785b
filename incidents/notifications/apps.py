from django.apps import AppConfig


class NotificationsConfig(AppConfig):
    """The only way out: whom to reach where, the outbox, and the transports that empty it.

    Knows people and incidents, but not why somebody is told something: the caller brings cause,
    words and patience. A page that reached nobody is announced, and whoever asked decides.
    """

    name = "incidents.notifications"
    label = "notifications"
    verbose_name = "Notifications"

    def ready(self) -> None:
        from incidents.core import configuration, panels
        from incidents.notifications import models, panel, pocket, receivers

        receivers.connect()
        configuration.watch(models.ContactMethod, models.NotificationRule)
        panels.register("user", panel.render, order=10)
        panels.register("profile", pocket.render, order=10)
