"""Another type of an open incident: what it brings is planned anew, and nobody is asked twice."""

from datetime import timedelta

import pytest

from incidents.core import services as core
from incidents.core.models import Incident, Kind
from incidents.escalation.models import Page
from incidents.timers.models import Timer
from tests.escalation.rulebook import person, runbook
from tests.escalation.stage import nobody_is_silent, settle

pytestmark = pytest.mark.django_db

FIVE, TWO = timedelta(minutes=5), timedelta(minutes=2)
SORT = {"title": "x", "definition": "x", "severity": "SEV2"}


@pytest.fixture
def house(policy, clock):
    """Degradation waits; data loss calls the director at once, and the owner after ten minutes."""
    person("diana", "director")
    person("olga", "owner")
    director, owner = {"role": "director"}, {"role": "owner"}
    lost = {"types": ["data-loss"]}
    runbook(
        types={
            "degradation": SORT | {"page_after": "2 min"},
            "crawling": SORT | {"page_after": "5 min"},
            "data-loss": SORT,
            "other": SORT,
        },
        at_declaration=[lost | {"page": ["director"]}],
        triggers=[
            lost | {"id": "lost", "title": "Still lost", "after": "10 min", "to": owner},
            {"id": "all", "title": "Open for long", "after": "20 min", "to": director},
            lost | {"id": "known", "title": "Customers", "fact": "data_loss", "to": owner},
        ],
    )


def declare(service, kind):
    incident = core.declare(title="Odd", service=service, severity="SEV2", incident_type=kind)
    settle()
    return incident


def change(incident, kind, actor):
    core.change_type(incident, incident_type=kind, actor=actor)
    settle()


def paged(phones):
    """Who was since the last look; messages are another matter."""
    return [person for person, urgency in phones.take() if urgency == "page"]


def due(incident, kind):
    pending = Timer.objects.pending().of(incident).filter(kind=kind)
    return {timer.key: timer.due_at - incident.declared_at for timer in pending}


def test_who_waits_for_it_to_recover_is_paged_at_once_where_the_new_type_does_not_wait(
    house, service, phones, clock, alice
):
    incident = declare(service, "degradation")
    clock.forward(minutes=1)
    assert paged(phones) == []

    change(incident, "data-loss", alice)

    assert sorted(paged(phones)) == ["bob", "diana"]
    assert due(incident, "escalation.calls") == {}
    clock.forward(minutes=1)
    settle()
    assert paged(phones) == [], "not once more when the old wait is over"
    nobody_is_silent()


def test_a_longer_wait_counts_from_the_declaration(house, service, phones, clock, alice):
    incident = declare(service, "degradation")
    clock.forward(minutes=1)

    change(incident, "crawling", alice)

    assert due(incident, "escalation.step") == {"": FIVE}
    assert due(incident, "escalation.calls") == {"": FIVE}
    change(incident, "degradation", alice)
    assert due(incident, "escalation.step") == {"": TWO}
    clock.forward(minutes=1)
    settle()
    assert paged(phones) == ["bob"]


def test_who_was_paged_is_left_alone_and_only_the_new_types_roles_are_called(
    house, service, phones, clock, alice
):
    incident = declare(service, "other")
    core.acknowledge(incident, actor=alice)

    change(incident, "data-loss", alice)
    change(incident, "other", alice)
    change(incident, "data-loss", alice)
    change(incident, "degradation", alice)

    assert sorted(paged(phones)) == ["bob", "diana"]
    assert Page.objects.filter(user__username="diana").count() == 1
    assert incident.timeline.filter(kind=Kind.PAGED).count() == 2


def test_its_triggers_begin_those_of_the_old_type_end_and_common_ones_go_on(
    house, service, phones, clock, alice
):
    incident = declare(service, "other")
    core.acknowledge(incident, actor=alice)
    clock.forward(minutes=5)

    change(incident, "data-loss", alice)

    minutes = {
        key: span / timedelta(minutes=1)
        for key, span in due(incident, "escalation.trigger").items()
    }
    assert minutes == {"all": 20, "lost": 15}
    clock.forward(minutes=10)
    settle()
    assert "olga" in paged(phones)
    change(incident, "other", alice)
    assert set(due(incident, "escalation.trigger")) == {"all"}
    change(incident, "data-loss", alice)
    assert set(due(incident, "escalation.trigger")) == {"all"}, "it went off before"


def test_a_fact_that_is_known_already_sets_the_new_types_trigger_off(
    house, service, phones, clock, alice
):
    incident = declare(service, "other")
    core.acknowledge(incident, actor=alice)
    core.record_impact(incident, data_loss="confirmed", actor=alice)
    settle()
    assert "olga" not in paged(phones)

    change(incident, "data-loss", alice)

    assert paged(phones).count("olga") == 1


def test_what_became_a_ticket_by_recovering_pages_when_it_breaks_again_whatever_its_type_by_then(
    house, service, phones, clock, alice
):
    incident = declare(service, "degradation")
    core.mark_recovered(incident, actor=None)
    clock.forward(minutes=2)
    settle()
    assert Incident.objects.get().escalation.is_ticket
    change(incident, "other", alice)
    assert paged(phones) == []

    core.relapse(incident, actor=None)
    settle()

    assert paged(phones) == ["bob"]
    nobody_is_silent()
