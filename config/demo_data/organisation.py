"""Who works here, what they run, and who is asked when it breaks."""

from dataclasses import dataclass, field
from datetime import datetime, time, timedelta

from incidents.alerts import services as alerts
from incidents.alerts.models import Source
from incidents.core import services as core
from incidents.core.models import Membership, Organisation, Role, Service, Team, User
from incidents.escalation import services as escalation
from incidents.escalation.models import EscalationPolicy
from incidents.notifications import services as notifications
from incidents.oncall import services as oncall
from incidents.oncall.models import Schedule

NAME, DOMAIN = "Harbour & Finch", "example.org"

# slug: name, zone, people (the first one manages it)
TEAMS = {
    "storefront": (
        "Storefront",
        "Europe/Berlin",
        [
            "Hanna Brandt",
            "Jonas Weber",
            "Aylin Demir",
            "Lukas Hoffmann",
            "Mira Novak",
            "Tom Keller",
        ],
    ),
    "payments": (
        "Payments",
        "Europe/Dublin",
        ["Aoife Brennan", "Declan Walsh", "Priya Raman", "Niamh Kelly", "Marco Silva"],
    ),
    "fulfilment": (
        "Fulfilment",
        "Europe/Amsterdam",
        ["Pieter de Vries", "Sanne Bakker", "Ewa Kowalska", "Ruben Visser", "Daan Smit"],
    ),
    "data": (
        "Data and Search",
        "Europe/Lisbon",
        ["Beatriz Costa", "Tiago Ferreira", "Yuki Tanaka", "Rita Moreira", "Samuel Okafor"],
    ),
    "platform": (
        "Platform",
        "Europe/Berlin",
        [
            *("Stefan Krüger", "Ingrid Solberg", "Mateo Ruiz", "Katja Lindholm", "Owen Price"),
            *("Farid Haddad", "Claire Dubois"),
        ],
    ),
    "identity": (
        "Identity and Accounts",
        "Europe/London",
        ["Grace Whitfield", "Ben Sharpe", "Chidi Eze", "Laura Conti", "Zoe Adler"],
    ),
}
DIRECTOR = "Margarete Holm"
VIEWERS = ["Nils Bergström", "Sofia Marin", "Paul Jensen"]
LEAVER = "Robert Lang"

# slug: name, what kind of thing, criticality, slugs that it depends on
SERVICES = {
    "storefront": {
        "web-shop": ("Web shop", "web", "critical", ["product-catalogue", "cart", "cdn"]),
        "mobile-api": ("Mobile API", "api", "critical", ["product-catalogue", "cart", "login"]),
        "cart": ("Cart", "api", "critical", ["session-cache", "pricing"]),
        "product-catalogue": ("Product catalogue", "api", "high", ["catalogue-db"]),
        "pricing": ("Pricing", "api", "high", ["catalogue-db"]),
        "gift-cards": ("Gift cards", "api", "low", ["ledger-db"]),
    },
    "payments": {
        "checkout": ("Checkout", "api", "critical", ["cart", "card-gateway", "ledger-db"]),
        "card-gateway": ("Card gateway", "partner", "critical", ["secrets-vault"]),
        "refunds": ("Refunds", "batch", "medium", ["ledger-db", "card-gateway"]),
        "ledger-db": ("Ledger database", "database", "critical", []),
        "invoicing": ("Invoicing", "batch", "medium", ["ledger-db"]),
    },
    "fulfilment": {
        "order-router": ("Order router", "queue", "critical", ["event-bus", "warehouse-db"]),
        "warehouse-db": ("Warehouse database", "database", "high", []),
        "label-printing": ("Label printing", "partner", "high", ["order-router"]),
        "delivery-tracking": ("Delivery tracking", "partner", "medium", ["event-bus"]),
        "returns-portal": ("Returns portal", "web", "low", ["order-router", "login"]),
    },
    "data": {
        "search": ("Search", "api", "high", ["search-index"]),
        "search-index": ("Search index", "database", "high", ["event-bus"]),
        "recommendations": ("Recommendations", "api", "low", ["event-bus"]),
        "nightly-exports": ("Nightly exports", "batch", "medium", ["ledger-db", "warehouse-db"]),
        "catalogue-db": ("Catalogue database", "database", "critical", []),
    },
    "platform": {
        "kubernetes": ("Kubernetes clusters", "cluster", "critical", []),
        "event-bus": ("Event bus", "queue", "critical", ["kubernetes"]),
        "session-cache": ("Session cache", "cache", "high", ["kubernetes"]),
        "cdn": ("CDN and DNS", "partner", "critical", []),
        "secrets-vault": ("Secrets vault", "cluster", "high", ["kubernetes"]),
        "build-pipeline": ("Build pipeline", "batch", "low", ["kubernetes"]),
    },
    "identity": {
        "login": ("Login", "login", "critical", ["session-cache", "accounts-db"]),
        "accounts-db": ("Accounts database", "database", "high", []),
        "mail-sender": ("Mail sender", "queue", "medium", ["event-bus"]),
    },
}
SOURCES = ["Prometheus", "Synthetic checks", "Log alerts", "Cloud provider"]


@dataclass
class Stage:
    """Everything that the history needs: the cast, and what may break."""

    admin: User
    director: User
    teams: dict[str, Team] = field(default_factory=dict)
    people: dict[int, list[User]] = field(default_factory=dict)  # team id → manager first
    services: list[Service] = field(default_factory=list)
    kinds: dict[int, str] = field(default_factory=dict)  # service id → what kind of thing
    schedules: dict[int, Schedule] = field(default_factory=dict)  # by the team's id
    sources: list[Source] = field(default_factory=list)

    def manager_of(self, service: Service) -> User:
        return self.people[service.team_id][0]


