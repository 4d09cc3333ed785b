"""One of everything, and one person of every role."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from incidents.alerts import services as alerts
from incidents.alerts.models import Alert, Source
from incidents.alerts.payload import parse
from incidents.comms import services as comms
from incidents.comms.models import Component, Stakeholders, TeamChannel
from incidents.core import services as core
from incidents.core.models import ApiToken, ChecklistItem, Incident, Service, Team, User
from incidents.core.services.policies import DEFAULT_POLICIES
from incidents.escalation import services as escalation
from incidents.escalation.models import EscalationPolicy, PolicyAssignment
from incidents.notifications import services as notifications
from incidents.notifications.models import ContactMethod
from incidents.oncall import services as oncall
from incidents.oncall.models import Override, Schedule
from incidents.reviews import services as reviews
from incidents.reviews.models import ActionItem, Attendee, FollowUpStep, Why
from incidents.timers.clock import VirtualClock
from tests.core.runbook import DOCUMENT
from tests.factories import MembershipFactory, UserFactory

ROLES = [
    *("anonymous", "viewer", "responder", "foreign responder", "manager", "foreign manager"),
    "administrator",
]


class Caller(Client):
    """A client that speaks JSON, with the token of one person."""

    def __init__(self, secret: str = "") -> None:
        headers = {"Authorization": f"Bearer {secret}"} if secret else {}
        super().__init__(headers=headers)

    def send(self, method: str, address: str, body: Any = None, **more: Any) -> Any:
        if method == "GET":
            return self.get(address, body or {}, **more)
        call = getattr(self, method.lower())
        return call(address, {} if body is None else body, content_type="application/json", **more)


def caller(user: User | None, scope: str = ApiToken.Scope.MANAGE) -> Caller:
    if user is None:
        return Caller()
    return Caller(core.issue_token(user, name="tests", scope=scope)[1])


@dataclass
class World:
    people: dict[str, User | None]
    team: Team
    service: Service
    incident: Incident
    identified: Incident
    minor: Incident
    closed: Incident
    item: ChecklistItem
    source: Source
    alert: Alert
    schedule: Schedule
    override: Override
    policy: EscalationPolicy
    assignment: PolicyAssignment
    tokens: dict[str, ApiToken]
    methods: dict[str, ContactMethod]
    stakeholders: Stakeholders
    channel: TeamChannel
    component: Component
    agreed: ActionItem
    finished: ActionItem
    reviewed: Incident
    attendee: Attendee
    why: Why
    step: FollowUpStep


@pytest.fixture
def people(team: Team, alice: User, bob: User, charlie: User) -> dict[str, User | None]:
    viewer, foreign = UserFactory(username="vera"), UserFactory(username="fiona")
    MembershipFactory(team=team, user=viewer, role="viewer")
    MembershipFactory(team=Team.objects.get(slug="search"), user=foreign, role="manager")
    return {
        "anonymous": None,
        "viewer": viewer,
        "responder": bob,
        "foreign responder": charlie,
        "manager": alice,
        "foreign manager": foreign,
        "administrator": UserFactory(username="root", is_superuser=True),
    }


@pytest.fixture
def policy(team: Team, bob: User, alice: User) -> EscalationPolicy:
    levels = [{"timeout": timedelta(minutes=5), "targets": [{"kind": "person", "user": bob}]}]
    return escalation.create_policy(name="Payments", levels=levels, team=team, actor=alice)


@pytest.fixture
def schedule(team: Team, alice: User, bob: User, clock: VirtualClock) -> Schedule:
    schedule = oncall.create_schedule(name="Payments", timezone="UTC", team=team, actor=alice)
    oncall.set_rotation(
        schedule,
        kind="daily",
        handover_time=clock.at.time().replace(hour=9),
        people=[bob, alice],
        starts_on=clock.at.date(),
        actor=alice,
    )
    return schedule


@pytest.fixture
def world(
    team: Team,
    service: Service,
    alice: User,
    bob: User,
    people: dict[str, User | None],
    policy: EscalationPolicy,
    schedule: Schedule,
    clock: VirtualClock,
) -> World:
    known = {name: DOCUMENT[name] for name in ["types", "procedures"]}
    known["reviews"] = {"follow_ups": [{"title": "Right after", "steps": ["Keep the logs"]}]}
    core.publish_revision(
        slug="default", title="Built-in default", policies=DEFAULT_POLICIES, document=known
    )
    persons = {role: user for role, user in people.items() if user is not None}
    methods = {
        role: notifications.add_contact_method(
            user, kind="recorder", address=f"{user.username}-phone", actor=user
        )
        for role, user in persons.items()
    }
    notifications.vouch_for(methods["responder"], actor=alice)
    assignment = escalation.assign_policy(policy, service=service, actor=alice)
    override = oncall.add_override(
        schedule,
        user=alice,
        starts_at=clock.at + timedelta(hours=1),
        ends_at=clock.at + timedelta(hours=2),
        actor=alice,
    )
    source = alerts.create_source(name="Probe", team=team, service=service, actor=alice)
    alerts.ingest(source, parse({"summary": "Checkout is slow", "severity": "SEV2"}))
    comms.set_component(service=service, name="Payments", actor=alice)
    incident = core.declare(title="Checkout is down", service=service, severity="SEV1")
    identified = core.declare(title="Checkout is odd", service=service, severity="SEV2")
    closed = core.declare(title="Checkout was down", service=service, severity="SEV3")
    agreed, finished = (
        reviews.add_item(incident, actor=alice, title=title, owner=bob)
        for title in ["Rotate the logs", "A bigger disk"]
    )
    reviews.finish_item(finished, actor=bob, evidence="Bought")
    reviewed = core.declare(title="Checkout was slow", service=service, severity="SEV3")
    core.dismiss(reviewed, reason="A test.", actor=bob)
    review = reviews.request(reviewed, reason="To learn.", actor=alice)
    attendee = reviews.add_attendee(review, user=people["foreign responder"], actor=bob)
    return World(
        people=people,
        team=team,
        service=service,
        incident=incident,
        identified=core.identify(identified, suspected_cause="The cache.", actor=bob),
        minor=core.declare(title="A typo", service=service, severity="SEV4"),
        closed=core.dismiss(closed, reason="A test.", actor=bob),
        item=core.add_checklist_item(incident, text="Look at the graphs", actor=bob),
        source=source,
        alert=Alert.objects.get(),
        schedule=schedule,
        override=override,
        policy=policy,
        assignment=assignment,
        tokens={
            role: core.issue_token(user, name="own", scope="read")[0]
            for role, user in persons.items()
        },
        methods=methods,
        stakeholders=comms.create_stakeholders(name="Desk", team=team, people=[bob], actor=alice),
        channel=comms.create_channel(
            name="#a", team=team, kind="recorder", address="a", actor=alice
        ),
        component=comms.set_component(service=service, name="Shops", actor=alice),
        agreed=agreed,
        finished=finished,
        reviewed=reviewed,
        attendee=attendee,
        why=reviews.ask_why(review, ask="Why was it slow?", actor=bob),
        step=reviews.steps_of(review)[0],
    )


@pytest.fixture
def as_(people: dict[str, User | None]) -> Callable[..., Caller]:
    """`as_("responder")`: a caller with a token of that role's person; `scope=` limits it."""

    def find(role: str, scope: str = ApiToken.Scope.MANAGE) -> Caller:
        return caller(people[role], scope)

    return find
