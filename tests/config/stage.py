"""A small organisation for tests of whole installations: `python -m tests.config.stage ACT`."""

import json
import sys
from datetime import timedelta

import django

django.setup()

from django.core.management import call_command  # noqa: E402
from django.db import DatabaseError  # noqa: E402

from incidents.core import services as core  # noqa: E402
from incidents.core.models import Incident, Membership, Service, Team, User  # noqa: E402
from incidents.escalation import services as escalation  # noqa: E402
from incidents.notifications import engine as outbox  # noqa: E402
from incidents.notifications import services as notifications  # noqa: E402
from incidents.notifications.models import Delivery  # noqa: E402
from incidents.timers import clock  # noqa: E402
from incidents.timers import engine as timers  # noqa: E402
from incidents.timers.models import Heartbeat, Timer  # noqa: E402

LONG = timedelta(hours=2)


def build() -> None:
    """Ana is asked first, then Ben; a SEV1 was just declared, and Ana's page waits to leave."""
    call_command("migrate", verbosity=0, interactive=False)
    admin = User.objects.create_superuser("admin", "admin@example.org", "not-a-secret")
    team = Team.objects.create(name="Shop", slug="shop")
    people = [_person(name, team) for name in ["ana", "ben"]]
    service = Service.objects.create(name="Checkout", slug="checkout", team=team)
    policy = escalation.create_policy(
        name="Shop",
        levels=[
            {"timeout": timedelta(minutes=5), "targets": [{"kind": "person", "user": user}]}
            for user in people
        ],
        actor=admin,
    )
    escalation.assign_policy(policy, team=team, actor=admin)
    core.declare(title="Checkout is down", service=service, severity="SEV1", actor=admin)
    # However slow the machine is that tests: nothing is too late before the test says so.
    Delivery.objects.update(give_up_at=clock.now() + LONG)
    Timer.objects.filter(kind="escalation.step").update(due_at=clock.now() + LONG)


def _person(name: str, team: Team) -> User:
    user = User.objects.create_user(name, f"{name}@example.org", first_name=name.capitalize())
    Membership.objects.create(team=team, user=user)
    method = notifications.add_contact_method(
        user, kind="file", address=f"phones/{name}", actor=user
    )
    notifications.vouch_for(method, actor=user)
    return user


def age() -> None:
    """Let hours pass for what waits: the time between the backup and the morning after."""
    ago = clock.now() - timedelta(hours=6)
    Delivery.objects.alive().update(due_at=ago, give_up_at=ago)
    Timer.objects.pending().filter(kind="escalation.step").update(due_at=ago)


def live() -> None:
    """An engine says that it lives."""
    Heartbeat.objects.create(name="clock", process="elsewhere:1", at=clock.now())


def silence() -> None:
    """Nobody will be asked about it any more: what must never be."""
    Timer.objects.filter(kind="escalation.step").delete()


def happen() -> None:
    """What is due happens, what is to leave leaves."""
    while timers.tick() + outbox.dispatch(wait=True):
        pass


def tell() -> None:
    try:
        Incident.objects.get().timeline.update(summary="It never happened")
        guarded = False
    except DatabaseError as error:
        guarded = "append-only" in str(error)
    facts = {
        "people": list(User.objects.order_by("pk").values_list("username", flat=True)),
        "timeline": Incident.objects.get().timeline.count(),
        "deliveries": list(
            Delivery.objects.order_by("created_at").values_list("recipient__username", "state")
        ),
        "guarded": guarded,
    }
    sys.stdout.write(json.dumps(facts))


ACTS = {act.__name__: act for act in [build, age, live, happen, silence, tell]}

if __name__ == "__main__":
    ACTS[sys.argv[1]]()
