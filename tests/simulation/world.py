"""Where everything may happen: two teams, six people, policies, schedules, a monitor."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from incidents.alerts import services as alerts
from incidents.alerts.models import Source
from incidents.core import services as core
from incidents.core.models import Service, Severity, Team, User
from incidents.core.services.policies import DEFAULT_POLICIES
from incidents.escalation import services as escalation
from incidents.escalation.models import EscalationPolicy
from incidents.notifications import services as notifications
from incidents.oncall import services as oncall
from incidents.oncall.models import Schedule
from tests.factories import MembershipFactory, ServiceFactory, TeamFactory, UserFactory

MONDAY = datetime(2026, 3, 2, 10, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)

PEOPLE = ["ann", "bob", "cleo", "dan", "eve", "root"]
TEAMS = ["payments", "search"]
SERVICES = ["checkout", "finder"]
POLICIES = ["payments", "search", "everything"]
SEVERITIES = list(Severity.values)
DUTY = "duty"
TYPES = ["", "slow"]
FACTS = ["database", "unclear", "security"]


def _trigger(name: str, **facts: Any) -> dict[str, Any]:
    return {"id": name, "title": f"Because of {name}", "to": {"role": "director"}, **facts}


# What a runbook may escalate by itself, all at once; nobody is director, or it is somebody.
RULES: dict[str, Any] = {
    "types": {
        "slow": {"title": "Slow", "definition": "S", "severity": "SEV2", "page_after": "2 min"}
    },
    "severities": {"SEV1": {"name": "1", "definition": "D", "detector_commands": True}},
    "escalation": {
        "roles": {
            "director": {"title": "Director", "fallback": ["manager"]},
            "cto": {"title": "C"},
        },
        "remind_roles": "10 min",
        "at_declaration": [
            {"severities": ["SEV1"], "page": ["on_call", "manager", "cto"], "tell": ["team"]},
            {"severities": ["SEV2"], "page": ["director"]},
        ],
        "triggers": [
            _trigger("nobody", after="5 min", until="acknowledged", to={"level": "next"}),
            _trigger("stuck", after="15 min", until="identified", to={"level": "next"})
            | {"from": "acknowledged"},
            _trigger("long", after="30 min", until="recovered"),
            _trigger("told", after="10 min", action="tell"),
            _trigger("cto", fact="unclear", to={"role": "cto"}),
            _trigger("database", fact="database"),
            {
                "id": "worse",
                "title": "For an hour",
                "severities": ["SEV3", "SEV2"],
                "after": "1 h",
                "until": "recovered",
                "action": "change_severity",
                "severity": "SEV1",
            },
        ],
    },
}


@dataclass(frozen=True)
class World:
    """Names, never rows: what a rule needs is read anew, as a request would."""

    source: int

    def person(self, name: str) -> User:
        return User.objects.get(username=name)

    def team(self, slug: str) -> Team:
        return Team.objects.get(slug=slug)

    def service(self, slug: str) -> Service:
        return Service.objects.select_related("team").get(slug=slug)

    def policy(self, slug: str) -> EscalationPolicy | None:
        return EscalationPolicy.objects.filter(slug=slug).first()

    def schedule(self, slug: str) -> Schedule:
        return Schedule.objects.get(slug=slug)

    def monitor(self) -> Source:
        return Source.objects.select_related("service__team").get(pk=self.source)


def build() -> World:
    """Everybody can be reached, everything is assigned, and the duty phone is the last resort."""
    people = {name: UserFactory(username=name) for name in PEOPLE}
    User.objects.filter(username="root").update(is_superuser=True, is_staff=True)
    for name in PEOPLE:
        give_phone(people[name], name)
    teams = {slug: TeamFactory(name=slug.capitalize(), slug=slug) for slug in TEAMS}
    for slug, name, role in [
        ("payments", "ann", "manager"),
        ("payments", "bob", "responder"),
        ("payments", "cleo", "responder"),
        ("search", "dan", "manager"),
        ("search", "cleo", "responder"),
    ]:
        MembershipFactory(team=teams[slug], user=people[name], role=role)
    ServiceFactory(name="Checkout", slug="checkout", team=teams["payments"], criticality="critical")
    ServiceFactory(name="Finder", slug="finder", team=teams["search"], criticality="critical")
    _take_turns(teams, people)
    _write_policies(teams, people)
    notifications.add_last_resort(name="Duty phone", kind="recorder", address=DUTY, actor=None)
    core.publish_revision(
        slug="default",
        title="Default",
        policies=DEFAULT_POLICIES,
        reopen_window=30 * MINUTE,
        document=RULES,
    )
    source = alerts.create_source(name="Monitor", service=None, actor=None)
    return World(source.pk)


def give_phone(user: User, number: str) -> None:
    method = notifications.add_contact_method(user, kind="recorder", address=number, actor=None)
    notifications.vouch_for(method, actor=None)


def _take_turns(teams: dict[str, Team], people: dict[str, User]) -> None:
    for slug, names in [("payments", ["bob", "cleo"]), ("search", ["dan"])]:
        schedule = oncall.create_schedule(name=slug.capitalize(), team=teams[slug], timezone="UTC")
        oncall.set_rotation(
            schedule,
            kind="daily",
            handover_time=time(9),
            starts_on=date(2026, 1, 5),
            people=[people[name] for name in names],
        )
        oncall.assign_schedule(teams[slug], schedule=schedule)


def _write_policies(teams: dict[str, Team], people: dict[str, User]) -> None:
    ladders = {
        "payments": [
            (5, {"kind": "schedule"}),
            (10, {"kind": "team_manager"}),
            (10, {"kind": "person", "user": people["eve"]}),
        ],
        "search": [(5, {"kind": "team_members"}), (5, {"kind": "person", "user": people["ann"]})],
        "everything": [(15, {"kind": "function", "function": "director"})],
    }
    for slug, levels in ladders.items():
        policy = escalation.create_policy(
            name=slug.capitalize(),
            slug=slug,
            levels=[{"timeout": n * MINUTE, "targets": [target]} for n, target in levels],
            repeats=1,
            acknowledgement_expiry=30 * MINUTE if slug == "payments" else None,
            actor=None,
        )
        if slug in teams:
            escalation.assign_policy(policy, team=teams[slug], actor=None)
