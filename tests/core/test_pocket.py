"""The responder's pages, through a browser without JavaScript."""

import re
from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from incidents.core import services
from incidents.core.models import Incident, IncidentRole, Kind, Status, TimelineEntry
from tests.conftest import MONDAY
from tests.factories import MembershipFactory, ServiceFactory, UserFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def phone(client, bob):
    client.force_login(bob)
    return client


@pytest.fixture
def viewer(team):
    user = UserFactory(username="victor")
    MembershipFactory(team=team, user=user, role="viewer")
    return user


def text(response):
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", response.content.decode()))


def page_of(incident):
    return f"/i/{incident.reference}/"


def do(phone, incident, verb, **facts):
    return phone.post(f"{page_of(incident)}{verb}/", facts, follow=True)


def seen_on(phone, incident):
    html = phone.get(page_of(incident)).content.decode()
    return re.search(r'name="seen" value="(\d+)"', html).group(1)


# --- The list -------------------------------------------------------------------------------------


def test_it_asks_to_log_in_and_comes_back(client, incident):
    for path in ["/i/", page_of(incident), f"{page_of(incident)}note/", "/me/", "/me/tokens/new/"]:
        answer = client.get(path)
        assert (answer.status_code, answer["Location"]) == (302, f"/login/?next={path}")


def test_nothing_open_is_said_in_words(phone):
    assert "Nothing is open." in text(phone.get("/i/"))


def test_mine_come_first_then_what_nobody_has_the_worst_first(phone, service, bob, alice, clock):
    def declare(title, severity):
        return services.declare(title=title, service=service, severity=severity)

    declare("calm", "SEV4")
    services.acknowledge(declare("with alice", "SEV1"), actor=alice)
    declare("bad", "SEV2")
    declare("worst", "SEV1")
    services.acknowledge(declare("mine", "SEV3"), actor=bob)
    commanded = declare("commanded", "SEV4")
    services.assign_role(commanded, role=IncidentRole.COMMANDER, user=bob, actor=alice)

    titles = re.findall(r'class="title">([^<]+)<', phone.get("/i/").content.decode())

    assert titles == ["commanded", "mine", "worst", "bad", "calm", "with alice"]


def test_the_list_says_age_state_and_holder(phone, incident, alice, clock):
    clock.forward(minutes=20)
    services.acknowledge(incident, actor=alice)

    shown = text(phone.get("/i/"))

    for said in ["SEV1 Checkout", "Alice has it", "Investigating", "20 min", incident.reference]:
        assert said in shown


def test_it_takes_the_same_queries_for_one_and_for_fifty(phone, service, incident):
    phone.get("/i/")
    with CaptureQueriesContext(
        connection,
    ) as one:
        phone.get("/i/")
    for n in range(49):
        services.declare(title=f"More {n}", service=ServiceFactory(), severity="SEV2")

    with CaptureQueriesContext(connection) as fifty:
        shown = phone.get("/i/")

    assert shown.content.decode().count('class="title"') == 50
    assert len(fifty) == len(one) <= 8


def test_what_is_over_is_found_for_a_week(phone, incident, alice, clock):
    services.dismiss(incident, reason="A test", actor=alice)
    assert "Checkout is down" not in text(phone.get("/i/"))

    assert "Checkout is down" in text(phone.get("/i/resolved/"))
    clock.forward(days=8)
    assert "Nothing was resolved" in text(phone.get("/i/resolved/"))


# --- One incident ---------------------------------------------------------------------------------


def test_the_page_says_what_is_known(phone, incident, alice):
    services.assign_role(incident, role=IncidentRole.COMMANDER, user=alice, actor=alice)
    services.identify(incident, suspected_cause="A full disk", actor=alice)

    shown = text(phone.get(page_of(incident)))

    for said in ["SEV1 Checkout", "Checkout is down", "Identified", "Nobody has it", "A full disk"]:
        assert said in shown
    assert "Commander Alice" in shown


