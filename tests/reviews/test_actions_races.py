"""People and the daily work at the same instant, with real transactions. PostgreSQL only."""

from datetime import date

import pytest

from incidents.core import services as core
from incidents.core.models import Kind
from incidents.reviews import services as reviews
from incidents.reviews.models import ActionItem, Suspicion, Telling
from incidents.timers import engine
from incidents.timers.models import Timer
from tests.escalation.test_races import at_once
from tests.reviews.desk import letters, over, reachable

pytestmark = [pytest.mark.postgres, pytest.mark.django_db(transaction=True)]

ROUNDS = 10
DAY = "reviews.action_items"


@pytest.fixture
def item(incident, alice, bob):
    reachable(alice, bob)
    made = reviews.add_item(incident, actor=bob, title="Rotate the logs", owner=bob)
    Timer.objects.exclude(kind=DAY).delete()
    return made


def test_two_engines_and_somebody_at_work_tell_everybody_once(item, bob, clock) -> None:
    clock.forward(days=14)  # it is due
    letters()

    at_once(
        engine.tick,
        engine.tick,
        lambda: reviews.start_item(item, actor=bob),
        lambda: reviews.comment_item(item, actor=bob, text="Nearly."),
    )
    engine.tick()

    told = [(who, what) for who, what, _ in letters() if what.startswith("Action items of")]
    assert told == [("bob", "Action items of Payments: 1 due")]
    assert Telling.objects.filter(occasion="due").count() == 1
    item.refresh_from_db()
    assert item.state == "in_progress"


def test_a_day_that_ends_for_lack_of_work_does_not_swallow_a_new_item(
    item, incident, alice, bob, clock
) -> None:
    for number in range(ROUNDS):
        for one in ActionItem.objects.pending():
            reviews.decline_item(one, actor=alice, reason="No")
        Timer.objects.filter(kind=DAY).update(due_at=clock.at)

        at_once(
            engine.tick,
            lambda number=number: reviews.add_item(
                incident, actor=bob, title=f"Number {number}", owner=bob
            ),
        )
        engine.tick()

        assert Timer.objects.pending().filter(kind=DAY).count() == 1
        clock.forward(days=1)


def test_of_two_who_judge_at_once_one_is_heard(item, incident, service, alice, bob, clock) -> None:
    ActionItem.objects.filter(pk=item.pk).update(incident_type="disk-full")
    reviews.finish_item(item, actor=bob, evidence="Deployed")
    clock.forward(days=3)
    again = _again(service, bob)
    suspicion = Suspicion.objects.select_related("item").get(incident=again)

    at_once(
        lambda: reviews.confirm_suspicion(suspicion, actor=alice, note="It failed"),
        lambda: reviews.reject_suspicion(suspicion, actor=bob, note="It did not"),
    )

    item.refresh_from_db()
    verdict = Suspicion.objects.get().verdict
    said = again.timeline.filter(kind=Kind.ACTION_REOPENED).exists()
    expected = {"confirmed": ("open", True), "rejected": ("done", False)}
    assert (item.state, said) == expected[verdict]
    assert not item.is_suspected
    assert item.due_on >= date(2026, 3, 16)


def test_a_false_alarm_and_a_judgement_do_not_wait_for_each_other(
    item, service, alice, bob, clock
) -> None:
    ActionItem.objects.filter(pk=item.pk).update(incident_type="disk-full")
    reviews.finish_item(item, actor=bob, evidence="Deployed")
    clock.forward(days=3)
    first, second = (_open_again(service, bob) for _ in range(2))
    suspicion = Suspicion.objects.select_related("item").get(incident=first)

    at_once(
        lambda: reviews.confirm_suspicion(suspicion, actor=alice, note="It failed"),
        lambda: core.dismiss(second, actor=bob, reason="The sensor was wrong"),
    )

    item.refresh_from_db()
    assert (item.state, item.is_suspected) == ("open", False)
    assert not item.suspicions.filter(verdict="open").exists()


def _open_again(service, bob):
    declared = core.declare(
        title="Disk full", service=service, severity="SEV2", incident_type="disk-full"
    )
    core.identify(declared, actor=bob, suspected_cause="The disk")
    return declared


def _again(service, bob):
    declared = core.declare(
        title="Disk full", service=service, severity="SEV2", incident_type="disk-full"
    )
    return over(declared, bob)
