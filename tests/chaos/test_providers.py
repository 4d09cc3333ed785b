"""What the other side may do to a page, by table, and that a human is reached all the same."""

import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.chaos.checker import percentile
from tests.chaos.installation import Installation, installation
from tests.chaos.servers import Manner, Received, eventually, provider
from tests.proof.report import note
from tests.sizes import size

pytestmark = pytest.mark.chaos

PATIENCE = 120.0
HANG = 10.0  # How long a request is waited for.


@dataclass(frozen=True)
class Row:
    """What the first address of a world does; who is reached then, and in how many seconds."""

    fault: str
    world: str
    manner: Manner
    reached: str
    within: float
    not_before: float = 0.0
    too: str = ""  # Another address that misbehaves in the same way.


TABLE = [
    Row("500, another address", "two-0", Manner(status=500), "two-0-a2", 32),
    Row("hangs, another address", "two-1", Manner(hangs=True), "two-1-a2", 32 + HANG),
    Row("cut before the answer", "two-2", Manner(hangs_up=True), "two-2-a2", 32),
    Row("401, another address", "two-3", Manner(status=401), "two-3-a2", 5),
    Row("401, no other address", "calm-0", Manner(status=401), "calm-0-b", 5),
    Row("401 for everybody", "calm-1", Manner(status=401), "last-resort", 10, too="calm-1-b"),
    Row("429 for an hour", "two-4", Manner(429, {"Retry-After": "3600"}), "two-4-a2", 5),
    Row("429 for 3 s", "calm-2", Manner(429, {"Retry-After": "3"}), "calm-2-a", 8, not_before=3),
    Row("says yes, does nothing", "quick-0", Manner(), "quick-0-b", 8, not_before=3),
]


@dataclass(frozen=True)
class Outcome:
    first: Received
    reached: Received | None

    @property
    def after(self) -> float:
        return self.reached.at - self.first.at if self.reached else float("inf")


@pytest.fixture(scope="module")
def outcomes(servers, tmp_path_factory) -> Iterator[dict[str, Outcome]]:
    """Every row of the table at once, on one installation: what became of each."""
    with installation(servers, tmp_path_factory.mktemp("table")) as house:
        house.start_web()
        house.start("worker")
        eventually(lambda: house.ask("SELECT 1 FROM timers_heartbeat"), within=PATIENCE)
        references = {}
        for row in TABLE:
            for path in filter(None, [f"{row.world}-a", row.too]):
                house.wire.at(path, row.manner)
            references[row.world] = house.alert("down", row.world).json()["incident"]
        deadline = time.monotonic() + PATIENCE
        found: dict[str, Outcome] = {}
        while len(found) < len(TABLE) and time.monotonic() < deadline:
            for row in TABLE:
                if outcome := outcome_of(house, row, references[row.world]):
                    found[row.fault] = outcome
            time.sleep(0.05)
        yield found


def outcome_of(house: Installation, row: Row, reference: str) -> Outcome | None:
    """None until somebody was reached."""
    first = next(iter(house.wire.calls(f"{row.world}-a")), None)
    if first is None:
        return None
    if row.reached == f"{row.world}-a":  # The second call at the same address; then it may pass.
        again = house.wire.calls(row.reached)[1:]
        return Outcome(first, again[0]) if again else None
    calls = house.wire.calls(row.reached)
    mine = [call for call in calls if call.json()["data"]["incident"] == reference]
    return Outcome(first, mine[0]) if mine else None


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.fault)
def test_a_human_is_reached_whatever_the_provider_does(outcomes, row):
    assert row.fault in outcomes, "Nobody was reached"
    outcome = outcomes[row.fault]
    note(
        f"Provider: {row.fault}",
        f"{row.reached.rpartition('-')[2]} called {outcome.after:.1f} s later",
        f"≤ {row.within:g} s",
        met=row.not_before - 0.5 <= outcome.after <= row.within,
    )
    assert outcome.after >= row.not_before - 0.5
    assert outcome.after <= row.within * size(1, 2)
    if row.reached == f"{row.world}-a":
        assert outcome.reached.headers["webhook-id"] == outcome.first.headers["webhook-id"]


def test_a_provider_that_hangs_delays_no_other(house):
    """Forty pages at a host that says nothing, and meanwhile some at one that works."""
    with provider() as silent:
        silent.hang()
        house.tell(
            f"UPDATE notifications_contactmethod SET address = '{silent.url}calm-0-a' "
            "WHERE address LIKE '%/calm-0-a'"
        )
        house.start_web()
        house.start("worker")
        eventually(lambda: house.ask("SELECT 1 FROM timers_heartbeat"), within=PATIENCE)
        for number in range(40):
            assert house.alert(f"silent-{number}", "calm-0").status_code == 202
        eventually(lambda: len(silent.ledger) >= 8, within=PATIENCE)
        for number in range(1, 21):
            assert house.alert(f"fine-{number}", f"calm-{number}").status_code == 202
        eventually(
            lambda: all(house.wire.calls(f"calm-{n}-a") for n in range(1, 21)), within=PATIENCE
        )

    posted = {line["incident"]: line["at"] for line in house.history.all("accepted")}
    late = [call["at"] - posted[call["incident"]] for call in house.history.all("call")]
    worst = percentile(late, 0.99)
    note(
        "Pages while another provider hangs with 40 of them, p99",
        f"{worst:.1f} s",
        "≤ 2 s",
        met=worst <= 2,
    )
    assert worst <= size(1, 3) * 2
