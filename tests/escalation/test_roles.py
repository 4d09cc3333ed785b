"""Who is called at declaration, by role: beside the policy's first level, and nobody twice."""

import pytest

from incidents.alerts import payload
from incidents.alerts import services as alerts
from incidents.core import services as core
from incidents.core.models import Incident, Kind, Service
from incidents.escalation import services as escalation
from incidents.escalation.models import Escalation, Page
from incidents.notifications import engine as outbox
from incidents.notifications.transports.recorder import Recorder
from incidents.timers.models import Timer
from tests.escalation.conftest import TEN, take_phone
from tests.escalation.rulebook import person, runbook
from tests.escalation.stage import settle
from tests.factories import MembershipFactory

pytestmark = pytest.mark.django_db

DATA_LOSS = {"data-loss": {"title": "Data loss", "definition": "Gone.", "severity": "SEV1"}}


def declare(service: Service, severity: str = "SEV1", **facts) -> Incident:
    return core.declare(title="Checkout is down", service=service, severity=severity, **facts)


def told(incident: Incident, kind: Kind) -> list[str]:
    entries = incident.timeline.filter(kind=kind).order_by("pk")
    return list(entries.values_list("summary", flat=True))


def test_data_loss_calls_on_call_manager_and_director_at_once(policy, service, phones):
    person("diana", "director")
    everybody = ["on_call", "manager", "director"]
    runbook(types=DATA_LOSS, at_declaration=[{"types": ["data-loss"], "page": everybody}])

    incident = declare(service, incident_type="data-loss")
    settle()

    assert phones.paged() == ["alice", "bob", "diana"]
    assert told(incident, Kind.PAGED) == [
        "Paged Bob: level 1 of 3 of Payments.",
        "Paged Alice (manager) and Diana (Director). SEV1 calls for that at once.",
    ]


def test_the_page_says_as_what_one_is_asked_and_why(policy, service, phones):
    person("diana", "director")
    runbook(at_declaration=[{"page": ["director"]}])

    declare(service)
    settle()

    (page,) = [sent for sent in Recorder.sent if sent.address == "diana"]
    assert page.body.splitlines()[2:4] == [
        "You are asked as Director.",
        "SEV1 calls for that at once.",
    ]


def test_another_type_calls_nobody_else(policy, service, phones):
    person("diana", "director")
    runbook(types=DATA_LOSS, at_declaration=[{"types": ["data-loss"], "page": ["director"]}])

    declare(service)
    settle()

    assert phones.paged() == ["bob"]


def test_a_severity_pages_its_own_and_tells_its_own(policy, service, phones, alice, bob):
    for name, function in [("lena", "engineering-lead"), ("otto", "owner")]:
        person(name, function)
    runbook(
        at_declaration=[
            {"severities": ["SEV1"], "page": ["on_call", "engineering-lead", "owner"]},
            {"severities": ["SEV2"], "page": ["on_call"], "tell": ["team", "owner"]},
        ]
    )

    incident = declare(service, "SEV2")
    settle()
    assert phones.take() == [("alice", "message"), ("bob", "page"), ("otto", "message")]
    assert told(incident, Kind.NOTE) == [
        "Told Alice (team) and Otto (Product Owner). SEV2 calls for that at once."
    ]

    declare(service, "SEV1")
    settle()
    assert phones.paged() == ["bob", "lena", "otto"]


def test_whoever_has_it_as_a_ticket_is_not_told_as_well(policy, service, phones):
    runbook(at_declaration=[{"severities": ["SEV4"], "tell": ["on_call", "manager"]}])

    declare(service, "SEV4")
    settle()

    assert phones.told() == ["alice", "bob"]


def test_an_acknowledgement_stops_what_has_not_left_yet(policy, service, phones, bob):
    person("diana", "director")
    runbook(at_declaration=[{"page": ["director"]}])

    incident = declare(service)
    core.acknowledge(incident, actor=bob)
    settle()

    assert phones.paged() == []
    assert Page.objects.filter(user__username="diana").count() == 1


