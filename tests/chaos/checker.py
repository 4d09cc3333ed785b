"""What became of what was promised: `python -m tests.chaos.checker HISTORY DATABASE_URL`.

Read-only, and apart from what it judges: it knows the history that the outside kept, and SQL. It
asks what only somebody with such a history can: is every accepted signal there, was every incident
brought to somebody, did two calls ever carry different keys for the same thing, was a page ever
claimed by a transaction that committed after the acknowledgement's. Exit code 1 if anything is
wrong.
"""

import math
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
from psycopg.rows import DictRow, dict_row

from tests.chaos.history import read

DELIVERIES = """
SELECT d.id::text AS key, i.reference AS incident, d.recipient_key, d.cause, d.address, d.state,
       extract(epoch FROM d.due_at)::float AS due, d.paging_epoch
  FROM notifications_delivery d JOIN incidents_incident i ON i.id = d.incident_id
 WHERE d.urgency = 'page'
"""
CLAIMS = """
SELECT delivery::text AS key, extract(epoch FROM pg_xact_commit_timestamp(xid))::float AS at
  FROM chaos_witness WHERE what = 'claim' ORDER BY 2
"""
CLAIMED_TOO_LATE = """
SELECT i.reference AS incident, c.delivery::text AS key
  FROM chaos_witness c
  JOIN chaos_witness t ON t.incident = c.incident AND t.epoch = c.epoch AND t.what = 'taken'
  JOIN incidents_incident i ON i.id = c.incident
 WHERE c.what = 'claim' AND pg_xact_commit_timestamp(c.xid) > pg_xact_commit_timestamp(t.xid)
"""
STORED = """
SELECT a.dedup_key, i.reference AS incident
  FROM alerts_alert a LEFT JOIN incidents_incident i ON i.id = a.incident_id
"""
TWICE = """
SELECT d.incident_id, d.cause, d.address, count(*) FROM notifications_delivery d
 GROUP BY 1, 2, 3, d.recipient_key HAVING count(*) > 1
"""


@dataclass
class Verdict:
    """`faults` is empty when nothing is wrong. Times in seconds, one for each first call."""

    faults: list[str] = field(default_factory=list)
    accepted: int = 0
    calls: int = 0
    keys: int = 0
    kills: int = 0
    lateness: list[float] = field(default_factory=list)  # from due to the wire
    claim_to_wire: list[float] = field(default_factory=list)  # of every call
    lost: int = 0

    @property
    def repeats(self) -> int:
        return self.calls - self.keys

    def __str__(self) -> str:
        return (
            f"{self.accepted} accepted, {self.lost} lost, {self.calls} calls, {self.repeats} "
            f"repeated under their key, {self.kills} kills, "
            f"latest {max(self.lateness, default=0):.1f} s"
        )


def check(history: Path, url: str) -> Verdict:
    verdict, lines = Verdict(), list(read(history))
    options = "-c default_transaction_read_only=on"
    with psycopg.connect(url, autocommit=True, options=options, row_factory=dict_row) as database:
        deliveries = {row["key"]: row for row in database.execute(DELIVERIES)}
        verdict.kills = sum(line["what"] == "fault" and line["fault"] == "kill" for line in lines)
        _judge_signals(verdict, lines, database)
        _judge_pages(verdict, lines, deliveries)
        _judge_calls(verdict, lines, deliveries, database)
        for row in database.execute(CLAIMED_TOO_LATE):
            verdict.faults.append(f"{row['incident']}: a page was claimed after it was taken")
        for row in database.execute(TWICE):
            verdict.faults.append(f"Two keys for one message: {row}")
    return verdict


def _of(lines: list[dict[str, Any]], what: str) -> Iterator[dict[str, Any]]:
    return (line for line in lines if line["what"] == what)


def _judge_signals(verdict: Verdict, lines: list[dict[str, Any]], database: Any) -> None:
    """Accepted means durable: every 202 is there, and belongs to the incident it named."""
    stored: dict[str, set[str | None]] = defaultdict(set)
    for row in database.execute(STORED):
        stored[row["dedup_key"]].add(row["incident"])
    for line in _of(lines, "accepted"):
        verdict.accepted += 1
        if line["incident"] not in stored[line["dedup_key"]]:
            verdict.lost += 1
            verdict.faults.append(f"Accepted and lost: {line}")


def _judge_pages(
    verdict: Verdict, lines: list[dict[str, Any]], deliveries: dict[str, DictRow]
) -> None:
    """Every incident was brought to somebody, unless somebody took it before."""
    called = {line["incident"] for line in _of(lines, "call")}
    taken = {line["incident"] for line in _of(lines, "acknowledged")}
    declared = {line["incident"] for line in _of(lines, "accepted")} - {None}
    silent = declared - called - taken
    verdict.lost += len(silent)
    verdict.faults += [f"{incident}: nobody was ever called" for incident in sorted(silent)]
    for row in deliveries.values():
        if row["state"] in {"pending", "sending"} and row["incident"] in silent:
            verdict.faults.append(f"{row['incident']}: a page is still {row['state']}")


def _judge_calls(
    verdict: Verdict, lines: list[dict[str, Any]], deliveries: dict[str, DictRow], database: Any
) -> None:
    claims: dict[str, list[float]] = defaultdict(list)
    for row in database.execute(CLAIMS):
        claims[row["key"]].append(row["at"])
    seen: Counter[str] = Counter()
    for line in _of(lines, "call"):
        key, delivery = line["key"], deliveries.get(line["key"])
        if delivery is None:
            continue  # Not a page: who has it, that it is over.
        if key not in seen:
            verdict.lateness.append(line["at"] - delivery["due"])
        seen[key] += 1
        if before := [at for at in claims[key] if at <= line["at"]]:
            verdict.claim_to_wire.append(line["at"] - before[-1])
        else:
            verdict.faults.append(f"{line['incident']}: called without a claim ({key})")
    verdict.calls, verdict.keys = seen.total(), len(seen)


def percentile(figures: Sequence[float], share: float) -> float:
    """The figure that this share of all does not exceed; 0 where there is none."""
    ordered = sorted(figures)
    return ordered[max(math.ceil(share * len(ordered)) - 1, 0)] if ordered else 0.0


def main(history: str, url: str) -> int:
    verdict = check(Path(history), url)
    sys.stdout.write("\n".join([str(verdict), *verdict.faults]) + "\n")
    return bool(verdict.faults)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
