"""The five shipped runbooks call and escalate as their documents say, on the virtual clock."""

from collections.abc import Callable

import pytest
from django.forms.models import model_to_dict

from incidents.core import services as core
from incidents.core.models import Incident, Kind, Service, SeverityPolicy, Team, User
from incidents.escalation import section
from incidents.escalation import services as escalation
from incidents.oncall.models import Schedule
from incidents.runbooks import services as runbooks
from incidents.timers.clock import VirtualClock
from tests.escalation.rulebook import person
from tests.escalation.stage import Phones, pass_by, settle

pytestmark = pytest.mark.django_db

# Whoever has a function in one of the five; Bob is on call and Alice manages the team.
FUNCTIONS = {
    "director": "diana",
    "team-lead": "tom",
    "engineering-lead": "lena",
    "product-owner": "otto",
    "system-administrator": "sam",
    "vp-engineering": "vera",
    "cto": "carl",
    "database-administrator": "dora",
}


@pytest.fixture
def live_by(
    schedule: Schedule, last_resort: None, phones: Phones, team: Team
) -> Callable[[str], None]:
    """Have the team live by what a shipped runbook says of escalation, its ladder included.

    What it says of communication and checklists is left out: that pages as well, elsewhere.
    """

    def choose(slug: str) -> None:
        for function, name in FUNCTIONS.items():
            person(name, function)
        full = runbooks.apply(runbooks.load(slug), actor=None)
        policies = SeverityPolicy.objects.filter(revision=full)
        keys = ["escalation", "types", "severities"]
        revision = core.publish_revision(
            slug=slug,
            title=slug,
            policies=[model_to_dict(one, exclude=["id", "revision"]) for one in policies],
            document={key: full.document[key] for key in keys if key in full.document},
        )
        Team.objects.filter(pk=team.pk).update(runbook=slug)
        assert escalation.adopt_ladder(team, section.of(revision), actor=None)

    return choose


def declare(service: Service, severity: str, kind: str = "") -> Incident:
    service = Service.objects.select_related("team").get(pk=service.pk)
    return core.declare(title="It is down", service=service, severity=severity, incident_type=kind)


def paged(phones: Phones) -> list[str]:
    settle()
    return [who for who, urgency in phones.take() if urgency == "page"]


def after(clock: VirtualClock, minutes: float, phones: Phones) -> list[str]:
    """Who is paged while so many minutes pass."""
    pass_by(clock, minutes)
    return paged(phones)


def take(incident: Incident, by: User, phones: Phones) -> None:
    core.acknowledge(incident, actor=by)
    paged(phones)


def escalations(incident: Incident) -> list[str]:
    found = incident.timeline.filter(kind=Kind.ESCALATED).order_by("pk")
    return list(found.values_list("summary", flat=True))


# --- 000 ------------------------------------------------------------------------------------------


def test_tps_pages_on_call_manager_and_director_for_data_loss_at_once(live_by, service, phones):
    live_by("tps")
    declare(service, "SEV1", "data-loss")

    assert paged(phones) == ["alice", "bob", "diana"]


@pytest.mark.parametrize("severity", ["SEV1", "SEV2"])
def test_tps_pages_on_call_for_severity_1_and_2(live_by, service, phones, severity):
    live_by("tps")
    declare(service, severity)

    assert paged(phones) == ["bob"]


def test_tps_waits_two_minutes_for_slowness_to_go_away(live_by, service, phones, clock):
    live_by("tps")
    still_slow, fine_again = (declare(service, "SEV2", "performance-degradation") for _ in range(2))
    assert after(clock, 1.5, phones) == []
    core.mark_recovered(fine_again)

    assert after(clock, 0.5, phones) == ["bob"]
    assert [page.incident for page in still_slow.pages.all()] == [still_slow]
    assert not fine_again.pages.exists()
    assert fine_again.timeline.filter(kind=Kind.TICKETED).exists()


def test_tps_pages_the_manager_when_it_is_down_for_five_minutes(
    live_by, service, phones, clock, bob
):
    live_by("tps")
    incident = declare(service, "SEV1", "service-unavailable")
    take(incident, bob, phones)

    assert after(clock, 4.5, phones) == []
    assert after(clock, 0.5, phones) == ["alice"]


def test_tps_pages_the_director_when_several_services_are_affected(
    live_by, service, phones, bob, clock
):
    live_by("tps")
    incident = declare(service, "SEV1", "service-unavailable")
    take(incident, bob, phones)

    escalation.report_fact(incident, fact="multiple_services", reason="Search too", actor=bob)

    assert paged(phones) == ["diana"]


def test_tps_pages_the_manager_when_slowness_does_not_improve_in_an_hour(
    live_by, service, phones, clock, bob
):
    live_by("tps")
    incident = declare(service, "SEV2", "performance-degradation")
    take(incident, bob, phones)

    assert after(clock, 59.5, phones) == []
    assert after(clock, 0.5, phones) == ["alice"]


def test_tps_makes_the_detector_commander(live_by, service, phones, clock, bob):
    live_by("tps")
    incident = declare(service, "SEV1")

    take(incident, bob, phones)

    assert incident.roles.get(role="commander", until=None).user == bob


# --- 001 ------------------------------------------------------------------------------------------


def test_saas_escalates_sev1_at_once(live_by, service, phones):
    live_by("saas")
    declare(service, "SEV1")

    assert paged(phones) == ["bob", "tom"]


