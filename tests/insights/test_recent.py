"""The last 30 days in figures and pictures: real incidents, known lengths, the reader's days."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from incidents.core import services as core
from incidents.core.models import Incident
from incidents.insights import charts
from incidents.insights.recent import recent

pytestmark = pytest.mark.django_db

MINUTE = timedelta(minutes=1)


@pytest.fixture
def declare(service, clock):
    def declare(severity="SEV1", **facts):
        return core.declare(title="Down", service=service, severity=severity, **facts)

    return declare


def look(clock, zone=UTC, who=None):
    found = Incident.objects.visible_to(who) if who else Incident.objects.all()
    return recent(found, now=clock.at, zone=zone)


def acknowledge_after(incident, clock, alice, minutes):
    clock.forward(minutes=minutes)
    core.acknowledge(incident, actor=alice)


def test_it_counts_by_day_and_severity(declare, clock):
    declare("SEV1")
    declare("SEV3")
    clock.forward(days=2)
    declare("SEV1")

    figures = look(clock)

    assert len(figures.days) == 30
    assert [day.counts for day in figures.days[-3:]] == [{"SEV1": 1, "SEV3": 1}, {}, {"SEV1": 1}]
    assert figures.by_severity == {"SEV1": 2, "SEV3": 1}
    assert figures.total == 3


def test_a_day_is_the_readers_day(declare, clock):
    clock.at = datetime(2026, 3, 2, 23, 30, tzinfo=UTC)  # the 3rd in Auckland
    declare()

    assert look(clock, ZoneInfo("Pacific/Auckland")).days[-1].counts == {"SEV1": 1}
    clock.at = datetime(2026, 3, 3, 0, 30, tzinfo=UTC)
    assert look(clock).days[-2].counts == {"SEV1": 1}


def test_what_is_older_than_thirty_days_is_left_out(declare, clock):
    declare()
    clock.forward(days=29)
    assert look(clock).total == 1

    clock.forward(days=1)
    assert look(clock).total == 0


def test_usually_and_on_a_bad_day(declare, clock, alice):
    for minutes in [1, 2, 3, 4, 5]:
        acknowledge_after(declare(), clock, alice, minutes)

    (spread,) = look(clock).to_acknowledge

    assert (spread.severity, spread.count) == ("SEV1", 5)
    assert spread.p50 == 180
    assert spread.p90 == pytest.approx(276)  # place 3.6: 4.6 minutes


def test_what_is_pending_is_no_figure_but_is_told(declare, clock, alice):
    acknowledge_after(declare(), clock, alice, 2)
    declare()
    clock.forward(days=1)

    figures = look(clock)

    assert figures.to_acknowledge[0].count == 1
    assert (figures.unanswered, figures.unresolved) == (1, 2)
    assert figures.to_resolve == []


def test_resolution_ends_at_recovery(declare, clock, alice):
    incident = declare("SEV4")
    clock.forward(minutes=10)
    core.mark_recovered(incident, actor=alice)
    clock.forward(hours=3)
    core.resolve(incident, suspected_cause="disk", mitigation="cleaned", kind="other", actor=alice)

    (spread,) = look(clock).to_resolve

    assert spread.p50 == 600


def test_a_false_alarm_has_nothing_to_resolve(declare, clock, alice):
    incident = declare()
    acknowledge_after(incident, clock, alice, 1)
    core.dismiss(incident, actor=alice, reason="a test of the monitor")

    figures = look(clock)

    assert figures.to_acknowledge[0].count == 1
    assert figures.to_resolve == []
    assert figures.unresolved == 0


def test_drills_are_in_no_figure(declare, clock, alice):
    core.expect_signal(matchers={"dedup_key": "drill"}, until=clock.at + MINUTE)
    incident = declare(signal={"dedup_key": "drill", "source": "x", "service": "checkout"})
    assert incident.is_drill

    assert look(clock).total == 0


def test_private_incidents_are_counted_for_whom_they_concern(declare, clock, alice, bob):
    declare(is_private=True, audience=[alice])

    assert look(clock, who=alice).total == 1
    assert look(clock, who=bob).total == 0


def test_one_query_however_many(declare, clock):
    with CaptureQueriesContext(connection) as of_one:
        look(clock)
    for _ in range(5):
        declare()
    with CaptureQueriesContext(connection) as of_many:
        look(clock)

    assert len(of_one) == len(of_many) == 1


# --- pictures -------------------------------------------------------------------------------------


def test_bars_are_stacked_and_fill_the_picture(declare, clock):
    declare("SEV1")
    declare("SEV1")
    declare("SEV3")
    clock.forward(days=1)
    declare("SEV2")

    *_, yesterday, today = charts.columns(look(clock).days)

    assert yesterday.label == "Mon 2 Mar: 2 SEV1, 1 SEV3"
    assert [(box.severity, box.y, box.height) for box in yesterday.boxes] == [
        ("SEV1", 33.33, 66.67),
        ("SEV3", 0.0, 33.33),
    ]
    assert [box.height for box in today.boxes] == [33.33]
    assert yesterday.boxes[0].x < today.boxes[0].x <= 100


def test_the_picture_is_told_in_words(declare, clock):
    declare("SEV1")
    declare("SEV3")

    html = charts.render(look(clock))

    assert 'role="img" aria-label="1 SEV1, 1 SEV3 in 30 days; most on Mon 2 Mar, 2."' in html
    assert "2 still without an answer" in html


def test_an_empty_month_says_so(db, clock):
    html = charts.render(look(clock))

    assert "No incidents in 30 days." in html
    assert "Time to acknowledge" not in html


def test_what_nobody_has_ended_yet_cannot_be_measured(declare, clock):
    declare()

    assert charts.render(look(clock)).count("Nothing to measure yet.") == 2


def test_the_scale_of_durations_is_even_by_powers():
    assert charts.place(1) == 0
    assert charts.place(10) == 0
    assert charts.place(100 * 86_400) == 100
    step = charts.place(600) - charts.place(60)
    assert charts.place(6_000) - charts.place(600) == pytest.approx(step)
