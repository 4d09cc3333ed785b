"""A sender that is a process of its own, killed with -9 at the worst moments."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.conf import settings
from django.db import connection

from incidents.core import services as core
from incidents.notifications.models import Attempt, Delivery
from tests.notifications.conftest import page

pytestmark = [pytest.mark.postgres, pytest.mark.django_db(transaction=True)]

DISPATCH = "import django; django.setup(); from incidents.notifications import engine; "
DISPATCH += "engine.dispatch(wait=True)"


def dispatch_in_a_process(failpoint: str = "") -> int:
    """Exit code; -9 when it was killed."""
    where = connection.settings_dict
    host, port = where["HOST"] or "localhost", where["PORT"] or 5432
    who = f"{where['USER']}:{where['PASSWORD']}" if where["PASSWORD"] else where["USER"]
    environment = os.environ | {
        "DATABASE_URL": f"postgres://{who}@{host}:{port}/{where['NAME']}",
        "DJANGO_SETTINGS_MODULE": settings.SETTINGS_MODULE,
        "DELIVERY_LEASE_SECONDS": "0.2",
        "DATA_DIR": str(settings.DATA_DIR),
        "TOCSIN_FAILPOINTS": failpoint,
    }
    command = [sys.executable, "-c", DISPATCH]
    return subprocess.run(command, env=environment, check=False, timeout=30).returncode


@pytest.fixture
def delivery(service, bob, reach):
    incident = core.declare(title="Checkout is down", service=service, severity="SEV1")
    reach(bob, f"{incident.reference}.jsonl", kind="file")
    return page(incident, bob)


@pytest.mark.parametrize("failpoint", ["send.after_claim", "send.after_body"])
def test_a_message_about_several_incidents_is_repeated_whole_and_under_one_key(
    service, bob, reach, delivery, failpoint: str
):
    others = [core.declare(title=f"Outage {number}", service=service) for number in range(3)]
    deliveries = [delivery, *(page(incident, bob) for incident in others)]

    killed = dispatch_in_a_process(f"{failpoint}=kill")
    late = page(core.declare(title="Came later", service=service), bob)
    survived = dispatch_in_a_process()

    assert (killed, survived) == (-9, 0)
    keys = received(delivery)
    assert len(keys) == (2 if failpoint == "send.after_body" else 1)
    assert len(set(keys)) == 1
    for one in deliveries:
        one.refresh_from_db()
        assert (one.state, one.key) == ("sent", keys[0])
        assert [a.outcome for a in one.tries.all()] == ["interrupted", "sent"]
    late.refresh_from_db()
    assert (late.state, late.bundle) == ("pending", None)


def received(delivery: Delivery) -> list[str]:
    path = Path(settings.DATA_DIR) / delivery.address
    lines = path.read_text().splitlines() if path.exists() else []
    path.unlink(missing_ok=True)
    return [json.loads(line)["id"] for line in lines]


@pytest.mark.parametrize(
    ("failpoint", "repeats"),
    [
        ("send.after_claim", 1),
        ("send.before_connect", 1),
        ("send.after_body", 2),
        ("send.before_mark", 2),
    ],
)
def test_a_killed_sender_loses_nothing_and_repeats_under_the_same_key(
    delivery, failpoint: str, repeats: int
):
    killed = dispatch_in_a_process(f"{failpoint}=kill")
    survived = dispatch_in_a_process()

    assert (killed, survived) == (-9, 0)
    assert received(delivery) == [str(delivery.pk)] * repeats
    delivery.refresh_from_db()
    assert delivery.state == "sent"
    assert [a.outcome for a in delivery.tries.all()] == ["interrupted", "sent"]


def test_a_delivery_that_kills_every_sender_is_quarantined(delivery, given_up):
    codes = [dispatch_in_a_process("send.after_body=kill") for _ in range(3)]

    after = dispatch_in_a_process("send.after_body=kill")

    delivery.refresh_from_db()
    assert codes == [-9, -9, -9]
    assert after == 0
    assert delivery.state == "failed"
    assert "Quarantined" in delivery.last_error
    assert Attempt.objects.filter(outcome="interrupted").count() == 3
    assert received(delivery) == [str(delivery.pk)] * 3
