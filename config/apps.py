from django.apps import AppConfig


class ConfigConfig(AppConfig):
    """Puts the rooms together: URLs, the API, what happens periodically, the processes.

    May import every room; no room imports it.
    """

    name = "config"

    def ready(self) -> None:
        from config import nudge
        from incidents.core.signals import entry_recorded

        # Essential only in name, to spare a savepoint per entry: it registers on_commit.
        entry_recorded.connect(nudge.after_commit, kinds=nudge.KINDS, essential=True)
