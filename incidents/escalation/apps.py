from django.apps import AppConfig


class EscalationConfig(AppConfig):
    """Who is asked, when, and what happens if they do not answer.

    Every open incident that nobody has acknowledged has a next step with a due time here; when
    there is nobody left to ask, the last resort is told, again and again.
    """

    name = "incidents.escalation"
    label = "escalation"
    verbose_name = "Escalation"

    def ready(self) -> None:
        from incidents.core import configuration, panels
        from incidents.escalation import handlers, models, panel, pocket, receivers
        from incidents.timers import engine

        expire = engine.each(handlers.expire_acknowledgement)
        tell_again = engine.each(handlers.tell_last_resort_again)
        for kind, handle, label in [
            ("escalation.step", handlers.take_steps, "the next level is asked"),
            ("escalation.ticket_due", handlers.page_tickets, "it is paged, if nobody has it"),
            ("escalation.ack_expiry", expire, "the acknowledgement expires, if nothing is done"),
            ("escalation.last_resort", tell_again, "the last resort is told again"),
        ]:
            engine.register(kind, model="incidents.Incident", handle=handle, label=label)
        receivers.connect()
        configuration.watch(
            *(models.EscalationPolicy, models.Level, models.LevelTarget, models.PolicyAssignment)
        )
        panels.register("incident", panel.render, order=30)
        panels.register("pocket-incident", pocket.render, order=10)
