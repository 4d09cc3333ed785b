"""The canary goes the whole way of a page every minute; nobody sees it, and nothing grows."""

from datetime import UTC, timedelta

import pytest

from incidents.alerts import services as alerts
from incidents.alerts.models import Alert, Source
from incidents.core.models import Incident, TimelineEntry
from incidents.insights import canary
from incidents.insights.recent import recent
from incidents.notifications import engine as outbox
from incidents.notifications.models import Attempt, Delivery
from incidents.notifications.transports import TRANSPORTS
from incidents.notifications.transports.base import TransportError
from incidents.timers import engine as timers
from incidents.timers.models import Timer
from tests.escalation.stage import Phones
from tests.factories import UserFactory

pytestmark = pytest.mark.django_db


def happen():
    while timers.tick() + outbox.dispatch(wait=True):
        pass


@pytest.fixture
def bird(service, clock):
    """It has been round once."""
    canary.begin_round()
    happen()
    return Incident.objects.get(reference="CANARY")


def test_a_round_goes_from_an_alert_to_a_transport(service, clock):
    assert canary.begin_round()
    alert = Alert.objects.get()
    assert alert.incident.reference == "CANARY"
    assert canary.look().waiting_since == clock.at

    timers.tick()
    page = Delivery.objects.get()
    assert (page.urgency, page.transport, page.paging_epoch) == ("page", "sandbox", 1)
    assert canary.look().arrived_at is None

    clock.forward(seconds=1)
    outbox.dispatch(wait=True)

    page.refresh_from_db()
    assert page.provider_id == f"sandbox:{page.pk}"
    assert canary.look() == canary.Canary(arrived_at=clock.at, waiting_since=None)


def test_a_day_of_rounds_leaves_as_many_rows_as_an_hour(service, clock):
    def rows():
        models = [Incident, Alert, Source, Timer, Delivery, Attempt, TimelineEntry]
        return [model.objects.count() for model in models]

    def rounds(number):
        for _ in range(number):
            clock.forward(minutes=1)
            assert canary.begin_round()
            happen()

    rounds(8)
    early = rows()
    rounds(24)

    assert rows() == early
    assert Alert.objects.get().count == 33  # made with one, and 32 signals
    assert Timer.objects.count() <= 2
    assert Delivery.objects.count() <= 4


def test_it_writes_no_history_and_asks_nobody(bird, policy, phones: Phones, clock):
    assert not TimelineEntry.objects.exists()
    assert set(Delivery.objects.values_list("address", flat=True)) == {"canary"}
    assert not Timer.objects.pending().exists()


@pytest.mark.parametrize(
    "path",
    [
        *("/admin/incidents/incident/", "/admin/", "/i/", "/admin/alerts/source/"),
        *("/admin/alerts/alert/", "/admin/notifications/delivery/", "/api/v1/incidents/"),
        *("/api/v1/alerts/", "/api/v1/sources/", "/api/v1/deliveries/", "/api/v1/timers/"),
    ],
)
def test_nobody_meets_it(client, bird, path):
    alerts.create_source(name="Prometheus", actor=None)
    client.force_login(UserFactory(username="root", is_superuser=True, is_staff=True))

    answer = client.get(path)

    assert answer.status_code == 200
    assert b"canary" not in answer.content.lower()


def test_nobody_can_act_on_it(client, bird):
    client.force_login(UserFactory(username="root", is_superuser=True, is_staff=True))

    answer = client.post("/api/v1/incidents/CANARY/dismiss/", {"reason": "x"}, "application/json")

    assert answer.status_code == 404


def test_it_is_in_no_figure(bird, clock):
    assert recent(Incident.objects.all(), now=clock.at, zone=UTC).total == 0
    assert not Incident.objects.real().exists()


def test_there_is_none_before_there_is_a_service(db, clock):
    assert not canary.begin_round()
    assert not Incident.objects.exists()
    assert canary.look().fault(clock.at) == ""


def test_a_round_that_is_under_way_is_not_begun_again(service, clock):
    canary.begin_round()
    clock.forward(minutes=1)

    assert not canary.begin_round()
    assert Alert.objects.get().count == 2


def test_a_round_that_does_not_come_through_is_a_fault(service, clock):
    canary.begin_round()
    clock.forward(minutes=2)
    assert canary.look().fault(clock.at) == ""

    clock.forward(seconds=1)

    assert "under way since 2026-03-02 10:00:00" in canary.look().fault(clock.at)


def test_an_outbox_that_stands_still_is_a_fault(service, clock):
    canary.begin_round()
    timers.tick()
    clock.forward(seconds=121)

    assert "under way" in canary.look().fault(clock.at)


def test_a_round_that_failed_is_a_fault_until_the_next_arrives(service, clock, monkeypatch):
    class Broken:
        def send(self, _outgoing):
            raise TransportError("There is a hole in the cage.", permanent=True)

    monkeypatch.setitem(TRANSPORTS, "sandbox", Broken())
    canary.begin_round()
    happen()
    assert "hole in the cage" in canary.look().fault(clock.at)

    monkeypatch.undo()
    clock.forward(minutes=1)
    canary.begin_round()
    happen()

    assert canary.look().fault(clock.at) == ""
    assert canary.look().is_fresh(clock.at + timedelta(minutes=3))
    assert not canary.look().is_fresh(clock.at + timedelta(minutes=4))


def test_an_alert_that_would_lead_elsewhere_is_not_sent(bird, incident, clock):
    Alert.objects.update(incident=incident)
    before = incident.timeline.count()

    with pytest.raises(RuntimeError, match="does not lead"):
        canary.begin_round()

    assert incident.timeline.count() == before
