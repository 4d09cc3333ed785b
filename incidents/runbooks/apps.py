from django.apps import AppConfig


class RunbooksConfig(AppConfig):
    """How a team responds, as a document: reads one, says what is wrong with it, applies it.

    The shape of a document is composed of the sections that the acting rooms own; applying one
    makes a new revision through their verbs. What a runbook then makes happen is their business;
    that it is read again from time to time is this room's.
    """

    name = "incidents.runbooks"
    label = "runbooks"
    verbose_name = "Runbooks"

    def ready(self) -> None:
        from incidents.runbooks import handlers, receivers
        from incidents.runbooks.services import REVIEW_DUE
        from incidents.timers import engine

        engine.register(
            REVIEW_DUE,
            model="runbooks.Upkeep",
            handle=engine.each(handlers.ask_for_review),
            label="whoever keeps a runbook is asked to read it again",
        )
        receivers.connect()
