"""One outage and its review, played from the deployment that caused it to the published document.

The same story under each of the five runbooks: python -m tests.reviews.documents writes what comes
of it to docs/reviews/.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from incidents.alerts import services as alerts
from incidents.alerts.models import Source
from incidents.alerts.payload import parse
from incidents.comms import services as comms
from incidents.core import services as core
from incidents.core.models import (
    ChecklistItem,
    Incident,
    IncidentRole,
    Kind,
    Organisation,
    Service,
    Team,
    User,
)
from incidents.notifications import engine as outbox
from incidents.notifications import services as notifications
from incidents.notifications.transports.recorder import Recorder
from incidents.oncall import services as oncall
from incidents.reviews import reading
from incidents.reviews import services as reviews
from incidents.reviews.models import FollowUpStep, Review
from incidents.runbooks import services as runbooks
from incidents.timers import engine as timers
from incidents.timers.clock import VirtualClock
from incidents.timers.models import Timer

RUNBOOKS = ["tps", "saas", "schedgen", "fintech", "tars"]
THURSDAY = datetime(2026, 3, 5, tzinfo=UTC)
PEOPLE = {
    "ana": ("Ana", "Ruiz", "manager", "engineering-manager"),
    "ben": ("Ben", "Okafor", "responder", ""),
    "mira": ("Mira", "Lindt", "responder", ""),
    "jon": ("Jon", "Adler", "responder", ""),
    "lena": ("Lena", "Roth", "responder", "engineering-lead"),
    "otto": ("Otto", "Vance", "viewer", "product-owner"),
}
# Whom runbooks call, and who is of no team that runs services
OFFICE = {
    "dana": ("Dana", "Holm", "viewer", "director"),
    "tom": ("Tom", "Berg", "viewer", "team-lead"),
    "sam": ("Sam", "Weber", "viewer", "system-administrator"),
    "vera": ("Vera", "Klein", "viewer", "vp-engineering"),
    "carl": ("Carl", "Noor", "viewer", "cto"),
}
ALERT = {
    "dedup_key": "checkout/pool",
    "service": "checkout",
    "severity": "SEV1",
    "summary": "Payments fail: no database connection is free",
    "labels": {"alertname": "DatabaseConnectionPoolExhausted"},
}
IMPACT = "Customers could not pay; for some of them baskets and the catalogue failed as well."
CAUSE = (
    "Release 4.18.0 of Checkout calls the card provider inside a database transaction. Every call "
    "that waits for the provider keeps a connection; since 13:50 the provider answered in 9 s "
    "instead of 0.4 s, and within four minutes of the rollout all 50 connections were waiting."
)
FACTORS = """\
- The pool of 50 connections is shared by all of Checkout: payments that waited took the
  catalogue and the baskets with them.
- Nobody is told when requests wait for a connection; the alert looks at the pool only once it is
  empty.
- The provider's own status page showed nothing until 14:40, so its slowness was found late."""
WENT_WELL = """\
- The page reached Ben within seconds, and he had it two minutes later.
- The query that shows who holds connections is in the runbook; it led to the cause in ten minutes.
- Rolling back was decided without a discussion about fixing forward, and took eight minutes.
- Support had the first text for customers before the queue of calls grew."""
TO_IMPROVE = """\
- The alert came three minutes after the first failed payment. Waiting for connections would
  have shown it at once.
- The rollout went on to all instances although the first one had waiting requests: the canary
  looks at errors, not at latency.
- We looked at the database for four minutes before anybody looked at the provider."""
LESSONS = """\
1. A call to somebody else does not belong in a transaction, however fast the other side usually is.
2. A pool that everything shares makes every slow dependency everybody's problem.
3. Our canary can only stop what it measures."""
PREVENTION = """\
- No call leaves the house while a transaction is open: checked when the code is built, refused
  at run time.
- Payments have a pool of their own, and nobody waits longer than 2 s for a connection.
- The canary stops a rollout when the p95 latency doubles."""
WHYS = [
    (
        "Why did payments fail?",
        "No database connection was free: all 50 were taken.",
        [
            (
                "Why were all of them taken?",
                "Each request kept its connection while it waited 9 s for the card provider.",
                [
                    (
                        "Why did it keep the connection?",
                        "The retry was moved into the function that stores the order, and that "
                        "runs in a transaction.",
                        [
                            (
                                "Why did no test notice?",
                                "In the tests the provider answers at once; none has it wait.",
                                [],
                            ),
                            (
                                "Why did nobody notice when reading the change?",
                                "Nothing in the code shows what runs inside a transaction.",
                                [],
                            ),
                        ],
                    )
                ],
            ),
            (
                "Why did the catalogue and the baskets fail as well?",
                "All of Checkout shares one pool, and nobody gives up waiting for it.",
                [],
            ),
        ],
    ),
    (
        "Why did it take three minutes to notice?",
        "The alert fires when the pool is empty, not when requests begin to wait.",
        [],
    ),
]
# Title, detail, owner, kind, priority, and the answer that it comes from
ACTIONS = [
    (
        "Call the card provider outside of transactions",
        "Store the order first, then call, then store the answer.",
        *("ben", "prevent", "high", "The retry was moved"),
    ),
    (
        "Refuse calls to other hosts while a transaction is open",
        "In the HTTP client: an error in tests, a warning with a stack trace in production.",
        *("mira", "prevent", "high", "Nothing in the code"),
    ),
    (
        "Run the payment tests with a provider that answers after 10 s",
        "",
        *("mira", "prevent", "medium", "In the tests"),
    ),
    (
        "Give payments a pool of their own and a limit of 2 s for waiting",
        "",
        *("ben", "mitigate", "medium", "All of Checkout"),
    ),
    (
        "Alert when requests wait longer than 1 s for a connection",
        "",
        *("jon", "detect", "high", "The alert fires"),
    ),
    (
        "Describe in the runbook how to see that a provider is slow",
        "With the graph of the provider's latency, and whom to call there.",
        *("jon", "document", "low", ""),
    ),
]


