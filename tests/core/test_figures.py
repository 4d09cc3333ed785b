"""Phases and their targets, by table. No database."""

from datetime import UTC, datetime, timedelta

import pytest

from incidents.core.calendar import WorkingCalendar
from incidents.core.figures import phases
from incidents.core.models import Incident, SeverityPolicy

NOON = datetime(2026, 3, 6, 12, 0, tzinfo=UTC)  # a Friday


def after(minutes):
    return NOON + timedelta(minutes=minutes)


def measured(policy=None, **milestones):
    incident = Incident(declared_at=NOON, **milestones)
    policy = policy or SeverityPolicy(
        detect_target=timedelta(minutes=2),
        respond_target=timedelta(minutes=5),
        resolve_target=timedelta(minutes=60),
    )
    return {phase.name: phase for phase in phases(incident, policy, WorkingCalendar())}


def test_an_unknown_start_is_pending_never_zero():
    detect = measured(detected_at=NOON)["detect"]

    assert (detect.seconds, detect.met) == (None, None)


def test_detection_is_counted_from_the_start_and_the_rest_from_detection():
    result = measured(started_at=after(-1), detected_at=NOON, acknowledged_at=after(5))

    assert (result["detect"].seconds, result["detect"].met) == (60, True)
    assert (result["respond"].seconds, result["respond"].met) == (300, True)


def test_a_second_too_late_is_missed():
    late = after(5) + timedelta(seconds=1)

    assert measured(detected_at=NOON, acknowledged_at=late)["respond"].met is False


def test_resolution_ends_at_recovery():
    over = {"status": "resolved", "recovered_at": after(30), "resolved_at": after(90)}

    result = measured(detected_at=NOON, **over)

    assert (result["resolve"].seconds, result["resolve"].met) == (1800, True)


def test_resolution_is_pending_while_it_may_relapse():
    resolve = measured(detected_at=NOON, recovered_at=after(30))["resolve"]

    assert (resolve.seconds, resolve.met) == (None, None)


def test_a_phase_without_a_target_is_neither_met_nor_missed():
    identify = measured(detected_at=NOON, identified_at=after(10))["identify"]

    assert (identify.seconds, identify.target, identify.met) == (600, None, None)


@pytest.mark.parametrize(("ends", "seconds"), [("acknowledgement", 1200), ("first_action", 600)])
def test_response_ends_as_the_runbook_says(ends, seconds):
    policy = SeverityPolicy(respond_ends=ends)

    result = measured(policy, detected_at=NOON, identified_at=after(10), acknowledged_at=after(20))

    assert result["respond"].seconds == seconds


def test_business_hours_stop_over_the_weekend():
    policy = SeverityPolicy(respond_target=timedelta(hours=8), business_hours=True)

    assert measured(policy, detected_at=NOON)["respond"].due_at == datetime(
        2026, 3, 9, 12, 0, tzinfo=UTC
    )
