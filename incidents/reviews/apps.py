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
        from incidents.core import services as core
        from incidents.reviews import following

        core.keep_history("reviews_revision")
        following.connect()
