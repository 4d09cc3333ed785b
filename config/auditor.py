"""The auditor, and the housekeeping, in a process whose loop has no time for them."""

import threading
import time

from django.db import connections

from config.rounds import Housekeeping, do_each
from incidents.insights import services as insights

EVERY_SECONDS = 20.0


class Auditor:
    """Lets the auditor look now and then, in a thread of its own: pages do not wait for it.

    It looks once a minute, whichever process asks first. The first time only after a while: what
    was due while nothing ran is to happen first. What is old is forgotten in the same thread.
    """

    def __init__(self) -> None:
        self._last = time.monotonic()
        self._thread: threading.Thread | None = None
        self._housekeeping = Housekeeping()

    def now_and_then(self) -> None:
        """To be called all the time; returns at once."""
        at_work = self._thread is not None and self._thread.is_alive()
        if at_work or time.monotonic() - self._last < EVERY_SECONDS:
            return
        self._last = time.monotonic()
        self._thread = threading.Thread(target=self._work, name="auditor", daemon=True)
        self._thread.start()

    def _work(self) -> None:
        try:
            do_each(insights.look, self._housekeeping.do_what_is_due)
        finally:
            connections.close_all()
