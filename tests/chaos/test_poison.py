"""What breaks from within: a text that raises, a timer that kills, people who are taken away."""

import signal
import time

import pytest

from tests.chaos.asking import PATIENCE, beats
from tests.chaos.servers import eventually
from tests.proof.report import note
from tests.sizes import size

pytestmark = pytest.mark.chaos

STEP_NOW = "UPDATE timers_timer SET due_at = now() WHERE kind = 'escalation.step' AND subject_id ="


def test_a_message_whose_words_cannot_be_made_is_told_to_the_last_resort(house):
    house.start_web(failpoints="page.wording=raise")
    broken = house.start("clock", failpoints="page.wording=raise")
    eventually(lambda: beats(house, broken.pid), within=PATIENCE)

    answer = house.alert("disk-full", "calm-0")
    began = time.time()

    assert answer.status_code == 202, answer.text
    eventually(house.last_resorts, within=PATIENCE)
    took = house.last_resorts()[0].at - began
    note("A message template that raises", f"last resort in {took:.1f} s", "≤ 10 s", met=took <= 10)
    assert took <= size(10, 30)
    assert house.wire.calls("calm-0-a") == []

    broken.terminate()  # It is repaired.
    house.start("clock")
    eventually(lambda: house.wire.calls("calm-0-a"), within=PATIENCE)


def test_a_timer_that_kills_its_engine_is_put_away_at_the_third_time(house):
    house.start_web()
    poisoned = house.alert("poisoned", "calm-0").json()["incident"]
    kill = "timer.escalation.step=kill"
    (pk,) = house.ask("SELECT id FROM incidents_incident WHERE reference = %s", poisoned)[0]
    house.tell(f"{STEP_NOW} {pk}")

    deaths = 0
    engine = house.start("clock", failpoints=kill)
    deadline = time.monotonic() + PATIENCE
    while not house.last_resorts() and time.monotonic() < deadline:
        if engine.poll() is not None:
            assert engine.returncode == -signal.SIGKILL
            deaths += 1
            engine = house.start("clock", failpoints=kill)
        time.sleep(0.05)

    told = [call.json()["data"]["incident"] for call in house.last_resorts()]
    states = house.ask(
        "SELECT state FROM timers_timer WHERE kind = 'escalation.step' AND subject_id = %s "
        "ORDER BY id",
        pk,
    )
    note(
        "A timer that kills its process",
        f"put away after {deaths} deaths, last resort told",
        "3 deaths",
        met=deaths == 3 and told == [poisoned],
    )
    assert told == [poisoned]
    assert deaths == 3
    assert ("quarantined",) in states
    # The page that an engine held when it was killed leaves when its lease is over.
    eventually(lambda: house.wire.calls("calm-0-a"), within=PATIENCE)
    # Meanwhile, and afterwards, the others go on.
    assert house.alert("fine", "calm-1").status_code == 202
    eventually(lambda: house.wire.calls("calm-1-a"), within=PATIENCE)


@pytest.mark.full  # in CI the state machine does so, thousands of times
def test_people_and_policies_change_in_mid_escalation(house):
    house.start_web()
    house.start("clock")
    references = {
        world: house.alert("down", world).json()["incident"] for world in ["calm-0", "calm-1"]
    }
    eventually(
        lambda: house.wire.calls("calm-0-a") and house.wire.calls("calm-1-a"), within=PATIENCE
    )
    house.verb("deactivate", "calm-0-b")  # Who would be asked next.
    house.verb("replace_second", "calm-1", "calm-2")
    for reference in references.values():
        house.tell(
            f"{STEP_NOW} (SELECT id FROM incidents_incident WHERE reference = '{reference}')"
        )

    eventually(lambda: house.wire.calls("calm-2-a"), within=PATIENCE)  # As the policy says now.
    eventually(house.last_resorts, within=PATIENCE)
    told = [call.json()["data"]["incident"] for call in house.last_resorts()]
    note(
        "A person deactivated and a policy edited in mid-escalation",
        "the next one asked, the last resort told",
        "somebody is asked",
        met=references["calm-0"] in told,
    )
    assert references["calm-0"] in told
    assert house.wire.calls("calm-0-b") == house.wire.calls("calm-1-b") == []


@pytest.mark.full  # in CI the state machine does so, thousands of times
def test_a_person_deactivated_while_being_called_is_passed_on(house):
    """Nobody was called yet: the page goes to whoever is next, and not to who has left."""
    house.start_web()
    assert house.alert("down", "calm-0").status_code == 202
    house.verb("deactivate", "calm-0-a")
    house.start("clock")

    eventually(lambda: house.wire.calls("calm-0-b"), within=PATIENCE)
    assert house.wire.calls("calm-0-a") == []
