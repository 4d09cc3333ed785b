"""When asking itself fails."""

import threading
from datetime import timedelta

import pytest

from incidents.core import services as core
from incidents.core.models import Incident, Kind
from incidents.escalation import services as escalation
from incidents.escalation import targets
from incidents.escalation.models import Escalation
from incidents.notifications.transports.base import TransportError
from incidents.notifications.transports.recorder import Recorder
from incidents.timers import engine
from incidents.timers.models import Timer
from tests.escalation.conftest import FIVE
from tests.escalation.stage import nobody_is_silent, settle

pytestmark = pytest.mark.django_db


def refuse(*names):
    for name in names:
        Recorder.refusals[name] = TransportError("No such number", permanent=True)


# --- Pages that are given up ----------------------------------------------------------------------


def test_a_page_that_cannot_be_delivered_makes_the_next_step_due_now(declared, phones):
    refuse("bob")

    settle()

    assert phones.paged() == ["alice"]
    failed = declared.timeline.get(kind=Kind.PAGE_FAILED)
    assert failed.summary == "Bob could not be reached: No such number"


def test_it_waits_while_somebody_else_of_the_level_was_reached(
    policy, service, phones, clock, team
):
    levels = [
        {"timeout": FIVE, "targets": [{"kind": "team_members"}]},
        {"timeout": FIVE, "targets": [{"kind": "person", "user": dana_of(policy)}]},
    ]
    escalation.set_levels(policy, levels=levels, actor=None)
    refuse("bob")

    incident = core.declare(title="Checkout is down", service=service, severity="SEV1")
    settle()

    assert phones.paged() == ["alice"]
    assert incident.timeline.filter(kind=Kind.PAGE_FAILED).count() == 1
    clock.forward(minutes=5)
    settle()
    assert phones.paged() == ["dana"]


def dana_of(policy):
    return policy.levels.get(position=3).targets.get().user


def test_when_nobody_can_be_delivered_to_the_last_resort_is_told_at_once(declared, phones):
    refuse("bob", "alice", "dana")

    settle()

    assert phones.paged() == ["duty"]
    assert Escalation.objects.get().state == Escalation.State.EXHAUSTED


def test_an_own_last_resort_that_is_not_reached_gives_way_to_that_of_the_organisation(
    policy, service, phones, alice
):
    core.declare(title="It is down", service=service, severity="SEV1", last_resort=alice)
    refuse("bob", "alice", "dana")

    settle()

    assert phones.paged() == ["duty"]


def test_an_own_last_resort_that_is_busy_for_minutes_gives_way_too(
    policy, service, phones, alice, clock
):
    core.declare(title="It is down", service=service, severity="SEV1", last_resort=alice)
    refuse("bob", "dana")
    Recorder.refusals["alice"] = TransportError("429", retry_after=20)
    settle()

    for _ in range(36):
        clock.forward(seconds=20)
        settle()

    assert "duty" in phones.paged()


def test_a_page_given_up_after_the_acknowledgement_asks_nobody_else(declared, phones, alice, bob):
    core.acknowledge(declared, actor=alice)
    escalation.page_person(declared, user=bob, reason="Help", actor=alice)
    refuse("bob")

    settle()

    assert phones.told() == ["alice"]
    assert not Timer.objects.pending().filter(kind="escalation.step").exists()


# --- Timers that do not run -----------------------------------------------------------------------


def break_asking(monkeypatch):
    def fail(*_args, **_kwargs):
        raise RuntimeError("a bug")

    monkeypatch.setattr(targets, "gather", fail)


def test_a_step_that_fails_three_times_tells_the_last_resort_and_goes_on_trying(
    declared, phones, clock, monkeypatch, errors_expected
):
    settle()
    phones.paged()
    with monkeypatch.context() as broken:
        break_asking(broken)
        for seconds in [300, 5, 10]:
            clock.forward(seconds=seconds)
            settle()

    assert phones.paged() == ["duty"]
    assert "does not run" in declared.timeline.get(kind=Kind.EXHAUSTED).summary
    clock.forward(minutes=5)
    settle()
    assert phones.paged() == ["alice"]
    assert Escalation.objects.get().state == Escalation.State.RUNNING
    assert not Timer.objects.pending().filter(kind="escalation.last_resort").exists()
    clock.forward(minutes=30)
    settle()
    assert "duty" not in phones.paged()


