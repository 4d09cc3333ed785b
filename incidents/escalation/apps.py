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
        calls, trigger = engine.each(handlers.make_calls), engine.each(handlers.pull_trigger)
        remind = engine.each(handlers.remind_of_roles)
        for kind, handle, label in [
            ("escalation.step", handlers.take_steps, "the next level is asked"),
            ("escalation.ticket_due", handlers.page_tickets, "it is paged, if nobody has it"),
            ("escalation.ack_expiry", expire, "the acknowledgement expires, if nothing is done"),
            ("escalation.last_resort", tell_again, "the last resort is told again"),
            # After the steps: whoever the ladder asked at the same moment is not paged twice.
            ("escalation.calls", calls, "its runbook's calls are made, unless it recovers"),
            ("escalation.trigger", trigger, "its runbook escalates: {key}"),
            ("escalation.roles", remind, "whoever has it is reminded of roles that are vacant"),
        ]:
            engine.register(kind, model="incidents.Incident", handle=handle, label=label)
        receivers.connect()
        configuration.watch(
            *(models.EscalationPolicy, models.Level, models.LevelTarget, models.PolicyAssignment)
        )
        panels.register("incident", panel.render, order=30)
        panels.register("pocket-incident", pocket.render, order=10)
        panels.register("incident", panel.render_rules, order=32)
        panels.register("pocket-incident", pocket.render_rules, order=12)