def build(now: datetime, password: str) -> Stage:
    """The organisation as it was at `now`, the first day of its history."""
    Organisation.objects.update_or_create(
        pk=1, defaults={"name": NAME, "timezone": "Europe/Berlin", "country": "DE"}
    )
    core.ensure_default_runbook()
    admin = User.objects.create_superuser(
        "admin", f"admin@{DOMAIN}", password, date_joined=now, timezone="Europe/Berlin"
    )
    stage = Stage(admin, _person(DIRECTOR, "Europe/Berlin", now, admin))
    for slug, (name, zone, names) in TEAMS.items():
        team = Team.objects.create(slug=slug, name=name, timezone=zone)
        stage.teams[slug] = team
        stage.people[team.pk] = _members(team, names, now, admin)
    platform = stage.teams["platform"]
    for name in VIEWERS:
        viewer = _person(name, "Europe/Berlin", now, admin)
        Membership.objects.create(team=platform, user=viewer, role=Role.VIEWER)
    Membership.objects.create(
        team=platform, user=stage.director, role=Role.VIEWER, function="director"
    )
    _services(stage)
    for team in stage.teams.values():
        _schedule(stage, team, now)
    _policies(stage)
    stage.sources = [alerts.create_source(name=name, actor=admin) for name in SOURCES]
    notifications.add_last_resort(
        name="Operations duty phone", kind="email", address=f"duty@{DOMAIN}", actor=admin
    )
    return stage


def _person(name: str, zone: str, now: datetime, admin: User) -> User:
    first, _, last = name.partition(" ")
    plain = str.maketrans({"ü": "ue", "ö": "oe", "ä": "ae", " ": "."})
    username = f"{first}.{last}".lower().translate(plain)
    user = User.objects.create_user(
        username,
        f"{username}@{DOMAIN}",
        first_name=first,
        last_name=last,
        timezone=zone,
        date_joined=now,
    )
    method = notifications.add_contact_method(user, kind="email", address=user.email, actor=admin)
    notifications.vouch_for(method, actor=admin)
    return user


def _members(team: Team, names: list[str], now: datetime, admin: User) -> list[User]:
    people = [_person(name, team.timezone, now, admin) for name in names]
    Membership.objects.bulk_create(
        Membership(
            team=team,
            user=user,
            role=Role.RESPONDER if place else Role.MANAGER,
            function="" if place else "engineering-lead",
        )
        for place, user in enumerate(people)
    )
    return people


def _services(stage: Stage) -> None:
    by_slug: dict[str, Service] = {}
    for team, services in SERVICES.items():
        for slug, (name, kind, criticality, _) in services.items():
            service = Service.objects.create(
                slug=slug, name=name, team=stage.teams[team], criticality=criticality
            )
            by_slug[slug] = service
            stage.kinds[service.pk] = kind
    for services in SERVICES.values():
        for slug, (*_, needed) in services.items():
            by_slug[slug].depends_on.set(by_slug[other] for other in needed)
    stage.services = list(by_slug.values())


def _schedule(stage: Stage, team: Team, now: datetime) -> None:
    """Weekly turns of the responders; in Platform one of them has left without anybody noticing."""
    responders = stage.people[team.pk][1:]
    if team.slug == "platform":
        leaver = _person(LEAVER, team.timezone, now, stage.admin)
        Membership.objects.create(team=team, user=leaver, role=Role.RESPONDER)
        responders = [*responders[:2], leaver, *responders[2:]]
    schedule = oncall.create_schedule(
        name=f"{team.name} on call",
        slug=team.slug,
        team=team,
        timezone=team.timezone,
        actor=stage.admin,
    )
    oncall.set_rotation(
        schedule,
        kind="weekly",
        handover_weekday=0,
        handover_time=time(9),
        starts_on=(now - timedelta(days=now.weekday() + 7)).date(),
        people=responders,
        actor=stage.admin,
    )
    oncall.assign_schedule(team, schedule=schedule, actor=stage.admin)
    stage.schedules[team.pk] = schedule


def _policies(stage: Stage) -> None:
    """One ladder a team, and a shorter one for the worst of the most critical services."""
    for team in stage.teams.values():
        policy = _policy(
            stage,
            team.name,
            [(5, "schedule", {}), (10, "team_members", {}), (10, "team_manager", {})],
            team,
        )
        escalation.assign_policy(policy, team=team, actor=stage.admin)
    major = _policy(
        stage,
        "Major incidents",
        [
            (5, "schedule", {}),
            (15, "team_manager", {}),
            (10, "function", {"function": "director"}),
        ],
    )
    for service in stage.services:
        if service.criticality == Service.Criticality.CRITICAL:
            escalation.assign_policy(major, service=service, severity="SEV1", actor=stage.admin)


def _policy(
    stage: Stage,
    name: str,
    ladder: list[tuple[int, str, dict[str, str]]],
    team: Team | None = None,
) -> EscalationPolicy:
    return escalation.create_policy(
        name=name,
        team=team,
        levels=[
            {"timeout": timedelta(minutes=minutes), "targets": [{"kind": kind, **facts}]}
            for minutes, kind, facts in ladder
        ],
        repeats=1,
        acknowledgement_expiry=timedelta(minutes=45),
        actor=stage.admin,
    )
