from django.apps import AppConfig


class CommsConfig(AppConfig):
    """What people are told about an incident: updates by audience, when the next one is due.

    Knows incidents and whom they concern. Who misses an update has the next level paged; what is
    told outside is written for outside, and the public page shows nothing else.
    """

    name = "incidents.comms"
    label = "comms"
    verbose_name = "Communication"

    def ready(self) -> None:
        from incidents.comms import handlers, models, panel, pocket, receivers
        from incidents.comms.services import cadence
        from incidents.core import configuration, panels
        from incidents.timers import engine

        engine.register(
            cadence.UPDATE_DUE,
            model="incidents.Incident",
            handle=engine.each(handlers.update_due),
            label="an update is due",
        )
        receivers.connect()
        configuration.watch(
            *(models.Stakeholders, models.Stakeholders.people.through),
            *(models.StakeholderAddress, models.TeamChannel),
        )
        panels.register("incident", panel.render, order=20)
        panels.register("pocket-incident", pocket.render, order=20)
