import logging

import pytest

from incidents.core import services as core
from incidents.core.models import Incident
from incidents.notifications import services
from incidents.notifications.models import Delivery
from incidents.notifications.transports.base import TransportError
from tests.factories import UserFactory
from tests.notifications.conftest import post

pytestmark = pytest.mark.django_db

WORDS = {"cause": "exhausted", "subject": "Nobody is left", "body": "Nobody answered."}


def test_it_tells_every_address_of_the_organisation(incident, settings, wire):
    services.add_last_resort(name="Duty phone", kind="recorder", address="duty", actor=None)
    settings.LAST_RESORT = ["recorder:operations", ""]

    told = services.tell_last_resort(incident=incident, **WORDS)
    post()

    assert told == 2
    assert {sent.address for sent in wire.sent} == {"duty", "operations"}
    assert {sent.urgency for sent in wire.sent} == {"page"}


def test_it_needs_no_incident(settings, wire):
    settings.LAST_RESORT = ["recorder:operations"]

    services.tell_last_resort(**WORDS)
    post()

    assert len(wire.sent) == 1


def test_it_passes_over_what_was_switched_off(settings):
    settings.LAST_RESORT = []
    retired = services.add_last_resort(name="Old", kind="recorder", address="old", actor=None)
    retired.is_active = False
    retired.save()

    assert services.tell_last_resort(**WORDS) == 0


def test_it_tells_the_superusers_when_there_is_no_address(settings, mailbox):
    settings.LAST_RESORT = []
    UserFactory(username="root", is_superuser=True)
    UserFactory(username="gone", is_superuser=True, is_active=False)

    told = services.tell_last_resort(**WORDS)
    post()

    assert told == 1
    assert [mail["To"] for mail in mailbox.mails] == ["root@example.org"]


def test_it_says_when_there_is_nobody_at_all(settings, caplog):
    settings.LAST_RESORT, settings.SMTP_HOST = [], ""

    with caplog.at_level(logging.CRITICAL):
        told = services.tell_last_resort(**WORDS)

    assert told == 0
    assert "There is no last resort" in caplog.text


def test_a_drill_tells_its_facilitator_instead(incident, bob, reach, settings, wire):
    settings.LAST_RESORT = ["recorder:operations"]
    reach(bob, "facilitator")
    Incident.objects.filter(pk=incident.pk).update(last_resort=bob)
    incident.refresh_from_db()

    told = services.tell_last_resort(incident=incident, **WORDS)
    post()

    assert told == 1
    assert [sent.address for sent in wire.sent] == ["facilitator"]


def test_it_tells_the_organisation_when_the_facilitator_cannot_be_reached(
    incident, bob, settings, wire
):
    settings.LAST_RESORT, settings.SMTP_HOST = ["recorder:operations"], ""
    Incident.objects.filter(pk=incident.pk).update(last_resort=bob)
    incident.refresh_from_db()

    services.tell_last_resort(incident=incident, **WORDS)
    post()

    assert [sent.address for sent in wire.sent] == ["operations"]


def test_it_is_told_although_the_incident_was_acknowledged(incident, bob, settings, wire):
    settings.LAST_RESORT = ["recorder:operations"]
    services.tell_last_resort(incident=incident, **WORDS)
    core.acknowledge(incident, actor=bob)

    post()

    assert len(wire.sent) == 1


def test_it_can_be_bound_to_the_epoch(incident, bob, settings, wire):
    settings.LAST_RESORT = ["recorder:operations"]
    services.tell_last_resort(incident=incident, epoch=incident.paging_epoch, **WORDS)
    core.acknowledge(incident, actor=bob)

    post()

    assert wire.sent == []


def test_it_is_announced_when_none_of_them_was_reached(settings, wire, given_up, caplog):
    settings.LAST_RESORT = ["recorder:first", "recorder:second"]
    for address in ("first", "second"):
        wire.refusals[address] = TransportError("gone", permanent=True)

    services.tell_last_resort(**WORDS)
    with caplog.at_level(logging.CRITICAL):
        post()

    assert [fact["delivery"].recipient for fact in given_up] == [None]
    assert Delivery.objects.filter(state="failed").count() == 2
    assert "A last resort was not reached" in caplog.text


def test_it_is_not_announced_when_one_of_them_was_reached(settings, wire, given_up):
    settings.LAST_RESORT = ["recorder:first", "recorder:second"]
    wire.refusals["second"] = TransportError("gone", permanent=True)

    services.tell_last_resort(**WORDS)
    post()

    assert given_up == []
