from django.apps import AppConfig


class InsightsConfig(AppConfig):
    """Figures over many incidents: how often, how fast, how well."""

    name = "incidents.insights"
    label = "insights"
    default_auto_field = "django.db.models.BigAutoField"
