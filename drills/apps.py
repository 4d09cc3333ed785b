from django.apps import AppConfig


class DrillsConfig(AppConfig):
    """Breaks something on purpose and sees how people respond, through the very same path.

    So far: the demo, with a service that really goes down and a monitor that really notices.
    """

    name = "drills"
    verbose_name = "Drills"