def test_a_step_that_kills_its_engines_tells_the_last_resort_and_again(
    declared, phones, clock, errors_expected
):
    settle()
    phones.paged()
    clock.forward(minutes=5)
    Timer.objects.filter(kind="escalation.step").update(attempts=engine.MAX_CRASHES)

    settle()

    assert phones.paged() == ["duty"]
    assert Timer.objects.filter(state=Timer.State.QUARANTINED).count() == 1
    clock.forward(minutes=30)
    settle()
    assert ("duty", "page") in phones.take()


def test_the_last_resort_is_told_again_even_if_telling_it_was_what_failed(
    declared, phones, clock, errors_expected
):
    settle()
    for minutes in [5, 10, 10, 5, 10, 10]:
        clock.forward(minutes=minutes)
        settle()
    phones.take()
    Timer.objects.filter(kind="escalation.last_resort").update(attempts=engine.MAX_CRASHES)

    clock.forward(minutes=30)
    settle()
    nobody_is_silent()
    clock.forward(minutes=30)
    settle()

    assert phones.paged() == ["duty"]


def test_an_expiry_that_does_not_run_is_told_too(declared, phones, clock, bob, errors_expected):
    core.acknowledge(declared, actor=bob)
    settle()
    phones.take()
    clock.forward(minutes=30)
    Timer.objects.filter(kind="escalation.ack_expiry").update(attempts=engine.MAX_CRASHES)

    settle()

    assert ("duty", "page") in phones.take()
    assert Incident.objects.get().is_acknowledged


def test_timers_of_others_are_none_of_its_business(declared, phones, clock, errors_expected):
    settle()
    phones.paged()
    Timer.objects.filter(kind="core.target").update(attempts=engine.MAX_CRASHES, due_at=clock.at)

    settle()

    assert phones.take() == []


# --- A beginning that fails, a timer that is given up for good ------------------------------------


@pytest.fixture
def broken(monkeypatch):
    """While it is set, nobody can be looked up."""
    real, broken = targets.gather, threading.Event()

    def gather(*args, **options):
        if broken.is_set():
            raise RuntimeError("Nobody can be looked up")
        return real(*args, **options)

    monkeypatch.setattr(targets, "gather", gather)
    return broken


def test_reopening_that_fails_at_first_begins_with_the_first_level(
    declared, phones, clock, alice, broken, errors_expected
):
    for _ in range(8):
        settle()
        clock.forward(minutes=10)
    core.dismiss(declared, reason="No", actor=alice)
    settle()
    phones.take()

    broken.set()
    core.reopen(declared, reason="It was real", actor=alice)
    broken.clear()
    settle()

    assert phones.paged() == ["bob", "duty"]
    assert Escalation.objects.get().links_from_epoch == Incident.objects.get().paging_epoch


def test_rerouting_that_fails_at_first_still_goes_to_the_other_policy(
    declared, phones, alice, dana, broken, errors_expected
):
    levels = [{"timeout": FIVE, "targets": [{"kind": "person", "user": dana}]}]
    other = escalation.create_policy(name="Other", levels=levels, actor=None)
    settle()
    phones.take()

    broken.set()
    escalation.reroute(declared, policy=other, reason="It is theirs", actor=alice)
    broken.clear()
    settle()

    assert phones.paged() == ["dana", "duty"]
    assert Escalation.objects.get().policy == other


def test_the_end_of_a_snooze_that_is_quarantined_is_tried_again(
    declared, phones, clock, bob, errors_expected
):
    settle()
    until = clock.at + timedelta(hours=1)
    core.snooze(declared, until=until, reason="It can wait", actor=bob)
    settle()
    phones.take()
    Timer.objects.filter(kind="core.snooze_end").update(attempts=engine.MAX_CRASHES)

    clock.forward(hours=1)
    settle()
    assert phones.paged() == ["duty"]
    clock.forward(minutes=30)
    settle()

    assert phones.paged() == ["bob"]
