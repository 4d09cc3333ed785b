from django.apps import AppConfig


class InsightsConfig(AppConfig):
    """Figures over many incidents, and whether Tocsin itself is well.

    How often, how fast, how well; the auditor, which looks at the rows of all rooms and believes no
    engine; the canary, which goes the way of a page every minute; what Prometheus is told.
    """

    name = "incidents.insights"
    label = "insights"
    verbose_name = "Insights"

    def ready(self) -> None:
        from incidents.insights import canary, similar
        from incidents.timers import engine

        engine.register(
            canary.ROUND,
            model="incidents.Incident",
            handle=engine.each(canary.page),
            label="the canary is paged, which reaches nobody",
        )
        similar.offer()
