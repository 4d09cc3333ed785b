"""The whole house on one stage: a team that is on call, phones that record, an API client."""

from collections.abc import Callable
from datetime import date, time, timedelta

import pytest

from incidents.alerts import services as alerts
from incidents.core import services as core
from incidents.escalation import services as escalation
from incidents.notifications import engine as outbox
from incidents.notifications import services as notifications
from incidents.notifications.transports.recorder import Recorder
from incidents.oncall import services as oncall
from incidents.timers import engine as timers
from tests.factories import UserFactory


def settle(rounds: int = 20) -> None:
    """Let everything happen that is due now, until nothing is."""
    for _ in range(rounds):
        if not timers.tick() + outbox.dispatch(wait=True):
            return
    pytest.fail("It never settles: something schedules itself for now, for ever.")


class Phone:
    """What one person received, read message by message. What was not expected fails the test."""

    def __init__(self, address: str) -> None:
        self.address, self.read = address, 0

    def _new(self) -> list:
        return Recorder.to(self.address)[self.read :]

    def expects(self, text: str):
        """The next message has `text` in its subject; returns the message."""
        new = self._new()
        assert new, f"{self.address} got nothing; {text!r} was expected."
        assert text in new[0].subject, f"{self.address} got {new[0].subject!r}, not {text!r}."
        self.read += 1
        return new[0]

    def is_silent(self) -> None:
        assert [message.subject for message in self._new()] == []


@pytest.fixture
def phone() -> Callable[[str], Phone]:
    Recorder.reset()
    phones: dict[str, Phone] = {}

    def phone(name: str) -> Phone:
        return phones.setdefault(name, Phone(name))

    return phone


@pytest.fixture
def root(db):
    return UserFactory(username="root", is_superuser=True, is_staff=True)


def reachable(user, root) -> None:
    method = notifications.add_contact_method(
        user, kind="recorder", address=user.username, actor=root
    )
    notifications.vouch_for(method, actor=root)


@pytest.fixture
def shop(team, service, alice, bob, root, clock, phone):
    """Bob is on call, Alice manages; five minutes each, twice; then the last resort."""
    for user in [alice, bob]:
        reachable(user, root)
    notifications.add_last_resort(name="Director", kind="recorder", address="director", actor=root)
    schedule = oncall.create_schedule(
        name="Payments", slug="payments", team=team, timezone="UTC", actor=root
    )
    oncall.set_rotation(
        schedule,
        kind="weekly",
        handover_weekday=0,
        handover_time=time(9),
        starts_on=date(2026, 1, 5),
        people=[bob],
        actor=root,
    )
    oncall.assign_schedule(team, schedule=schedule, actor=root)
    policy = escalation.create_policy(
        name="Payments",
        slug="payments",
        team=team,
        levels=[
            {
                "timeout": timedelta(minutes=5),
                "targets": [{"kind": "schedule", "schedule": schedule}],
            },
            {
                "timeout": timedelta(minutes=10),
                "targets": [{"kind": "team_manager", "team": team}],
            },
        ],
        repeats=1,
        acknowledgement_expiry=timedelta(minutes=30),
        actor=root,
    )
    escalation.assign_policy(policy, team=team, actor=root)
    return policy


@pytest.fixture
def source(shop, team, service, root):
    return alerts.create_source(name="Prometheus", team=team, service=service, actor=root)


@pytest.fixture
def monitor(client, source):
    """Posts alerts as a monitor does."""

    def post(status: str = "firing", **facts):
        body = {"dedup_key": "checkout-5xx", "status": status, "summary": "5xx on checkout"}
        return client.post(
            f"/api/v1/alerts/{source.key}/", body | facts, content_type="application/json"
        )

    return post


@pytest.fixture
def api(client):
    """Calls the API with a person's own token."""

    def as_person(user):
        _, secret = core.issue_token(user, name="story", scope="respond")
        headers = {"Authorization": f"Bearer {secret}"}

        def post(reference: str, verb: str, **facts):
            return client.post(
                f"/api/v1/incidents/{reference}/{verb}/",
                facts,
                content_type="application/json",
                headers=headers,
            )

        return post

    return as_person
