"""The next update is promised: somebody is reminded, and who misses it has the next level paged."""

from datetime import timedelta

import pytest

from incidents.comms import services as comms
from incidents.core import services as core
from incidents.core.models import Incident, Kind, Service, User
from incidents.escalation.models import EscalationPolicy
from incidents.timers.clock import VirtualClock
from tests.comms.conftest import Publish
from tests.escalation.stage import Phones, settle

pytestmark = pytest.mark.django_db


def missed(incident: Incident) -> list[str]:
    entries = incident.timeline.filter(kind=Kind.UPDATE_MISSED).order_by("pk")
    return list(entries.values_list("summary", flat=True))


def test_it_promises_an_update_from_the_declaration_on(declared: Incident, clock: VirtualClock):
    assert comms.promises(declared) == {"internal": clock.at + timedelta(minutes=15)}


def test_it_reminds_who_has_it_when_the_update_is_due(
    taken: Incident, clock: VirtualClock, phones: Phones
):
    settle()
    phones.take()
    clock.forward(minutes=14, seconds=59)
    settle()
    assert phones.take() == []

    clock.forward(seconds=1)
    settle()

    assert phones.told() == ["bob"]
    assert missed(taken) == []


def test_it_pages_the_next_level_when_the_update_is_missed(
    taken: Incident, clock: VirtualClock, phones: Phones, alice: User
):
    settle()
    clock.forward(minutes=15)
    settle()
    phones.take()
    clock.forward(minutes=4, seconds=59)
    settle()
    assert phones.take() == []

    clock.forward(seconds=1)
    settle()

    assert phones.paged() == ["alice"]
    assert missed(taken) == [
        "The internal update that was due at 10:15 UTC did not come; the next level was paged."
    ]
    taken.refresh_from_db()
    assert taken.is_acknowledged and str(taken.acknowledged_by) == "Bob"


def test_it_pages_a_level_further_each_time_and_says_when_there_is_none(
    taken: Incident, clock: VirtualClock, phones: Phones, bob: User
):
    settle()
    phones.take()
    paged = []
    for minute in range(5, 125, 5):
        clock.forward(minutes=5)
        settle()
        paged += [(minute, who) for who, urgency in phones.take() if urgency == "page"]
        core.note(taken, text="Still at it.", actor=bob)  # the acknowledgement lives on

    # Round the ladder once more, as the policy says.
    assert paged == [(20, "alice"), (40, "dana"), (60, "bob"), (80, "alice"), (100, "dana")]
    assert len(missed(taken)) == 6
    assert missed(taken)[-1].endswith("there is no further level to page.")


def test_an_update_in_time_keeps_everybody_quiet(
    taken: Incident, clock: VirtualClock, phones: Phones, bob: User
):
    settle()
    phones.take()
    for _ in range(4):
        clock.forward(minutes=14)
        settle()
        update = comms.publish_update(taken, actor=bob, audience="internal", known="Still slow.")
        assert update.is_on_time is True

    assert phones.take() == []
    assert missed(taken) == []


def test_an_update_that_comes_late_says_so_and_nobody_is_paged_for_it(
    taken: Incident, clock: VirtualClock, phones: Phones, bob: User
):
    clock.forward(minutes=17)
    settle()

    update = comms.publish_update(taken, actor=bob, audience="internal", known="Found it.")
    settle()
    phones.take()
    clock.forward(minutes=4)
    settle()

    assert update.is_on_time is False
    assert phones.take() == []
    assert "later than promised" in taken.timeline.get(kind=Kind.UPDATE_PUBLISHED).summary


def test_the_communications_lead_is_reminded_before_the_commander_and_who_has_it(
    taken: Incident, clock: VirtualClock, phones: Phones, alice: User, bob: User, dana: User
):
    core.assign_role(taken, role="commander", user=alice, actor=bob)
    core.assign_role(taken, role="communications_lead", user=dana, actor=bob)
    settle()
    phones.take()

    clock.forward(minutes=15)
    settle()

    assert phones.told() == ["dana"]


def test_nobody_is_reminded_or_paged_after_it_was_resolved(
    taken: Incident, clock: VirtualClock, phones: Phones, bob: User
):
    core.dismiss(taken, reason="A test.", actor=bob)
    settle()
    phones.take()

    clock.forward(hours=3)
    settle()

    assert comms.promises(taken) == {}
    assert phones.take() == []
    assert missed(taken) == []


def test_it_begins_again_when_it_is_reopened(taken: Incident, clock: VirtualClock, bob: User):
    core.dismiss(taken, reason="A test.", actor=bob)
    clock.forward(minutes=5)

    core.reopen(taken, reason="It was none.", actor=bob)

    assert comms.promises(taken) == {"internal": clock.at + timedelta(minutes=15)}


def test_while_nobody_has_it_nothing_is_paged_beside_the_ladder_and_taking_it_begins_anew(
    declared: Incident, clock: VirtualClock, phones: Phones, bob: User
):
    settle()
    for _ in range(20):
        clock.forward(minutes=1)
        settle()
    assert missed(declared) == [
        "The internal update that was due at 10:15 UTC did not come; "
        "nobody has acknowledged the incident."
    ]
    assert {who for who, _ in phones.take()} == {"alice", "bob", "dana"}
    assert comms.promises(declared) == {}

    core.acknowledge(declared, actor=bob)

    assert comms.promises(declared) == {"internal": clock.at + timedelta(minutes=15)}


