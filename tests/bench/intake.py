"""How many alerts a second are taken in, durably: `python -m tests.bench.intake`.

Against the floor, a view that inserts one row, in the same web process and the same run; load
generator, web and PostgreSQL (fsync on) share the machine. Rates are medians of the rounds. Before
the table is shown it is checked that every alert that was accepted is there with its incident,
timers and pages.
"""

import argparse
import statistics
import sys

from tests.bench.house import House, Report, house
from tests.bench.load import Outcome, request, send

BAR_RATE, BAR_SHARE, BAR_REPEATS = 150.0, 0.25, 2.0
INCOMPLETE = """
SELECT count(*) FROM alerts_alert a WHERE a.dedup_key LIKE 'bench-%' AND (a.incident_id IS NULL
  OR NOT EXISTS (SELECT 1 FROM timers_timer t WHERE t.kind = 'escalation.step'
                 AND t.subject_id = a.incident_id AND t.state = 'pending')
  OR NOT EXISTS (SELECT 1 FROM notifications_delivery d WHERE d.incident_id = a.incident_id
                 AND d.paging_epoch IS NOT NULL))
"""


def main() -> int:
    parser = argparse.ArgumentParser(prog="tests.bench.intake", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="(default 3)")
    parser.add_argument("--alerts", type=int, default=600, help="of each kind in a round")
    parser.add_argument("--connections", type=int, default=8, help="at once (default 8)")
    options = parser.parse_args()
    with house() as home:
        home.build()
        # Every alert is an incident of its own here; the storm rule has a benchmark of its own.
        home.start_web()
        rates = _rates(home, options.rounds, options.alerts, options.connections)
        return _report(home, rates, options.rounds * options.alerts)


def _rates(home: House, rounds: int, alerts: int, connections: int) -> dict[str, list[float]]:
    rates: dict[str, list[float]] = {"floor": [], "distinct": [], "repeats": []}
    path = f"/api/v1/alerts/{home.known['source_key']}/"

    def load(path: str, keys: list[str]) -> Outcome:
        bodies = [
            {"dedup_key": key, "service": "shop", "severity": "SEV1", "summary": "It is down"}
            for key in keys
        ]
        raw = [request(home.port, path, body) for body in bodies]
        return send(home.port, raw, connections=connections).require(202)

    load(path, [f"warm-{number}" for number in range(50)])
    load("/bench/floor/", [f"warm-{number}" for number in range(50)])
    for number in range(rounds):
        keys = [f"bench-{number}-{alert}" for alert in range(alerts)]
        rates["floor"].append(load("/bench/floor/", keys).rate)
        rates["distinct"].append(load(path, keys).rate)
        rates["repeats"].append(load(path, keys).rate)
    return rates


def _report(home: House, rates: dict[str, list[float]], alerts: int) -> int:
    floor, distinct, repeats = (statistics.median(rates[name]) for name in rates)
    ((stored,),) = home.ask("SELECT count(*) FROM alerts_alert WHERE dedup_key LIKE 'bench-%'")
    ((counted,),) = home.ask("SELECT sum(count) FROM alerts_alert WHERE dedup_key LIKE 'bench-%'")
    ((incomplete,),) = home.ask(INCOMPLETE)
    report = Report("Intake")
    report.add("A view that inserts one row", f"{floor:.0f}/s")
    report.add(
        "Distinct alerts taken in",
        f"{distinct:.0f}/s",
        f"≥ {BAR_RATE:.0f}/s",
        met=distinct >= BAR_RATE,
    )
    report.add(
        "Distinct alerts against a view that inserts one row",
        f"{distinct / floor:.0%}",
        f"≥ {BAR_SHARE:.0%}",
        met=distinct >= BAR_SHARE * floor,
    )
    report.add(
        "Repeats against distinct alerts",
        f"{repeats:.0f}/s, {repeats / distinct:.1f}×",
        f"≥ {BAR_REPEATS:.0f}×",
        met=repeats >= BAR_REPEATS * distinct,
    )
    report.add(
        "Accepted alerts without incident, timer or page",
        f"{incomplete + abs(alerts - stored) + abs(2 * alerts - counted)} of {alerts}",
        "0",
        met=incomplete == 0 and stored == alerts and counted == 2 * alerts,
    )
    return report.show()


if __name__ == "__main__":
    sys.exit(main())
