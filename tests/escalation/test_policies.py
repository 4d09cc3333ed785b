"""Writing policies, and which one applies."""

from datetime import timedelta

import pytest

from incidents.core import services as core
from incidents.core.errors import DomainError
from incidents.escalation import services as escalation
from incidents.escalation.models import EscalationPolicy, LevelTarget, PolicyAssignment
from incidents.oncall import services as oncall
from tests.escalation.conftest import FIVE, TEN, give_phone
from tests.escalation.stage import settle
from tests.factories import MembershipFactory, UserFactory

pytestmark = pytest.mark.django_db


def asking(user, **facts):
    level = {"timeout": FIVE, "targets": [{"kind": "person", "user": user}]}
    return escalation.create_policy(levels=[level], actor=None, **facts)


def declare(service, severity="SEV1"):
    return core.declare(title="Checkout is down", service=service, severity=severity)


# --- Writing --------------------------------------------------------------------------------------


def test_a_policy_reads_as_a_ladder(policy):
    policy = EscalationPolicy.objects.with_ladder().get()

    assert policy.ladder_text == (
        "1. on call of the owning team, 5 min → "
        "2. managers of the owning team, 10 min → 3. Dana, 10 min"
    )


def test_one_without_levels_says_what_that_means(db):
    policy = escalation.create_policy(name="Empty", actor=None)

    assert policy.ladder_text == "no levels: the last resort is told at once"


def test_setting_levels_replaces_the_old_ones(policy, dana):
    target = {"kind": "person", "user": dana}
    escalation.set_levels(policy, levels=[{"timeout": TEN, "targets": [target]}], actor=None)

    assert [str(level) for level in policy.levels.all()] == ["1. Dana, 10 min"]
    assert LevelTarget.objects.count() == 1


@pytest.mark.parametrize(
    ("facts", "why"),
    [
        ({"name": "  "}, "needs a name"),
        ({"name": "Payments"}, "named Payments already"),
        ({"name": "Other", "slug": "payments"}, "slug payments already"),
        ({"name": "!!!"}, "slug of letters"),
        ({"name": "Other", "repeats": 21}, "0 to 20 times"),
        ({"name": "Other", "repeats": -1}, "0 to 20 times"),
        ({"name": "Other", "acknowledgement_expiry": timedelta()}, "cannot expire at once"),
    ],
)
def test_a_policy_that_makes_no_sense_is_refused(policy, facts, why):
    with pytest.raises(DomainError, match=why):
        escalation.create_policy(**facts, actor=None)

    assert EscalationPolicy.objects.count() == 1


@pytest.mark.parametrize(
    ("levels", "why"),
    [
        ([], "at least one level"),
        ([{"timeout": FIVE, "targets": []}], "asks nobody"),
        ([{"timeout": timedelta(), "targets": [{"kind": "schedule"}]}], "a time to answer"),
        ([{"targets": [{"kind": "schedule"}]}], "a time to answer"),
        ([{"timeout": FIVE, "targets": [{"kind": "robot"}]}], "'robot' is no kind"),
        ([{"timeout": FIVE, "targets": [{"kind": "person"}]}], "says nobody"),
        ([{"timeout": FIVE, "targets": [{"kind": "function"}]}], "say which function"),
        (
            [{"timeout": FIVE, "targets": [{"kind": "schedule", "function": "cto"}]}],
            "has no function",
        ),
        ([{"timeout": FIVE, "targets": [{"kind": "schedule"}]}] * 21, "20 levels at most"),
    ],
)
def test_levels_that_make_no_sense_are_refused_and_the_old_ones_stay(policy, levels, why):
    with pytest.raises(DomainError, match=why):
        escalation.set_levels(policy, levels=levels, actor=None)

    assert policy.levels.count() == 3


def test_a_deactivated_person_is_refused(policy, dana):
    dana.is_active = False
    dana.save()

    with pytest.raises(DomainError, match="Dana, who is deactivated"):
        asking(dana, name="Other")


