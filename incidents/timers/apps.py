from django.apps import AppConfig


class TimersConfig(AppConfig):
    """The only clock: what will happen by itself, when, and the engine that makes it happen.

    Knows no other room. The others register a handler for each kind of timer and schedule rows.
    """

    name = "incidents.timers"
    label = "timers"
    verbose_name = "What happens next"
