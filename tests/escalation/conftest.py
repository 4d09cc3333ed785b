"""Bob is on call for Payments, Alice manages it, Dana directs; the last resort is a duty phone."""

import logging
from datetime import date, time, timedelta

import pytest

from incidents.core import services as core
from incidents.core.models import Incident, Service, Team, User
from incidents.escalation import services as escalation
from incidents.escalation.models import EscalationPolicy
from incidents.notifications import services as notifications
from incidents.oncall import services as oncall
from incidents.oncall.models import Schedule
from incidents.timers.clock import VirtualClock
from tests.escalation.stage import Phones, nobody_is_silent
from tests.factories import MembershipFactory, TeamFactory, UserFactory

FIVE, TEN = timedelta(minutes=5), timedelta(minutes=10)


def give_phone(user: User) -> None:
    """A verified recorder under the person's user name."""
    method = notifications.add_contact_method(
        user, kind="recorder", address=user.username, actor=None
    )
    notifications.vouch_for(method, actor=None)


def take_phone(user: User) -> None:
    for method in user.contact_methods.all():
        notifications.remove_contact_method(method, actor=None)


@pytest.fixture
def phones(db: None) -> Phones:
    return Phones()


@pytest.fixture
def dana(db: None) -> User:
    """Belongs to no team."""
    user = UserFactory(username="dana")
    give_phone(user)
    return user


@pytest.fixture
def last_resort(db: None) -> None:
    notifications.add_last_resort(name="Duty phone", kind="recorder", address="duty", actor=None)


@pytest.fixture
def schedule(team: Team, alice: User, bob: User, clock: VirtualClock) -> Schedule:
    """Bob, always."""
    for user in [alice, bob]:
        give_phone(user)
    schedule = oncall.create_schedule(name="Payments", team=team, timezone="UTC", actor=None)
    oncall.set_rotation(
        schedule,
        kind="weekly",
        handover_weekday=0,
        handover_time=time(9),
        starts_on=date(2026, 1, 5),
        people=[bob],
        actor=None,
    )
    oncall.assign_schedule(team, schedule=schedule, actor=None)
    return schedule


@pytest.fixture
def policy(
    schedule: Schedule, team: Team, dana: User, last_resort: None, phones: Phones
) -> EscalationPolicy:
    """On call, 5 min → managers, 10 min → Dana, 10 min; once more; expiry after half an hour."""
    policy = escalation.create_policy(
        name="Payments",
        levels=[
            {"timeout": FIVE, "targets": [{"kind": "schedule"}]},
            {"timeout": TEN, "targets": [{"kind": "team_manager"}]},
            {"timeout": TEN, "targets": [{"kind": "person", "user": dana}]},
        ],
        repeats=1,
        acknowledgement_expiry=timedelta(minutes=30),
        team=team,
        actor=None,
    )
    escalation.assign_policy(policy, team=team, actor=None)
    return policy


@pytest.fixture
def declared(policy: EscalationPolicy, service: Service) -> Incident:
    """A SEV1 of Checkout; nothing has been sent yet."""
    return core.declare(title="Checkout is down", service=service, severity="SEV1")


@pytest.fixture
def errors_expected() -> None:
    """For stories in which something is broken on purpose."""


@pytest.fixture(autouse=True)
def _never_silent(request: pytest.FixtureRequest, caplog: pytest.LogCaptureFixture):
    """After every story: no incident is silent, and nothing failed behind the scenes."""
    caplog.set_level(logging.ERROR)
    yield
    if "policy" in request.fixturenames:
        nobody_is_silent()
    if "errors_expected" not in request.fixturenames:
        failed = [r for phase in ("setup", "call") for r in caplog.get_records(phase)]
        assert [r.getMessage() for r in failed if r.levelname == "ERROR"] == []


@pytest.fixture
def acknowledged_for_good(policy: EscalationPolicy) -> None:
    EscalationPolicy.objects.update(acknowledgement_expiry=None)


@pytest.fixture
def lena(policy: EscalationPolicy) -> User:
    """Engineering lead, in another team."""
    user = UserFactory(username="lena")
    office = TeamFactory(slug="office", name="office")
    MembershipFactory(team=office, user=user, function="engineering-lead")
    give_phone(user)
    return user
