"""A small organisation in the middle of its day: at least one row of everything, by verbs."""

from dataclasses import dataclass
from datetime import date, time, timedelta

import pytest

from incidents.alerts import services as alerts
from incidents.alerts.models import Source
from incidents.alerts.payload import parse
from incidents.comms import services as comms
from incidents.core import services as core
from incidents.core.models import (
    ApiToken,
    Incident,
    LoginAttempt,
    Organisation,
    SavedView,
    Service,
    Team,
    User,
)
from incidents.escalation import services as escalation
from incidents.insights.models import AuditRun
from incidents.notifications import engine as outbox
from incidents.notifications import services as notifications
from incidents.notifications.services import Address
from incidents.notifications.transports.base import TransportError
from incidents.notifications.transports.recorder import Recorder
from incidents.oncall import services as oncall
from incidents.reviews import services as reviews
from incidents.reviews.models import Suspicion
from incidents.runbooks import services as runbooks
from incidents.timers import clock
from incidents.timers import engine as timers
from tests.browser.reviewed import build_reviews
from tests.core import runbook
from tests.factories import MembershipFactory, ServiceFactory, TeamFactory, UserFactory

NOBODY_READS = "answering machine"


def settle(rounds: int = 20) -> None:
    """Let everything happen that is due now, until nothing is."""
    for _ in range(rounds):
        if not timers.tick() + outbox.dispatch(wait=True):
            return
    pytest.fail("It never settles: something schedules itself for now, for ever.")


@dataclass
class World:
    root: User
    alice: User
    bob: User
    vera: User
    team: Team
    service: Service
    source: Source
    token: ApiToken
    incidents: dict[str, Incident]


def build() -> World:
    """Alice manages, Bob is on call, Vera only reads, root administers."""
    Recorder.reset()
    Organisation.objects.get_or_create(pk=1)
    core.ensure_default_runbook()
    root = UserFactory(username="root", is_superuser=True, is_staff=True)
    team = TeamFactory(name="Payments", slug="payments")
    people = [_person(name, team, role) for name, role in MEMBERS.items()]
    alice, bob, vera = people
    service = ServiceFactory(
        name="Checkout", slug="checkout", team=team, criticality="critical", is_catch_all=True
    )
    other = ServiceFactory(name="Search", slug="search", team=TeamFactory(name="Search"))
    service.depends_on.add(other)
    _contacts(root, alice, bob)
    _paging(team, alice, bob, root)
    source = alerts.create_source(name="Prometheus", team=team, service=service, actor=root)
    old = alerts.create_source(name="Nagios", team=team, actor=root)
    alerts.change_source(old, is_active=False, actor=root)
    _accounts(team, root, alice)
    _audit()
    core.expect_signal(
        matchers={"service": "checkout", "dedup_key": "drill"},
        until=clock.now() + timedelta(hours=2),
        label_before_acknowledgement="[DRILL]",
        audience=[bob],
    )
    _listeners(team, service, alice)
    incidents = _incidents(service, source, alice, bob)
    _updates(incidents, bob)
    _agreed(incidents["done"], alice, bob)
    build_reviews(team, alice, bob)
    token, _ = core.issue_token(bob, name="laptop", scope="respond")
    LoginAttempt.objects.create(account="0" * 64, address="192.0.2.7", at=clock.now())
    SavedView.objects.create(
        user=alice, page="incidents.incident", name="Bad ones", query="severity=SEV1"
    )
    settle()
    return World(root, alice, bob, vera, team, service, source, token, incidents)


def _listeners(team: Team, service: Service, alice: User) -> None:
    """Who is told of the incidents of Payments, where it talks, and what the public sees."""
    comms.create_stakeholders(
        name="Support desk",
        team=team,
        people=[alice],
        addresses=[Address("recorder", "desk")],
        actor=alice,
    )
    comms.create_channel(
        name="#incidents", team=team, kind="recorder", address="channel", actor=alice
    )
    comms.set_component(service=service, name="Payments in shops", actor=alice)


