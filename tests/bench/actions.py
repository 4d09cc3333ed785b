"""How long a day's work with action items takes: `python -m tests.bench.actions`.

On a PostgreSQL of its own: 10,000 open items over 50 teams of ten people. Measured in one process,
on the worst day there can be, when everything is overdue and nobody has heard of any of it, and on
the day after, when nothing is new; then with a tenth of the items over the same teams, which costs
as many queries. Real letters are put into the outbox; sending them is another bench.
"""

import argparse
import os
import subprocess
import sys
import time
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import django

from tests.bench.house import Report
from tests.chaos.servers import postgres

ROOT = Path(__file__).resolve().parents[2]
BAR_SECONDS = 5.0
TEAMS, PEOPLE = 50, 10
MONDAY = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


def main() -> int:
    parser = argparse.ArgumentParser(prog="tests.bench.actions", description=__doc__)
    parser.add_argument("--items", type=int, default=10_000, help="open (default 10,000)")
    parser.add_argument("--measure", action="store_true", help="this database, in this process")
    options = parser.parse_args()
    if options.measure:
        return measure(options.items)
    with postgres() as server:
        environment = {
            **os.environ,
            "DATABASE_URL": server.url,
            "DJANGO_SETTINGS_MODULE": "tests.bench.settings",
            "SECRET_KEY": "benchmarks-only",
            "SMTP_HOST": "mail.example.org",
            "LOG_LEVEL": "ERROR",
        }
        wanted = ["-m", "tests.bench.actions", "--measure", "--items", str(options.items)]
        for argv in [["manage.py", "migrate", "-v", "0"], wanted]:
            command = [sys.executable, *argv]
            if code := subprocess.run(command, env=environment, cwd=ROOT, check=False).returncode:
                return code
    return 0


def measure(items: int) -> int:
    django.setup()
    from incidents.timers import clock

    virtual = clock.VirtualClock(MONDAY)
    clock.use(virtual)
    report = Report(f"A day's work with {items:,} open action items of {TEAMS} teams")
    few, *_ = _days(virtual, items // 10)
    worst, after, told, letters = _days(virtual, items)
    for name, (seconds, _) in [("everything overdue and new", worst), ("nothing new", after)]:
        report.add(name, f"{seconds:.2f} s", f"≤ {BAR_SECONDS:.0f} s", met=seconds <= BAR_SECONDS)
    report.add("tellings, letters", f"{told:,}, {letters:,}")
    report.add(
        f"queries with {items // 10:,} and with {items:,} items",
        f"{few[1]} → {worst[1]}",
        "the same",
        met=few[1] == worst[1],
    )
    return report.show()


def _days(virtual: Any, items: int) -> tuple[tuple[float, int], tuple[float, int], int, int]:
    """The worst day and the day after, in seconds and queries; what was told, by how many letters.

    The rows are gone afterwards.
    """
    from django.db import connection, transaction

    from incidents.notifications.models import Delivery
    from incidents.reviews.models import Telling

    with transaction.atomic():
        _plant(items)
        connection.cursor().execute("ANALYZE")
        virtual.at = MONDAY
        worst = _tick()
        told, letters = Telling.objects.count(), Delivery.objects.count()
        virtual.forward(days=1)
        after = _tick()
        transaction.set_rollback(True)
    return worst, after, told, letters


def _tick() -> tuple[float, int]:
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    from incidents.timers import engine

    began = time.perf_counter()
    with CaptureQueriesContext(connection) as captured:
        claimed = engine.tick()
    seconds = time.perf_counter() - began
    if claimed != TEAMS:
        raise RuntimeError(f"{claimed} timers were due, not {TEAMS}.")
    return seconds, len(captured)


def _plant(items: int) -> None:
    from incidents.core import services as core
    from incidents.core.models import Membership, Service, Team, User
    from incidents.reviews.models import ActionItem
    from incidents.timers import services as timers
    from incidents.timers.models import Timer

    Timer.objects.all().delete()
    User.objects.create(username="root", is_superuser=True, email="root@example.org")
    for number in range(TEAMS):
        team = Team.objects.create(name=f"Team {number}", slug=f"team-{number}")
        people = User.objects.bulk_create(
            User(username=f"p{number}-{n}", email=f"p{number}-{n}@example.org")
            for n in range(PEOPLE)
        )
        Membership.objects.bulk_create(
            Membership(team=team, user=user, role="responder" if n else "manager")
            for n, user in enumerate(people)
        )
        service = Service.objects.create(name=f"S{number}", slug=f"s{number}", team=team)
        incident = core.declare(title="Down", service=service, severity="SEV4")
        ActionItem.objects.bulk_create(
            ActionItem(
                incident=incident,
                team=team,
                service=service,
                title=f"Something to be done, number {n}",
                owner=people[n % PEOPLE],
                due_on=date(2026, 2, 2) + timedelta(days=n % 20),
                created_at=MONDAY,
            )
            for n in range(items // TEAMS)
        )
        Timer.objects.exclude(kind="reviews.action_items").delete()
        timers.schedule("reviews.action_items", team, due_at=MONDAY, payload={"week": "2026-W09"})


if __name__ == "__main__":
    sys.exit(main())
