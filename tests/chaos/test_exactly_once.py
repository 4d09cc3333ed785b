"""Many engines, one effect; a person and the clock at the same instant. Real processes."""

import threading
import time

import pytest

from tests.chaos.checker import check, percentile
from tests.chaos.crowd import copies
from tests.chaos.installation import Installation
from tests.chaos.servers import eventually
from tests.proof.report import note
from tests.sizes import size

pytestmark = pytest.mark.chaos

PATIENCE = 300.0
LEFT = "SELECT 1 FROM timers_timer WHERE kind = 'escalation.step' AND state = 'pending' AND {}"


def start_engines(house: Installation, workers: int) -> None:
    """So many workers, each with a beat of its own, and a clock."""
    for _ in range(workers):
        house.start("worker")
    house.start("clock")
    alive = "SELECT 1 FROM timers_heartbeat WHERE name = 'clock' HAVING count(*) > %s"
    eventually(lambda: house.ask(alive, workers), within=PATIENCE)


def test_each_of_many_due_timers_takes_effect_once(house):
    count = size(10_000, 400)
    house.start_web()
    copies(house, count, "now() + interval '1 hour'")
    start_engines(house, workers=3)
    began = time.monotonic()
    house.tell("UPDATE timers_timer SET due_at = now() WHERE kind = 'escalation.step'")

    eventually(lambda: not house.ask(LEFT.format("due_at <= now()")), within=PATIENCE, every=0.5)
    took = time.monotonic() - began

    effects = house.ask(
        "SELECT count(t.id) FROM incidents_incident i LEFT JOIN incidents_timelineentry t"
        " ON t.incident_id = i.id AND t.kind = 'escalated' WHERE NOT i.is_drill GROUP BY i.id"
    )
    twice = [number for (number,) in effects if number > 1]
    none = [number for (number,) in effects if number == 0]
    note(
        f"{len(effects)} steps due at once, 4 engines, 3 beats",
        f"{len(none)} missing, {len(twice)} twice, {len(effects) / took:.0f}/s",
        "each once",
        met=not none and not twice,
    )
    assert len(effects) >= count
    assert not none and not twice
    asked = house.ask("SELECT count(*) FROM escalation_page WHERE level = 2 GROUP BY incident_id")
    assert [number for (number,) in asked] == [1] * len(effects)


def test_an_acknowledgement_races_a_due_step(house, seed, rng):
    count, threads, pace = size(1_000, 60), 8, size(12, 6) / 100
    house.start_web()
    start_engines(house, workers=1)
    copies(house, count, f"now() + interval '6 s' + copy.number * interval '{pace} s'")
    due = house.ask(
        "SELECT i.reference, extract(epoch FROM t.due_at)::float FROM timers_timer t "
        "JOIN incidents_incident i ON i.id = t.subject_id "
        "WHERE t.kind = 'escalation.step' AND i.reference LIKE '%~%' ORDER BY 2 DESC"
    )
    races = [(reference, at + rng.uniform(-1, 1)) for reference, at in due]
    refused: list[str] = []

    def acknowledge() -> None:
        while races:
            try:
                reference, at = races.pop()
            except IndexError:
                return
            time.sleep(max(at - time.time(), 0))
            answer = house.acknowledge(reference)
            if answer.status_code != 200:
                refused.append(answer.text)

    people = [threading.Thread(target=acknowledge) for _ in range(threads)]
    for person in people:
        person.start()
    for person in people:
        person.join()
    eventually(
        lambda: not house.ask("SELECT 1 FROM notifications_delivery WHERE state = 'sending'"),
        within=PATIENCE,
    )

    escalated_first, illegal = histories(house)
    verdict = check(house.history.path, house.url)
    wire = percentile(verdict.claim_to_wire, 0.99)
    note(
        f"{len(due)} races of an acknowledgement against a due step",
        f"{len(illegal)} illegal histories, {escalated_first} escalated before they were taken, "
        f"{len(verdict.faults)} other faults",
        "no illegal history, no claim after the acknowledgement",
        met=not illegal and not verdict.faults and not refused,
        seed=seed,
    )
    note(
        "Claim to wire, p99, meanwhile",
        f"{wire * 1000:.0f} ms of {len(verdict.claim_to_wire)}",
        "≤ 500 ms",
        met=wire <= 0.5,
        seed=seed,
    )
    assert refused == []
    assert illegal == [], f"Seed {seed}"
    assert verdict.faults == [], f"Seed {seed}"
    assert 0 < escalated_first < len(due), "Nothing raced"
    assert wire <= size(1, 4) * 0.5


def histories(house: Installation) -> tuple[int, list[list[str]]]:
    """How many were escalated before they were taken, and what should never have happened."""
    told = house.ask(
        "SELECT array_agg(t.kind ORDER BY t.id) FROM incidents_timelineentry t "
        "JOIN incidents_incident i ON i.id = t.incident_id WHERE i.reference LIKE '%~%' "
        "AND t.kind IN ('escalated', 'paged', 'acknowledged', 'exhausted') GROUP BY i.id"
    )
    before, legal = ["escalated", "paged", "acknowledged"], ["acknowledged"]
    escalated_first = sum(kinds == before for (kinds,) in told)
    return escalated_first, [kinds for (kinds,) in told if kinds not in (before, legal)]
