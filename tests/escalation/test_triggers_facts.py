"""Rules that wait for what is known: reported, following from the impact, or attested."""

from datetime import timedelta

import pytest

from incidents.core import services as core
from incidents.core.errors import DomainError
from incidents.core.models import Incident, Kind
from incidents.escalation import services as escalation
from incidents.notifications.transports.recorder import Recorder
from tests.escalation.rulebook import person, runbook
from tests.escalation.stage import pass_by, settle
from tests.escalation.triggering import taken, told, trigger
from tests.factories import ServiceFactory

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("acknowledged_for_good")]


# --- By fact --------------------------------------------------------------------------------------


@pytest.fixture
def facts(lena) -> None:
    person("diana", "director")
    person("sam", "sysadmin")
    runbook(
        roles={"sysadmin": {"title": "System Administrator"}},
        triggers=[
            trigger("many", "Several services", fact="multiple_services", to={"role": "director"}),
            trigger("lost", "Data may be lost", fact="data_loss"),
            trigger("database", "Needs a DBA", fact="database", to={"role": "sysadmin"}),
            trigger(
                "sec", "Security", fact="security", to={"role": "sysadmin"}, severities=["SEV1"]
            ),
        ],
    )


def test_a_second_service_calls_the_director_once(facts, service, team, phones, bob):
    incident = taken(service, phones, bob)
    search = ServiceFactory(name="Search", slug="search", team=team)

    core.record_impact(incident, affected_services=[service], actor=bob)
    settle()
    assert phones.take() == []
    for _ in range(2):
        core.record_impact(incident, affected_services=[service, search], actor=bob)
        settle()

    assert phones.paged() == ["diana"]
    assert told(incident) == ["Escalated to the Director: Several services."]


def test_data_that_may_be_lost_calls_the_lead(facts, service, phones, bob):
    incident = taken(service, phones, bob)

    core.record_impact(incident, data_loss="none", actor=bob)
    settle()
    assert phones.take() == []
    core.record_impact(incident, data_loss="suspected", actor=bob)
    settle()

    assert phones.paged() == ["lena"]


def test_a_reported_fact_calls_its_role_at_once_with_the_words_of_who_reported(
    facts, service, phones, bob
):
    incident = taken(service, phones, bob)

    escalation.report_fact(incident, fact="database", reason="Locks all over", actor=bob)
    settle()

    assert Recorder.sent[0].body.endswith("Needs a DBA. Bob: Locks all over")
    assert phones.paged() == ["sam"]
    assert told(incident) == [
        "Escalated to the System Administrator: Needs a DBA. Bob: Locks all over"
    ]
    note = incident.timeline.get(kind=Kind.NOTE)
    assert (note.actor, note.summary) == (bob, "It is about the database: Locks all over")


def test_the_same_fact_calls_nobody_twice(facts, service, phones, bob):
    incident = taken(service, phones, bob)

    for _ in range(2):
        escalation.report_fact(incident, fact="database", reason="Locks", actor=bob)
        settle()

    assert phones.paged() == ["sam"]
    assert told(incident, Kind.NOTE)[-1] == "It is about the database: Locks That was known."


def test_a_fact_that_calls_nobody_is_written_down_and_says_so(facts, service, phones, bob):
    incident = taken(service, phones, bob)

    escalation.report_fact(incident, fact="backup", reason="Yesterday's is broken", actor=bob)
    settle()

    assert phones.take() == []
    assert told(incident, Kind.NOTE)[0].endswith("Its runbook calls nobody for that.")


def test_a_fact_that_was_known_calls_when_it_becomes_worse(facts, service, phones, clock, bob):
    incident = taken(service, phones, bob)
    for fact in ["security", "database"]:
        escalation.report_fact(incident, fact=fact, reason="Odd logins", actor=bob)
        settle()
    assert phones.paged() == ["sam"]  # for the database
    clock.forward(minutes=1)

    core.change_severity(incident, severity="SEV1", reason="Worse", actor=bob)
    settle()

    assert told(incident)[-1] == "Escalated to the System Administrator: Security."
    assert phones.paged() == ["sam"]  # for security, and not again for the database


def test_an_unknown_fact_is_refused(facts, service, phones, bob):
    incident = taken(service, phones, bob)

    with pytest.raises(DomainError, match="use one of multiple_services"):
        escalation.report_fact(incident, fact="weather", reason="Rain", actor=bob)


# --- By what somebody attests ---------------------------------------------------------------------


def attest(incident: Incident, fact: str, value: float, minutes: float = 0, **facts) -> None:
    core.attest(incident, fact=fact, value=value, window=timedelta(minutes=minutes), **facts)


SLOW = trigger("slow", "5 times slower for 30 minutes", until="identified") | {
    "attested": {"fact": "latency_ratio", "at_least": 5, "for": "30 min"}
}


def test_five_times_slower_for_half_an_hour_calls_the_lead(lena, service, phones, clock, bob):
    runbook(triggers=[SLOW])
    incident = taken(service, phones, bob)

    attest(incident, "latency_ratio", 6, minutes=10, actor=bob)
    pass_by(clock, 19.5)
    assert phones.take() == []
    attest(incident, "latency_ratio", 5, actor=bob)  # still so
    pass_by(clock, 0.5)

    assert phones.paged() == ["lena"]
    attest(incident, "latency_ratio", 7, minutes=45, actor=bob)
    settle()
    assert phones.take() == []


def test_four_times_slower_does_not(lena, service, phones, clock, bob):
    runbook(triggers=[SLOW])
    incident = taken(service, phones, bob)

    attest(incident, "latency_ratio", 4.9, minutes=60, actor=bob)
    pass_by(clock, 25)

    assert phones.take() == []


@pytest.mark.parametrize(
    "deed",
    [
        lambda incident, bob: attest(incident, "latency_ratio", 2, actor=bob),
        lambda incident, bob: core.mark_recovered(incident, actor=bob),
        lambda incident, bob: core.identify(incident, suspected_cause="A query", actor=bob),
    ],
)
def test_what_ends_before_is_not_held_against_it(lena, service, phones, clock, bob, deed):
    runbook(triggers=[SLOW])
    incident = taken(service, phones, bob)
    attest(incident, "latency_ratio", 6, minutes=10, actor=bob)
    pass_by(clock, 10)

    deed(incident, bob)
    pass_by(clock, 15)

    assert phones.take() == []


def test_more_than_a_tenth_of_all_users_for_half_an_hour(lena, service, phones, clock, bob):
    runbook(triggers=[trigger("users", users_over="10 %", until="recovered") | {"for": "30 min"}])
    incident = taken(service, phones, bob)

    attest(incident, "users_affected", 10, minutes=60, unit="%", actor=bob)
    settle()
    assert phones.take() == []
    attest(incident, "users_affected", 11, minutes=20, unit="%", actor=bob)
    pass_by(clock, 9.5)
    assert phones.take() == []
    pass_by(clock, 0.5)

    assert phones.paged() == ["lena"]


def test_not_to_a_role_and_because_of_a_fact_at_once(facts, service, phones, bob):
    incident = taken(service, phones, bob)

    with pytest.raises(DomainError, match="not both"):
        escalation.escalate(incident, role="manager", fact="database", reason="X", actor=bob)
