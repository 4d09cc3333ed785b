"""The first page: what is open, who is on call, what failed, what comes, whether it all runs."""

import re
from datetime import timedelta
from html import unescape

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from incidents.alerts import services as alerts
from incidents.core import services as core
from incidents.core.models import Organisation
from incidents.escalation import services as escalation
from incidents.escalation.models import EscalationPolicy
from incidents.insights import services as insights
from incidents.notifications import engine as outbox
from incidents.notifications import services as notifications
from incidents.notifications.addresses import Address
from incidents.notifications.models import Delivery
from incidents.oncall import services as oncall
from incidents.timers import engine, heart
from incidents.timers import services as timers
from incidents.timers.models import Heartbeat, Timer
from tests.escalation.conftest import give_phone, take_phone
from tests.factories import MembershipFactory, ServiceFactory, TeamFactory, UserFactory

pytestmark = pytest.mark.django_db

MOST_QUERIES = 25  # of the piece that is asked for every few seconds
MOST_QUERIES_OF_PAGE = 42  # also climbs every ladder, and tells what was learned
LIVE = {"X-Requested-With": "live"}


@pytest.fixture
def root(db):
    return UserFactory(username="root", is_superuser=True, is_staff=True)


@pytest.fixture
def opened(client, root):
    """The words of a page of the admin, as the administrator reads them."""

    def open_page(path="/admin/", user=root, **headers):
        client.force_login(user)
        answer = client.get(path, headers=headers)
        assert answer.status_code == 200, answer
        return words(answer.content.decode())

    return open_page


@pytest.fixture
def now_piece(opened):
    return lambda user=None: opened(
        "/admin/cockpit/now/", **({"user": user} if user else {}), **LIVE
    )


@pytest.fixture
def set_up(policy, service, root):
    """So that the list of first steps is no longer in the way."""
    Organisation.objects.create(pk=1, name="Example Ltd")
    alerts.create_source(name="Monitor", service=service, actor=root)
    incident = core.declare(title="Long ago", service=service, severity="SEV4")
    core.acknowledge(incident, actor=root)
    core.dismiss(incident, reason="a test", actor=root)


def words(html):
    html = re.sub(r"<(head|style|script)\b.*?</\1>", "", html, flags=re.DOTALL)
    said = " ".join(unescape(re.sub(r"<[^>]+>", " ", html)).split())
    return re.sub(r" ([,:.])", r"\1", said)


# --- open incidents -------------------------------------------------------------------------------


def test_nothing_open_looks_calm(now_piece, clock):
    assert "All quiet Nothing is open. There has been no incident yet." in now_piece()


def test_the_last_incident_is_named_where_nothing_is_open(now_piece, set_up, clock):
    clock.forward(hours=3)

    said = now_piece()

    assert "Nothing is open. Last incident: INC-2026-03-02-001 Long ago, 3 h 00 min ago." in said


def test_an_incident_nobody_has_shows_its_next_step_and_countdown(
    now_piece, policy, service, clock
):
    core.declare(title="Checkout is down", service=service, severity="SEV1")
    clock.forward(minutes=1)

    said = now_piece()

    assert "1 SEV1 1 without an answer" in said
    assert "Checkout is down INC-2026-03-02-001 · Checkout · Payments" in said
    assert "Investigating for 1 min nobody yet" in said
    assert "The next level is asked in 4 min 0 s" in said


def test_the_countdown_counts_on_in_the_browser(client, root, policy, service, clock):
    core.declare(title="Checkout is down", service=service, severity="SEV1")
    client.force_login(root)

    html = client.get("/admin/").content.decode()

    assert 'data-due="2026-03-02T10:05:00+00:00"' in html
    assert 'data-now="2026-03-02T10:00:00+00:00"' in html


def test_who_has_it_and_who_commands_it(now_piece, incident, alice, bob):
    core.acknowledge(incident, actor=bob)
    core.assign_role(incident, role="commander", user=alice, actor=bob)

    assert "Bob commander: Alice" in now_piece()


def test_missed_targets_are_red(client, root, policy, service, clock):
    core.declare(title="Checkout is down", service=service, severity="SEV1")
    clock.forward(minutes=5)
    engine.tick()
    client.force_login(root)

    html = client.get("/admin/").content.decode()

    assert re.search(r'<strong class="t-late[^"]*">Missed: to respond</strong>', html)


def test_nobody_left_to_ask_is_said(now_piece, service, clock):
    core.declare(title="Down", service=service, severity="SEV1")

    said = now_piece()

    assert "Nobody is left to ask. The last resort is told again in 30 min" in said


