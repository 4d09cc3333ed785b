"""The checker is believed because it finds what is planted, and nothing before."""

import time
from pathlib import Path

import pytest

from tests.chaos.asking import all_called
from tests.chaos.checker import check
from tests.chaos.history import History
from tests.chaos.servers import eventually

pytestmark = pytest.mark.chaos


def test_it_finds_what_is_planted_and_nothing_else(house, tmp_path):
    house.start_web()
    house.start("clock")
    reference = house.alert("disk-full", "calm-0").json()["incident"]
    eventually(lambda: house.wire.calls("calm-0-a"), within=60)
    eventually(lambda: house.acknowledge(reference).is_success, within=60)
    assert check(house.history.path, house.url).faults == []

    silent = house.alert("unheard", "calm-1").json()["incident"]
    house.close()  # Whether it was called meanwhile or not, this history does not know.
    told = planted(tmp_path, "accepted", dedup_key="unheard", world="calm-1", incident=silent)
    assert [f"{silent}: nobody was ever called"] == check(told, house.url).faults[:1]

    lost = planted(tmp_path, "accepted", dedup_key="never-stored", world="calm-0", incident=None)
    assert "Accepted and lost" in check(lost, house.url).faults[0]

    key = house.ask("SELECT id::text FROM notifications_delivery WHERE address LIKE '%calm-0-a'")
    call = {"path": "calm-0-a", "key": key[0][0], "incident": reference}
    early = planted(tmp_path, "call", at=time.time() - 3_600, **call)
    assert "called without a claim" in check(early, house.url).faults[0]

    again = "INSERT INTO chaos_witness (what, incident, epoch, delivery) SELECT what, incident, "
    house.tell(f"{again} epoch, delivery FROM chaos_witness WHERE what = 'claim' LIMIT 1")
    late = check(house.history.path, house.url).faults
    assert f"{reference}: a page was claimed after it was taken" in late


def test_an_acknowledgement_whose_answer_was_cut_off_counts_if_it_came_through(house):
    house.start_web()
    reference = house.alert("disk-full", "calm-0").json()["incident"]
    house.history.note("unanswered", incident=reference)
    assert not all_called(house)
    assert check(house.history.path, house.url).lost == 1

    house.tell("UPDATE incidents_incident SET acknowledged_at = now()")

    assert all_called(house)
    assert check(house.history.path, house.url).faults == []


def planted(folder: Path, what: str, **facts: object) -> Path:
    """A history of this one line."""
    history = History(folder / f"planted-{what}-{time.monotonic_ns()}.jsonl")
    history.note(what, **facts)
    history.close()
    return history.path
