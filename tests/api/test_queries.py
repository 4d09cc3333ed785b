"""A list costs the same number of queries with one row as with five."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from incidents.alerts import services as alerts
from incidents.alerts.payload import parse
from incidents.comms import services as comms
from incidents.core import services as core
from incidents.core.models import Service
from incidents.core.services.policies import DEFAULT_POLICIES
from incidents.escalation import services as escalation
from incidents.notifications import services as notifications
from incidents.notifications.services import Address
from incidents.oncall import services as oncall
from incidents.reviews import services as reviews
from incidents.timers.clock import VirtualClock
from tests.api.conftest import Caller, World
from tests.api.test_rules import ROUTES
from tests.factories import MembershipFactory, ServiceFactory, TeamFactory, UserFactory

LISTS = [
    name.removeprefix("GET ")
    for name in ROUTES
    if name.startswith("GET ") and "{" not in name and name != "GET me/"
]


def more_of_everything(world: World, clock: VirtualClock) -> None:
    for n in range(4):
        team = TeamFactory(name=f"Team {n}", slug=f"team-{n}")
        person = UserFactory(username=f"extra{n}")
        MembershipFactory(team=team, user=person)
        MembershipFactory(team=world.team, user=person)
        service = ServiceFactory(name=f"Extra {n}", slug=f"extra-{n}", team=team)
        service.depends_on.set(Service.objects.exclude(pk=service.pk))
        admin = world.people["administrator"]
        levels = [
            {"timeout": timedelta(minutes=5), "targets": [{"kind": "person", "user": person}]},
            {"timeout": timedelta(minutes=5), "targets": [{"kind": "schedule"}]},
        ]
        policy = escalation.create_policy(name=f"P{n}", levels=levels, team=team, actor=admin)
        escalation.assign_policy(policy, service=service, actor=admin)
        schedule = oncall.create_schedule(name=f"S{n}", timezone="UTC", team=team, actor=admin)
        oncall.set_rotation(
            schedule,
            kind="daily",
            handover_time=clock.at.time(),
            people=[person, world.people["responder"]],
            starts_on=clock.at.date(),
            actor=admin,
        )
        oncall.add_override(
            schedule,
            user=person,
            starts_at=clock.at,
            ends_at=clock.at + timedelta(hours=1),
            actor=admin,
        )
        method = notifications.add_contact_method(
            person, kind="recorder", address="phone", actor=person
        )
        notifications.vouch_for(method, actor=admin)
        notifications.add_contact_method(
            world.people["responder"], kind="recorder", address=f"phone {n}", actor=admin
        )
        source = alerts.create_source(name=f"Source {n}", team=team, service=service, actor=admin)
        alerts.ingest(source, parse({"summary": "x", "severity": "SEV1"}))
        comms.create_stakeholders(
            name=f"List {n}",
            service=service,
            people=[person, world.people["responder"]],
            addresses=[Address("recorder", "a"), Address("recorder", "b")],
            actor=admin,
        )
        comms.create_channel(name=f"#{n}", team=team, kind="recorder", address="a", actor=admin)
        comms.set_component(service=service, name=f"Component {n}", actor=admin)
        incident = core.declare(title="More", service=service, severity="SEV1")
        core.acknowledge(incident, actor=person)
        core.assign_role(incident, role="commander", user=person, actor=person)
        core.add_checklist_item(incident, text="More", actor=person)
        reviews.add_item(incident, actor=person, title="Something", owner=person)
        over = core.declare(title="Over", service=service, severity="SEV4")
        core.dismiss(over, reason="A test.", actor=person)
        reviews.request(over, reason="To learn.", actor=person)
        core.publish_revision(slug="default", title="Next", policies=DEFAULT_POLICIES)
        core.issue_token(world.people["responder"], name="more", scope="read")


@pytest.fixture
def responder(as_: Callable[..., Caller]) -> Caller:
    client = as_("responder")
    client.get("/api/v1/me/")  # notes that the token was used
    return client


def cost(client: Caller, address: str) -> tuple[int, int, list[str]]:
    with CaptureQueriesContext(connection) as queries:
        answer = client.get(address)
    assert answer.status_code == 200, answer.content
    return len(queries), len(answer.json()["results"]), [q["sql"] for q in queries]


def test_a_list_has_a_constant_query_count(
    world: World, responder: Caller, clock: VirtualClock, subtests: pytest.Subtests
) -> None:
    before = {address: cost(responder, f"/api/v1/{address}") for address in LISTS}

    more_of_everything(world, clock)

    for address, (few, rows_before, _) in before.items():
        with subtests.test(address):
            many, rows_after, queries = cost(responder, f"/api/v1/{address}")
            assert rows_before >= 1
            assert rows_after > rows_before
            assert many == few, "\n".join(queries)
            assert many <= 14, "\n".join(queries)


def test_a_timeline_has_a_constant_query_count(world: World, responder: Caller) -> None:
    address = f"/api/v1/incidents/{world.incident.reference}/timeline/"
    before, rows_before, _ = cost(responder, address)

    for n in range(4):
        core.note(world.incident, text=f"Note {n}", actor=world.people["manager"])
    after, rows_after, _ = cost(responder, address)

    assert rows_after == rows_before + 4
    assert after == before


def test_an_incident_costs_the_same_with_more_on_it(world: World, responder: Caller) -> None:
    address = f"/api/v1/incidents/{world.incident.reference}/"
    actor = world.people["responder"]

    def count() -> int:
        with CaptureQueriesContext(connection) as queries:
            assert responder.get(address).status_code == 200
        return len(queries)

    core.assign_role(world.incident, role="scribe", user=actor, actor=actor)
    before = count()
    for n, role in enumerate(["commander", "technical_lead", "communications_lead"]):
        core.assign_role(world.incident, role=role, user=actor, actor=actor)
        core.tick(core.add_checklist_item(world.incident, text=f"{n}", actor=actor), actor=actor)

    assert count() == before
    assert before <= 14