def test_an_incident_without_any_next_step_would_stand_out(now_piece, policy, service, clock):
    core.declare(title="Down", service=service, severity="SEV1")
    Timer.objects.all().delete()

    assert "Nothing: page somebody by hand." in now_piece()


def test_the_worst_comes_first(now_piece, service, clock):
    core.declare(title="Mild one", service=service, severity="SEV4")
    core.declare(title="Bad one", service=service, severity="SEV1")

    said = now_piece()

    assert said.index("Bad one") < said.index("Mild one")


def test_a_private_incident_is_shown_to_whom_it_concerns(now_piece, service, alice, root, clock):
    core.declare(title="Secret", service=service, severity="SEV1", is_private=True, audience=[root])

    assert "Secret" in now_piece()
    said = now_piece(user=alice)
    assert "Secret" not in said
    assert "INC-" not in said


# --- on call --------------------------------------------------------------------------------------


def test_who_is_on_call_and_who_is_next(now_piece, schedule, service, alice, clock):
    start = clock.at + timedelta(days=1)
    oncall.add_override(
        schedule, user=alice, starts_at=start, ends_at=start + timedelta(days=1), actor=alice
    )

    assert "Bob Payments for Payments Then Alice, from Tue 3 Mar 10:00" in now_piece()


def test_a_gap_ahead_is_said(now_piece, schedule, bob, clock, service):
    schedule.rotations.all().delete()
    oncall.add_override(
        schedule,
        user=bob,
        starts_at=clock.at - timedelta(days=1),
        ends_at=clock.at + timedelta(days=2),
        actor=bob,
    )

    assert "Then nobody, from Wed 4 Mar 10:00" in now_piece()


def test_nobody_on_call_now_is_said(now_piece, schedule, clock):
    schedule.rotations.all().delete()

    assert "Nobody is on call Payments and nobody in the next 14 days" in now_piece()


def test_whoever_is_on_call_and_cannot_be_paged_is_said(now_piece, schedule, bob, clock):
    assert "cannot be paged" not in now_piece()
    take_phone(bob)

    assert "Bob cannot be paged" in now_piece()


def test_a_team_with_services_and_without_schedule_is_said(now_piece, service, clock):
    assert "Without a schedule: Payments" in now_piece()


# --- what failed, what comes ----------------------------------------------------------------------


def test_a_page_that_was_given_up_is_shown_for_a_day(now_piece, policy, service, clock):
    core.declare(title="Down", service=service, severity="SEV1")
    Delivery.objects.update(state="failed", ended_at=clock.at, last_error="Mailbox is full")

    assert (
        "Failed Bob by Recorder (tests) (bob) for INC-2026-03-02-001: Mailbox is full"
        in now_piece()
    )
    clock.forward(hours=24, seconds=1)
    assert "Mailbox is full" not in now_piece()


def test_an_exhausted_escalation_is_shown_even_when_it_is_over(now_piece, service, root, clock):
    incident = core.declare(title="Down", service=service, severity="SEV1")
    core.dismiss(incident, reason="a test", actor=root)

    assert "Nobody left INC-2026-03-02-001: no escalation policy applies to it" in now_piece()


def test_the_next_hour_in_words(now_piece, policy, service, clock):
    core.declare(title="Down", service=service, severity="SEV1")

    said = now_piece()

    hour = said[said.index("In the next hour") :]
    assert "in 5 min 0 s · the next level is asked · INC-2026-03-02-001" in hour
    assert "the target to mitigate is missed, unless reached" in hour
    assert "the target to resolve" not in hour[: hour.index("Tocsin itself")]  # in four hours


def test_a_handover_within_the_hour_is_announced(now_piece, schedule, alice, clock):
    start = clock.at + timedelta(minutes=20)
    oncall.add_override(
        schedule, user=alice, starts_at=start, ends_at=start + timedelta(days=1), actor=alice
    )

    assert "in 20 min · Alice takes over Payments from Bob" in now_piece()


def test_every_kind_of_timer_has_a_name_for_people():
    nameless = [
        kind for kind, known in engine._handlers.items() if not known.label and "test" not in kind
    ]

    assert nameless == []


# --- the engines ----------------------------------------------------------------------------------


@pytest.fixture
def beating(clock):
    def beat():
        for name in heart.ENGINES:
            Heartbeat.objects.update_or_create(
                name=name, process="host:1", defaults={"at": clock.at}
            )

    beat()
    return beat


def test_engines_that_run_are_one_green_line(now_piece, beating):
    assert "Running Clock and outbox run in one process; nothing is late." in now_piece()


