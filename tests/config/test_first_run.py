"""The list that fills itself: each step is done when the facts are there, and says what to do."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from config import first_run
from config.first_run import Facts
from incidents.alerts import services as alerts
from incidents.core import services as core
from incidents.core.models import Incident, Organisation
from incidents.escalation import services as escalation
from incidents.escalation.models import EscalationPolicy
from incidents.notifications import services as notifications
from incidents.notifications.models import LastResortAddress
from incidents.oncall import services as oncall
from incidents.runbooks import services as runbooks
from tests.escalation.conftest import give_phone, take_phone
from tests.factories import MembershipFactory, ServiceFactory, TeamFactory, UserFactory

pytestmark = pytest.mark.django_db

STEPS = [
    "Organisation and time zone",
    "Last resort",
    "A runbook",
    "A team",
    "People who respond",
    "Contacts that work",
    "A schedule",
    "An escalation policy",
    "A service",
    "A source of alerts",
    "Mail",
    "Public address",
    "Page me now",
]


@pytest.fixture(autouse=True)
def _nothing_set(settings):
    settings.SMTP_HOST, settings.LAST_RESORT = "", []
    settings.PUBLIC_URL = settings.LOCAL_URL


@pytest.fixture
def home(db):
    return Organisation.objects.create(pk=1)


@pytest.fixture
def complete(home, clock, root):
    """Everything that the list asks for, made by the verbs that the pages call."""
    home.name = "Example Ltd"
    home.save()
    notifications.add_last_resort(name="Duty", kind="recorder", address="duty", actor=root)
    team = TeamFactory(name="Payments", slug="payments")
    alice = UserFactory(username="alice")
    MembershipFactory(team=team, user=alice, role="manager")
    give_phone(alice)
    oncall.default_schedule_for(team, actor=root)
    escalation.default_policy_for(team, actor=root)
    service = ServiceFactory(name="Checkout", slug="checkout", team=team)
    alerts.create_source(name="Monitor", team=team, service=service, actor=root)
    core.acknowledge(core.declare(title="Test", service=service, severity="SEV1"), actor=alice)
    return team


@pytest.fixture
def root(db):
    return UserFactory(username="root", is_superuser=True, is_staff=True)


def missing(clock, **facts):
    return {step.name: step.missing for step in look(clock, **facts).missing}


def look(clock, **facts):
    return first_run.progress(now=clock.at, **facts)


def test_an_empty_installation_misses_everything_in_the_order_of_doing_it(home, clock):
    progress = look(clock)

    assert [step.name for step in progress.steps] == STEPS
    assert [step.name for step in progress.missing] == STEPS
    assert progress.next.name == STEPS[0]
    assert (progress.done, len(progress.required)) == (0, 10)
    assert all(step.why and step.missing.endswith(".") for step in progress.steps)
    assert not Facts.read().is_complete


def test_without_any_row_it_is_just_as_empty(db, clock):
    assert list(missing(clock)) == STEPS


def test_the_list_is_complete_when_the_facts_are_there(complete, clock):
    assert list(missing(clock)) == ["Mail", "Public address"]
    assert Facts.read().is_complete


def test_what_can_wait_is_never_the_next_thing_to_do(complete, clock):
    Incident.objects.update(acknowledged_at=None)

    progress = look(clock)

    assert [step.name for step in progress.missing] == [
        *("A runbook", "Mail", "Public address", "Page me now")
    ]
    assert progress.next.name == "Page me now"


def test_a_runbook_is_asked_for_until_one_is_chosen_or_the_first_page_is_answered(complete, clock):
    assert "A runbook" not in missing(clock)
    Incident.objects.update(acknowledged_at=None)
    assert "A runbook" in missing(clock)

    runbooks.adopt("saas", by_default=True, actor=None)

    assert "A runbook" not in missing(clock)


def test_mail_is_missed_more_where_somebody_is_to_be_paged_by_it(complete, clock):
    assert missing(clock)["Mail"] == "Set SMTP_HOST (SMTP_USER, SMTP_PASSWORD)."
    method = notifications.add_contact_method(
        complete.members.get(), kind="email", address="alice@example.org", actor=None
    )
    notifications.vouch_for(method, actor=None)

    assert missing(clock)["Mail"].endswith("some are to be paged by e-mail.")


def test_mail_and_address_are_there_when_they_are_set(complete, clock, settings):
    settings.SMTP_HOST, settings.PUBLIC_URL = "mail.example.org", "https://tocsin.example.org"

    assert missing(clock) == {}


@pytest.mark.parametrize(
    ("take_away", "name"),
    [
        (lambda team: Organisation.objects.update(name="Our organisation"), STEPS[0]),
        (lambda team: LastResortAddress.objects.all().delete(), STEPS[1]),
        (lambda team: team.memberships.update(role="viewer"), STEPS[4]),
        (lambda team: take_phone(team.members.get()), STEPS[5]),
        (lambda team: team.schedule_assignment.delete(), STEPS[6]),
        (lambda team: EscalationPolicy.objects.get().assignments.all().delete(), STEPS[7]),
        (lambda team: team.services.update(is_active=False), STEPS[8]),
        (lambda team: team.alert_sources.update(is_active=False), STEPS[9]),
    ],
)
def test_a_step_comes_back_when_its_fact_is_gone(complete, clock, take_away, name):
    take_away(complete)

    assert name in missing(clock)
    assert not Facts.read().is_complete


def test_the_last_resort_of_the_environment_counts(home, clock, settings):
    settings.LAST_RESORT = ["mailto:duty@example.org"]

    assert "Last resort" not in missing(clock)


def test_whoever_cannot_be_paged_is_named(complete, clock):
    carl = UserFactory(username="carl")
    MembershipFactory(team=complete, user=carl)

    said = missing(clock)["Contacts that work"]

    assert said.startswith("Carl cannot be paged")


def test_it_leads_to_ones_own_contacts_or_to_the_people(complete, clock):
    carl = UserFactory(username="carl")
    MembershipFactory(team=complete, user=carl)

    def url(reader):
        steps = look(clock, reader=reader).steps
        return next(step.url for step in steps if step.name == "Contacts that work")

    assert url(carl) == "/me/contacts/add/"
    assert url(UserFactory(username="eve")) == "/admin/incidents/user/"


def test_nobody_on_call_now_is_told_by_schedule(complete, clock):
    team = TeamFactory(name="Search", slug="search")
    empty = oncall.create_schedule(name="Search", team=team, timezone="UTC", actor=None)
    oncall.assign_schedule(team, schedule=empty, actor=None)

    assert missing(clock)["A schedule"] == "Nobody is on call now in Search: fill the gap."


def test_a_service_that_no_policy_covers_is_named(complete, clock):
    ServiceFactory(name="Search", slug="search", team=TeamFactory(name="Search", slug="search"))

    assert missing(clock)["An escalation policy"] == "No policy applies to Search: assign one."
    assert not Facts.read().is_complete


def test_a_policy_for_everything_covers_every_service(complete, clock):
    ServiceFactory(name="Search", slug="search", team=TeamFactory(name="Search", slug="search"))
    escalation.assign_policy(EscalationPolicy.objects.get(), actor=None)

    assert Facts.read().has["uncovered"] is False


def test_a_level_that_means_nobody_is_told_with_its_reason(complete, clock):
    complete.memberships.update(role="responder")

    said = missing(clock)["An escalation policy"]

    assert "Level 3 of Payments would ask nobody for services of Payments" in said
    assert "no active manager" in said


def test_what_is_known_is_filled_in(home, clock):
    home.timezone = "Europe/Berlin"
    home.save()
    urls = {step.name: step.url for step in look(clock).steps}
    assert urls["A team"] == "/admin/incidents/team/add/?timezone=Europe%2FBerlin"

    team = TeamFactory(name="Payments", slug="payments")
    urls = {step.name: step.url for step in look(clock).steps}

    assert urls["A service"] == f"/admin/incidents/service/add/?team={team.pk}"
    assert urls["A schedule"] == f"/admin/incidents/team/{team.pk}/do/default-schedule/"
    assert urls["An escalation policy"] == f"/admin/incidents/team/{team.pk}/do/default-policy/"


def test_every_link_of_the_list_opens(home, clock, root, client):
    TeamFactory(name="Payments", slug="payments")
    client.force_login(root)

    for step in look(clock).steps:
        if step.url:
            assert client.get(step.url).status_code == 200, step.url


def test_it_asks_as_often_for_many_as_for_one(complete, clock):
    with CaptureQueriesContext(connection) as few:
        look(clock)
    for number in range(10):
        team = TeamFactory(name=f"Team {number}")
        person = UserFactory(username=f"p{number}")
        MembershipFactory(team=team, user=person)
        oncall.default_schedule_for(team, actor=None)
        escalation.default_policy_for(team, actor=None)
        ServiceFactory(team=team)

    with CaptureQueriesContext(connection) as many:
        look(clock)

    assert len(many) <= len(few) + 2  # names of what is missing now


def test_looking_whether_it_is_complete_takes_one_query(complete, clock):
    with CaptureQueriesContext(connection) as queries:
        assert Facts.read().is_complete

    assert len(queries) == 1


# --- where the ladders lead ----------------------------------------------------------------------


def test_every_level_reaches_somebody(complete, clock):
    outlook = escalation.check_ladders(now=clock.at)

    assert (outlook.holes, outlook.unreachable) == ([], [])


def test_a_policy_that_reaches_nobody_is_one_hole(complete, clock):
    take_phone(complete.members.get())

    (hole,) = escalation.check_ladders(now=clock.at).holes

    assert hole.level == 0
    assert str(hole).startswith("Payments would ask nobody for services of Payments: none of its")


def test_a_policy_that_is_switched_off_reaches_nobody(complete, clock):
    escalation.set_active(EscalationPolicy.objects.get(), is_active=False, actor=None)

    (hole,) = escalation.check_ladders(now=clock.at).holes

    assert (hole.level, hole.why) == (0, "policy Payments is switched off")


def test_a_gap_in_the_schedule_is_a_hole_of_its_level_only(complete, clock):
    clock.at -= timedelta(days=400)  # before the rotation began

    (hole,) = escalation.check_ladders(now=clock.at).holes

    assert (hole.level, hole.why) == (1, "nobody is on call")