def test_the_next_move_is_the_one_big_button(phone, incident, bob, clock):
    def next_move():
        html = phone.get(page_of(incident)).content.decode()
        return re.search(r'action="/i/[^/]+/([a-z-]+)/"', html).group(1)

    way = [next_move()]
    do(phone, incident, "acknowledge")
    way.append(next_move())
    do(phone, incident, "identify", suspected_cause="A full disk")
    way.append(next_move())
    do(phone, incident, "start-mitigating", mitigation="Deleting logs", kind="other")
    way.append(next_move())
    do(phone, incident, "mark-recovered")
    way.append(next_move())
    clock.forward(hours=1)
    do(phone, incident, "resolve", root_cause="No rotation of logs")

    assert way == ["acknowledge", "identify", "start-mitigating", "mark-recovered", "resolve"]
    done = Incident.objects.get()
    assert (done.status, done.root_cause) == (Status.RESOLVED, "No rotation of logs")
    assert done.acknowledged_by == bob
    assert {entry.actor for entry in done.timeline.filter(kind=Kind.IDENTIFIED)} == {bob}


def test_from_when_it_may_be_resolved_is_told_while_it_is_observed(phone, incident, bob, clock):
    services.mark_recovered(incident, actor=bob)

    observed = text(phone.get(page_of(incident)))
    clock.forward(minutes=10)
    afterwards = text(phone.get(page_of(incident)))

    assert "It may be resolved from" in observed
    assert "It may be resolved from" not in afterwards


def test_what_stands_in_the_way_is_said_before_and_after(phone, incident, alice, clock):
    services.identify(incident, suspected_cause="A full disk", actor=alice)
    services.start_mitigating(incident, mitigation="Deleting", kind="other", actor=alice)

    before = text(phone.get(f"{page_of(incident)}resolve/"))
    answer = phone.post(f"{page_of(incident)}resolve/", {"root_cause": "No rotation"})

    assert "It does not work again yet" in before
    assert answer.status_code == 409
    assert "Not yet. First: It does not work again yet" in text(answer)
    assert "No rotation" in text(answer)
    assert Incident.objects.get().is_open


def test_an_answer_that_is_missing_is_asked_for(phone, incident):
    answer = phone.post(f"{page_of(incident)}identify/", {"suspected_cause": " "})

    assert answer.status_code == 400
    assert "This field is required." in text(answer)
    assert Incident.objects.get().status == Status.INVESTIGATING


@pytest.mark.parametrize(
    ("verb", "facts", "kind"),
    [
        ("note", {"text": "Looking"}, Kind.NOTE),
        ("take-command", {}, Kind.ROLE_ASSIGNED),
        ("unacknowledge", {"reason": "Off to bed"}, Kind.UNACKNOWLEDGED),
        ("relapse", {}, Kind.RELAPSED),
        ("dismiss", {"reason": "A test"}, Kind.DISMISSED),
        ("change-severity", {"severity": "SEV2", "reason": "Only a part"}, Kind.SEVERITY_CHANGED),
    ],
)
def test_everything_else_is_done_there_too(phone, incident, bob, verb, facts, kind):
    services.acknowledge(incident, actor=bob)
    if verb == "relapse":
        services.mark_recovered(incident, actor=bob)

    answer = do(phone, incident, verb, **facts)

    assert answer.redirect_chain == [(page_of(incident), 302)]
    assert incident.timeline.filter(kind=kind, actor=bob).count() == 1
    assert 'class="message success"' in answer.content.decode()


def test_who_comes_second_joins_with_the_same_button(phone, incident, alice, bob):
    services.acknowledge(incident, actor=alice)

    do(phone, incident, "acknowledge")

    assert Incident.objects.get().acknowledged_by == alice
    assert incident.timeline.filter(kind=Kind.JOINED, actor=bob).exists()


def test_the_story_is_told_newest_first_and_whole_when_asked(phone, incident, alice, clock):
    for n in range(40):
        services.note(incident, text=f"note {n:02}", actor=alice)

    told = re.findall(r"note \d\d", phone.get(page_of(incident)).content.decode())
    whole = re.findall(r"note \d\d", phone.get(f"{page_of(incident)}?all").content.decode())

    assert told == [f"note {n:02}" for n in range(39, 9, -1)]
    assert len(whole) == 40


# --- Two people at once ---------------------------------------------------------------------------


def test_the_second_sees_what_happened_and_nothing_is_overwritten(phone, incident, alice, bob):
    seen = seen_on(phone, incident)
    services.assign_role(incident, role=IncidentRole.COMMANDER, user=alice, actor=alice)

    answer = phone.post(f"{page_of(incident)}take-command/", {"seen": seen})

    assert answer.status_code == 409
    assert "Alice is commander." in text(answer)
    assert incident.roles.get(until=None).user == alice

    again = re.search(r'name="seen" value="(\d+)"', answer.content.decode()).group(1)
    phone.post(f"{page_of(incident)}take-command/", {"seen": again})
    assert incident.roles.get(until=None).user == bob


