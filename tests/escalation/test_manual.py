"""What a person may want: the next level now, somebody in particular, other people altogether."""

import pytest

from incidents.core import services as core
from incidents.core.errors import DomainError, Refused
from incidents.core.models import Incident, Kind
from incidents.escalation import services as escalation
from incidents.escalation.models import Escalation, Page
from incidents.notifications.models import Delivery
from incidents.notifications.transports.recorder import Recorder
from incidents.timers.models import Timer
from tests.escalation.conftest import FIVE, give_phone, take_phone
from tests.escalation.stage import settle
from tests.factories import UserFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def paged(declared, phones):
    """Bob was paged."""
    settle()
    assert phones.paged() == ["bob"]
    return declared


@pytest.fixture
def erin(db):
    user = UserFactory(username="erin")
    give_phone(user)
    return user


@pytest.fixture
def database_team(policy, erin):
    return escalation.create_policy(
        name="Database",
        levels=[{"timeout": FIVE, "targets": [{"kind": "person", "user": erin}]}],
        repeats=0,
        actor=None,
    )


# --- escalate -------------------------------------------------------------------------------------


def test_escalating_asks_the_next_level_now(paged, phones, clock, bob):
    escalation.escalate(paged, reason="I am on a train", actor=bob)
    settle()

    assert Recorder.sent[0].body.endswith("Bob: I am on a train")
    assert phones.paged() == ["alice"]
    entry = paged.timeline.get(kind=Kind.ESCALATED)
    assert entry.actor == bob
    assert "Bob: I am on a train" in entry.summary


def test_the_time_of_the_next_level_counts_from_then(paged, phones, clock, bob):
    clock.forward(minutes=4)
    escalation.escalate(paged, reason="Busy", actor=bob)
    settle()
    phones.paged()

    clock.forward(minutes=9)
    settle()
    assert phones.paged() == []
    clock.forward(minutes=1)
    settle()
    assert phones.paged() == ["dana"]


def test_escalating_a_ticket_pages_it(policy, service, phones, alice):
    ticket = core.declare(title="A typo", service=service, severity="SEV4")
    settle()
    phones.take()

    escalation.escalate(ticket, reason="It is worse", actor=alice)
    settle()

    assert phones.paged() == ["bob"]
    assert not Timer.objects.pending().filter(kind="escalation.ticket_due").exists()


def test_escalating_when_nobody_was_left_starts_over(paged, phones, clock, bob):
    for minutes in [5, 10, 10, 5, 10, 10]:
        clock.forward(minutes=minutes)
        settle()
    assert Escalation.objects.get().state == Escalation.State.EXHAUSTED
    phones.take()

    escalation.escalate(paged, reason="Try again", actor=bob)
    settle()

    assert phones.paged() == ["bob"]
    assert Escalation.objects.get().state == Escalation.State.RUNNING


def test_escalating_an_acknowledged_incident_asks_for_help_and_leaves_it_acknowledged(
    paged, phones, clock, bob
):
    core.acknowledge(paged, actor=bob)

    escalation.escalate(paged, reason="I need a second pair of eyes", actor=bob)
    settle()

    assert phones.paged() == ["alice"]
    assert Incident.objects.get().acknowledged_by == bob
    assert not Timer.objects.pending().filter(kind="escalation.step").exists()
    escalation.escalate(paged, reason="And a third", actor=bob)
    settle()
    assert phones.paged() == ["dana"]


def test_escalating_further_than_the_last_level_of_an_acknowledged_one_is_refused(
    paged, phones, clock, bob
):
    core.acknowledge(paged, actor=bob)
    for _ in range(5):
        escalation.escalate(paged, reason="More", actor=bob)

    with pytest.raises(DomainError, match="no further level"):
        escalation.escalate(paged, reason="More", actor=bob)


def test_escalating_needs_a_reason(paged, bob):
    with pytest.raises(DomainError, match="reason is missing"):
        escalation.escalate(paged, reason="  ", actor=bob)


def test_tocsin_itself_escalates_with_the_reason_and_nobody_as_actor(paged, phones, clock):
    escalation.escalate(paged, reason="The update of 10:30 was missed.", actor=None)
    settle()

    assert Recorder.sent[0].body.endswith("The update of 10:30 was missed.")
    assert phones.paged() == ["alice"]
    entry = paged.timeline.get(kind=Kind.ESCALATED)
    assert entry.actor is None
    assert entry.summary.endswith("The update of 10:30 was missed.")
    assert "None" not in entry.summary


def test_tocsin_itself_asks_for_help_where_somebody_has_it(paged, phones, clock, bob):
    core.acknowledge(paged, actor=bob)

    escalation.escalate(paged, reason="The update of 10:30 was missed.", actor=None)
    settle()

    assert phones.paged() == ["alice"]
    assert Incident.objects.get().acknowledged_by == bob
    assert not Timer.objects.pending().filter(kind="escalation.step").exists()


