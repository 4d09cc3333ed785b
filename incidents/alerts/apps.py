from django.apps import AppConfig


class AlertsConfig(AppConfig):
    """Everything that comes in from machines: sources, alerts, and which incident they mean.

    A request of a monitor becomes a committed incident with its first timer and pages, or an
    error; never a promise. Knows incidents; what happens to them then is not its business.
    """

    name = "incidents.alerts"
    label = "alerts"
    verbose_name = "Alerts"

    def ready(self) -> None:
        from incidents.alerts import receivers
        from incidents.core.models import Kind
        from incidents.core.signals import entry_recorded

        entry_recorded.connect(receivers.move_alerts_of_duplicate, kinds={Kind.MERGED})
