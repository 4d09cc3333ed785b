"""Did it work? The action review asks; an incident that happens again asks louder."""

from datetime import date, timedelta

import pytest

from incidents.core import services as core
from incidents.core.errors import DomainError, Refused
from incidents.core.models import Incident, Kind
from incidents.reviews import services as reviews
from incidents.reviews.models import Suspicion
from tests.factories import ServiceFactory
from tests.reviews.desk import days, letters, over, reachable

pytestmark = pytest.mark.django_db


@pytest.fixture
def declared(service, clock):
    """`declared()`: an incident of the type disk-full of Checkout."""

    def declare(**facts) -> Incident:
        said = {"title": "Disk full", "service": service, "severity": "SEV2"}
        return core.declare(**{**said, "incident_type": "disk-full", **facts})

    return declare


@pytest.fixture
def first(declared, bob):
    return over(declared(), bob)


@pytest.fixture
def done(first, alice, bob, clock):
    """What Bob did two days after the first incident, so that it never happens again."""
    reachable(alice, bob)
    item = reviews.add_item(first, actor=alice, title="Rotate the logs", owner=bob)
    clock.forward(days=2)
    return reviews.finish_item(item, actor=bob, evidence="Deployed")


@pytest.fixture
def suspicion(done, declared, bob, clock):
    clock.forward(days=20)
    again = over(declared(title="Disk full again"), bob)
    return Suspicion.objects.get(item=done, incident=again)


# --- The action review ----------------------------------------------------------------------------


def test_two_weeks_after_the_incident_its_owner_is_asked_and_then_the_manager(done, clock) -> None:
    letters()
    assert done.prove_on == date(2026, 3, 16)

    heard = [one for one in days(clock, 30) if not one[2].startswith("Week of")]

    assert heard == [
        ("Mon 16 Mar", "bob", "Action items of Payments: 1 to be shown to help"),
        ("Thu 19 Mar", "alice", "Action items of Payments: 1 unproven"),
    ]


def test_what_is_done_after_the_action_review_is_asked_about_as_long_after(
    first, alice, bob, clock
) -> None:
    item = reviews.add_item(first, actor=alice, title="Rotate the logs", owner=bob)
    clock.forward(days=30)

    late = reviews.finish_item(item, actor=bob, evidence="Deployed")

    assert late.prove_on == date(2026, 4, 15)


def test_evidence_ends_the_asking(done, bob, clock) -> None:
    reviews.verify_item(done, actor=bob, proof="No full disk since")
    letters()

    assert days(clock, 30) == []


# --- It happened again ----------------------------------------------------------------------------


def test_the_same_type_and_service_within_the_watch_makes_it_suspected(suspicion, done) -> None:
    done.refresh_from_db()
    assert done.is_suspected
    assert (suspicion.verdict, done.state) == ("open", "done")
    entry = done.entries.get(kind="suspected")
    assert entry.text == f"It happened again: {suspicion.incident.reference}."


@pytest.mark.parametrize(
    "facts",
    [{"incident_type": "slow"}, {"incident_type": ""}, {"service": "another"}],
    ids=["another type", "no type", "another service"],
)
def test_what_is_not_alike_suspects_nothing(done, declared, bob, team, facts) -> None:
    if "service" in facts:
        facts = {"service": ServiceFactory(name="Search", team=team)}

    over(declared(**facts), bob)

    assert not Suspicion.objects.exists()


def test_a_recurrence_is_enough_whatever_its_type(done, first, declared, bob, clock) -> None:
    clock.forward(days=1)

    over(declared(incident_type="", recurrence_of=first), bob)

    assert Suspicion.objects.filter(item=done).exists()


def test_after_the_watch_it_suspects_nothing(done, declared, bob, clock) -> None:
    clock.forward(weeks=14)

    over(declared(), bob)

    assert not Suspicion.objects.exists()


def test_what_was_to_notice_or_to_document_it_does_not_fail_by_its_happening(
    first, alice, bob, declared, clock
) -> None:
    for kind in ["detect", "mitigate", "process", "document"]:
        item = reviews.add_item(first, actor=alice, title=kind, owner=bob, kind=kind)
        reviews.finish_item(item, actor=bob, evidence="Done")
    clock.forward(days=1)

    over(declared(), bob)

    assert not Suspicion.objects.exists()


def test_a_drill_suspects_nothing(done, declared, bob, clock) -> None:
    clock.forward(days=1)
    again = declared()
    Incident.objects.filter(pk=again.pk).update(is_drill=True)

    over(again, bob)

    assert not Suspicion.objects.exists()


def test_a_type_that_turns_out_to_be_another_takes_the_suspicion_back(
    done, declared, bob, clock
) -> None:
    clock.forward(days=1)
    again = declared()
    core.identify(again, actor=bob, suspected_cause="The disk")
    assert Suspicion.objects.get().verdict == "open"

    Incident.objects.filter(pk=again.pk).update(incident_type="slow")
    over(again, bob)

    done.refresh_from_db()
    assert Suspicion.objects.get().verdict == "withdrawn"
    assert not done.is_suspected


def test_a_false_alarm_takes_the_suspicion_back(done, declared, bob, clock) -> None:
    clock.forward(days=1)
    again = declared()
    core.identify(again, actor=bob, suspected_cause="The disk")

    core.dismiss(again, actor=bob, reason="The sensor was wrong")

    done.refresh_from_db()
    assert (Suspicion.objects.get().verdict, done.is_suspected) == ("withdrawn", False)