def test_saas_escalates_sev2_within_half_an_hour(live_by, service, phones, clock, bob):
    live_by("saas")
    incident = declare(service, "SEV2")
    take(incident, bob, phones)

    assert after(clock, 29.5, phones) == []
    assert after(clock, 0.5, phones) == ["tom"]


def test_saas_escalates_a_sev3_ticket_within_two_hours(live_by, service, phones, clock):
    live_by("saas")
    declare(service, "SEV3")

    assert after(clock, 119.5, phones) == []
    assert after(clock, 0.5, phones) == ["tom"]


# --- 002 ------------------------------------------------------------------------------------------


def test_schedgen_pages_the_response_team_of_sev1(live_by, service, phones):
    live_by("schedgen")
    declare(service, "SEV1")

    assert paged(phones) == ["bob", "lena", "otto", "sam"]


def test_schedgen_pages_on_call_for_sev2_and_tells_team_and_product_owner(live_by, service, phones):
    live_by("schedgen")
    declare(service, "SEV2")
    settle()

    assert phones.take() == [("alice", "message"), ("bob", "page"), ("otto", "message")]


def test_schedgen_calls_the_lead_to_a_sev2_that_lasts_half_an_hour(
    live_by, service, phones, clock, bob
):
    live_by("schedgen")
    incident = declare(service, "SEV2")
    take(incident, bob, phones)
    core.identify(incident, suspected_cause="A query", actor=bob)

    assert after(clock, 29.5, phones) == []
    assert after(clock, 0.5, phones) == ["lena"]


def test_schedgen_calls_the_lead_when_the_cause_is_unclear_for_15_minutes(
    live_by, service, phones, clock, bob
):
    live_by("schedgen")
    incident = declare(service, "SEV2")
    assert after(clock, 3, phones) == ["bob"]
    take(incident, bob, phones)

    assert after(clock, 14.5, phones) == []
    assert after(clock, 0.5, phones) == ["lena"]


@pytest.mark.parametrize(
    ("fact", "called"),
    [
        ("multiple_services", ["lena"]),
        ("decision_needed", ["lena", "otto"]),
        ("sla_at_risk", ["otto"]),
        ("infrastructure", ["sam"]),
        ("database", ["sam"]),
        ("security", ["sam"]),
        ("backup", ["sam"]),
    ],
)
def test_schedgen_calls_whom_it_concerns(live_by, service, phones, clock, bob, fact, called):
    live_by("schedgen")
    incident = declare(service, "SEV2")
    take(incident, bob, phones)

    escalation.report_fact(incident, fact=fact, reason="As it looks", actor=bob)

    assert paged(phones) == called


# --- 003 ------------------------------------------------------------------------------------------


def test_fintech_pages_on_call_and_manager_for_sev1(live_by, service, phones):
    live_by("fintech")
    declare(service, "SEV1")

    assert paged(phones) == ["alice", "bob"]


def test_fintech_calls_the_database_administrator_if_the_database_is_involved(
    live_by, service, phones, clock, bob
):
    live_by("fintech")
    incident = declare(service, "SEV1", "database-failure")
    assert paged(phones) == ["alice", "bob", "dora"]
    assert "database administrator" in escalation.vacant_roles(incident)

    after(clock, 2, phones)  # what comes at once is folded into one page
    other = declare(service, "SEV1")
    take(other, bob, phones)
    escalation.report_fact(other, fact="database", reason="Locks", actor=bob)
    assert paged(phones) == ["dora"]


def test_fintech_asks_its_ladder_after_15_and_5_minutes(live_by, service, phones, clock):
    live_by("fintech")
    declare(service, "SEV2")
    assert paged(phones) == ["bob"]

    assert after(clock, 14.5, phones) == []
    assert after(clock, 0.5, phones) == ["alice"]
    assert after(clock, 4.5, phones) == []
    assert after(clock, 0.5, phones) == ["vera"]


def test_fintech_asks_the_next_level_when_stuck_for_15_and_for_30_minutes(
    live_by, service, phones, clock, bob
):
    live_by("fintech")
    incident = declare(service, "SEV2")
    take(incident, bob, phones)

    assert after(clock, 14.5, phones) == []
    assert after(clock, 0.5, phones) == ["alice"]
    assert after(clock, 14.5, phones) == []
    assert after(clock, 0.5, phones) == ["vera"]
    assert "Escalated to the next level: Stuck for more than 15 minutes." in escalations(incident)


def test_fintech_makes_a_sev1_of_what_is_not_resolved_in_an_hour(
    live_by, service, phones, clock, bob
):
    live_by("fintech")
    incident = declare(service, "SEV2")
    take(incident, bob, phones)
    core.identify(incident, suspected_cause="A query", actor=bob)

    assert after(clock, 59.5, phones) == []
    assert Incident.objects.get(pk=incident.pk).severity == "SEV2"
    assert after(clock, 0.5, phones) == ["alice"]
    assert Incident.objects.get(pk=incident.pk).severity == "SEV1"


def test_fintech_leaves_what_recovered_within_the_hour(live_by, service, phones, clock, bob):
    live_by("fintech")
    incident = declare(service, "SEV2")
    take(incident, bob, phones)
    core.mark_recovered(incident, actor=bob)

    assert after(clock, 60, phones) == []
    assert Incident.objects.get(pk=incident.pk).severity == "SEV2"


# --- 004 ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("severity", ["SEV1", "SEV2"])
def test_tars_pages_on_call_and_nobody_else(live_by, service, phones, severity):
    live_by("tars")
    declare(service, severity)

    assert paged(phones) == ["bob"]
