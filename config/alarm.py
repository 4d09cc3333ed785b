"""What a worker does by itself when nobody wakes it.

Its beat may have died, the broker may be away or may have forgotten everything: then the worker
hears nothing, and says nothing either. The rows are the truth, so it can look into them itself.
"""

import threading
import time
from typing import Any

from django.db import connections

from config.auditor import Auditor
from config.rounds import do_each
from incidents.notifications import tasks as outbox
from incidents.timers import tasks as timers

EVERY = 1.0  # seconds
PATIENCE = 3.0  # Beats come every second; several workers share them.


class OwnAlarm:
    """A thread that does the round of every second while no task comes in."""

    def __init__(self) -> None:
        self._heard = time.monotonic()
        self._stopped = threading.Event()
        self._auditor = Auditor()
        self._thread = threading.Thread(target=self._run, name="own-alarm", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def heard(self, **_: Any) -> None:
        """A task came in. For Celery's signals."""
        self._heard = time.monotonic()

    def stop(self) -> None:
        """Returns when the thread is gone."""
        self._stopped.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stopped.wait(EVERY):
            if time.monotonic() - self._heard < PATIENCE:
                continue
            do_each(timers.tick, outbox.dispatch, self._auditor.now_and_then)
        connections.close_all()