@dataclass
class Stage:
    """Who and what there is, and the clock of the story."""

    clock: VirtualClock
    team: Team
    service: Service
    source: Source
    people: dict[str, User]

    def at(self, hour: int, minute: int, *, day: int = 0, second: int = 0) -> None:
        """Everything that is due by then happens; then it is that time."""
        target = THURSDAY + timedelta(days=day, hours=hour, minutes=minute, seconds=second)
        while self.clock.at < target:
            due = Timer.objects.pending().filter(due_at__gt=self.clock.at, due_at__lte=target)
            following = due.order_by("due_at").values_list("due_at", flat=True).first()
            self.clock.at = following or target
            self.settle()

    def settle(self) -> None:
        for _ in range(20):
            if not timers.tick() + outbox.dispatch(wait=True):
                return
        raise RuntimeError("It never settles.")

    def __getattr__(self, name: str) -> User:
        try:
            return self.people[name]
        except KeyError:
            raise AttributeError(name) from None


def play(slug: str, clock: VirtualClock) -> Review:
    """The whole story under the runbook `slug`, to the published review; in an empty database."""
    stage = build(slug, clock)
    incident = outage(stage)
    return meet(stage, incident)


def build(slug: str, clock: VirtualClock) -> Stage:
    """The team of Payments, which lives by this runbook; everybody has a phone."""
    Recorder.reset()
    clock.at = THURSDAY + timedelta(hours=13, minutes=50)
    Organisation.objects.get_or_create(pk=1)
    core.ensure_default_runbook()
    root = User.objects.create(username="root", is_superuser=True, is_staff=True)
    team = Team.objects.create(name="Payments", slug="payments", timezone="UTC")
    people = {name: _person(name, PEOPLE[name], team, root) for name in PEOPLE}
    office = Team.objects.create(name="Office", slug="office", timezone="UTC")
    for name, facts in OFFICE.items():
        _person(name, facts, office, root)
    notifications.add_last_resort(name="Duty", kind="recorder", address="duty", actor=root)
    schedule = oncall.create_schedule(name="Payments", team=team, timezone="UTC", actor=root)
    oncall.set_rotation(
        schedule,
        kind="weekly",
        handover_time=time(9),
        starts_on=date(2026, 3, 2),
        people=[people["ben"], people["mira"]],
        actor=root,
    )
    oncall.assign_schedule(team, schedule=schedule, actor=root)
    runbooks.adopt(slug, team=team, actor=people["ana"])
    service = Service.objects.create(
        name="Checkout", slug="checkout", team=team, criticality="critical"
    )
    for name in ["Baskets", "Catalogue"]:
        Service.objects.create(name=name, slug=name.lower(), team=team)
    source = alerts.create_source(name="Prometheus", team=team, service=service, actor=root)
    return Stage(clock, team, service, source, people)


def _person(name: str, facts: tuple[str, str, str, str], team: Team, root: User) -> User:
    first, last, role, function = facts
    person = User.objects.create(
        username=name, first_name=first, last_name=last, email=f"{name}@example.org"
    )
    team.memberships.create(user=person, role=role, function=function)
    method = notifications.add_contact_method(person, kind="recorder", address=name, actor=root)
    notifications.vouch_for(method, actor=root)
    return person


# --- The outage -----------------------------------------------------------------------------------


