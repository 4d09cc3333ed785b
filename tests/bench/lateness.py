"""How late a page leaves: `python -m tests.bench.lateness`.

From the moment it is due to its arrival at the provider, by the clock of this machine. Real
processes as `manage.py up` starts them: web, worker, clock, with PostgreSQL (fsync on) and Redis.
First a steady 100 incidents a minute, each paged when its alert comes in; then 100, and 1,000,
incidents whose first level's time is up at the same instant. Each is of another service, or one
page would name several of them.
"""

import argparse
import sys
import time
from datetime import datetime

from tests.bench.house import House, Report, house, percentile
from tests.bench.load import request, send
from tests.chaos.servers import eventually

LONG_AGO = 3_600.0
FIRST = """
SELECT d.id::text, d.due_at FROM notifications_delivery d
WHERE d.cause LIKE 'page:%.1.1' AND d.created_at > %s
"""
SECOND = """
SELECT d.id::text, t.due_at FROM notifications_delivery d
JOIN timers_timer t ON t.subject_id = d.incident_id AND t.kind = 'escalation.step'
  AND t.state = 'done' WHERE d.cause LIKE 'page:%.1.2' AND d.created_at > %s
"""
UNSENT = """
SELECT count(*) FROM notifications_delivery WHERE state IN ('pending', 'sending')
"""
TOGETHER = """
UPDATE timers_timer SET due_at = now() + interval '2 seconds'
WHERE kind = 'escalation.step' AND state = 'pending'
  AND scheduled_at > now() - interval '10 minutes' AND due_at > now()
  AND subject_id IN (SELECT id FROM incidents_incident WHERE title LIKE 'Outage %')
"""


def main() -> int:
    parser = argparse.ArgumentParser(prog="tests.bench.lateness", description=__doc__)
    parser.add_argument("--minutes", type=float, default=2.0, help="of the steady load (default 2)")
    parser.add_argument("--at-once", type=int, nargs="*", default=[100, 1_000])
    options = parser.parse_args()
    report = Report("Lateness, from due to the provider")
    with house(with_redis=True) as home:
        home.build(timeout=LONG_AGO)
        home.start_web()
        for kind in ["worker", "clock"]:
            home.start_worker(kind)
        time.sleep(5)
        _add(report, "100 incidents a minute", _steady(home, options.minutes), 0.7, 2.0)
        for number in options.at_once:
            late = _at_once(home, number)
            _add(report, f"{number:,} levels at once", late, None, 2.0 if number <= 100 else 5.0)
    return report.show()


def _add(report: Report, what: str, late: list[float], p50: float | None, p99: float) -> None:
    half, most = percentile(late, 0.5), percentile(late, 0.99)
    bar = "" if p50 is None else f"≤ {p50} s"
    met = None if p50 is None else half <= p50
    report.add(f"{what}: p50 of {len(late)}", f"{half:.2f} s", bar, met=met)
    figure = f"{most:.2f} s (max {max(late):.2f})"
    report.add(f"{what}: p99", figure, f"≤ {p99:.0f} s", met=most <= p99)


def _steady(home: House, minutes: float) -> list[float]:
    began, number = _now(home), max(1, round(100 * minutes))
    before = len(home.wire.ledger)
    path = f"/api/v1/alerts/{home.known['source_key']}/"
    raw = [
        request(
            home.port,
            path,
            {"dedup_key": f"steady-{n}", "service": f"service-{n}", "summary": "Down"},
        )
        for n in range(number)
    ]
    send(home.port, raw, connections=4, rate=100 / 60).require(202)
    return _lateness(home, FIRST, began, number, before)


def _at_once(home: House, number: int) -> list[float]:
    """Their first pages have left; then the time to answer is up for all of them together."""
    home.run("-m", "tests.bench.many", "incidents", str(number))
    eventually(lambda: home.ask(UNSENT) == [(0,)], within=120, every=0.5)
    began, before = _now(home), len(home.wire.ledger)
    home.do(TOGETHER)
    late = _lateness(home, SECOND, began, number, before)
    home.do("UPDATE incidents_incident SET title = 'Past' WHERE title LIKE 'Outage %'")
    return late


def _lateness(home: House, sql: str, began: datetime, number: int, before: int) -> list[float]:
    """Seconds, for each page that is due since `began`; waits for all of them to arrive."""

    def due() -> list[tuple[str, datetime]]:
        return [(row[0], row[1]) for row in home.ask(sql.replace("%s", f"'{began.isoformat()}'"))]

    def arrived() -> dict[str, float]:
        calls = list(home.wire.ledger)
        return {call.headers["webhook-id"]: call.at for call in reversed(calls)}

    # The wire is watched meanwhile and not the database: to be asked would cost it time.
    eventually(lambda: len(home.wire.ledger) >= before + number, within=120, every=0.2)
    eventually(lambda: len(due()) >= number, within=120, every=0.5)
    pages = due()
    eventually(lambda: {pk for pk, _ in pages} <= arrived().keys(), within=120, every=0.5)
    times = arrived()
    return [times[pk] - due_at.timestamp() for pk, due_at in pages]


def _now(home: House) -> datetime:
    return home.ask("SELECT clock_timestamp()")[0][0]


if __name__ == "__main__":
    sys.exit(main())