def _updates(incidents: dict[str, Incident], bob: User) -> None:
    for incident in incidents.values():
        if incident.is_open and not incident.is_private:
            for audience in ["internal", "external"]:
                comms.publish_update(
                    incident, actor=bob, audience=audience, known="We are looking into it."
                )


def _agreed(incident: Incident, alice: User, bob: User) -> None:
    """An item in every state: with a comment, nobody's, declined, done, and done in vain."""
    names = ["Rotate the logs", "Buy disks", "A bigger disk", "Delete old logs"]
    open_one, declined, done, in_vain = (
        reviews.add_item(incident, actor=alice, title=name, priority="high", owner=bob)
        for name in names
    )
    reviews.comment_item(open_one, actor=bob, text="Waiting for the *platform* team.")
    reviews.decline_item(declined, actor=alice, reason="Too dear")
    for item in [done, in_vain]:
        reviews.finish_item(item, actor=bob, evidence="https://git.example.org/42")
    reviews.propose_runbook_change(incident, actor=bob, section="checklists", text="Ask sooner.")
    reviews.add_item(incident, actor=alice, title="Alert on a full disk", kind="detect")
    again = core.declare(
        title="It was something", service=incident.service, severity="SEV4", recurrence_of=incident
    )
    said = {"suspected_cause": "The disk", "mitigation": "Deleted logs", "kind": "other"}
    core.mark_recovered(core.acknowledge(again, actor=bob), actor=bob)
    core.resolve(again, actor=bob, **said)
    first = Suspicion.objects.order_by("pk").first()
    assert first is not None
    reviews.reject_suspicion(first, actor=alice, note="Another disk")


def _announced(team: Team) -> Service:
    """A service whose runbook wants customers to be told of the worst."""
    runbooks.apply(runbooks.load("tars"), actor=None)
    return ServiceFactory(name="Tills", team=team, runbook="tars")


MEMBERS = {"alice": "manager", "bob": "responder", "vera": "viewer"}


def _person(name: str, team: Team, role: str) -> User:
    person = UserFactory(username=name, timezone="Europe/Berlin")
    MembershipFactory(team=team, user=person, role=role)
    return person


def _audit() -> None:
    """One that found something, as `insights.look` keeps it."""
    offences = [["incident:1", "INC-1 is open, and nobody will be asked."]]
    found = {
        **{"name": "I1", "title": "no incident is silent", "error": "", "count": 3},
        **{
            "sentence": "Somebody is asked.",
            "advice": "Acknowledge it.",
            "keys": ["I1 incident:1"],
        },
        "offences": offences,
    }
    now = clock.now()
    AuditRun.objects.create(
        slot=now.replace(second=0, microsecond=0),
        at=now,
        took_ms=40,
        has_passed=False,
        findings=[found],
        looked_at={"open incidents": 3},
    )


def _accounts(team: Team, root: User, alice: User) -> None:
    """Who was here, and who is gone; the others have been invited."""
    gone = _person("gustav", team, "responder")
    core.deactivate_person(gone, actor=root)
    for person in [root, alice]:
        person.last_login = clock.now()
        person.save(update_fields=["last_login"])


def _contacts(root: User, *people: User) -> None:
    for person in people:
        for address in [person.username, NOBODY_READS]:
            method = notifications.add_contact_method(
                person, kind="recorder", address=address, actor=root
            )
            notifications.vouch_for(method, actor=root)
    waiting = notifications.add_contact_method(
        people[1], kind="recorder", address="another phone", actor=root
    )
    notifications.send_verification(waiting, actor=root)
    notifications.add_last_resort(name="Duty phone", kind="recorder", address="duty", actor=root)
    Recorder.refusals[NOBODY_READS] = TransportError("Nobody picks up.", permanent=True)


