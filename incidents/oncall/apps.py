from django.apps import AppConfig


class OncallConfig(AppConfig):
    """Who is on call at an instant: schedules with a rotation and overrides, and one pure function.

    Answers for any number of schedules at once. Knows people and teams; does not know what they
    are called for, and tells nobody.
    """

    name = "incidents.oncall"
    label = "oncall"
    verbose_name = "On call"

    def ready(self) -> None:
        from incidents.core import configuration, panels
        from incidents.oncall import models, pocket

        configuration.watch(
            *(models.Schedule, models.Rotation, models.Participant, models.Override),
            models.TeamSchedule,
        )
        panels.register("profile", pocket.render_panel, order=20)
