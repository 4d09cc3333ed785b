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
        from incidents.core import panels
        from incidents.escalation import handlers, panel, receivers
        from incidents.timers import engine

        for kind, handle in {
            "escalation.step": handlers.take_steps,
            "escalation.ticket_due": handlers.page_tickets,
            "escalation.ack_expiry": engine.each(handlers.expire_acknowledgement),
            "escalation.last_resort": engine.each(handlers.tell_last_resort_again),
        }.items():
            engine.register(kind, model="incidents.Incident", handle=handle)
        receivers.connect()
        panels.register("incident", panel.render, order=30)