def test_whoever_is_called_by_role_acknowledges_by_the_link_of_the_page(policy, service, phones):
    person("diana", "director")
    runbook(at_declaration=[{"page": ["director"]}])
    incident = declare(service)
    settle()

    (page,) = [sent for sent in Recorder.sent if sent.address == "diana"]
    link = next(link for link in page.links if "/a/" in link.url)
    escalation.answer_by_link(link.url.rstrip("/").rpartition("/")[2])

    assert str(Incident.objects.get(pk=incident.pk).acknowledged_by) == "Diana"


# --- Who has a role -------------------------------------------------------------------------------


def test_a_function_in_the_own_team_goes_before_one_elsewhere(policy, service, phones, team):
    person("lena", "engineering-lead", team="office")
    person("luis", "engineering-lead", team="payments")
    runbook(at_declaration=[{"page": ["engineering-lead"]}])

    declare(service)
    settle()

    assert phones.paged() == ["bob", "luis"]


def test_a_person_with_the_function_manager_goes_before_the_managers(policy, service, phones, team):
    MembershipFactory(team=team, user=person("mona", ""), function="manager")
    runbook(at_declaration=[{"page": ["manager"]}])

    declare(service)
    settle()

    assert phones.paged() == ["bob", "mona"]


def test_a_manager_elsewhere_is_not_called_while_the_own_team_has_one(policy, service, phones):
    person("mona", "manager", team="office")
    runbook(at_declaration=[{"page": ["manager"]}])

    declare(service)
    settle()

    assert phones.paged() == ["alice", "bob"]


def test_where_nobody_is_director_whoever_stands_in_is_called_and_it_is_said(
    policy, service, phones
):
    person("lena", "engineering-lead")
    stands_in = {"director": {"title": "Director", "fallback": ["owner", "engineering-lead"]}}
    runbook(roles=stands_in, at_declaration=[{"page": ["director"]}])

    incident = declare(service)
    settle()

    assert phones.paged() == ["bob", "lena"]
    assert told(incident, Kind.LEVEL_SKIPPED) == [
        "Nobody is Director (nobody has the function director); nobody is Product Owner "
        "(nobody has the function owner): Lena instead (Engineering Lead)."
    ]


def test_a_director_without_a_phone_is_nobody_either(policy, service, phones):
    person("diana", "director", phone=False)
    stands_in = {"director": {"title": "Director", "fallback": ["manager"]}}
    runbook(roles=stands_in, at_declaration=[{"page": ["director"]}])

    incident = declare(service)
    settle()

    assert phones.paged() == ["alice", "bob"]
    assert "none of its people has a verified way" in told(incident, Kind.LEVEL_SKIPPED)[0]


def test_where_nobody_is_left_at_all_that_is_told_once(service, last_resort, phones, clock):
    runbook(at_declaration=[{"page": ["director"]}])

    incident = declare(service)
    settle()

    assert incident.timeline.filter(kind=Kind.EXHAUSTED).count() == 1
    assert incident.paging_epoch == 1
    assert told(incident, Kind.LEVEL_SKIPPED)[-1].startswith(
        "Nobody is Director (nobody has the function director): nobody instead, as "
    )


def test_where_nobody_stands_in_the_next_level_is_asked(policy, service, phones, clock):
    runbook(at_declaration=[{"page": ["director"]}])

    incident = declare(service)
    settle()

    assert phones.paged() == ["alice", "bob"]
    assert told(incident, Kind.LEVEL_SKIPPED) == [
        "Nobody is Director (nobody has the function director): the next level was asked instead."
    ]
    clock.forward(minutes=9)
    settle()
    assert phones.paged() == []  # the time of level 2 counts from then on
    clock.forward(minutes=1)
    settle()
    assert phones.paged() == ["dana"]


