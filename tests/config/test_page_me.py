"""Page me now: the way of a real alert, to the one who asks, disturbing nobody else."""

from datetime import timedelta

import pytest

from config import page_me
from incidents.alerts import services as alerts
from incidents.alerts.models import Alert
from incidents.core import services as core
from incidents.core.errors import DomainError
from incidents.core.models import Incident
from incidents.escalation.models import Page
from incidents.notifications import engine as outbox
from incidents.notifications import services as notifications
from incidents.notifications.transports.recorder import Recorder
from incidents.timers import engine
from tests.escalation.conftest import give_phone, take_phone
from tests.escalation.stage import settle
from tests.factories import UserFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def source(policy, service):
    return alerts.create_source(name="Monitor", team=service.team, service=service, actor=None)


@pytest.fixture
def outsider(db):
    """Manages, but stands on no level."""
    user = UserFactory(username="olga", is_superuser=True, is_staff=True)
    give_phone(user)
    return user


def arrived():
    return [(sent.address, sent.urgency) for sent in Recorder.sent]


def test_whoever_is_on_a_level_is_paged_by_the_ladder(source, bob, phones):
    incident = page_me.start(bob)
    settle()

    assert phones.paged() == ["bob"]
    assert Page.objects.get(incident=incident).level == 1


def test_whoever_is_on_no_level_is_paged_all_the_same(source, outsider, phones):
    incident = page_me.start(outsider)
    settle()

    assert phones.paged() == ["olga"]
    assert Page.objects.get(incident=incident).level is None


def test_the_message_says_that_it_is_a_test_and_has_the_link(source, outsider):
    page_me.start(outsider)
    settle()

    (sent,) = Recorder.sent
    assert sent.subject.startswith("[TEST]")
    assert "/a/" in sent.text


def test_nobody_else_is_disturbed_even_when_nobody_answers(
    source,
    outsider,
    phones,
    clock,
):
    page_me.start(outsider)
    for _ in range(90):
        settle()
        clock.forward(minutes=1)

    assert {person for person, _ in phones.take()} == {"olga"}


def test_it_is_in_no_figure_and_nobody_else_sees_it(source, bob, alice, outsider):
    incident = page_me.start(bob)

    assert not Incident.objects.real().exists()
    assert not Incident.objects.visible_to(alice).exists()
    assert list(Incident.objects.visible_to(bob)) == [incident]


def test_it_goes_through_the_chosen_source(source, bob, service):
    other = alerts.create_source(name="Other", service=service, actor=None)

    assert page_me.start(bob).declared_via == "Other"  # the newest
    assert page_me.start(bob, source_id=str(source.pk)).declared_via == "Monitor"
    assert Alert.objects.filter(source=other).count() == 1


def test_a_source_without_service_will_do(source, bob, service):
    source.service = source.team = None
    source.save()

    assert page_me.start(bob).service == service


def test_acknowledging_ends_it_by_itself(source, bob, phones, clock):
    incident = page_me.start(bob)
    settle()
    clock.forward(seconds=20)
    core.acknowledge(incident, actor=bob)
    settle()
    incident.refresh_from_db()
    assert incident.is_open  # for as long as one needs to see it

    clock.forward(seconds=5)
    settle()

    incident.refresh_from_db()
    assert not incident.is_open
    assert incident.alerts.get().status == "resolved"
    phones.take()
    clock.forward(hours=2)
    settle()
    assert phones.take() == []


def test_it_ends_after_ten_minutes_when_nobody_acknowledges(source, outsider, clock):
    incident = page_me.start(outsider)
    clock.forward(minutes=9, seconds=59)
    settle()
    assert Incident.objects.get().is_open

    clock.forward(seconds=1)
    settle()

    incident.refresh_from_db()
    assert not incident.is_open


def test_a_drill_that_is_none_of_these_tests_goes_on(source, service, bob, clock):
    expected = {"dedup_key": "drill"}
    core.expect_signal(matchers=expected, until=clock.at + timedelta(hours=1), audience=[bob])
    drill = core.declare(title="Drill", service=service, severity="SEV1", signal=expected)
    core.acknowledge(drill, actor=bob)

    clock.forward(minutes=11)
    settle()

    drill.refresh_from_db()
    assert drill.is_drill and drill.is_open


def test_a_second_try_closes_the_first(source, bob):
    first = page_me.start(bob)
    second = page_me.start(bob)

    first.refresh_from_db()
    assert not first.is_open
    assert second.is_open


def test_the_button_closes_it(source, bob, alice):
    give = page_me.start(bob)
    page_me.end(alice)
    give.refresh_from_db()
    assert give.is_open

    page_me.end(bob)

    give.refresh_from_db()
    assert not give.is_open


def test_whoever_cannot_be_paged_is_told_so_first(source, bob):
    take_phone(bob)

    with pytest.raises(DomainError, match="add a contact"):
        page_me.start(bob)
    assert not Incident.objects.exists()


def test_without_a_source_it_says_what_to_do(policy, bob):
    with pytest.raises(DomainError, match="add one first"):
        page_me.start(bob)


def test_what_fails_on_the_way_leaves_nothing_behind(source, outsider, monkeypatch):
    def fail(*_args, **_kwargs):
        raise DomainError("no")

    monkeypatch.setattr(page_me.escalation, "page_person", fail)

    with pytest.raises(DomainError):
        page_me.start(outsider)
    assert not Incident.objects.exists()
    assert not Alert.objects.exists()


# --- what is shown --------------------------------------------------------------------------------


def test_its_progress_is_told_step_by_step(source, outsider, clock):
    assert page_me.latest(outsider, now=clock.at) is None

    incident = page_me.start(outsider)
    trial = page_me.latest(outsider, now=clock.at)
    assert [d.state for d in trial.deliveries] == ["pending"]
    assert (trial.sent_after, trial.answered_after) == ("", "")

    clock.forward(seconds=1)
    outbox.dispatch(wait=True)
    assert page_me.latest(outsider, now=clock.at).sent_after == "1 s"

    clock.forward(seconds=24)
    core.acknowledge(incident, actor=outsider)
    assert page_me.latest(outsider, now=clock.at).answered_after == "25 s"


def test_a_page_that_waits_for_long_is_suspicious(source, bob, clock):
    page_me.start(bob)
    assert not page_me.latest(bob, now=clock.forward(seconds=15)).is_waiting_for_long

    assert page_me.latest(bob, now=clock.forward(seconds=1)).is_waiting_for_long
    outbox.dispatch(wait=True)
    assert not page_me.latest(bob, now=clock.at).is_waiting_for_long


def test_only_the_messages_that_were_meant_to_leave_are_shown(source, outsider, clock):
    """The last resort's was taken back before it left: the page says it better."""
    page_me.start(outsider)
    engine.tick()
    outbox.dispatch(wait=True)

    assert len(page_me.latest(outsider, now=clock.at).deliveries) == 1
    assert arrived() == [("olga", "page")]


def test_it_is_shown_for_an_hour(source, bob, clock):
    page_me.start(bob)

    assert page_me.latest(bob, now=clock.forward(hours=1)) is not None
    assert page_me.latest(bob, now=clock.forward(seconds=1)) is None


def test_it_survives_a_contact_that_fails(source, bob, clock):
    """What went wrong is shown with the delivery."""
    take_phone(bob)
    method = notifications.add_contact_method(
        bob, kind="webhook", address="https://127.0.0.1/x", actor=None
    )
    notifications.vouch_for(method, actor=None)
    page_me.start(bob)
    outbox.dispatch(wait=True)

    (delivery,) = page_me.latest(bob, now=clock.at).deliveries
    assert delivery.last_error
