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
        from incidents.notifications import announcing, models, panel, pocket, receivers
        from incidents.timers import engine

        receivers.connect()
        engine.register(
            announcing.GIVEN_UP,
            model="incidents.Incident",
            handle=engine.each(announcing.again),
            label="it is told once more that somebody was not reached",
        )
        configuration.watch(models.ContactMethod, models.NotificationRule)
        panels.register("user", panel.render, order=10)
        panels.register("profile", pocket.render, order=10)