def test_what_was_typed_too_late_is_not_lost(phone, incident, alice):
    seen = seen_on(phone, incident)
    services.identify(incident, suspected_cause="A full disk", actor=alice)

    answer = phone.post(
        f"{page_of(incident)}identify/", {"suspected_cause": "A broken fan", "seen": seen}
    )

    assert answer.status_code == 409
    for said in ["does not fit any more", "Identified: A full disk", "A broken fan"]:
        assert said in text(answer)
    assert Incident.objects.get().suspected_cause == "A full disk"


def test_what_only_adds_waits_for_nobody(phone, incident, alice):
    seen = seen_on(phone, incident)
    services.change_severity(incident, severity="SEV2", reason="Only a part", actor=alice)

    answer = do(phone, incident, "note", text="Looking", seen=seen)

    assert answer.status_code == 200
    assert incident.timeline.filter(kind=Kind.NOTE).count() == 1


# --- Who may --------------------------------------------------------------------------------------


def test_viewers_see_and_do_not_act(client, incident, viewer):
    client.force_login(viewer)

    page = client.get(page_of(incident))
    answer = client.post(f"{page_of(incident)}acknowledge/")

    assert page.status_code == 200
    assert "You may look, but not act" in text(page)
    assert not re.search(r'action="/i/', page.content.decode())
    assert answer.status_code == 403
    assert not Incident.objects.get().is_acknowledged


def test_a_private_incident_is_not_there_for_others(phone, service, alice, bob):
    secret = services.declare(
        title="A leak", service=service, severity="SEV1", is_private=True, audience=[alice]
    )

    assert "A leak" not in text(phone.get("/i/"))
    for answer in [
        phone.get(page_of(secret)),
        phone.get(f"{page_of(secret)}note/"),
        phone.post(f"{page_of(secret)}acknowledge/"),
    ]:
        assert answer.status_code == 404
        assert "A leak" not in text(answer)
    phone.force_login(alice)
    assert "A leak" in text(phone.get(page_of(secret)))


def test_what_does_not_exist_is_a_404(phone, incident):
    for path in ["/i/INC-none/", f"{page_of(incident)}explode/", "/i/INC-none/note/"]:
        assert phone.get(path).status_code == 404


def test_looking_changes_nothing(phone, incident):
    before = (Incident.objects.values().get(), TimelineEntry.objects.count())

    for verb in ["", "acknowledge/", "take-command/", "mark-recovered/", "dismiss/", "resolve/"]:
        for method in [phone.get, phone.head]:
            assert method(f"{page_of(incident)}{verb}").status_code == 200

    assert (Incident.objects.values().get(), TimelineEntry.objects.count()) == before


def test_a_foreign_page_cannot_press_the_buttons(bob, incident):
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(bob)

    answer = browser.post(f"{page_of(incident)}acknowledge/")

    assert answer.status_code == 403
    assert "Nothing was done yet" in text(answer)
    assert not Incident.objects.get().is_acknowledged


# --- Oneself --------------------------------------------------------------------------------------


def test_name_and_zone_are_ones_own_to_change(phone, bob):
    facts = {"first_name": "Robert", "last_name": "Tables", "timezone": "Europe/Berlin"}

    answer = phone.post("/me/", facts, follow=True)

    bob.refresh_from_db()
    assert (str(bob), bob.timezone) == ("Robert Tables", "Europe/Berlin")
    assert "Your profile is saved." in text(answer)


def test_a_zone_that_is_none_is_refused(phone, bob):
    phone.post("/me/", {"first_name": "Bob", "timezone": "Moon/Crater"})

    bob.refresh_from_db()
    assert bob.timezone == "UTC"


def test_a_token_is_shown_once_and_works(phone, bob, clock):
    made = phone.post("/me/tokens/new/", {"name": "night job", "scope": "respond", "days": "30"})
    secret = re.search(r"tocsin_[\w-]{43}", made.content.decode()).group()

    token = services.token_for(secret)
    assert (token.user, token.scope) == (bob, "respond")
    assert token.expires_at == MONDAY + timedelta(days=30)
    assert "no-store" in made["Cache-Control"]
    assert "night job" in text(phone.get("/me/"))
    assert secret not in phone.get("/me/").content.decode()

    phone.post(f"/me/tokens/{token.pk}/revoke/")
    assert services.token_for(secret) is None
    assert "“night job” opens nothing any more." in text(phone.get("/me/"))
    assert "night job" not in text(phone.get("/me/"))


