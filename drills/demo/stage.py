"""The demo's organisation: one team, two people with phones, one service, seconds for minutes."""

import secrets
from dataclasses import asdict, dataclass
from datetime import date, time, timedelta

from incidents.alerts import services as alerts
from incidents.core import services as core
from incidents.core.models import ApiToken, Membership, Organisation, Role, Service, Team, User
from incidents.escalation import services as escalation
from incidents.notifications import services as notifications
from incidents.oncall import services as oncall

TARGETS = {"detect": 10, "respond": 20, "identify": 30, "mitigate": 40, "resolve": 60}
MONITORING_WINDOW = timedelta(seconds=3)
SILENCE = timedelta(seconds=4)


@dataclass(frozen=True)
class Stage:
    """What the players need to know: keys, and how a visitor logs in."""

    source_key: str
    token: str
    username: str
    password: str

    def as_dict(self) -> dict[str, str]:
        return asdict(self)


def build() -> Stage:
    """Fill an empty, migrated database through the rooms' verbs."""
    Organisation(name="Demo Ltd", runbook="demo").save()
    core.ensure_default_runbook()
    _publish_runbook()
    password = secrets.token_urlsafe(9)
    admin = User.objects.create_superuser("admin", "admin@demo.example", password)
    team = Team.objects.create(name="Shop", slug="shop", timezone="Europe/Berlin")
    ana, ben = (_person(name, team) for name in ["ana", "ben"])
    Membership.objects.create(team=team, user=admin, role=Role.MANAGER)
    service = Service.objects.create(
        name="Checkout", slug="checkout", team=team, criticality=Service.Criticality.CRITICAL
    )
    _who_is_asked(team, ana, ben, admin)
    source = alerts.create_source(name="Demo monitor", team=team, service=service, actor=admin)
    _, token = core.issue_token(ben, name="demo", scope=ApiToken.Scope.RESPOND)
    return Stage(source.key, token, "admin", password)


def _person(name: str, team: Team) -> User:
    user = User.objects.create_user(name, f"{name}@demo.example", first_name=name.capitalize())
    Membership.objects.create(team=team, user=user, role=Role.RESPONDER)
    method = notifications.add_contact_method(
        user, kind="file", address=f"phones/{name}", actor=user
    )
    notifications.vouch_for(method, actor=user)
    return user


def _publish_runbook() -> None:
    core.publish_revision(
        slug="demo",
        title="Demo: seconds instead of minutes",
        policies=[
            {
                "severity": severity,
                "label": severity,
                "monitoring_window": MONITORING_WINDOW,
                "resolution_criteria": ["root_cause", "mitigation", "healthy"],
                "required_roles": ["commander", "technical_lead"],
                **{
                    f"{name}_target": timedelta(seconds=seconds)
                    for name, seconds in TARGETS.items()
                },
            }
            for severity in ["SEV1", "SEV2", "SEV3", "SEV4"]
        ],
    )


def _who_is_asked(team: Team, ana: User, ben: User, admin: User) -> None:
    schedule = oncall.create_schedule(
        name="Shop on call", slug="shop", team=team, timezone=team.timezone, actor=admin
    )
    oncall.set_rotation(
        schedule,
        kind="weekly",
        handover_weekday=0,
        handover_time=time(9),
        starts_on=date(2026, 1, 5),
        people=[ana],
        actor=admin,
    )
    oncall.assign_schedule(team, schedule=schedule, actor=admin)
    policy = escalation.create_policy(
        name="Shop",
        slug="shop",
        team=team,
        levels=[
            {"timeout": SILENCE, "targets": [{"kind": "schedule", "schedule": schedule}]},
            {"timeout": timedelta(seconds=20), "targets": [{"kind": "person", "user": ben}]},
        ],
        repeats=2,
        actor=admin,
    )
    escalation.assign_policy(policy, team=team, actor=admin)