def _paging(team: Team, alice: User, bob: User, root: User) -> None:
    schedule = oncall.create_schedule(name="Payments", timezone="UTC", team=team, actor=root)
    oncall.set_rotation(
        schedule,
        kind="weekly",
        handover_time=time(9),
        starts_on=date(2026, 1, 5),
        people=[bob, alice],
        actor=root,
    )
    now = clock.now()
    oncall.add_override(
        schedule,
        user=bob,
        starts_at=now,
        ends_at=now + timedelta(days=30),
        reason="Alice is away",
        actor=root,
    )
    oncall.assign_schedule(team, schedule=schedule, actor=root)
    five = timedelta(minutes=5)
    policy = escalation.create_policy(
        name="Payments",
        team=team,
        levels=[
            {"timeout": five, "targets": [{"kind": "schedule"}]},
            {"timeout": five, "targets": [{"kind": "team_manager"}]},
            {"timeout": five, "targets": [{"kind": "person", "user": alice}]},
        ],
        actor=root,
    )
    escalation.assign_policy(policy, team=team, actor=root)


def _incidents(service: Service, source: Source, alice: User, bob: User) -> dict[str, Incident]:
    def fires(key: str, **facts: str) -> Incident:
        body = {"dedup_key": key, "summary": f"{key} on checkout", "service": "checkout", **facts}
        incident = alerts.ingest(source, parse(body)).incident
        assert incident is not None
        settle()
        return incident

    def declare(title: str, severity: str = "SEV2") -> Incident:
        return core.declare(title=title, service=service, severity=severity, actor=alice)

    new = fires("5xx", description="Half of the answers are errors.", severity="critical")
    core.note(new, text="Since the deployment of this morning", actor=alice)
    taken = core.acknowledge(declare("Cards are declined"), actor=bob)
    core.assign_role(taken, role="commander", user=alice, actor=alice)
    item = core.add_checklist_item(taken, text="Look at the graphs", actor=bob)
    core.tick(item, actor=bob)
    core.add_checklist_item(taken, text="Tell the bank", actor=bob)
    core.attest(taken, fact="error_rate", value=2, unit="%", window=timedelta(minutes=5), actor=bob)
    core.record_impact(taken, impact="Customers cannot pay", users_affected=120, actor=alice)
    snoozed = declare("Slow receipts", "SEV3")
    core.snooze(snoozed, until=clock.now() + timedelta(hours=1), reason="Later", actor=bob)
    found = core.identify(declare("Queue grows"), suspected_cause="A full disk", actor=bob)
    at = clock.now() - timedelta(minutes=20)
    core.correct_milestone(found, milestone="started", at=at, reason="See graph", actor=alice)
    core.change_severity(found, severity="SEV3", reason="Few are hurt", actor=alice)
    fixed = core.identify(declare("Old prices"), suspected_cause="The cache", actor=bob)
    fixed = core.start_mitigating(fixed, mitigation="Emptying it", kind="restart", actor=bob)
    core.mark_recovered(fixed, actor=bob)
    core.acknowledge(fires("latency"), actor=alice)
    alerts.ingest(source, parse({"dedup_key": "latency", "summary": "x", "status": "resolved"}))
    done = core.dismiss(declare("Was nothing", "SEV4"), reason="A test", actor=bob)
    core.merge(declare("Cards again"), into=taken, reason="The same", actor=bob)
    core.declare(
        title="A leak", service=service, is_private=True, audience=[alice, bob], actor=alice
    )
    drill = fires("drill", severity="SEV3")
    core.declare_once(
        key="k1", request={}, actor=alice, title="By a robot", service=service, severity="SEV4"
    )
    shop = ServiceFactory(name="Shop", slug="shop", team=service.team)
    runbook.publish(shop)
    core.declare(title="Orders vanish", service=shop, incident_type="data-loss", actor=alice)
    core.declare(title="Nobody can pay", service=_announced(service.team), severity="SEV1")
    return {
        "new": new,
        "taken": taken,
        "found": found,
        "fixed": fixed,
        "done": done,
        "drill": drill,
    }
