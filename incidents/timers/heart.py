"""How one sees from outside that the engines run: each writes down that it does, now and then.

Cheap (one write in three seconds for each engine of a process) and harmless: whatever goes wrong
here is logged, and the engine goes on. Two beats may be missed before an engine is taken for dead;
`/health/engine` says so within 15 seconds of its death.
"""

import logging
import os
import socket
import time
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Count, Max, Q

from incidents.timers import clock
from incidents.timers.models import Heartbeat

logger = logging.getLogger(__name__)

ENGINES = ("clock", "outbox")
EVERY = 3.0  # seconds
FRESH = timedelta(seconds=10)
FORGOTTEN = timedelta(days=1)

_is_beating = False
_last: dict[str, float] = {}


@dataclass(frozen=True)
class Pulse:
    """One engine, in whatever processes it runs: when it was last heard of, and in how many."""

    name: str
    last_at: datetime | None
    processes: int

    @property
    def is_alive(self) -> bool:
        return self.processes > 0


def begin() -> None:
    """This process is there to run engines (`manage.py worker`, `clock`): from now on it says so.

    A shell or a test that calls an engine once is no sign of life.
    """
    global _is_beating  # noqa: PLW0603
    _is_beating = True


def beat(name: str) -> None:
    """The engine `name` is alive in this process. Called by the engine itself, every time."""
    now = time.monotonic()
    if not _is_beating or now - _last.get(name, -EVERY) < EVERY:
        return
    _last[name] = now
    try:
        with transaction.atomic():
            Heartbeat.objects.bulk_create(
                [Heartbeat(name=name, process=_process(), at=clock.now())],
                update_conflicts=True,
                unique_fields=["name", "process"],
                update_fields=["at"],
            )
    except Exception:
        logger.warning("Unable to write down that %s is alive", name, exc_info=True)


def alive(now: datetime) -> dict[str, Pulse]:
    """Every engine by its name, also those of which nothing was heard; one query."""
    of_engines = Heartbeat.objects.filter(name__in=ENGINES).order_by().values_list("name")
    fresh = Count("pk", filter=Q(at__gte=now - FRESH))
    rows = of_engines.annotate(last=Max("at"), fresh=fresh)
    heard = {name: Pulse(name, last, many) for name, last, many in rows}
    return {name: heard.get(name, Pulse(name, None, 0)) for name in ENGINES}


def prune() -> int:
    """Forget processes of which nothing was heard for a day."""
    return Heartbeat.objects.filter(at__lt=clock.now() - FORGOTTEN).delete()[0]


def _process() -> str:
    return f"{socket.gethostname()}:{os.getpid()}"[:120]