def test_updating_keeps_what_is_not_given(policy):
    updated = escalation.update_policy(policy, acknowledgement_expiry=None, actor=None)

    assert (updated.name, updated.repeats) == ("Payments", 1)
    assert updated.acknowledgement_expiry is None


# --- Whom a target means --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("target", "people"),
    [
        ({"kind": "schedule"}, ["bob"]),
        ({"kind": "team_members"}, ["alice", "bob"]),
        ({"kind": "team_manager"}, ["alice"]),
        ({"kind": "function", "function": "lead"}, ["bob"]),
        ({"kind": "function", "function": "director"}, ["frank"]),
        ({"kind": "function", "function": "nobody"}, ["duty"]),
    ],
)
def test_a_target_means(policy, service, phones, bob, target, people):
    frank = UserFactory(username="frank")
    give_phone(frank)
    MembershipFactory(user=frank, function="director", role="viewer")
    MembershipFactory(user=frank, function="lead", role="viewer")
    bob.memberships.update(function="lead")
    escalation.set_levels(policy, levels=[{"timeout": FIVE, "targets": [target]}], actor=None)

    declare(service)
    settle()

    assert phones.paged() == people


def test_viewers_of_a_team_are_not_asked(policy, service, team, phones, bob):
    bob.memberships.update(role="viewer")
    level = {"timeout": FIVE, "targets": [{"kind": "team_members"}]}
    escalation.set_levels(policy, levels=[level], actor=None)

    declare(service)
    settle()

    assert phones.paged() == ["alice"]


def test_a_team_and_a_schedule_can_be_named(policy, service, phones, charlie, schedule, bob):
    give_phone(charlie)
    search = charlie.memberships.get().team
    targets = [
        {"kind": "team_members", "team": search},
        {"kind": "schedule", "schedule": schedule},
    ]
    escalation.set_levels(policy, levels=[{"timeout": FIVE, "targets": targets}], actor=None)

    declare(service)
    settle()

    assert phones.paged() == ["bob", "charlie"]


def test_an_owning_team_without_a_schedule_is_said_so(policy, service, phones, team):
    oncall_free = oncall.create_schedule(name="Nobody's", team=team, timezone="UTC", actor=None)
    oncall.assign_schedule(team, schedule=oncall_free, actor=None)
    declare(service)
    settle()

    assert phones.paged() == ["alice"]


# --- Which one applies ----------------------------------------------------------------------------


def test_the_most_specific_assignment_wins(policy, service, team, dana, phones):
    places = [
        {},
        {"severity": "SEV1"},
        {"team": team},
        {"team": team, "severity": "SEV1"},
        {"service": service},
        {"service": service, "severity": "SEV1"},
    ]
    for number, place in enumerate(places):
        person = UserFactory(username=f"person{number}")
        give_phone(person)
        escalation.assign_policy(asking(person, name=f"Policy {number}"), **place, actor=None)

    asked = []
    for _ in places:
        declare(service)
        settle()
        asked += phones.paged()
        best = max(PolicyAssignment.objects.all(), key=lambda one: one.policy.name)
        escalation.unassign_policy(best, actor=None)

    assert asked == [f"person{number}" for number in reversed(range(6))]


def test_another_severity_or_service_is_not_touched(policy, service, dana, phones):
    other = asking(dana, name="Other")
    escalation.assign_policy(other, service=service, severity="SEV2", actor=None)

    declare(service, "SEV1")
    settle()

    assert phones.paged() == ["bob"]


def test_assigning_again_replaces(policy, service, team, dana):
    other = asking(dana, name="Other")

    escalation.assign_policy(other, team=team, actor=None)

    assert PolicyAssignment.objects.get().policy == other


@pytest.mark.parametrize(
    ("place", "why"),
    [("both", "not to both"), ("severity", "is no severity")],
)
def test_an_assignment_that_makes_no_sense_is_refused(policy, service, team, place, why):
    facts = {"both": {"service": service, "team": team}, "severity": {"severity": "SEV9"}}[place]

    with pytest.raises(DomainError, match=why):
        escalation.assign_policy(policy, **facts, actor=None)
