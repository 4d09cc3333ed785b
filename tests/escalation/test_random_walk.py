"""Whatever people do, in whatever order: no incident is silent, and no void page is sent."""

import random
from contextlib import suppress
from datetime import timedelta

import pytest

from incidents.core import services as core
from incidents.core.errors import DomainError
from incidents.core.models import Incident
from incidents.escalation import services as escalation
from incidents.escalation.models import EscalationPolicy, Page
from incidents.notifications.models import Delivery
from incidents.timers.models import Timer
from tests.escalation.conftest import FIVE, give_phone, take_phone
from tests.escalation.stage import nobody_is_silent, settle

pytestmark = pytest.mark.django_db


def deeds(rng, incident, people, policies, clock):
    """Something that somebody may do next."""
    who, other = rng.choice(people), rng.choice(people)
    policy = rng.choice(policies)
    return rng.choice(
        [
            lambda: core.acknowledge(incident, actor=who),
            lambda: core.unacknowledge(incident, actor=who, reason="Have to go"),
            lambda: core.note(incident, text="Looking", actor=who),
            lambda: core.snooze(
                incident, until=clock.at + timedelta(minutes=20), reason="Known", actor=who
            ),
            lambda: core.change_severity(
                incident, severity=rng.choice(["SEV1", "SEV2", "SEV4"]), reason="So", actor=who
            ),
            lambda: core.dismiss(incident, reason="A test", actor=who),
            lambda: core.reopen(incident, reason="It was real", actor=who),
            lambda: escalation.escalate(incident, reason="Now", actor=who),
            lambda: escalation.page_person(incident, user=other, reason="Help", actor=who),
            lambda: escalation.reroute(incident, policy=policy, reason="Theirs", actor=who),
            lambda: escalation.set_active(policy, is_active=rng.random() < 0.7, actor=who),
            lambda: escalation.assign_policy(policy, severity="SEV1", actor=who),
            lambda: policy.levels.all().delete(),
            lambda: take_phone(other),
            lambda: give_phone(other),
            lambda: type(other).objects.filter(pk=other.pk).update(is_active=rng.random() < 0.7),
        ]
    )


def no_page_outlives_its_epoch(incident):
    """What is still to be sent belongs to the present epoch of an open incident."""
    alive = Delivery.objects.alive().pages().filter(incident=incident)
    assert all(d.paging_epoch == incident.paging_epoch and incident.is_open for d in alive)
    if incident.is_acknowledged or not incident.is_open:
        assert not Timer.objects.pending().of(incident).filter(kind="escalation.step").exists()


@pytest.mark.parametrize("seed", range(25))
def test_the_invariant_holds_whatever_happens(seed, declared, policy, alice, bob, dana, clock):
    rng = random.Random(seed)
    second = escalation.create_policy(
        name="Second",
        levels=[{"timeout": FIVE, "targets": [{"kind": "person", "user": dana}]}],
        repeats=0,
        actor=None,
    )
    policies = [EscalationPolicy.objects.get(pk=policy.pk), second]

    for _ in range(40):
        if rng.random() < 0.4:
            clock.forward(minutes=rng.choice([1, 5, 10, 30]))
            settle()
        else:
            # What a verb declines must leave everything as it was.
            with suppress(DomainError):
                deeds(rng, Incident.objects.get(), [alice, bob, dana], policies, clock)()
            nobody_is_silent()
        no_page_outlives_its_epoch(Incident.objects.get())

    for page in Page.objects.all():
        assert page.epoch <= Incident.objects.get().paging_epoch
