"""Several incidents of a service, one person: one message a minute, and nothing that is silent."""

from datetime import timedelta

import pytest

from incidents.core import services as core
from incidents.core.models import Incident, Service
from incidents.notifications import engine, services
from incidents.notifications.models import Attempt, Delivery
from tests.notifications.conftest import LEASE_AND_MORE, busy, claim, gone, order, page, post

pytestmark = pytest.mark.django_db
MINUTE = 60


@pytest.fixture
def declare(service):
    def declare(title: str, severity: str = "SEV2", of: Service = service) -> Incident:
        return core.declare(title=title, service=of, severity=severity)

    return declare


def told(sent) -> list[str]:
    return [sent.reference, *sent.others]


@pytest.fixture
def bobs(bob, reach):
    reach(bob, "phone")
    return bob


@pytest.fixture
def woken(clock, declare, bobs, wire) -> Incident:
    """The first incident; Bob was just paged about it."""
    first = declare("First")
    page(first, bobs)
    post()
    assert [told(sent) for sent in wire.sent] == [[first.reference]]
    wire.sent.clear()
    return first


def test_another_incident_of_the_service_waits_until_the_minute_is_over(
    woken, declare, bobs, wire, clock
):
    clock.forward(seconds=20)
    waiting = page(declare("Second"), bobs)
    post()
    before = list(wire.sent)
    waiting.refresh_from_db()

    clock.forward(seconds=39)
    post()
    just_before = list(wire.sent)
    clock.forward(seconds=1)
    post()

    assert before == just_before == []
    assert (waiting.state, waiting.attempts) == ("pending", 0)
    assert waiting.due_at - waiting.waits_since == timedelta(seconds=40)
    assert waiting.give_up_at - waiting.due_at == services.PageOrder.give_up_after
    assert [sent.subject for sent in wire.sent] == [waiting.subject]


def test_all_that_waits_is_told_in_one_message(woken, declare, bobs, wire, clock):
    others = [declare(f"Outage {number}") for number in range(12)]
    link = services.Link("Acknowledge", "https://example.org/a/")
    for number, incident in enumerate(others):
        page(incident, bobs, subject=f"Outage {number}", links=[link])
        post()
        clock.forward(seconds=1)

    clock.forward(seconds=MINUTE)
    post()

    assert len(wire.sent) == 1
    message = wire.sent[0]
    assert sorted(told(message)) == sorted(incident.reference for incident in others)
    assert message.subject == "12 incidents: Outage 0, and 11 more"
    assert all(f"- Outage {number}\n" in message.body for number in range(12))
    assert {one.title for one in message.links} == {
        f"{incident.reference}: Acknowledge" for incident in others
    }
    sent = Delivery.objects.filter(incident__in=others)
    assert {one.state for one in sent} == {"sent"}
    assert {one.key for one in sent} == {message.id}
    assert Attempt.objects.filter(delivery__in=sent, outcome="sent").count() == 12


def test_what_is_due_at_once_is_one_message_led_by_the_worst(declare, bobs, wire):
    mild, worst = declare("Mild", "SEV3"), declare("Worst", "SEV1")
    for incident in (mild, worst):
        page(incident, bobs)

    post()

    assert [told(sent) for sent in wire.sent] == [[worst.reference, mild.reference]]


def test_a_worse_incident_is_told_at_once_and_takes_along_what_waits(
    woken, declare, bobs, wire, clock
):
    waiting, worse = declare("Waits"), declare("Worse", "SEV1")
    page(waiting, bobs)
    post()
    clock.forward(seconds=5)
    page(worse, bobs)

    post()

    assert [told(sent) for sent in wire.sent] == [[worse.reference, waiting.reference]]


def test_what_was_taken_meanwhile_is_not_named(woken, declare, alice, bobs, wire, clock):
    taken, open_one = declare("Taken"), declare("Open")
    for incident in (taken, open_one):
        page(incident, bobs)
    post()
    core.acknowledge(taken, actor=alice)

    clock.forward(seconds=MINUTE)
    post()

    pages = [sent for sent in wire.sent if sent.urgency == "page"]
    assert [told(sent) for sent in pages] == [[open_one.reference]]
    assert taken.deliveries.pages().get().state == "cancelled"


def test_what_is_taken_after_the_claim_is_not_named(declare, alice, bobs, wire):
    taken, open_one = declare("Taken"), declare("Open")
    for incident in (taken, open_one):
        page(incident, bobs)
    (parcel,) = claim()
    core.acknowledge(taken, actor=alice)

    engine._send(parcel)

    assert [told(sent) for sent in wire.sent] == [[open_one.reference]]


def test_the_same_incident_is_asked_again_without_waiting(woken, bobs, wire):
    page(woken, bobs, "level 2")

    post()

    assert [told(sent) for sent in wire.sent] == [[woken.reference]]