def outage(stage: Stage) -> Incident:
    """Thursday afternoon, from the alert to Resolved."""
    stage.at(14, 5)
    began = (THURSDAY + timedelta(hours=14, minutes=2)).isoformat()
    receipt = alerts.ingest(stage.source, parse(ALERT | {"status": "firing", "started_at": began}))
    assert receipt.incident is not None
    incident = receipt.incident
    stage.settle()
    _respond(stage, incident)
    _find_out(stage, incident)
    _mend(stage, incident)
    return Incident.objects.with_context().get(pk=incident.pk)


def _respond(stage: Stage, incident: Incident) -> None:
    stage.at(14, 7)
    core.acknowledge(incident, actor=stage.ben, via="link")
    stage.at(14, 8)
    for role, person in [
        (IncidentRole.COMMANDER, stage.ana),
        (IncidentRole.TECHNICAL_LEAD, stage.ben),
        (IncidentRole.COMMUNICATIONS_LEAD, stage.mira),
        (IncidentRole.SCRIBE, stage.jon),
    ]:
        core.assign_role(incident, role=role, user=person, actor=stage.ana)
    stage.at(14, 9)
    _tell(
        incident,
        stage.mira,
        known="Payments fail in all shops: about half of the requests to Checkout end in an error.",
        next="Find out who holds the database connections.",
    )


def _find_out(stage: Stage, incident: Incident) -> None:
    stage.at(14, 12)
    text = (
        "All 50 connections are taken; 47 are idle in transaction and wait for the card provider."
    )
    core.note(incident, text=text, actor=stage.ben)
    stage.at(14, 13)
    _tell(
        incident,
        stage.mira,
        known="All database connections of Checkout are taken.",
        next="See what changed since noon.",
    )
    stage.at(14, 16)
    text = "Release 4.18.0 went out at 13:58. The card provider answers in 9 s instead of 0.4 s."
    core.note(incident, text=text, actor=stage.jon)
    stage.at(14, 17)
    core.record_impact(
        incident,
        impact=IMPACT,
        users_affected=8_400,
        data_loss=Incident.DataLoss.NONE,
        affected_services=Service.objects.filter(slug__in=["baskets", "catalogue"]),
        actor=stage.jon,
    )
    text = "Payments fail at the moment. We know where, and are working on it."
    _tell_customers(incident, stage.mira, text)
    stage.at(14, 18)
    _tell(
        incident,
        stage.mira,
        known="Connections wait for the card provider since the release of 13:58.",
        next="Decide whether to roll back.",
    )


def _mend(stage: Stage, incident: Incident) -> None:
    stage.at(14, 22)
    suspected = "4.18.0 calls the card provider inside a transaction"
    core.identify(incident, suspected_cause=suspected, actor=stage.ben)
    stage.at(14, 23)
    core.start_mitigating(
        incident, mitigation="Roll back to 4.17.3", kind="rollback", actor=stage.ben
    )
    _tell(
        incident,
        stage.mira,
        known="The release of 13:58 is the cause; it is being rolled back.",
        next="Watch the connections become free.",
        eta="14:35",
    )
    stage.at(14, 28)
    _tell(
        incident,
        stage.mira,
        known="Five of eight instances run 4.17.3.",
        next="The remaining three.",
    )
    stage.at(14, 31)
    text = "4.17.3 is on all eight instances; connections in use fall from 50 to 11."
    core.note(incident, text=text, actor=stage.ben)
    _tell_customers(incident, stage.mira, "Payments begin to work again; some still fail.")
    stage.at(14, 33)
    _tell(incident, stage.mira, known="The error rate falls.", next="Wait for it to be normal.")
    stage.at(14, 34)
    alerts.ingest(stage.source, parse(ALERT | {"status": "resolved"}))
    stage.settle()
    for minute in [38, 43, 48, 53, 58]:
        stage.at(14, minute)
        _tell(incident, stage.mira, known="Payments work; we keep watching.", next="Watch.")
        if minute in {43, 58}:
            _tell_customers(incident, stage.mira, "Payments work again since 14:34.")
    stage.at(15, 2)
    for fact, value, unit in [("error_rate", 0.02, "%"), ("queue_depth", 12, "%")]:
        core.attest(
            incident,
            fact=fact,
            value=value,
            unit=unit,
            window=timedelta(minutes=20),
            actor=stage.ben,
        )
    for item in ChecklistItem.objects.filter(incident=incident, ticked_at=None):
        core.tick(item, actor=stage.jon)
    stage.at(15, 5)
    core.resolve(
        incident,
        root_cause=CAUSE,
        suspected_cause=suspected,
        mitigation="Roll back to 4.17.3",
        kind="rollback",
        actor=stage.ana,
    )
    _tell(incident, stage.mira, known="Resolved. The review is tomorrow.")
    text = "All payments work again. We apologise; the cause is found and taken out."
    _tell_customers(incident, stage.mira, text)
    stage.settle()


def _tell(incident: Incident, actor: User, **words: str) -> None:
    comms.publish_update(incident, actor=actor, audience="internal", **words)