def test_the_next_level_is_not_asked_by_two_ways_at_once(policy, service, phones):
    runbook(at_declaration=[{"page": ["director", "manager"]}])

    incident = declare(service)
    settle()

    assert phones.paged() == ["alice", "bob"]
    assert Page.objects.filter(user__username="alice").count() == 1
    assert "as Alice of the next level is asked." in told(incident, Kind.LEVEL_SKIPPED)[0]


def test_a_missing_role_does_not_void_the_pages_of_the_others(policy, service, phones):
    runbook(at_declaration=[{"severities": ["SEV4"], "page": ["director", "manager"]}])

    incident = declare(service, "SEV4")
    settle()

    assert phones.take() == [("alice", "page"), ("bob", "message")]
    assert Escalation.objects.get(pk=incident.pk).state == Escalation.State.TICKET
    assert told(incident, Kind.LEVEL_SKIPPED)[0].endswith(
        "(nobody has the function director): nobody instead, as somebody else is asked."
    )


def test_where_a_ticket_calls_nobody_who_is_there_it_is_paged(policy, service, phones):
    runbook(at_declaration=[{"severities": ["SEV4"], "page": ["director"]}])

    incident = declare(service, "SEV4")
    settle()

    assert ("bob", "page") in phones.take()
    assert Escalation.objects.get(pk=incident.pk).state == Escalation.State.RUNNING


def test_nobody_on_call_does_not_send_the_ladder_up_twice(policy, service, phones, bob):
    take_phone(bob)
    runbook(at_declaration=[{"page": ["on_call"]}])

    incident = declare(service)
    settle()

    assert phones.paged() == ["alice"]
    assert Escalation.objects.get(pk=incident.pk).level == 2


def test_a_private_incident_calls_nobody_outside_its_audience(policy, service, phones, bob):
    person("diana", "director")
    runbook(at_declaration=[{"page": ["director"], "tell": ["team"]}])

    incident = declare(service, is_private=True, audience=[bob])
    settle()

    assert phones.paged() == ["bob"]
    assert "may see this private incident" in told(incident, Kind.LEVEL_SKIPPED)[0]


def test_a_role_that_is_told_and_nobody_has_is_said(policy, service, phones):
    runbook(at_declaration=[{"tell": ["owner"]}])

    incident = declare(service)
    settle()

    assert phones.paged() == ["bob"]
    assert told(incident, Kind.LEVEL_SKIPPED) == [
        "Nobody is Product Owner (nobody has the function owner): nobody was told."
    ]


# --- What a machine reports -----------------------------------------------------------------------


def report(service: Service, **facts: str) -> Incident:
    """An alert comes in, by the door that writes everything at once."""
    source = alerts.create_source(name="Monitor", service=None, actor=None)
    body = {"summary": "It is down", "service": service.slug, "severity": "SEV1", **facts}
    receipt = alerts.ingest(source, payload.parse(body))
    assert receipt.incident is not None
    return receipt.incident


def test_an_alert_calls_them_as_a_person_does(policy, service, phones):
    person("diana", "director")
    runbook(at_declaration=[{"page": ["on_call", "manager", "director"], "tell": ["owner"]}])

    incident = report(service)
    settle()

    assert phones.paged() == ["alice", "bob", "diana"]
    assert len(told(incident, Kind.LEVEL_SKIPPED)) == 1  # nobody is Product Owner
    assert not Timer.objects.pending().filter(kind="core.repair").exists()


def test_an_alert_whose_director_nobody_is_asks_the_next_level(policy, service, phones, clock):
    runbook(at_declaration=[{"page": ["director"]}])

    incident = report(service)
    settle()

    assert phones.paged() == ["alice", "bob"]
    steps = Timer.objects.pending().of(incident).filter(kind="escalation.step")
    assert [step.due_at - incident.declared_at for step in steps] == [TEN]
    assert Escalation.objects.get(pk=incident.pk).level == 2


