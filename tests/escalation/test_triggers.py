"""What a runbook escalates by itself, by time and state, and what keeps it from happening."""

import pytest

from incidents.core import services as core
from incidents.core.models import Incident, Kind
from incidents.escalation.models import Escalation, Page
from incidents.notifications.transports.recorder import Recorder
from tests.escalation.rulebook import runbook
from tests.escalation.stage import pass_by, settle
from tests.escalation.triggering import declare, pending, taken, told, trigger

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("acknowledged_for_good")]


# --- By time and state ----------------------------------------------------------------------------


def test_open_for_half_an_hour_pages_the_lead_with_the_reason(lena, service, phones, clock, bob):
    runbook(
        triggers=[trigger("open-30", "Not resolved within 30 minutes", after="30 min")],
    )
    incident = taken(service, phones, bob)

    pass_by(clock, 29.5)
    assert phones.take() == []
    pass_by(clock, 0.5)

    assert Recorder.sent[0].body.splitlines()[-2:] == [
        "You are asked as Engineering Lead.",
        "Not resolved within 30 minutes.",
    ]
    assert phones.paged() == ["lena"]
    assert told(incident) == ["Escalated to the Engineering Lead: Not resolved within 30 minutes."]
    assert told(incident, Kind.PAGED)[-1] == (
        "Paged Lena (Engineering Lead). Not resolved within 30 minutes."
    )
    assert Incident.objects.get(pk=incident.pk).acknowledged_by == bob
    pass_by(clock, 60)
    assert "lena" not in [who for who, _ in phones.take()]


@pytest.mark.parametrize(
    ("until", "deed"),
    [
        ("acknowledged", lambda i, bob: core.acknowledge(i, actor=bob)),
        ("identified", lambda i, bob: core.identify(i, suspected_cause="Disk", actor=bob)),
        ("recovered", lambda i, bob: core.mark_recovered(i, actor=bob)),
        ("identified", lambda i, bob: core.mark_recovered(i, actor=bob)),
        ("resolved", lambda i, bob: core.dismiss(i, reason="Nothing", actor=bob)),
    ],
)
def test_nothing_happens_once_it_has_come_that_far(lena, service, phones, clock, bob, until, deed):
    runbook(triggers=[trigger("slow", after="3 min", until=until)])
    incident = declare(service)
    settle()
    clock.forward(minutes=2)

    deed(incident, bob)
    pass_by(clock, 2)

    assert "lena" not in [who for who, _ in phones.take()]
    assert told(incident) == []


@pytest.mark.parametrize("until", ["acknowledged", "identified", "recovered", "resolved"])
def test_it_happens_where_it_has_not(lena, service, phones, clock, until):
    runbook(triggers=[trigger("slow", after="3 min", until=until)])
    declare(service)

    pass_by(clock, 3)

    assert phones.paged() == ["bob", "lena"]


def test_recovered_and_observed_is_not_resolved_for_what_waits_for_that(
    lena, service, phones, clock, bob
):
    runbook(triggers=[trigger("slow", after="3 min", until="resolved")])
    incident = taken(service, phones, bob)
    core.mark_recovered(incident, actor=bob)

    pass_by(clock, 3)

    assert phones.paged() == ["lena"]


def test_after_a_relapse_it_counts_from_there(lena, service, phones, clock, bob):
    runbook(triggers=[trigger("down", "Down for 5 minutes", after="5 min", until="recovered")])
    incident = taken(service, phones, bob)
    pass_by(clock, 4)
    core.mark_recovered(incident, actor=bob)
    pass_by(clock, 10)
    core.relapse(incident, actor=bob)

    pass_by(clock, 4.5)
    assert phones.take() == []
    pass_by(clock, 0.5)
    assert phones.paged() == ["lena"]


def test_a_relapse_before_its_time_changes_nothing(lena, service, phones, clock, bob):
    runbook(triggers=[trigger("down", after="5 min", until="recovered")])
    incident = taken(service, phones, bob)
    pass_by(clock, 2)
    core.mark_recovered(incident, actor=bob)
    core.relapse(incident, actor=bob)

    pass_by(clock, 3)

    assert phones.paged() == ["lena"]
    pass_by(clock, 10)
    assert phones.take() == []


def test_other_severities_and_types_have_none_of_it(lena, service, phones, clock, bob):
    runbook(
        triggers=[
            trigger("one", after="3 min", severities=["SEV1"]),
            trigger("two", after="3 min", types=["data-loss"]),
        ]
    )
    incident = taken(service, phones, bob)

    assert pending(incident) == set()
    pass_by(clock, 5)

    assert phones.take() == []


def test_the_triggers_of_the_old_severity_are_gone_and_the_new_ones_count_anew(
    lena, service, phones, clock, bob
):
    runbook(
        triggers=[
            trigger("two", "SEV2 for 10 minutes", after="10 min", severities=["SEV2"]),
            trigger("one", "SEV1 for 5 minutes", after="5 min", severities=["SEV1"]),
        ]
    )
    incident = taken(service, phones, bob)
    assert pending(incident) == {"two"}
    pass_by(clock, 9)

    core.change_severity(incident, severity="SEV1", reason="Worse", actor=bob)
    settle()
    assert pending(incident) == {"one"}
    phones.take()
    pass_by(clock, 4.5)
    assert phones.take() == []
    pass_by(clock, 0.5)

    assert phones.paged() == ["lena"]
    assert told(incident) == ["Escalated to the Engineering Lead: SEV1 for 5 minutes."]