def _tell_customers(incident: Incident, actor: User, known: str) -> None:
    comms.publish_update(incident, actor=actor, audience="external", known=known)


# --- The review -----------------------------------------------------------------------------------


def meet(stage: Stage, incident: Incident) -> Review:
    """Thursday evening and Friday: what is kept, the meeting, the document."""
    review = Review.objects.with_context().get(incident=incident)
    _keep_evidence(stage, review)
    stage.at(15, 40)
    hour = 15 if review.earliest_at else 10
    meeting = THURSDAY + timedelta(days=1, hours=hour, minutes=30)
    reviews.schedule(review, at=meeting, place="Room Kiel", facilitator=stage.ana, actor=stage.ana)
    stage.at(hour, 30, day=1)
    _tell_the_story(stage, review)
    _ask_why(stage, review)
    _agree(stage, review)
    stage.at(hour + 1, 20, day=1)
    came = [guest.user for guest in review.attendees.exclude(user=None).select_related("user")]
    reviews.hold(_now(review), at=meeting, came=[*came, stage.ben, stage.mira], actor=stage.ana)
    _write(stage, review)
    stage.at(hour + 2, 10, day=1)
    reviews.publish(_now(review), actor=stage.ana)
    return _now(review)


def _keep_evidence(stage: Stage, review: Review) -> None:
    """What the runbook wants done within the first hours."""
    stage.at(15, 25)
    steps = FollowUpStep.objects.filter(
        follow_up__review=review, done_at=None, follow_up__within__lte=timedelta(hours=2)
    )
    for step in steps.order_by("follow_up__position", "position"):
        reviews.finish_step(
            step,
            actor=stage.jon,
            note="Kept with the incident's archive.",
            link=f"https://archive.example.org/{review.incident.reference.lower()}/",
        )


def _tell_the_story(stage: Stage, review: Review) -> None:
    """Close the gaps, leave out what nobody needs to know, and say that it is right."""
    for hour, minute, text in [
        (13, 50, "The card provider begins to answer in 9 s instead of 0.4 s."),
        (13, 58, "Release 4.18.0 of Checkout is rolled out to all eight instances."),
        (14, 20, "Ana decides to roll back rather than to fix forward: nobody knows how long a "
         "fix would take."),
    ]:  # fmt: skip
        at = THURSDAY + timedelta(hours=hour, minutes=minute)
        reviews.add_entry(review, at=at, text=text, actor=stage.jon)
    said_often = review.incident.timeline.filter(
        kind=Kind.UPDATE_PUBLISHED, summary__contains="we keep watching"
    )
    roles = review.incident.timeline.filter(kind__in=[Kind.ROLE_ASSIGNED, Kind.IMPACT_RECORDED])
    for entry in [*said_often.order_by("pk")[1:], *roles.order_by("pk")[1:]]:
        reviews.mark_entry(review, entry=entry, belongs=False, actor=stage.jon)
    review = _now(review)
    reviews.write_facts(review, version=review.version, timeline_checked=True, actor=stage.jon)


def _ask_why(stage: Stage, review: Review) -> None:
    waiting = [(None, why) for why in WHYS]
    while waiting:
        parent, (ask, answer, behind) = waiting.pop(0)
        why = reviews.ask_why(review, ask=ask, answer=answer, parent=parent, actor=stage.ana)
        waiting += [(why, one) for one in behind]
        if not behind:
            reviews.mark_cause(why, is_cause=True, actor=stage.ana)


def _agree(stage: Stage, review: Review) -> None:
    for title, detail, owner, kind, priority, answer in ACTIONS:
        reviews.add_item(
            review.incident,
            title=title,
            detail=detail,
            owner=stage.people[owner],
            kind=kind,
            priority=priority,
            why=review.whys.filter(answer__startswith=answer).first() if answer else None,
            actor=stage.ana,
        )


def _write(stage: Stage, review: Review) -> None:
    review = _now(review)
    reviews.write_facts(
        review,
        version=review.version,
        impact=IMPACT,
        users_affected=8_400,
        revenue_lost=45_000,
        currency="USD",
        data_lost="none",
        downtime_minutes=32,
        root_cause=CAUSE,
        contributing_factors=FACTORS,
        actor=stage.jon,
    )
    wanted = {place.key for place in reading.places(_now(review))}
    for key, text in [
        ("went_well", WENT_WELL),
        ("to_improve", TO_IMPROVE),
        ("lessons", LESSONS),
        ("prevention", PREVENTION),
    ]:
        if key in wanted or key in {"went_well", "to_improve"}:
            reviews.write_section(review, key=key, text=text, version=0, actor=stage.jon)


def _now(review: Review) -> Review:
    return Review.objects.with_context().get(pk=review.pk)