@pytest.mark.parametrize("verb", ["escalate", "page_person", "reroute"])
def test_a_resolved_incident_is_refused(paged, bob, policy, verb, phones):
    core.dismiss(paged, reason="A test", actor=bob)
    extra = {"page_person": {"user": bob}, "reroute": {"policy": policy}}.get(verb, {})

    with pytest.raises(Refused, match="reopen it"):
        getattr(escalation, verb)(paged, reason="Now", actor=bob, **extra)

    settle()
    assert phones.take() == []


# --- page_person ----------------------------------------------------------------------------------


def test_paging_a_person_now(paged, phones, clock, bob, erin):
    escalation.page_person(paged, user=erin, reason="You know Redis", actor=bob)
    settle()

    assert "Bob: You know Redis" in Recorder.sent[0].body
    assert phones.paged() == ["erin"]
    page = Page.objects.get(user=erin)
    assert (page.level, page.requested_by, page.reason) == (None, bob, "Bob: You know Redis")


def test_it_leaves_the_ladder_alone(paged, phones, clock, bob, erin):
    escalation.page_person(paged, user=erin, reason="You know Redis", actor=bob)
    settle()
    phones.take()

    clock.forward(minutes=5)
    settle()

    assert phones.paged() == ["alice"]


def test_it_works_after_the_acknowledgement_too(paged, phones, clock, bob, erin):
    core.acknowledge(paged, actor=bob)

    escalation.page_person(paged, user=erin, reason="Help me", actor=bob)
    settle()

    assert phones.paged() == ["erin"]
    assert Incident.objects.get().acknowledged_by == bob


def test_the_same_person_can_be_paged_again(paged, phones, bob, erin):
    for _ in range(2):
        escalation.page_person(paged, user=erin, reason="Wake up", actor=bob)
    settle()

    assert phones.paged() == ["erin", "erin"]


def test_a_person_who_cannot_be_reached_is_refused_and_nothing_stays(paged, phones, bob, erin):
    take_phone(erin)

    with pytest.raises(DomainError, match="no verified way"):
        escalation.page_person(paged, user=erin, reason="Help me", actor=bob)

    assert not Page.objects.filter(user=erin).exists()
    assert not paged.timeline.filter(summary__contains="Erin").exists()


def test_a_deactivated_person_is_refused(paged, bob, erin):
    erin.is_active = False
    erin.save()

    with pytest.raises(DomainError, match="deactivated"):
        escalation.page_person(paged, user=erin, reason="Help me", actor=bob)


def test_a_person_outside_the_audience_of_a_private_incident_is_refused(
    policy, service, phones, bob, erin
):
    private = core.declare(
        title="Leak", service=service, severity="SEV1", is_private=True, audience=[bob]
    )

    with pytest.raises(DomainError, match="may not see"):
        escalation.page_person(private, user=erin, reason="Help me", actor=bob)


def test_whoever_asked_is_told_when_the_person_cannot_be_reached(paged, phones, bob, erin):
    escalation.page_person(paged, user=erin, reason="Help me", actor=bob)
    take_phone(erin)
    settle()

    assert Recorder.sent[0].subject.startswith("Erin could not be reached")
    assert phones.told() == ["bob"]
    assert paged.timeline.filter(kind=Kind.PAGE_FAILED).count() == 1


# --- reroute --------------------------------------------------------------------------------------


def test_rerouting_asks_the_other_people_from_their_first_level(
    paged, phones, clock, bob, database_team
):
    clock.forward(minutes=1)

    escalation.reroute(paged, policy=database_team, reason="It is the database", actor=bob)
    settle()

    assert phones.paged() == ["erin"]
    assert "Rerouted to Database" in paged.timeline.get(kind=Kind.ESCALATED).summary
    clock.forward(minutes=5)
    settle()
    assert phones.paged() == ["duty"]


def test_pages_of_the_old_policy_that_have_not_left_are_void(declared, phones, bob, database_team):
    escalation.reroute(declared, policy=database_team, reason="The database", actor=bob)
    settle()

    assert phones.paged() == ["erin"]
    assert Delivery.objects.get(recipient=bob).state == Delivery.State.CANCELLED


def test_whoever_has_it_gives_it_back_by_rerouting(paged, phones, bob, database_team):
    core.acknowledge(paged, actor=bob)

    escalation.reroute(paged, policy=database_team, reason="The database", actor=bob)
    settle()

    assert phones.paged() == ["erin"]
    assert not Incident.objects.get().is_acknowledged


def test_the_chosen_policy_stays_when_it_starts_again(paged, phones, bob, erin, database_team):
    escalation.reroute(paged, policy=database_team, reason="The database", actor=bob)
    core.acknowledge(paged, actor=erin)
    settle()
    phones.take()

    core.unacknowledge(paged, actor=erin, reason="Have to go")
    settle()

    assert phones.paged() == ["erin"]


@pytest.mark.parametrize("flaw", ["is switched off", "has no levels"])
def test_a_policy_by_which_nobody_could_be_asked_is_refused(paged, bob, database_team, flaw):
    if flaw == "has no levels":
        database_team.levels.all().delete()
    else:
        escalation.set_active(database_team, is_active=False, actor=bob)

    with pytest.raises(DomainError, match=flaw):
        escalation.reroute(paged, policy=database_team, reason="The database", actor=bob)

    assert Escalation.objects.get().policy != database_team