def test_to_be_told_is_no_page(lena, service, phones, clock, bob):
    runbook(triggers=[trigger("sla", "The SLA is at risk", after="5 min", action="tell")])
    incident = taken(service, phones, bob)

    pass_by(clock, 5)

    assert phones.told() == ["lena"]
    assert told(incident) == ["Told the Engineering Lead: The SLA is at risk."]
    assert not Page.objects.filter(user=lena).exists()


def test_whoever_is_on_it_already_is_not_paged(lena, service, phones, clock):
    runbook(triggers=[trigger("slow", after="5 min")])
    incident = taken(service, phones, lena)

    pass_by(clock, 5)

    assert phones.take() == []
    assert told(incident) == ["Escalated to the Engineering Lead: It takes too long."]


# --- Becoming worse -------------------------------------------------------------------------------


WORSE = {
    "id": "unsolved-60",
    "title": "Not resolved within 60 minutes",
    "severities": ["SEV2"],
    "after": "60 min",
    "until": "recovered",
    "action": "change_severity",
    "severity": "SEV1",
}


def test_after_an_hour_it_becomes_sev1_and_those_are_called(lena, service, phones, clock, bob):
    runbook(
        triggers=[WORSE], at_declaration=[{"severities": ["SEV1"], "page": ["engineering-lead"]}]
    )
    incident = taken(service, phones, bob)

    pass_by(clock, 59.5)
    assert phones.take() == []
    pass_by(clock, 0.5)

    assert phones.paged() == ["lena"]
    assert Incident.objects.get(pk=incident.pk).severity == "SEV1"
    assert told(incident)[0] == "Escalated to SEV1: Not resolved within 60 minutes."
    entry = incident.timeline.get(kind=Kind.SEVERITY_CHANGED)
    assert (entry.actor, entry.summary) == (
        None,
        "Severity SEV2 → SEV1: Not resolved within 60 minutes.",
    )
    assert pending(incident) == set()


def test_what_recovered_within_the_hour_does_not(lena, service, phones, clock, bob):
    runbook(triggers=[WORSE])
    incident = taken(service, phones, bob)
    pass_by(clock, 59)
    core.mark_recovered(incident, actor=bob)

    pass_by(clock, 30)

    assert Incident.objects.get(pk=incident.pk).severity == "SEV2"
    assert phones.take() == []


# --- Beginning and end ----------------------------------------------------------------------------


@pytest.mark.parametrize("verb", ["dismiss", "merge"])
def test_nothing_is_due_once_it_is_over(lena, service, phones, clock, bob, verb):
    runbook(triggers=[trigger("slow", after="5 min", until="resolved")])
    incident = taken(service, phones, bob)
    other = taken(service, phones, bob)

    if verb == "dismiss":
        core.dismiss(incident, reason="Nothing", actor=bob)
        core.dismiss(other, reason="Nothing", actor=bob)
    else:
        core.merge(incident, into=other, actor=bob)
        core.dismiss(other, reason="Nothing", actor=bob)
    settle()
    phones.take()

    assert pending(incident) == pending(other) == set()
    pass_by(clock, 10)
    assert phones.take() == []


def test_reopened_it_begins_anew(lena, service, phones, clock, bob):
    runbook(triggers=[trigger("slow", after="5 min")])
    incident = taken(service, phones, bob)
    pass_by(clock, 5)
    assert phones.paged() == ["lena"]
    core.dismiss(incident, reason="Nothing", actor=bob)
    pass_by(clock, 60)

    core.reopen(incident, reason="It was something", actor=bob)
    core.acknowledge(incident, actor=bob)
    settle()
    phones.take()
    pass_by(clock, 4.5)
    assert phones.take() == []
    pass_by(clock, 0.5)

    assert phones.paged() == ["lena"]


def test_an_incident_keeps_the_rules_it_was_declared_under(lena, service, phones, clock, bob):
    runbook(triggers=[trigger("slow", after="5 min")])
    incident = taken(service, phones, bob)
    runbook(triggers=[trigger("slow", after="90 min")])

    pass_by(clock, 5)

    assert phones.paged() == ["lena"]
    assert pending(incident) == set()


def test_a_trigger_that_does_not_run_is_told_and_stops_no_ladder(
    lena, service, phones, clock, monkeypatch, errors_expected
):
    runbook(triggers=[trigger("slow", after="1 min")])
    incident = declare(service)
    settle()
    phones.take()

    def broken(*_, **__):
        raise ZeroDivisionError

    monkeypatch.setattr("incidents.escalation.services.going_off.go_off", broken)
    pass_by(clock, 4.5)

    assert phones.paged() == ["duty"]
    assert Escalation.objects.get(pk=incident.pk).state == Escalation.State.RUNNING
    pass_by(clock, 0.5)
    assert phones.paged() == ["alice"]
