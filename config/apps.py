from django.apps import AppConfig


class ConfigConfig(AppConfig):
    """Puts the rooms together: URLs, the API, what happens periodically, the processes.

    May import every room; no room imports it.
    """

    name = "config"