@pytest.mark.parametrize("what", ["person", "service", "address"])
def test_nobody_and_nothing_else_waits(what, woken, declare, alice, bobs, reach, wire, team):
    person, service = bobs, woken.service
    if what == "person":
        person = alice
        reach(alice, "phone of alice")
    elif what == "service":
        service = Service.objects.create(name="Search", slug="search", team=team)
    else:
        services.remove_contact_method(bobs.contact_methods.get(), actor=bobs)
        reach(bobs, "new phone")

    page(declare("Second", of=service), person)
    post()

    assert [sent.urgency for sent in wire.sent] == ["page"]


def test_drills_and_the_last_resort_do_not_wait(woken, declare, bobs, wire, settings):
    drill, forlorn = declare("Drill"), declare("Forlorn")
    settings.LAST_RESORT = ["recorder:phone"]
    Incident.objects.filter(pk=drill.pk).update(is_drill=True)
    drill.refresh_from_db()
    page(drill, bobs)
    services.tell_last_resort(incident=forlorn, cause="last-resort:1", subject="Nobody", body="…")

    post()

    assert sorted(told(sent) for sent in wire.sent) == sorted(
        [[drill.reference], [forlorn.reference]]
    )


def test_a_drill_is_no_reason_to_wait(declare, bobs, wire):
    drill = declare("Drill")
    Incident.objects.filter(pk=drill.pk).update(is_drill=True)
    drill.refresh_from_db()
    page(drill, bobs)
    post()

    page(declare("Real"), bobs)
    post()

    assert len(wire.sent) == 2


def test_nothing_waits_where_the_interval_is_zero(woken, declare, bobs, wire, settings):
    settings.PAGE_INTERVAL = timedelta(0)
    for number in range(3):
        page(declare(f"Outage {number}"), bobs)

    post()

    assert [len(told(sent)) for sent in wire.sent] == [1, 1, 1]


def test_who_was_not_reached_is_told_of_the_next_one_at_once(declare, bobs, wire, clock):
    wire.refusals["phone"] = busy()
    page(declare("First"), bobs)
    post()
    wire.refusals.clear()

    second = declare("Second")
    page(second, bobs)
    post()

    assert second.reference in [reference for sent in wire.sent for reference in told(sent)]


def test_a_message_that_fails_is_repeated_with_the_same_members_under_the_same_key(
    declare, alice, bobs, wire, clock
):
    first, second, third = (declare(title) for title in ("First", "Second", "Third"))
    for incident in (first, second):
        page(incident, bobs)
    (parcel,) = claim()  # and its process dies, perhaps after the last byte
    clock.forward(seconds=1)
    core.acknowledge(parcel.delivery.incident, actor=alice)
    page(third, bobs)

    for _ in range(3):
        clock.forward(seconds=LEASE_AND_MORE)
        post()

    pages = [sent for sent in wire.sent if sent.urgency == "page"]
    left = {first, second} - {parcel.delivery.incident}
    assert [(sent.id, told(sent)) for sent in pages if sent.id == parcel.delivery.key] == [
        (str(parcel.delivery.pk), [incident.reference for incident in left])
    ]
    assert Delivery.objects.pages().alive().filter(incident__in=[first, second]).count() == 0


def test_what_is_given_up_goes_its_own_way(declare, bobs, reach, wire, given_up):
    wire.refusals["phone"] = gone()
    first, second = declare("First"), declare("Second")
    for incident in (first, second):
        page(incident, bobs)

    post()

    assert wire.sent == []
    assert sorted(fact["incident"].pk for fact in given_up) == [first.pk, second.pk]
    assert {one.state for one in Delivery.objects.pages()} == {"failed"}


def test_what_fails_at_one_address_goes_on_to_the_next_in_one_message(
    declare, bobs, reach, wire, given_up
):
    reach(bobs, "chat")
    wire.refusals["phone"] = gone()
    first, second = declare("First"), declare("Second")
    for incident in (first, second):
        page(incident, bobs)

    post()

    assert [(sent.address, sorted(told(sent))) for sent in wire.sent] == [
        ("chat", [first.reference, second.reference])
    ]
    assert given_up == []


def test_it_does_not_wait_for_longer_than_its_address_is_tried(woken, declare, bobs, wire, clock):
    order_ = order(declare("Hasty"), bobs, give_up_after=timedelta(seconds=15))
    services.page_people([order_], clock.at)
    post()
    clock.forward(seconds=15)

    post()

    assert len(wire.sent) == 1


def test_it_does_not_wait_again_and_again(woken, declare, bobs, wire, clock):
    patient = declare("Patient", "SEV4")
    page(patient, bobs)
    for number in range(8):
        post()
        clock.forward(seconds=10)
        page(declare(f"Worse {number}", "SEV1"), bobs)
    post()

    told_of = [reference for sent in wire.sent for reference in told(sent)]
    assert told_of.count(patient.reference) == 1