@pytest.mark.parametrize(
    ("who", "scopes"),
    [
        ("viewer", ["read"]),
        ("bob", ["read", "respond"]),
        ("alice", ["read", "respond", "manage"]),
    ],
)
def test_a_token_may_no_more_than_its_owner(client, request, clock, who, scopes):
    client.force_login(user := request.getfixturevalue(who))

    for scope in ["read", "respond", "manage"]:
        client.post("/me/tokens/new/", {"name": scope, "scope": scope, "days": ""})

    assert sorted(user.api_tokens.values_list("scope", flat=True)) == sorted(scopes)


def test_a_token_of_somebody_else_cannot_be_revoked(phone, alice, clock):
    token, secret = services.issue_token(alice, name="hers", scope="read")

    assert phone.post(f"/me/tokens/{token.pk}/revoke/").status_code == 404
    assert services.token_for(secret) == token


# --- Every page -----------------------------------------------------------------------------------


def test_no_page_has_style_or_script_of_its_own(phone, incident):
    paths = ["/i/", "/i/resolved/", "/me/", "/me/tokens/new/", "/me/contacts/add/"]
    paths += ["/me/contacts/rules/", page_of(incident), "/nothing/here/"]
    paths += [f"{page_of(incident)}{verb}/" for verb in ["acknowledge", "resolve", "note"]]

    for path in paths:
        html = phone.get(path).content.decode()
        assert not re.search(r"<style|\sstyle=|\son\w+=|<script(?![^>]*\ssrc=)", html), path
        assert not re.search(r'(src|href)="(https?:)?//', html), path


def test_a_fault_of_ours_is_said_in_words(bob, incident, monkeypatch):
    def broken(*_args, **_facts):
        raise RuntimeError("a fault")

    monkeypatch.setattr(services, "policy_of", broken)
    browser = Client(raise_request_exception=False)
    browser.force_login(bob)

    answer = browser.get(page_of(incident))

    assert answer.status_code == 500
    assert "Something broke in Tocsin" in text(answer)
    assert "a fault" not in text(answer)


def test_hostile_text_is_shown_as_text(phone, service, alice, clock):
    evil = "<script>alert(1)</script>"
    incident = services.declare(title=evil, service=service, severity="SEV1", description=evil)
    services.note(incident, text=evil, actor=alice)

    for path in ["/i/", page_of(incident), f"{page_of(incident)}note/"]:
        html = phone.get(path).content.decode()
        assert "<script>alert" not in html
        assert "&lt;script&gt;" in html


# --- Declaring ------------------------------------------------------------------------------------


def test_a_responder_declares_what_no_monitor_saw(phone, service, clock):
    once = re.search(r'name="once" value="([\w-]{36})"', phone.get("/i/declare/").content.decode())
    facts = {"title": "Nobody can pay", "service": service.pk, "once": once.group(1)}

    answer = phone.post("/i/declare/", facts, follow=True)
    phone.post("/i/declare/", facts)  # a thumb that trembles

    assert "is declared." in text(answer)
    declared = Incident.objects.get()
    assert (declared.title, declared.declared_via) == ("Nobody can pay", "phone")


def test_whoever_goes_back_and_corrects_it_declares_another(phone, service, clock):
    """The browser's "back" shows the very same form: what is another matter must not be lost."""
    once = "0b9b7f0e-0000-4000-8000-000000000000"
    facts = {"title": "Down", "service": service.pk, "severity": "SEV4", "once": once}
    phone.post("/i/declare/", facts)
    phone.post("/i/declare/", facts | {"severity": "SEV1"})
    other = ServiceFactory()
    phone.post("/i/declare/", facts | {"service": other.pk})

    found = Incident.objects.order_by("pk").values_list("severity", "service")
    assert list(found) == [("SEV4", service.pk), ("SEV1", service.pk), ("SEV4", other.pk)]


def test_without_a_title_nothing_is_declared(phone, service):
    answer = phone.post("/i/declare/", {"service": service.pk, "title": " "})

    assert answer.status_code == 400
    assert "This field is required." in text(answer)
    assert not Incident.objects.exists()


def test_a_viewer_is_not_asked_to_declare(client, viewer):
    client.force_login(viewer)

    assert "Declare" not in text(client.get("/i/"))
    assert client.get("/i/declare/").status_code == 403
