"""How many escalation steps a second are made: `python -m tests.bench.engine`.

Real steps: the next level is looked up, its people are paged, the timeline and the timer of the
step after it are written. Ten thousand are due at once and two engine processes make them; then
once more with a million timers pending for later. PostgreSQL with fsync on, on the same machine.
"""

import argparse
import subprocess
import sys
import time
from datetime import timedelta

from tests.bench.house import House, Report, house

BAR_RATE, BAR_GROWTH = 1_000.0, 1.2
DUE = "UPDATE timers_timer SET due_at = now() WHERE kind = 'escalation.step' AND state = 'pending'"
LEFT = "SELECT count(*) FROM timers_timer WHERE state = 'pending' AND due_at <= now()"
LATER = """
INSERT INTO timers_timer (kind, subject_type, subject_id, key, pending_key, due_at, payload, state,
  attempts, failures, scheduled_at, last_error)
SELECT 'core.target', 'incidents.incident', 1, 'later-' || n, 'later-' || n,
  now() + interval '1 day' + n * interval '1 second', '{}', 'pending', 0, 0, now(), ''
FROM generate_series(1, %d) n
"""
CONSISTENT = """
SELECT count(*) FROM incidents_incident i WHERE
  (SELECT count(*) FROM escalation_page p WHERE p.incident_id = i.id AND p.level = 2) <> 1
  OR (SELECT count(*) FROM timers_timer t WHERE t.subject_id = i.id AND t.state = 'pending'
      AND t.kind = 'escalation.step') <> 1
"""


def main() -> int:
    parser = argparse.ArgumentParser(prog="tests.bench.engine", description=__doc__)
    parser.add_argument("--steps", type=int, default=10_000, help="due at once (default 10,000)")
    parser.add_argument("--later", type=int, default=1_000_000, help="timers pending for later")
    parser.add_argument("--engines", type=int, default=2, help="processes (default 2)")
    options = parser.parse_args()
    with house() as home:
        home.build(timeout=timedelta(days=1).total_seconds())
        home.run("-m", "tests.bench.many", "incidents", str(options.steps))
        alone = _made(home, options.steps, options.engines)
        ((wrong,),) = home.ask(CONSISTENT)
        home.do(LATER % options.later)
        home.do("VACUUM ANALYZE")
        home.do("CHECKPOINT")
        crowded = _made(home, options.steps, options.engines)
    report = Report("Engine")
    report.add(
        f"Escalation steps made by {options.engines} engines",
        f"{alone:.0f}/s",
        f"≥ {BAR_RATE:,.0f}/s",
        met=alone >= BAR_RATE,
    )
    report.add(
        f"The same with {options.later:,} timers pending for later",
        f"{crowded:.0f}/s, {alone / crowded:.2f}× the time",
        f"≤ {BAR_GROWTH}×",
        met=alone <= BAR_GROWTH * crowded,
    )
    report.add(
        "Incidents without exactly one page of the level and one next step",
        f"{wrong} of {options.steps}",
        "0",
        met=wrong == 0,
    )
    return report.show()


def _made(home: House, steps: int, engines: int) -> float:
    """Steps a second, from when the first engine may begin until nothing is due any more."""
    running = [home.start("-m", "tests.bench.many", "tick", "go") for _ in range(engines)]
    _wait_until_ready(home, engines)
    home.do(DUE)
    began = time.perf_counter()
    (home.folder / "go").touch()
    for process in running:
        if process.wait(timeout=600):
            raise RuntimeError(home.log())
    seconds = time.perf_counter() - began
    (home.folder / "go").unlink()
    if home.ask(LEFT) != [(0,)]:
        raise RuntimeError("Something is still due.")
    return steps / seconds


def _wait_until_ready(home: House, engines: int) -> None:
    deadline = time.monotonic() + 120
    while len(list(home.folder.glob("ready-*"))) < engines:
        if time.monotonic() > deadline:
            raise subprocess.TimeoutExpired("engines", 120)
        time.sleep(0.05)
    for sign in home.folder.glob("ready-*"):
        sign.unlink()


if __name__ == "__main__":
    sys.exit(main())
