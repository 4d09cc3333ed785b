"""The last requests of every source and what became of each: for people who wonder what arrives."""

import atexit
import logging
import threading
from collections import defaultdict, deque
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import connections
from django.db.models import Count

from incidents.alerts.models import IntakeRequest, Source
from incidents.alerts.services.declaring import Receipt
from incidents.timers import clock, rows

logger = logging.getLogger(__name__)

type Note = dict[str, Any]

KEPT = 50
LONGEST_BODY = 2_000
WRITTEN_EVERY = 0.5  # seconds


def log_request(
    source: Source,
    *,
    status: int,
    body: str,
    receipt: Receipt | None = None,
    problem: str = "",
    at: datetime | None = None,
) -> None:
    """Note one request, after whatever it led to was committed. Never raises.

    The web process writes its notes down together, twice a second: nothing depends on them, and a
    storm shall not wait for them.
    """
    try:
        note: Note = {
            "source_id": source.pk,
            "at": at or clock.now(),
            "status": status,
            "outcome": receipt.action if receipt else IntakeRequest.Outcome.REFUSED,
            "dedup_key": receipt.dedup_key if receipt else "",
            "incident_id": receipt.incident.pk if receipt and receipt.incident else None,
            "problem": problem[:LONGEST_BODY],
            "body": body[:LONGEST_BODY],
        }
        if settings.PROCESS == "web":
            _notes.add(note)
        else:
            rows.insert([IntakeRequest(**note)])
    except Exception:
        logger.exception("Unable to write down a request of the source %s", source.pk)


class Notes:
    """What was noted and not written down yet: of every source the last fifty, which is all that
    is ever shown. One thread writes; it ends with the process."""

    def __init__(self) -> None:
        self._waiting: dict[int, deque[Note]] = defaultdict(lambda: deque(maxlen=KEPT))
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def add(self, note: Note) -> None:
        with self._lock:
            self._waiting[note["source_id"]].append(note)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="requests", daemon=True)
                self._thread.start()

    def write(self) -> int:
        """Write down what waits; returns how many notes that were."""
        with self._lock:
            notes = [note for waiting in self._waiting.values() for note in waiting]
            self._waiting.clear()
        if notes:
            notes.sort(key=lambda note: note["at"])
            rows.insert([IntakeRequest(**note) for note in notes])
        return len(notes)

    def close(self) -> None:
        """Write down the last ones."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join(timeout=2)

    def _run(self) -> None:
        while not self._stopping.wait(WRITTEN_EVERY):
            self._try_to_write()
        self._try_to_write()

    def _try_to_write(self) -> None:
        try:
            self.write()
        except Exception:
            logger.exception("Unable to write down what was requested")
        finally:
            connections.close_all()


_notes = Notes()
atexit.register(_notes.close)


def prune_requests() -> int:
    """Keep the last 50 requests of every source; returns how many are forgotten."""
    noted = IntakeRequest.objects.values_list("source", flat=True)
    full = noted.annotate(number=Count("pk")).filter(number__gt=KEPT).order_by()
    return sum(_prune(source) for source in full)


def _prune(source: int) -> int:
    noted = IntakeRequest.objects.filter(source=source)
    oldest_kept = noted.order_by("-pk").values_list("pk", flat=True)[KEPT - 1]
    return noted.filter(pk__lt=oldest_kept).delete()[0]
