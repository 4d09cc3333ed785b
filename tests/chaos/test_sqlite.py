"""The embedded installation under load and killed: web, worker and a hammer on one SQLite file."""

import json
import sqlite3
import sys

import pytest

from tests.chaos.installation import Installation
from tests.chaos.nemesis import Monitors, Nemesis
from tests.chaos.servers import eventually
from tests.proof.report import note
from tests.sizes import size

pytestmark = pytest.mark.chaos

WORLDS = 8
PATIENCE = 120.0


@pytest.fixture
def house(servers, tmp_path):
    """No server at all: no PostgreSQL, no Redis."""
    servers.wire.forget()
    house = Installation(servers, tmp_path, DATABASE_URL="", REDIS_URL="")
    house.known = house.verb("build", house.wire.url, str(WORLDS))
    yield house
    house.close()


def test_sqlite_takes_it_from_eight_threads_while_processes_are_killed(house, seed, rng):
    count, kills = size(20_000, 300), size(50, 3)
    ledger = house.folder / "ledger.jsonl"
    command = [sys.executable, "-m", "tests.chaos.hammer"]
    command += [house.known["sources"]["quick-1"], str(count), str(ledger)]
    crew = {
        "web": lambda: house.start_web(ready=False),
        "worker": lambda: house.start("worker"),
        "hammer": lambda: house.spawn("hammer", command, {}),
    }
    signals = [(f"signal-{n}", f"calm-{n % WORLDS}") for n in range(size(1_000, 30))]
    nemesis = Nemesis(house, crew, rng, every=2.5)
    eventually(house.web_answers, within=PATIENCE)

    def killed() -> int:
        return len(house.history.all("fault"))

    def committed() -> int:
        return len(ledger.read_bytes().splitlines()) if ledger.exists() else 0

    with Monitors(house, signals, pause=0.1) as monitors:
        nemesis.rage(until=lambda: killed() >= kills, longest=size(1_200, 120))
        assert killed() >= kills
        nemesis.calm()
        eventually(lambda: monitors.done and committed() >= count, within=size(900, 180), every=0.2)
    accepted = {line["incident"] for line in house.history.all("accepted")}
    eventually(
        lambda: accepted <= {line["incident"] for line in house.history.all("call")}, within=300
    )
    nemesis.running["hammer"].wait()

    refused = [
        line
        for log in house.folder.glob("*.log")
        for line in log.open(errors="replace")
        if "locked" in line
    ]
    with sqlite3.connect(f"file:{house.folder}/tocsin.sqlite3?mode=ro", uri=True) as database:
        integrity = database.execute("PRAGMA integrity_check").fetchone()[0]
    with (house.folder / "accepted.jsonl").open("w") as together:
        together.write(ledger.read_text())
        together.writelines(json.dumps(line) + "\n" for line in house.history.all("accepted"))
    findings = house.audit(ledger=house.folder / "accepted.jsonl")["findings"]
    lost = [finding for finding in findings if "I8" in json.dumps(finding)]
    note(
        f"SQLite: 8 threads and the web, {committed() + len(signals)} signals, {killed()} kills",
        f"{len(refused)} locked, integrity {integrity}, {len(lost)} lost",
        "0 locked, ok, 0 lost",
        met=not refused and integrity == "ok" and not lost,
        seed=seed,
    )
    assert refused == [], f"Seed {seed}"
    assert integrity == "ok"
    assert lost == []
