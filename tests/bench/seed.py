"""Fills a benchmark's database through verbs: `python -m tests.bench.seed URL SECONDS THRESHOLD`.

An organisation as many have it, of twenty-two teams and many services: who is on call is asked
first, then the managers. The people are
webhooks of the provider at URL, each level has SECONDS to answer, and more than THRESHOLD new
alerts of a service within a minute are a storm. Prints what the load generator needs, as JSON.
"""

import json
import sys
from datetime import date, time, timedelta

import django

django.setup()

from django.core.management import call_command  # noqa: E402

from incidents.alerts import services as alerts  # noqa: E402
from incidents.core import services as core  # noqa: E402
from incidents.core.models import Membership, Organisation, Service, Team, User  # noqa: E402
from incidents.escalation import services as escalation  # noqa: E402
from incidents.notifications import services as notifications  # noqa: E402
from incidents.oncall import services as oncall  # noqa: E402

TEAMS, SERVICES = 20, 1_500


def build(
    wire: str, *, timeout: timedelta = timedelta(minutes=5), storm_threshold: int = 0
) -> dict[str, str]:
    """Two teams with a service of their name, TEAMS with SERVICES; each with all that it needs."""
    call_command("migrate", verbosity=0, interactive=False)
    # 0: every new alert is to be an incident of its own; storms are another matter.
    Organisation.objects.update_or_create(pk=1, defaults={"storm_threshold": storm_threshold})
    core.ensure_default_runbook()
    admin = User.objects.create_superuser("admin", "admin@example.org", "not-a-secret")
    token, secret = core.issue_token(admin, name="bench", scope="manage")
    assert token
    keys = {name: team(name, wire, admin, timeout) for name in ["shop", "search"]}
    for number in range(TEAMS):
        team(f"team-{number}", wire, admin, timeout)
    owners = list(Team.objects.filter(slug__startswith="team-").order_by("pk"))
    Service.objects.bulk_create(
        Service(
            name=f"Service {number}",
            slug=f"service-{number}",
            team=owners[number % TEAMS],
            criticality="critical",
        )
        for number in range(SERVICES)
    )
    return {"source_key": keys["shop"], "other_key": keys["search"], "token": secret}


def team(name: str, wire: str, admin: User, timeout: timedelta) -> str:
    """The key of the source that reports for it."""
    owner = Team.objects.create(name=name.capitalize(), slug=name)
    people = [person(f"{name}-{who}", owner, wire) for who in ["ana", "ben", "cleo"]]
    Membership.objects.filter(user=people[-1]).update(role="manager")
    service = Service.objects.create(name=name, slug=name, team=owner, criticality="critical")
    schedule = oncall.create_schedule(name=name, team=owner, timezone="Europe/Berlin", actor=admin)
    oncall.set_rotation(
        schedule,
        kind="weekly",
        handover_weekday=0,
        handover_time=time(9),
        starts_on=date(2026, 1, 5),
        people=people[:2],
        actor=admin,
    )
    oncall.assign_schedule(owner, schedule=schedule, actor=admin)
    policy = escalation.create_policy(
        name=name,
        slug=name,
        team=owner,
        levels=[
            {"timeout": timeout, "targets": [{"kind": "schedule"}]},
            {"timeout": timeout, "targets": [{"kind": "team_manager"}]},
        ],
        repeats=2,
        actor=admin,
    )
    escalation.assign_policy(policy, team=owner, actor=admin)
    return alerts.create_source(name=name, team=owner, service=service, actor=admin).key


def person(name: str, owner: Team, wire: str) -> User:
    user = User.objects.create_user(name, f"{name}@example.org")
    Membership.objects.create(team=owner, user=user)
    method = notifications.add_contact_method(
        user, kind="webhook", address=f"{wire}{name}", actor=user
    )
    notifications.vouch_for(method, actor=None)
    return user


if __name__ == "__main__":
    made = build(
        sys.argv[1],
        timeout=timedelta(seconds=float(sys.argv[2])),
        storm_threshold=int(sys.argv[3]),
    )
    sys.stdout.write(json.dumps(made))
