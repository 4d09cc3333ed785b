"""How long an audit takes: `python -m tests.bench.audit`.

On a PostgreSQL of its own, filled with demo data (minutes), or with `--database URL` on that one as
it is. Measured in one process: an audit of everything there ever was (`manage.py audit`) and one
as it is made each minute, the median of 20 each; beside them one query of one row.
"""

import argparse
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path

import django
from rich.console import Console

from tests.chaos.servers import postgres
from tests.proof.report import note

ROOT = Path(__file__).resolve().parents[2]
BUDGET_MS = 200
REPEATS = 20


def main() -> int:
    parser = argparse.ArgumentParser(prog="tests.bench.audit", description=__doc__)
    parser.add_argument("--incidents", type=int, default=1_500, help="of the demo data")
    parser.add_argument("--database", default="", help="postgres://… with demo data in it")
    parser.add_argument("--measure", action="store_true", help="this database, in this process")
    options = parser.parse_args()
    if options.measure:
        return measure()
    with ExitStack() as things:
        url = options.database or things.enter_context(postgres()).url
        environment = {
            **os.environ,
            "DATABASE_URL": url,
            "DJANGO_SETTINGS_MODULE": "config.settings",
            "LOG_LEVEL": "ERROR",
        }

        def run(*argv: str) -> int:
            command = [sys.executable, *argv]
            return subprocess.run(command, env=environment, cwd=ROOT, check=False).returncode

        if not options.database:
            many = str(options.incidents)
            if failed := run("manage.py", "demo_data", "--incidents", many):
                return failed
            run("manage.py", "clock", "--once")  # what is due now is not late
        return run("-m", "tests.bench.audit", "--measure")


def measure() -> int:
    django.setup()
    # After setup, as these read the settings.
    from django.db import connection

    from incidents.core.models import Incident, TimelineEntry
    from incidents.insights.audit.kinds import Scope
    from incidents.insights.audit.run import audit
    from incidents.timers import clock

    entries = TimelineEntry.objects.count()
    # As many as come in ten minutes of a bad day.
    newest = list(TimelineEntry.objects.order_by("-pk").values_list("pk", flat=True)[:200])[-1]
    late = timedelta(days=1)

    def one_row() -> None:
        Incident.objects.values_list("pk").first()

    floor = median(one_row)
    whole = median(lambda: audit(Scope(clock.now(), late=late)))
    minute = median(lambda: audit(Scope(clock.now(), since=newest, late=late)))
    found = audit(Scope(clock.now(), late=late)).findings
    where = f"{Incident.objects.count()} incidents, {entries} entries, {connection.vendor}"
    say = Console(highlight=False).print
    say(f"{where}; findings: {len(found)}")
    for name, took in [("one row", floor), ("each minute", minute), ("everything", whole)]:
        say(f"{name:>12}: {took:7.1f} ms, {took / floor:6.0f} × one row")
    bar = f"≤ {BUDGET_MS} ms"
    note(f"An audit of everything ({where})", f"{whole:.0f} ms", bar, met=whole <= BUDGET_MS)
    note("An audit as made each minute", f"{minute:.0f} ms", bar, met=minute <= BUDGET_MS)
    return int(max(whole, minute) > BUDGET_MS or bool(found))


def median(work: Callable[[], object]) -> float:
    """Milliseconds."""
    took = []
    for _ in range(REPEATS):
        began = time.perf_counter()
        work()
        took.append((time.perf_counter() - began) * 1000)
    return statistics.median(took)


if __name__ == "__main__":
    sys.exit(main())