def test_of_a_duplicate_only_the_one_that_goes_on_speaks(done, declared, bob, clock) -> None:
    clock.forward(days=1)
    again, twin = declared(), declared()
    for one in [again, twin]:
        core.identify(one, actor=bob, suspected_cause="The disk")

    core.merge(twin, into=again, actor=bob)

    done.refresh_from_db()
    verdicts = dict(Suspicion.objects.values_list("incident", "verdict"))
    assert verdicts == {again.pk: "open", twin.pk: "withdrawn"}
    assert done.is_suspected


def test_owner_and_manager_are_asked_once_whether_it_failed(suspicion, clock) -> None:
    letters()

    heard = [one for one in days(clock, 10) if "to judge" in one[2]]

    assert [(day, who) for day, who, _ in heard] == [
        ("Tue 24 Mar", "alice"),
        ("Tue 24 Mar", "bob"),
    ]


def test_confirmed_it_is_open_again_and_both_incidents_say_so(suspicion, done, alice, clock):
    item = reviews.confirm_suspicion(suspicion, actor=alice, note="Rotation was switched off")

    suspicion.refresh_from_db()
    again = suspicion.incident
    assert (suspicion.verdict, suspicion.decided_by) == ("confirmed", alice)
    assert (item.state, item.failures, item.is_suspected) == ("open", 1, False)
    assert item.due_on == date(2026, 4, 7)  # two weeks from now, as its priority is medium
    on_first = done.incident.timeline.get(kind=Kind.ACTION_REOPENED)
    on_again = again.timeline.get(kind=Kind.ACTION_REOPENED)
    assert again.reference in on_first.summary
    assert done.incident.reference in on_again.summary
    assert "Rotation was switched off" in on_first.summary


def test_rejected_it_stays_done_and_both_are_left_alone(suspicion, done, bob) -> None:
    item = reviews.reject_suspicion(suspicion, actor=bob, note="Another disk")

    assert (item.state, item.failures, item.is_suspected) == ("done", 0, False)
    assert not suspicion.incident.timeline.filter(kind=Kind.ACTION_REOPENED).exists()


def test_it_is_judged_once_and_with_a_reason(suspicion, bob) -> None:
    with pytest.raises(DomainError):
        reviews.reject_suspicion(suspicion, actor=bob, note=" ")
    reviews.reject_suspicion(suspicion, actor=bob, note="Another disk")

    with pytest.raises(Refused, match="already"):
        reviews.confirm_suspicion(suspicion, actor=bob, note="No")


def test_it_is_not_verified_while_it_is_suspected(suspicion, done, bob) -> None:
    with pytest.raises(Refused, match="happened again"):
        reviews.verify_item(done, actor=bob, proof="All is well")


def test_what_is_declined_is_not_suspected_any_more(suspicion, done, alice) -> None:
    reviews.reopen_item(done, actor=alice, reason="It was switched off")

    declined = reviews.decline_item(done, actor=alice, reason="The disk is gone")

    suspicion.refresh_from_db()
    assert not declined.is_suspected
    assert (suspicion.verdict, suspicion.decided_by) == ("withdrawn", alice)
    assert suspicion.note == "The item was declined: The disk is gone"


def test_a_private_incident_is_not_named_on_the_other_one(done, declared, alice, bob, clock):
    clock.forward(days=1)
    affair = over(declared(title="A leak", is_private=True, audience=[bob]), bob)

    suspicion = Suspicion.objects.get()
    reviews.confirm_suspicion(suspicion, actor=bob, note="It was")

    entry = done.incident.timeline.get(kind=Kind.ACTION_REOPENED)
    assert affair.reference not in entry.summary
    assert not done.entries.filter(text__contains=affair.reference).exists()


# --- The figures ----------------------------------------------------------------------------------


def test_effectiveness_is_the_share_of_what_holds(suspicion, done, first, alice, bob) -> None:
    held = reviews.add_item(first, actor=alice, title="Bigger disk", owner=bob)
    reviews.finish_item(held, actor=bob, evidence="Bought")
    reviews.add_item(first, actor=alice, title="Not done yet", owner=bob)

    before = reviews.prevention_by_team(Incident.objects.real())["Payments"]
    reviews.confirm_suspicion(suspicion, actor=alice, note="It was")
    after = reviews.prevention_by_team(Incident.objects.real())["Payments"]

    assert (before.done, before.suspected, before.share) == (2, 1, 1.0)
    assert (after.done, after.failed, after.suspected, after.share) == (2, 1, 0, 0.5)


def test_drills_do_not_count(done, first) -> None:
    Incident.objects.filter(pk=first.pk).update(is_drill=True)

    assert reviews.prevention_by_team(Incident.objects.all()) == {}


def test_the_backlog_tells_the_oldest_first(done, first, alice, bob, clock) -> None:
    item = reviews.add_item(first, actor=alice, title="Late", owner=bob)
    reviews.add_item(first, actor=alice, title="Nobody's")
    today = item.due_on + timedelta(days=3)

    [backlog] = reviews.backlog_by_team(first.action_items.all(), today)

    assert (backlog.team, backlog.open, backlog.overdue, backlog.unowned) == ("Payments", 2, 2, 1)
    assert backlog.age(today) == 3
