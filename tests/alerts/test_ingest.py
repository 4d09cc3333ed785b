"""What becomes of the signals of a monitor."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from incidents.alerts import services
from incidents.alerts.models import Alert, IntakeRequest, Source
from incidents.core import services as core
from incidents.core.models import Incident, Kind, Service, Team, User
from incidents.timers.clock import VirtualClock
from incidents.timers.models import Timer

pytestmark = pytest.mark.usefixtures("clock")
Send = Callable[..., Any]


def resolve(incident: Incident, by: User) -> None:
    core.dismiss(incident, reason="A test of the sprinklers.", actor=by)


def allow_reopening(incident: Incident, window: timedelta) -> None:
    incident.revision.reopen_window = window
    incident.revision.save(update_fields=["reopen_window"])


# --- The first signal -----------------------------------------------------------------------------


def test_it_declares_an_incident(send: Send, source: Source, service: Service) -> None:
    answer = send(severity="critical", description="503", started_at="2026-03-02T09:58:00Z")

    incident = Incident.objects.get()
    assert answer.status_code == 202
    assert answer.json() == {
        "status": "accepted",
        "action": "declared",
        "dedup_key": "checkout:health",
        "incident": incident.reference,
        "warnings": [],
    }
    assert (incident.title, incident.service, incident.severity) == (
        "Checkout is down",
        service,
        "SEV1",
    )
    assert incident.declared_via == source.name
    assert incident.description == "503"
    assert incident.started_at.isoformat() == "2026-03-02T09:58:00+00:00"
    assert Timer.objects.pending().of(incident).exists()


def test_the_service_decides_on_the_severity_where_the_alert_names_none(send: Send) -> None:
    send()

    assert Incident.objects.get().severity == "SEV1"
    assert Alert.objects.get().severity == "SEV1"


def test_two_keys_are_two_incidents(send: Send) -> None:
    send(dedup_key="one")
    send(dedup_key="two")

    assert Incident.objects.count() == 2


def test_the_same_key_of_another_source_is_another_alert(send: Send, service: Service) -> None:
    other = services.create_source(name="Other", service=service, actor=None)

    send()
    send(key=other.key)

    assert Incident.objects.count() == 2


def test_a_start_in_the_future_is_now(send: Send, clock: VirtualClock) -> None:
    answer = send(started_at="2126-01-01T00:00:00Z")

    assert answer.status_code == 202
    assert Incident.objects.get().started_at == clock.at


def test_an_expected_signal_declares_a_drill(send: Send, source: Source) -> None:
    until = Incident._meta.get_field("declared_at").to_python("2026-03-02T11:00:00Z")
    core.expect_signal(
        matchers={"source": source.name, "dedup_key": "checkout:health", "service": "checkout"},
        until=until,
    )

    send()
    send(dedup_key="checkout:latency")

    drill, outage = Incident.objects.order_by("pk")
    assert drill.is_drill
    assert not outage.is_drill


# --- Repeats --------------------------------------------------------------------------------------


def test_a_repeat_only_counts(send: Send, django_assert_num_queries: Any) -> None:
    send()
    send()  # the first has published the built-in runbook: what is configured is read again
    entries = Incident.objects.get().timeline.count()

    with django_assert_num_queries(4):  # configuration, alert, count, and the request's own row
        answer = send()

    alert = Alert.objects.get()
    assert answer.json()["action"] == "counted"
    assert alert.count == 3
    assert alert.incident.timeline.count() == entries


def test_a_repeat_tells_when_the_source_was_last_seen(
    send: Send, source: Source, clock: VirtualClock
) -> None:
    send()
    clock.forward(minutes=5)
    send()

    source.refresh_from_db()
    assert source.last_seen_at == clock.at


# --- Recovery and relapse -------------------------------------------------------------------------


def test_resolved_means_recovered_and_people_resolve(send: Send) -> None:
    send()

    answer = send(status="resolved")

    incident = Incident.objects.get()
    assert answer.json()["action"] == "recovered"
    assert incident.recovered_at is not None
    assert incident.is_open


def test_it_has_not_recovered_while_another_alert_of_it_fires(
    send: Send, incident: Incident
) -> None:
    send(dedup_key="one")
    send(dedup_key="two")
    Alert.objects.update(incident=incident)

    first = send(dedup_key="one", status="resolved")
    incident.refresh_from_db()
    recovered_too_early = incident.recovered_at
    second = send(dedup_key="two", status="resolved")

    incident.refresh_from_db()
    assert (first.json()["action"], second.json()["action"]) == ("counted", "recovered")
    assert recovered_too_early is None
    assert incident.recovered_at is not None


def test_a_second_resolved_changes_nothing(send: Send) -> None:
    send()
    send(status="resolved")
    entries = Incident.objects.get().timeline.count()

    answer = send(status="resolved")

    assert answer.status_code == 202
    assert answer.json()["action"] == "ignored"
    assert Incident.objects.get().timeline.count() == entries
    assert Alert.objects.get().count == 3


def test_firing_again_before_it_is_resolved_is_a_relapse(send: Send) -> None:
    send()
    send(status="resolved")

    answer = send()

    incident = Incident.objects.get()
    alert = Alert.objects.get()
    assert answer.json()["action"] == "relapsed"
    assert incident.recovered_at is None
    assert incident.timeline.filter(kind=Kind.RELAPSED).count() == 1
    assert (alert.status, alert.resolved_at, alert.count) == ("firing", None, 3)


# --- After it was resolved ------------------------------------------------------------------------


def test_firing_again_later_is_a_new_incident_linked_as_recurrence(send: Send, bob: User) -> None:
    send()
    earlier = Incident.objects.get()
    resolve(earlier, bob)

    answer = send()

    recurrence = Incident.objects.exclude(pk=earlier.pk).get()
    earlier.refresh_from_db()
    assert answer.json()["action"] == "declared"
    assert recurrence.recurrence_of == earlier
    assert not earlier.is_open
    assert list(Alert.objects.order_by("pk").values_list("incident", flat=True)) == [
        earlier.pk,
        recurrence.pk,
    ]
    assert Alert.objects.filter(open_key__isnull=False).get().incident == recurrence


def test_it_reopens_within_the_reopen_window(send: Send, bob: User, clock: VirtualClock) -> None:
    send()
    incident = Incident.objects.get()
    allow_reopening(incident, timedelta(minutes=30))
    resolve(incident, bob)
    clock.forward(minutes=30)

    answer = send()

    incident.refresh_from_db()
    assert answer.json()["action"] == "reopened"
    assert incident.is_open
    assert Incident.objects.count() == 1
    assert Alert.objects.get().count == 2


def test_it_does_not_reopen_after_the_reopen_window(
    send: Send, bob: User, clock: VirtualClock
) -> None:
    send()
    incident = Incident.objects.get()
    allow_reopening(incident, timedelta(minutes=30))
    resolve(incident, bob)
    clock.forward(minutes=31)

    send()

    incident.refresh_from_db()
    assert not incident.is_open
    assert Incident.objects.count() == 2


def test_resolved_after_people_resolved_it_is_only_counted(send: Send, bob: User) -> None:
    send()
    resolve(Incident.objects.get(), bob)

    answer = send(status="resolved")

    assert answer.json()["action"] == "counted"
    assert Alert.objects.get().status == "resolved"


# --- Resolved before firing -----------------------------------------------------------------------


def test_an_unknown_resolved_is_ignored_and_remembered(send: Send) -> None:
    answer = send(status="resolved")

    assert answer.status_code == 202
    assert answer.json()["action"] == "ignored"
    assert answer.json()["incident"] is None
    assert not Incident.objects.exists()


def test_the_late_firing_of_what_is_over_makes_no_zombie(send: Send, clock: VirtualClock) -> None:
    send(status="resolved")
    clock.forward(minutes=1)

    answer = send(started_at="2026-03-02T09:59:00Z")

    assert answer.json()["action"] == "ignored"
    assert not Incident.objects.exists()
    assert Alert.objects.get().count == 2


@pytest.mark.parametrize(
    ("minutes", "facts"),
    [
        pytest.param(1, {}, id="it does not say when it began"),
        pytest.param(1, {"started_at": "2026-03-02T10:00:30Z"}, id="it began afterwards"),
        pytest.param(11, {"started_at": "2026-03-02T09:59:00Z"}, id="that was long ago"),
    ],
)
def test_in_doubt_a_firing_after_a_resolved_is_a_new_one(
    send: Send, clock: VirtualClock, minutes: int, facts: dict[str, str]
) -> None:
    send(status="resolved")
    clock.forward(minutes=minutes)

    answer = send(**facts)

    assert answer.json()["action"] == "declared"
    assert Incident.objects.count() == 1
    assert Incident.objects.get().recurrence_of is None


# --- Routing --------------------------------------------------------------------------------------


def test_an_unknown_service_goes_to_the_catch_all_with_a_note(send: Send, team: Team) -> None:
    catch_all = Service.objects.create(name="Else", slug="else", team=team, is_catch_all=True)

    answer = send(service="chekcout")

    incident = Incident.objects.get()
    assert answer.status_code == 202
    assert incident.service == catch_all
    told = "There is no service 'chekcout': taken by Else."
    assert told in incident.description
    assert answer.json()["warnings"] == [told]
    assert IntakeRequest.objects.get().problem == told


def test_the_source_s_own_service_comes_before_the_catch_all(
    send: Send, source: Source, service: Service, team: Team
) -> None:
    Service.objects.create(name="Else", slug="else", team=team, is_catch_all=True)
    source.service = service
    source.save()

    send(service="")

    assert Incident.objects.get().service == service


def test_without_any_catch_all_nothing_is_dropped_either(send: Send) -> None:
    send(service="nobody-s", dedup_key="one")
    send(service="nobody-s", dedup_key="two")

    unrouted = Service.objects.get(slug="unrouted")
    assert unrouted.is_catch_all
    assert set(Incident.objects.values_list("service", flat=True)) == {unrouted.pk}


def test_a_service_that_is_switched_off_is_unknown(send: Send, service: Service) -> None:
    service.is_active = False
    service.save()

    send()

    assert Incident.objects.get().service.slug == "unrouted"


# --- Merging --------------------------------------------------------------------------------------


def test_the_alerts_of_a_duplicate_move_to_what_it_was_merged_into(
    send: Send, incident: Incident, bob: User
) -> None:
    send()
    duplicate = Incident.objects.exclude(pk=incident.pk).get()
    core.mark_recovered(incident, actor=bob)

    core.merge(duplicate, into=incident, actor=bob)
    repeat = send()

    incident.refresh_from_db()
    assert Alert.objects.get().incident == incident
    assert repeat.json()["incident"] == incident.reference
    assert incident.recovered_at is None  # one of its alerts is still firing


def test_the_alerts_of_what_was_no_duplicate_after_all_come_back(
    send: Send, incident: Incident, bob: User
) -> None:
    send()
    duplicate = Incident.objects.exclude(pk=incident.pk).get()
    core.merge(duplicate, into=incident, actor=bob)

    core.reopen(duplicate, reason="It is something else", actor=bob)
    resolved = send(status="resolved")

    assert Alert.objects.get().incident == duplicate
    assert resolved.json()["incident"] == duplicate.reference
    duplicate.refresh_from_db()
    incident.refresh_from_db()
    assert duplicate.recovered_at is not None
    assert incident.recovered_at is None


def test_a_resolved_alert_of_a_duplicate_makes_no_relapse(
    send: Send, incident: Incident, bob: User
) -> None:
    send()
    send(status="resolved")
    duplicate = Incident.objects.exclude(pk=incident.pk).get()
    core.mark_recovered(incident, actor=bob)

    core.merge(duplicate, into=incident, actor=bob)

    incident.refresh_from_db()
    assert incident.recovered_at is not None


def test_an_outage_soon_after_a_drill_is_no_drill(
    send: Send, bob: User, clock: VirtualClock
) -> None:
    expected = core.expect_signal(
        matchers={"service": "checkout"}, until=clock.at + timedelta(hours=1), audience=[bob]
    )
    send()
    drill = Incident.objects.get()
    allow_reopening(drill, timedelta(minutes=30))
    resolve(drill, bob)
    core.withdraw_expectation(expected)
    clock.forward(minutes=5)

    answer = send()

    drill.refresh_from_db()
    outage = Incident.objects.latest("pk")
    assert answer.json()["action"] == "declared"
    assert drill.is_drill
    assert not drill.is_open
    assert outage.recurrence_of == drill
    assert not outage.is_drill
    assert not outage.is_private
