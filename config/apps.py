import gc

from django.apps import AppConfig
from django.contrib.admin import apps as admin


class ConfigConfig(AppConfig):
    """Puts the rooms together: URLs, the API, what happens periodically, the processes.

    May import every room; no room imports it.
    """

    name = "config"
    default = True

    def ready(self) -> None:
        gc.freeze()  # What is loaded by now stays: no collection needs to look at it again.
        gc.enable()
        from config import doctor, nudge, page_me
        from incidents.core.models import Kind
        from incidents.core.signals import entry_recorded
        from incidents.timers import engine

        # Essential only in name, to spare a savepoint per entry: it registers on_commit.
        entry_recorded.connect(nudge.after_commit, kinds=nudge.KINDS, essential=True)
        entry_recorded.connect(page_me.end_soon, kinds={Kind.ACKNOWLEDGED})
        for kind, model, handle, label in [
            (page_me.END, "incidents.Incident", page_me.end_test, "the test of the pager ends"),
            (doctor.PROBE, "incidents.Organisation", doctor.hear, "the doctor listens"),
        ]:
            engine.register(kind, model=model, handle=engine.each(handle), label=label)


class HouseAdminConfig(admin.AdminConfig):
    """Django's admin, with the house's own site."""

    default = False
    default_site = "config.site.HouseSite"
