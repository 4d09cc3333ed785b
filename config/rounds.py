"""One round of what is to be done again and again: a part that fails stops none of the others."""

import logging
import time
from collections.abc import Callable

from django.db import close_old_connections
from django.utils.module_loading import import_string

from config.celery import app

logger = logging.getLogger(__name__)


def do_each(*parts: Callable[[], object]) -> None:
    """Do all of them, in this order. What one raises is logged: the next round has to come."""
    for part in parts:
        try:
            close_old_connections()
            part()
        except Exception:
            logger.exception("Unable to do what is due; trying again")


class Housekeeping:
    """What beat has done once a minute or less often, for a loop to which no beat comes.

    Its list is beat's: `beat_schedule` in config/celery.py. That it is done twice does no harm.
    """

    def __init__(self) -> None:
        entries = app.conf.beat_schedule.values()
        every = {entry["task"]: entry["schedule"] for entry in entries}
        self._every = {task: pause for task, pause in every.items() if pause >= 60}
        self._last = dict.fromkeys(self._every, time.monotonic())

    def do_what_is_due(self) -> None:
        now = time.monotonic()
        for task, pause in self._every.items():
            if now - self._last[task] >= pause:
                self._last[task] = now
                do_each(import_string(task))