def test_a_worse_severity_brings_the_update_closer(
    policy: EscalationPolicy, service: Service, runbook: Publish, bob: User, clock: VirtualClock
):
    runbook()
    incident = core.declare(title="Slow", service=service, severity="SEV2")
    core.acknowledge(incident, actor=bob)
    declared_at = clock.at
    clock.forward(minutes=5)

    core.change_severity(incident, severity="SEV1", reason="Worse.", actor=bob)

    assert comms.promises(incident) == {"internal": declared_at + timedelta(minutes=20)}


def test_a_milder_severity_gives_more_time_or_asks_for_nothing(
    taken: Incident, bob: User, clock: VirtualClock
):
    core.change_severity(taken, severity="SEV2", reason="Better.", actor=bob)
    assert comms.promises(taken) == {"internal": clock.at + timedelta(minutes=30)}

    core.change_severity(taken, severity="SEV4", reason="Cosmetic.", actor=bob)
    assert comms.promises(taken) == {}


def test_000_reminds_at_five_minutes_and_counts_as_missed_at_ten(
    policy: EscalationPolicy,
    service: Service,
    runbook: Publish,
    bob: User,
    clock: VirtualClock,
    phones: Phones,
):
    runbook({"cadence": [{"every": "10 min", "remind": "5 min", "missed": "0 min"}]})
    incident = core.declare(title="Down", service=service, severity="SEV1")
    core.acknowledge(incident, actor=bob)
    settle()
    phones.take()
    happened = {}
    for minute in range(1, 11):
        clock.forward(minutes=1)
        settle()
        happened[minute] = phones.take()

    assert {minute: what for minute, what in happened.items() if what} == {
        5: [("bob", "message")],
        10: [("alice", "page")],
    }


def test_a_type_has_a_cadence_of_its_own(
    policy: EscalationPolicy, service: Service, runbook: Publish, clock: VirtualClock
):
    runbook(
        {"cadence": [{"every": "10 min"}, {"types": ["service-unavailable"], "every": "5 min"}]}
    )

    down = core.declare(
        title="Down", service=service, severity="SEV1", incident_type="service-unavailable"
    )
    slow = core.declare(title="Slow", service=service, severity="SEV1", incident_type="slow")

    assert comms.promises(down) == {"internal": clock.at + timedelta(minutes=5)}
    assert comms.promises(slow) == {"internal": clock.at + timedelta(minutes=10)}


def test_a_type_says_itself_how_often_and_changing_it_moves_what_was_promised(
    policy: EscalationPolicy,
    service: Service,
    runbook: Publish,
    clock: VirtualClock,
    bob: User,
    phones: Phones,
):
    kind = {"title": "x", "definition": "x", "severity": "SEV1"}
    runbook(
        {
            "cadence": [
                {"every": "20 min", "remind": "6 min", "missed": "1 min"},
                {"types": ["named"], "every": "8 min"},
            ]
        },
        types={
            "down": kind | {"updates": {"internal": "5 min", "external": "10 min"}},
            "named": kind | {"updates": {"internal": "5 min"}},
            "slow": kind,
            "odd": kind,
        },
    )
    incident = core.declare(title="x", service=service, severity="SEV1", incident_type="slow")
    core.acknowledge(incident, actor=bob)
    comms.publish_update(incident, actor=bob, audience="external", known="We look into it.")
    declared_at = clock.at
    clock.forward(minutes=2)

    def promised() -> dict[str, float]:
        promises = comms.promises(incident).items()
        return {key: (at - declared_at).total_seconds() / 60 for key, at in promises}

    assert promised() == {"internal": 20}
    core.change_type(incident, incident_type="odd", actor=bob)
    assert promised() == {"internal": 20}
    core.change_type(incident, incident_type="down", actor=bob)
    assert promised() == {"internal": 7}
    core.change_type(incident, incident_type="named", actor=bob)
    assert promised() == {"internal": 8}
    core.change_type(incident, incident_type="down", actor=bob)
    comms.publish_update(incident, actor=bob, audience="external", known="Still.")
    assert promised() == {"internal": 7, "external": 12}
    settle()
    phones.take()
    clock.forward(minutes=5)
    settle()
    assert phones.take() == [("bob", "message")], "reminded once it is due: 6 min before is no time"
    clock.forward(minutes=1)
    settle()
    assert phones.take() == [("alice", "page")]


def test_without_a_runbooks_word_it_reminds_again_and_again_and_never_pages(
    policy: EscalationPolicy, service: Service, bob: User, clock: VirtualClock, phones: Phones
):
    incident = core.declare(title="Down", service=service, severity="SEV1")
    core.acknowledge(incident, actor=bob)
    settle()
    phones.take()
    told = []
    for _ in range(50):
        clock.forward(minutes=1)
        settle()
        core.note(incident, text="At it.", actor=bob)
        told += [(clock.at.minute, *what) for what in phones.take()]

    assert told == [(15, "bob", "message"), (30, "bob", "message"), (45, "bob", "message")]


def test_an_external_promise_begins_with_the_first_external_update(
    taken: Incident, bob: User, clock: VirtualClock
):
    assert "external" not in comms.promises(taken)
    clock.forward(minutes=3)

    comms.publish_update(taken, actor=bob, audience="external", known="We are looking into it.")

    assert comms.promises(taken)["external"] == clock.at + timedelta(minutes=30)
