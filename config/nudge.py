"""Makes pages leave at once instead of at the next second. A hint: losing it costs that second."""

import logging
import time

from django.conf import settings
from django.db import connection, transaction
from kombu.exceptions import OperationalError

from config.celery import app
from incidents.core.models import Incident, Kind, TimelineEntry

logger = logging.getLogger(__name__)

KINDS = {Kind.PAGED, Kind.EXHAUSTED, Kind.TICKETED}
# A broker that is away may cost one request two seconds, not every request.
PAUSE_AFTER_FAILURE = 10.0
_silent_until = 0.0


def after_commit(_entry: TimelineEntry, _incident: Incident) -> None:
    """Receiver of core's signal: ask the workers to look into the outbox when this is committed."""
    # The in-memory broker is heard in the worker's own process only.
    if (settings.REDIS_URL or settings.PROCESS == "worker") and not _is_asked():
        transaction.on_commit(_nudge, robust=True)


def _is_asked() -> bool:
    """Whether this transaction will do so already, unless what is written now is undone as well."""
    ours = set(connection.savepoint_ids)
    return any(hook[1] is _nudge and hook[0] <= ours for hook in connection.run_on_commit)


def _nudge() -> None:
    global _silent_until  # noqa: PLW0603
    if time.monotonic() < _silent_until:
        return
    try:
        app.send_task(
            "incidents.notifications.tasks.dispatch", queue="outbox", expires=5, retry=False
        )
    except OperationalError as error:
        _silent_until = time.monotonic() + PAUSE_AFTER_FAILURE
        logger.warning("Unable to reach the broker; the next second's tick will do: %r", error)
