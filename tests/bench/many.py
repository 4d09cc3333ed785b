"""Makes many things for a benchmark, in a process of its own: `python -m tests.bench.many …`.

`incidents NUMBER`: open incidents whose first level was asked; `history NUMBER`: so many rows that
lists have something to page through; `tick go`: an engine that begins when the file is there.
"""

import os
import sys
import time
from datetime import timedelta
from pathlib import Path

import django

django.setup()

from django.conf import settings  # noqa: E402
from django.db import transaction  # noqa: E402

from incidents.core import services as core  # noqa: E402
from incidents.core.configuration import settled  # noqa: E402
from incidents.core.models import Incident, Kind, Service, TimelineEntry  # noqa: E402
from incidents.timers import clock, engine, rows  # noqa: E402

AT_ONCE = 200


def incidents(number: int) -> None:
    """Declared by the verb, many in a transaction; of services that have none yet."""
    free = Service.objects.filter(slug__startswith="service-", incidents=None)
    services = list(free.select_related("team"))
    for start in range(0, number, AT_ONCE):
        with transaction.atomic(), settled():
            for count in range(start, min(start + AT_ONCE, number)):
                service = services[count % len(services)]
                core.declare(title=f"Outage {count}", service=service, severity="SEV1")


def history(number: int) -> None:
    """Rows without their story: what a list reads."""
    services = list(Service.objects.exclude(slug__startswith="service-").order_by("pk"))
    revision, now = core.ensure_default_runbook(), clock.now()
    have = Incident.objects.count()
    for start in range(have, number, AT_ONCE):
        made = [
            Incident(
                reference=f"OLD-{count:06}",
                title=f"Outage {count} of long ago",
                service=services[count % len(services)],
                severity=f"SEV{1 + count % 4}",
                revision=revision,
                status="investigating" if is_open(count) else "resolved",
                outcome="" if is_open(count) else "resolved",
                detected_at=now - timedelta(minutes=number - count),
                declared_at=now - timedelta(minutes=number - count),
            )
            for count in range(start, min(start + AT_ONCE, number))
        ]
        with transaction.atomic():
            rows.insert(made)
            rows.insert(
                [
                    TimelineEntry(
                        incident=one, kind=Kind.DECLARED, at=one.declared_at, summary=one.title
                    )
                    for one in made
                ]
            )


def is_open(count: int) -> bool:
    """More than a page of them among the first thousand, and few among many."""
    return count % (5 if count < 1_000 else 100) == 0


def tick(sign: str) -> None:
    """Ticks until nothing is due, as often as an engine does."""
    folder = Path(settings.DATA_DIR)
    Incident.objects.first()  # connected
    (folder / f"ready-{os.getpid()}").touch()
    while not (folder / sign).exists() and folder.exists():
        time.sleep(0.005)
    idle = 0
    while idle < 3:  # another engine may hold the last ones
        idle = 0 if engine.tick() else idle + 1
        time.sleep(0.02 if idle else 0)


if __name__ == "__main__":
    what, argument = sys.argv[1:]
    {"incidents": incidents, "history": history, "tick": tick}[what](
        int(argument) if argument.isdigit() else argument
    )
