"""Fills a chaos test's database through verbs: `python -m tests.chaos.seed build URL`."""

import json
import sys
from datetime import timedelta

import django

django.setup()

from django.core.management import call_command  # noqa: E402

from incidents.alerts import services as alerts  # noqa: E402
from incidents.core.models import Membership, Service, Team, User  # noqa: E402
from incidents.escalation import services as escalation  # noqa: E402
from incidents.notifications import services as notifications  # noqa: E402

SILENCE = timedelta(seconds=3)


def build(wire: str) -> dict[str, str]:
    call_command("migrate", verbosity=0, interactive=False)
    admin = User.objects.create_superuser("admin", "admin@example.org", "not-a-secret")
    team = Team.objects.create(name="Shop", slug="shop")
    people = [person(name, team, wire) for name in ["ana", "ben"]]
    service = Service.objects.create(
        name="Checkout", slug="checkout", team=team, criticality="critical"
    )
    policy = escalation.create_policy(
        name="Shop",
        slug="shop",
        team=team,
        levels=[
            {"timeout": SILENCE, "targets": [{"kind": "person", "user": user}]} for user in people
        ],
        repeats=0,
        actor=admin,
    )
    escalation.assign_policy(policy, team=team, actor=admin)
    source = alerts.create_source(name="Monitor", team=team, service=service, actor=admin)
    return {"source_key": source.key}


def person(name: str, team: Team, wire: str) -> User:
    user = User.objects.create_user(name, f"{name}@example.org")
    Membership.objects.create(team=team, user=user)
    method = notifications.add_contact_method(
        user, kind="webhook", address=f"{wire}{name}", actor=user
    )
    notifications.vouch_for(method, actor=None)
    return user


if __name__ == "__main__":
    sys.stdout.write(json.dumps(build(sys.argv[2])))
