"""Many new alerts of one service at once: counted all, declared few, told once."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connection
from django.test import Client

from incidents.alerts import services, storm
from incidents.alerts.models import Alert, Burst
from incidents.alerts.storm import Ticket
from incidents.core import services as core
from incidents.core.models import Incident, Kind, Organisation, Service, User
from incidents.timers.clock import VirtualClock
from tests.alerts.test_race import post_at_once
from tests.factories import ServiceFactory

Send = Callable[..., Any]

THRESHOLD = 3


@pytest.fixture
def low(db: None, clock: VirtualClock) -> None:
    """Four new alerts of a service within a minute are a storm."""
    Organisation.objects.update_or_create(pk=1, defaults={"storm_threshold": THRESHOLD})


def post_many(send: Send, number: int, *, prefix: str = "disk", **facts: Any) -> list[Any]:
    answers = [send(dedup_key=f"{prefix}-{n}", **facts) for n in range(number)]
    assert {answer.status_code for answer in answers} == {202}
    return [answer.json() for answer in answers]


@pytest.mark.parametrize(
    ("number", "before", "threshold", "expected"),
    [
        pytest.param(3, 0, 3, False, id="as many as may be"),
        pytest.param(4, 0, 3, True, id="one too many"),
        pytest.param(1, 4, 3, True, id="the next minute of a storm"),
        pytest.param(1, 3, 3, False, id="after a minute without too many"),
        pytest.param(9_999, 9_999, 0, False, id="switched off"),
    ],
)
def test_what_a_storm_is(number: int, before: int, threshold: int, expected: bool) -> None:
    assert storm.is_storm(Ticket(number, before), threshold=threshold) is expected


def test_those_that_are_too_many_join_the_first_incident(low: None, send: Send) -> None:
    answers = post_many(send, 8)

    first = Incident.objects.earliest("pk")
    assert [answer["action"] for answer in answers] == ["declared"] * 3 + ["bundled"] * 5
    assert Incident.objects.count() == 3
    assert {answer["incident"] for answer in answers[3:]} == {first.reference}
    assert answers[-1]["warnings"][0].startswith("bundled:")
    assert first.alerts.firing().count() == 6
    assert first.timeline.filter(kind=Kind.ALERT_ATTACHED).count() == 1


def test_repeats_of_what_was_bundled_only_count(low: None, send: Send) -> None:
    post_many(send, 5)

    again = post_many(send, 5)

    assert {answer["action"] for answer in again} == {"counted"}
    assert list(Alert.objects.values_list("count", flat=True)) == [2] * 5


def test_other_services_are_not_part_of_it(low: None, send: Send) -> None:
    search = ServiceFactory(name="Search", slug="search")
    post_many(send, 5)

    answer = send(dedup_key="other", service=search.slug).json()

    assert answer["action"] == "declared"
    assert Incident.objects.filter(service=search).count() == 1


def test_it_goes_on_until_a_minute_has_no_more_than_allowed(
    low: None, send: Send, clock: VirtualClock
) -> None:
    post_many(send, 5)
    clock.forward(seconds=61)
    assert [a["action"] for a in post_many(send, 3, prefix="next")] == ["bundled"] * 3

    clock.forward(seconds=61)

    assert [a["action"] for a in post_many(send, 3, prefix="last")] == ["declared"] * 3


def test_slow_alerts_are_no_storm(low: None, send: Send, clock: VirtualClock) -> None:
    actions = []
    for number in range(10):
        clock.forward(seconds=30)
        actions.append(send(dedup_key=f"disk-{number}").json()["action"])

    assert actions == ["declared"] * 10


def test_a_worse_alert_raises_the_severity(low: None, send: Send) -> None:
    post_many(send, 4, severity="SEV2")

    send(dedup_key="worse", severity="SEV1")
    send(dedup_key="better", severity="SEV4")

    first = Incident.objects.earliest("pk")
    assert first.severity == "SEV1"
    assert first.timeline.filter(kind=Kind.SEVERITY_CHANGED).count() == 1


def test_a_new_alert_is_a_relapse_of_what_had_recovered(low: None, send: Send) -> None:
    post_many(send, 4)
    for key in ["disk-0", "disk-3"]:
        send(dedup_key=key, status="resolved")
    first = Incident.objects.earliest("pk")
    assert first.recovered_at is not None

    send(dedup_key="another")

    first.refresh_from_db()
    assert first.recovered_at is None


def test_when_its_incident_is_over_the_next_open_one_takes_them(
    low: None, send: Send, alice: User
) -> None:
    post_many(send, 5)
    first, second, third = Incident.objects.order_by("pk")
    core.dismiss(first, reason="Not ours.", actor=alice)

    answer = send(dedup_key="later").json()
    assert (answer["action"], answer["incident"]) == ("bundled", second.reference)

    for incident in [second, third]:
        core.dismiss(incident, reason="Not ours.", actor=alice)
    assert send(dedup_key="last").json()["action"] == "declared"


def test_a_service_may_have_a_threshold_of_its_own(low: None, send: Send, service: Service) -> None:
    Service.objects.filter(pk=service.pk).update(storm_threshold=0)

    assert {answer["action"] for answer in post_many(send, 8)} == {"declared"}


def test_alerts_of_a_drill_neither_join_nor_count(
    low: None, send: Send, service: Service, clock: VirtualClock
) -> None:
    core.expect_signal(matchers={"dedup_key": "drill"}, until=clock.at.replace(hour=23))
    post_many(send, 3)

    drill = send(dedup_key="drill").json()

    assert drill["action"] == "declared"
    assert Incident.objects.get(reference=drill["incident"]).is_drill
    assert Burst.objects.get(service=service).number == 3
    assert (
        not Incident.objects.get(reference=drill["incident"])
        .alerts.exclude(dedup_key="drill")
        .exists()
    )


@pytest.mark.parametrize("page", ["organisation", "service"])
def test_the_threshold_is_set_in_the_admin(page: str, service: Service, client: Client) -> None:
    root = User.objects.create_superuser("root", "root@example.org", "not-a-secret-12")
    Organisation.objects.get_or_create(pk=1)
    client.force_login(root)

    answer = client.get(f"/admin/incidents/{page}/{1 if page != 'service' else service.pk}/change/")

    assert b"storm_threshold" in answer.content


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_however_many_come_at_once_no_more_are_declared() -> None:
    Organisation.objects.update_or_create(pk=1, defaults={"storm_threshold": THRESHOLD})
    source = services.create_source(name="Probe", service=ServiceFactory(), actor=None)

    answers = post_at_once(source, [{"summary": "Down", "dedup_key": f"{n}"} for n in range(24)])

    assert {answer.status_code for answer in answers} == {202}
    assert Alert.objects.exclude(incident=None).count() == 24
    # Those in flight while none was committed yet declare as well: nothing waits for another.
    assert THRESHOLD <= Incident.objects.count() <= 24
    again = post_at_once(source, [{"summary": "Down", "dedup_key": f"b{n}"} for n in range(12)])
    assert {answer.json()["action"] for answer in again} == {"bundled"}
    assert len({answer.json()["incident"] for answer in again}) == 1


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_twins_take_one_place() -> None:
    """Twenty times the same at once is one new alert: the next one is no storm."""
    Organisation.objects.update_or_create(pk=1, defaults={"storm_threshold": THRESHOLD})
    service = ServiceFactory()
    source = services.create_source(name="Probe", service=service, actor=None)

    post_at_once(source, [{"summary": "Down", "dedup_key": "same"}] * 12)

    assert Burst.objects.get(service=service).number == 1


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_no_two_alerts_get_the_same_number(clock: VirtualClock) -> None:
    service = ServiceFactory()

    def draw(_: int) -> int:
        try:
            return services.storms._draw_ticket(service, clock.at, THRESHOLD).number
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as threads:
        numbers = list(threads.map(draw, range(40)))

    assert sorted(numbers) == list(range(1, 41))