def test_engines_that_stopped_are_told_with_since_when(now_piece, beating, clock):
    clock.forward(minutes=2)

    said = now_piece()

    assert "Trouble: Nothing makes what is due happen since 2 min ago: start manage.py up" in said
    assert "Nothing sends pages since 2 min ago" in said


def test_what_is_late_and_what_is_broken_is_told(now_piece, beating, policy, service, clock):
    core.declare(title="Down", service=service, severity="SEV1")
    clock.forward(minutes=6)
    beating()
    broken = Timer.objects.filter(kind="core.target").first()
    Timer.objects.filter(pk=broken.pk).update(state="quarantined", pending_key=None)

    said = now_piece()

    assert "The oldest timer is 1 min late." in said
    assert "The oldest message is 6 min late." in said
    assert "One timer is quarantined" in said


# --- the audit ------------------------------------------------------------------------------------


@pytest.fixture
def audited(clock, beating):
    """A minute passes, everything happens, and the auditor looks."""

    def audit(minutes=1):
        for _ in range(minutes):
            clock.forward(minutes=1)
            while engine.tick() + outbox.dispatch(wait=True):
                pass
            insights.look()
        while engine.tick() + outbox.dispatch(wait=True):
            pass
        beating()

    return audit


def test_before_the_first_audit_it_says_so(now_piece, beating):
    assert "nothing is late. It has not been audited yet." in now_piece()


def test_an_audit_that_passed_is_told_with_its_age(now_piece, policy, service, audited, clock):
    audited()
    clock.forward(seconds=9)

    assert (
        "nothing is late. Audited 9 s ago: everything holds; the canary came through 9 s ago."
        in now_piece()
    )


def test_what_the_audit_found_is_red_and_says_what_to_do(now_piece, policy, service, audited):
    incident = core.declare(title="Down", service=service, severity="SEV1")
    Timer.objects.pending().of(incident).filter(kind="escalation.step").delete()
    audited()

    said = now_piece()

    assert (
        "Trouble: The audit: “No silent incident” does not hold. INC-2026-03-02-001: nobody has "
        "it, and nobody will be asked. Escalate or page somebody" in said
    )


def test_a_heartbeat_that_does_not_leave_is_told(
    now_piece, policy, service, audited, settings, clock
):
    settings.HEARTBEAT_URL = "http://127.0.0.1:1/alive"
    audited(minutes=2)

    assert "Trouble: The outgoing heartbeat failed: A webhook is an https:// address" in now_piece()


def test_an_auditor_that_sleeps_is_trouble(now_piece, policy, service, audited, beating, clock):
    audited()
    clock.forward(minutes=4)
    beating()

    assert "Trouble: The auditor has not looked for 4 min." in now_piece()


# --- the page -------------------------------------------------------------------------------------


def test_a_new_installation_begins_with_the_list_of_steps(opened, clock):
    Organisation.objects.create(pk=1)

    said = opened()

    assert "From here to your first page 0 of 10 done" in said
    assert said.index("Organisation and time zone") < said.index("Open incidents")


def test_an_installation_that_is_complete_does_not_show_the_list(opened, set_up, clock):
    said = opened()

    assert "first page" not in said
    assert "Page me as a test" in said


def test_what_can_wait_takes_one_line(opened, set_up, clock, settings):
    settings.SMTP_HOST = ""

    said = opened()

    assert "Set up; what can wait: Mail: Set SMTP_HOST" in said
    assert "Organisation and time zone" not in said
    settings.SMTP_HOST, settings.PUBLIC_URL = "mail.example.org", "https://tocsin.example.org"
    assert "can wait" not in opened()


def test_what_would_go_wrong_is_told_after_setting_up(opened, set_up, policy, bob):
    assert "If something broke now" not in opened()
    take_phone(bob)

    said = opened()

    assert "Bob cannot be paged" in said
    assert "would ask nobody" in said
    assert "Everything is there" not in said


def test_what_burns_comes_before_what_lacks(opened, set_up, service, policy, bob, root):
    core.declare(title="Down", service=service, severity="SEV1")
    policy.assignments.all().delete()

    said = opened()

    assert "From here to your first page" not in said
    assert said.index("Open incidents") < said.index("Say who is asked next")


def test_a_piece_is_just_the_piece(client, root):
    client.force_login(root)

    for name in ["now", "charts", "set-up", "trial"]:
        answer = client.get(f"/admin/cockpit/{name}/", headers=LIVE)
        assert answer.status_code == 200
        assert b"<html" not in answer.content
        assert "no-store" in answer["Cache-Control"]


def test_a_piece_in_the_address_bar_leads_to_the_page(client, root):
    client.force_login(root)

    assert client.get("/admin/cockpit/now/").url == "/admin/"


