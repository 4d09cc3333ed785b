"""The auditor in a process whose loop has no time for it."""

import logging
import threading
import time

from django.db import connections

from incidents.insights import services as insights

logger = logging.getLogger(__name__)

EVERY_SECONDS = 20.0


class Auditor:
    """Lets the auditor look now and then, in a thread of its own: pages do not wait for it.

    It looks once a minute, whichever process asks first. The first time only after a while: what
    was due while nothing ran is to happen first.
    """

    def __init__(self) -> None:
        self._last = time.monotonic()
        self._thread: threading.Thread | None = None

    def now_and_then(self) -> None:
        """To be called all the time; returns at once."""
        at_work = self._thread is not None and self._thread.is_alive()
        if at_work or time.monotonic() - self._last < EVERY_SECONDS:
            return
        self._last = time.monotonic()
        self._thread = threading.Thread(target=_look, name="auditor", daemon=True)
        self._thread.start()


def _look() -> None:
    try:
        insights.look()
    except Exception:
        logger.exception("Unable to audit; trying again")
    finally:
        connections.close_all()