def test_an_alert_of_a_type_that_may_recover_waits(policy, service, phones, clock):
    kind = {"title": "Slow", "definition": "Slow.", "severity": "SEV2", "page_after": "2 min"}
    runbook(
        types={"slow": kind | {"alerts": ["HighLatency"]}}, at_declaration=[{"page": ["manager"]}]
    )

    incident = report(service, severity="SEV2", dedup_key="HighLatency", summary="HighLatency")
    assert incident.incident_type == "slow"
    settle()
    assert phones.take() == []
    clock.forward(minutes=2)
    settle()

    assert phones.paged() == ["alice", "bob"]


# --- Later ----------------------------------------------------------------------------------------


@pytest.fixture
def only_sev1_calls(policy):
    person("diana", "director")
    runbook(at_declaration=[{"severities": ["SEV1"], "page": ["on_call", "manager", "director"]}])


def test_when_it_becomes_worse_those_are_called_who_were_not(only_sev1_calls, service, phones, bob):
    incident = declare(service, "SEV2")
    settle()
    assert phones.paged() == ["bob"]

    core.change_severity(incident, severity="SEV1", reason="Everybody sees it", actor=bob)
    settle()

    assert phones.paged() == ["alice", "diana"]


def test_while_somebody_has_it_only_who_is_new_to_it_is_called(
    only_sev1_calls, service, phones, clock, bob
):
    incident = declare(service, "SEV2")
    settle()
    clock.forward(minutes=5)
    settle()
    assert phones.paged() == ["alice", "bob"]
    core.acknowledge(incident, actor=bob)
    settle()
    phones.take()

    core.change_severity(incident, severity="SEV1", reason="Everybody sees it", actor=bob)
    settle()

    assert phones.paged() == ["diana"]
    assert Incident.objects.get(pk=incident.pk).acknowledged_by == bob


def test_when_it_becomes_less_bad_nobody_is_called(only_sev1_calls, service, phones, bob):
    incident = declare(service, "SEV1")
    settle()
    phones.take()

    core.change_severity(incident, severity="SEV2", reason="Only a few", actor=bob)
    settle()

    assert phones.take() == []


def test_when_it_is_reopened_they_are_called_again(only_sev1_calls, service, phones, bob):
    incident = declare(service)
    core.dismiss(incident, reason="Nothing", actor=bob)
    settle()
    phones.take()

    core.reopen(incident, reason="It was something", actor=bob)
    settle()

    assert phones.paged() == ["alice", "bob", "diana"]


def test_a_ladder_that_comes_to_a_called_person_later_asks_again(
    only_sev1_calls, service, phones, clock
):
    declare(service)
    settle()
    assert phones.paged() == ["alice", "bob", "diana"]

    clock.forward(minutes=5)
    settle()

    assert phones.paged() == ["alice"]


# --- What must not happen -------------------------------------------------------------------------


def test_a_section_that_cannot_be_read_stops_no_declaration(
    policy, service, phones, errors_expected
):
    core.publish_revision(
        slug="default", title="Broken", policies=[], document={"escalation": {"ladder": 7}}
    )

    incident = declare(service)
    settle()

    assert phones.paged() == ["bob"]
    assert incident.is_open


def test_calls_that_fail_stop_no_declaration_and_are_made_later(
    policy, service, phones, monkeypatch, errors_expected
):
    person("diana", "director")
    runbook(at_declaration=[{"page": ["director"]}])

    def broken(*_, **__):
        raise ZeroDivisionError

    with monkeypatch.context() as broken_for_a_moment:
        broken_for_a_moment.setattr("incidents.escalation.services.summoning._page", broken)
        incident = declare(service)
    outbox.dispatch(wait=True)
    assert phones.paged() == ["bob"]
    assert Timer.objects.pending().of(incident).filter(kind="core.repair").count() == 1

    settle()

    assert phones.paged() == ["diana"]