@pytest.mark.parametrize("path", ["", "cockpit/now/", "set-up/", "page-me/"])
def test_it_is_for_whoever_opens_the_admin(client, bob, path):
    assert client.get(f"/admin/{path}", headers=LIVE).status_code == 302
    client.force_login(bob)

    assert client.get(f"/admin/{path}", headers=LIVE).status_code in {302, 403}


def test_without_javascript_it_is_shown_and_loads_itself_again(client, root):
    client.force_login(root)

    html = client.get("/admin/").content.decode()

    assert '<noscript><meta http-equiv="refresh" content="30"></noscript>' in html
    assert re.search(
        r"<noscript><link href=\"[^\"]*noscript.css\" rel=\"stylesheet\"></noscript>", html
    )


def test_the_whole_list_can_be_read_at_any_time(opened, set_up, clock):
    assert "What a page needs 10 of 10 done" in opened("/admin/set-up/")


def test_the_button_pages_the_one_who_presses_it(client, root, set_up, clock):
    give_phone(root)
    client.force_login(root)

    client.post("/admin/page-me/")

    said = words(client.get("/admin/").content.decode())
    assert "The alert was taken in from Monitor" in said
    assert "It became [TEST] INC-" in said
    assert "Recorder (tests) to root: on its way" in said
    client.post("/admin/page-me/", {"end": "1"})
    assert "It was not acknowledged" in words(client.get("/admin/").content.decode())


def test_the_button_says_what_is_in_the_way(client, root, set_up, clock):
    client.force_login(root)

    answer = client.post("/admin/page-me/", follow=True)

    assert "You cannot be paged yet" in words(answer.content.decode())


def test_a_get_pages_nobody(client, root, set_up, clock):
    client.force_login(root)

    assert client.get("/admin/page-me/").status_code == 405


# --- the way around -------------------------------------------------------------------------------


def test_the_sidebar_leads_to_every_list_that_may_be_seen(client, root, alice):
    client.force_login(root)
    html = client.get("/admin/").content.decode()
    links = re.findall(r'<a href="(/admin/[^"]*)"', html[html.index("nav-sidebar-apps") :])

    assert len(links) >= 20
    for link in links:
        assert client.get(link).status_code == 200, link
    client.force_login(alice)
    for link in re.findall(r'<li><a href="(/admin/[^"]*)"', client.get("/admin/").content.decode()):
        assert client.get(link).status_code == 200, link


def test_profile_and_way_out_are_on_every_page(client, root):
    client.force_login(root)

    html = client.get("/admin/incidents/incident/").content.decode()

    assert 'href="/me/"' in html
    assert re.search(r'<form[^>]*action="/logout/"', html)


# --- how often it asks ----------------------------------------------------------------------------


def make_many(places, root):
    escalation.assign_policy(EscalationPolicy.objects.get(), actor=root)
    for place in places:
        team = TeamFactory(name=f"Team {place}")
        person = UserFactory(username=f"person-{place}")
        MembershipFactory(team=team, user=person, role="manager")
        give_phone(person)
        oncall.default_schedule_for(team, actor=root)
        service = ServiceFactory(name=f"Service {place}", team=team)
        incident = core.declare(title="Down", service=service, severity="SEV2")
        core.acknowledge(incident, actor=person)
        core.assign_role(incident, role="commander", user=person, actor=person)


@pytest.mark.parametrize(
    ("path", "most"), [("/admin/", MOST_QUERIES_OF_PAGE), ("/admin/cockpit/now/", MOST_QUERIES)]
)
def test_it_asks_as_often_for_fifty_as_for_one(client, root, set_up, policy, clock, path, most):
    make_many(range(1), root)
    client.force_login(root)
    client.get(path, headers=LIVE)
    with CaptureQueriesContext(connection) as of_one:
        client.get(path, headers=LIVE)
    make_many(range(1, 50), root)

    with CaptureQueriesContext(connection) as of_fifty:
        answer = client.get(path, headers=LIVE)

    assert answer.status_code == 200
    assert len(of_fifty) == len(of_one)
    told = "\n".join(query["sql"][:150] for query in of_fifty)
    assert len(of_fifty) <= most, told


def test_timers_of_other_things_do_no_harm(now_piece, team, clock):
    timers.schedule("test.unknown", team, due_at=clock.at + timedelta(minutes=1))

    assert "Nothing is due." in now_piece()


def test_a_message_that_cannot_be_delivered_is_no_page(now_piece, clock):
    somebody = Address("recorder", "somebody")
    notifications.message(somebody, cause="x", subject="x", body="x")
    Delivery.objects.update(state="failed", ended_at=clock.at, last_error="Gone")

    assert "Gone" not in now_piece()
