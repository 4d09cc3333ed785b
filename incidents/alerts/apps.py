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
        from incidents.alerts import models, receivers
        from incidents.core import configuration
        from incidents.core.models import Kind
        from incidents.core.signals import entry_recorded

        configuration.watch(models.Source, but="last_seen_at")
        entry_recorded.connect(receivers.move_alerts_of_duplicate, kinds={Kind.MERGED})
        entry_recorded.connect(receivers.bring_alerts_back, kinds={Kind.REOPENED})
