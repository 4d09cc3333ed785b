"""Fills a chaos test's database through verbs: `python -m tests.chaos.seed build URL CALM`.

A *world* is a team of its own with one service, one monitor and two people, each a webhook of the
provider, so that tests that share an installation do not meet. Its name says what it is like:
in a `calm-…` world the first person has ten minutes to answer, in a `quick-…` one three seconds;
in a `two-…` world, calm as well, the first person has a second address.
"""

import json
import sys
from datetime import timedelta

import django

django.setup()

from django.core.management import call_command  # noqa: E402

from incidents.alerts import services as alerts  # noqa: E402
from incidents.core import services as core  # noqa: E402
from incidents.core.models import Membership, Organisation, Service, Team, User  # noqa: E402
from incidents.escalation import services as escalation  # noqa: E402
from incidents.escalation.models import EscalationPolicy  # noqa: E402
from incidents.notifications import services as notifications  # noqa: E402

QUICK, CALM = timedelta(seconds=3), timedelta(minutes=10)
OTHERS = {"quick": 4, "two": 5}


def build(wire: str, calm: str) -> dict[str, object]:
    call_command("migrate", verbosity=0, interactive=False)
    # Every alert of these loads is to be an incident: storms have tests of their own.
    Organisation.objects.update_or_create(pk=1, defaults={"storm_threshold": 0})
    admin = User.objects.create_superuser("admin", "admin@example.org", "not-a-secret")
    _, token = core.issue_token(admin, name="Chaos", scope="manage")
    kinds = {"calm": int(calm), **OTHERS}
    names = [f"{kind}-{number}" for kind, count in kinds.items() for number in range(count)]
    return {"token": token, "sources": {name: world(name, wire, admin) for name in names}}


def world(name: str, wire: str, admin: User) -> str:
    """Makes it; gives its monitor's key."""
    kind = name.partition("-")[0]
    team = Team.objects.create(name=name, slug=name)
    people = [person(f"{name}-{letter}", team, wire) for letter in "ab"]
    if kind == "two":
        add_address(people[0], f"{wire}{name}-a2")
    service = Service.objects.create(name=name, slug=name, team=team, criticality="critical")
    timeout = QUICK if kind == "quick" else CALM
    policy = escalation.create_policy(
        name=name, slug=name, team=team, levels=levels(people, timeout), repeats=0, actor=admin
    )
    escalation.assign_policy(policy, team=team, actor=admin)
    return alerts.create_source(name=name, team=team, service=service, actor=admin).key


def levels(people: list[User], timeout: timedelta) -> list[dict[str, object]]:
    return [{"timeout": timeout, "targets": [{"kind": "person", "user": user}]} for user in people]


def person(name: str, team: Team, wire: str) -> User:
    user = User.objects.create_user(name, f"{name}@example.org")
    Membership.objects.create(team=team, user=user)
    add_address(user, f"{wire}{name}")
    return user


def add_address(user: User, address: str) -> None:
    method = notifications.add_contact_method(user, kind="webhook", address=address, actor=user)
    notifications.vouch_for(method, actor=None)


def deactivate(name: str) -> dict[str, object]:
    core.deactivate_person(
        User.objects.get(username=name), actor=User.objects.get(username="admin")
    )
    return {}


def replace_second(name: str, other: str) -> dict[str, object]:
    """The policy of this world asks another world's first person second, from now on."""
    people = [User.objects.get(username=f"{world}-a") for world in (name, other)]
    admin = User.objects.get(username="admin")
    policy = EscalationPolicy.objects.get(slug=name)
    escalation.set_levels(policy, levels=levels(people, QUICK), actor=admin)
    return {}


VERBS = {verb.__name__: verb for verb in (build, deactivate, replace_second)}

if __name__ == "__main__":
    sys.stdout.write(json.dumps(VERBS[sys.argv[1]](*sys.argv[2:])))
