from django.apps import AppConfig


class ReviewsConfig(AppConfig):
    """What an incident taught: the meeting, the document, and what was decided, until it is done.

    Knows incidents, who took part and what their runbooks ask for afterwards. Nothing stops when
    an incident is closed: what is due here is a timer like any other, and escalates to managers.
    """

    name = "incidents.reviews"
    label = "reviews"
    verbose_name = "Reviews"

    def ready(self) -> None:
        from incidents.core import panels
        from incidents.core import services as core
        from incidents.reviews import following, handlers, panel, receivers
        from incidents.reviews.services import reminding
        from incidents.timers import engine

        core.keep_history("reviews_revision")
        engine.register(
            reminding.REVIEW_DUE,
            model="reviews.Review",
            handle=engine.each(handlers.review_due),
            label="what is due about its review is told",
        )
        engine.register(
            reminding.STEPS_DUE,
            model="reviews.Review",
            handle=engine.each(handlers.steps_due),
            label="steps after the incident are due",
        )
        panels.register("incident", panel.render, order=25)
        panels.register("pocket-incident", panel.render_in_pocket, order=25)
        receivers.connect()
        following.connect()
