import re

import pytest

from incidents.core import services as core
from incidents.core.models import Incident, Kind
from incidents.escalation.models import Page
from incidents.notifications.transports.recorder import Recorder
from incidents.timers.models import Timer
from tests.escalation.stage import link_in, settle

pytestmark = pytest.mark.django_db


@pytest.fixture
def link(declared, phones):
    """The path of the link in Bob's page."""
    settle()
    (sent,) = Recorder.sent
    Recorder.sent.clear()
    return link_in(sent)


def text(response):
    return re.sub(r"\s+", " ", response.content.decode())


def state():
    return (
        Incident.objects.values().get(),
        list(Timer.objects.order_by("pk").values()),
        list(Page.objects.values()),
    )


def test_the_page_says_what_it_is_about(client, link, declared):
    page = client.get(link)

    assert page.status_code == 200
    for said in ["SEV1 Checkout", "Checkout is down", declared.reference, "by nobody", "As Bob"]:
        assert said in text(page)
    assert '<button type="submit" class="big alarm">Acknowledge</button>' in text(page)


def test_the_page_says_what_is_known_and_when_it_goes_on(client, policy, service, phones, clock):
    core.declare(
        title="Checkout is down", service=service, severity="SEV1", description="No answer. " * 100
    )
    settle()
    link = link_in(Recorder.sent[0])

    page = text(client.get(link))

    assert "No answer. No answer." in page
    assert "No answer. " * 50 not in page
    assert "the next step is taken at 2026-03-02 10:05 UTC" in page
    client.post(link)
    assert "the next step" not in text(client.get(link))


def test_it_leads_to_where_more_can_be_done_after_logging_in(client, link, declared, bob):
    client.post(link)
    page = client.get(link).content.decode()

    onward = re.search(r'href="([^"]+)"[^>]*>Say what you find', page).group(1)

    assert onward == f"/i/{declared.reference}/"
    assert client.get(onward)["Location"] == f"/login/?next={onward}"
    client.force_login(bob)
    assert client.get(onward).status_code == 200


def test_it_shows_nothing_of_a_session_that_is_open_beside_it(client, link, alice):
    client.force_login(alice)

    page = text(client.get(link))

    assert "Log out" not in page
    assert "/me/" not in page


def test_times_are_those_of_the_person_with_utc_at_hand(client, link, bob):
    bob.timezone = "Europe/Berlin"
    bob.save()

    assert "2026-03-02 11:00 CET (10:00 UTC)" in text(client.get(link))


@pytest.mark.parametrize("method", ["get", "head", "options"])
def test_looking_changes_nothing_however_often(client, link, method):
    before = state()

    for _ in range(20):
        getattr(client, method)(link)

    assert state() == before


def test_pressing_the_button_acknowledges_as_the_person_paged(client, link, bob):
    answer = client.post(link)

    assert (answer.status_code, answer["Location"]) == (302, link)
    incident = Incident.objects.get()
    assert incident.acknowledged_by == bob
    assert "link" in incident.timeline.get(kind=Kind.ACKNOWLEDGED).summary
    assert "You have it, Bob." in text(client.get(link))


def test_it_needs_no_session_and_no_csrf_token(link, bob):
    from django.test import Client

    answer = Client(enforce_csrf_checks=True).post(link)

    assert answer.status_code == 302
    assert Incident.objects.get().acknowledged_by == bob


def test_pressing_twice_changes_nothing_more(client, link):
    client.post(link)
    before = Incident.objects.get().timeline.count()

    client.post(link)

    assert Incident.objects.get().timeline.count() == before


def test_who_comes_second_joins(client, link, alice, declared):
    core.acknowledge(declared, actor=alice)
    assert "Alice has it already." in text(client.get(link))

    client.post(link)

    assert Incident.objects.get().acknowledged_by == alice
    assert declared.timeline.filter(kind=Kind.JOINED).count() == 1
    assert "You have joined, Bob." in text(client.get(link))


def test_the_link_of_an_older_page_still_acknowledges(client, link, bob, clock, phones):
    for minutes in [5, 10]:
        clock.forward(minutes=minutes)
        settle()

    client.post(link)

    assert Incident.objects.get().acknowledged_by == bob


def test_a_link_from_before_it_was_reopened_acknowledges_nothing(client, link, declared, alice):
    core.dismiss(declared, reason="A test", actor=alice)
    core.reopen(declared, reason="It was real", actor=alice)

    page = client.get(link)
    answer = client.post(link)

    assert "reopened since" in text(page)
    assert "<button" not in text(page)
    assert answer.status_code == 409
    assert not Incident.objects.get().is_acknowledged


def test_the_link_from_after_it_was_reopened_does(client, link, declared, alice, bob):
    core.dismiss(declared, reason="A test", actor=alice)
    core.reopen(declared, reason="It was real", actor=alice)
    settle()
    newest = [sent for sent in Recorder.sent if sent.urgency == "page"][-1]

    client.post(link_in(newest))

    assert Incident.objects.get().acknowledged_by == bob


def test_a_resolved_incident_says_so(client, link, declared, alice):
    core.dismiss(declared, reason="A test", actor=alice)

    page, answer = client.get(link), client.post(link)

    assert (page.status_code, answer.status_code) == (200, 409)
    assert "It is resolved." in text(page)
    assert "<button" not in text(page)


def test_a_deactivated_person_is_refused(client, link, bob, declared):
    bob.is_active = False
    bob.save()

    page, answer = client.get(link), client.post(link)

    assert (page.status_code, answer.status_code) == (403, 403)
    assert "Checkout is down" not in text(page)
    assert not Incident.objects.get().is_acknowledged


def test_somebody_who_may_not_see_it_any_more_is_refused(client, link, declared):
    Incident.objects.update(is_private=True)

    page, answer = client.get(link), client.post(link)

    assert (page.status_code, answer.status_code) == (403, 403)
    assert "Checkout is down" not in text(page)


@pytest.mark.parametrize("method", ["get", "post"])
@pytest.mark.parametrize("token", ["x", "a" * 43, "%00", "%F0%9F%98%80", "x" * 2_000])
def test_an_unknown_link_says_what_to_do(client, db, method, token):
    answer = getattr(client, method)(f"/a/{token}/")

    assert answer.status_code == 404
    assert "log in to Tocsin and acknowledge the incident there" in text(answer)


def test_nobody_keeps_the_address_and_nothing_is_loaded_from_elsewhere(client, link):
    for page in [client.get(link), client.post(link), client.get("/a/unknown/")]:
        assert page["Cache-Control"] == "no-store"
        assert page["Referrer-Policy"] == "no-referrer"
    page = client.get(link).content.decode()
    assert not re.search(r"<script|<style|style=|src=|https?://", page)
    loaded = re.findall(r'<link rel="stylesheet" href="([^"]+)"', page)
    assert loaded == ["/static/tocsin/pocket.css"]


def test_every_message_leads_to_the_page_for_phones(client, link, declared, policy, clock, alice):
    for minutes in [5, 10, 10, 5, 10, 10]:  # to the end of the ladder: the last resort is told
        clock.forward(minutes=minutes)
        settle()
    core.acknowledge(declared, actor=alice)
    core.dismiss(declared, reason="A test", actor=alice)
    settle()

    assert {sent.address for sent in Recorder.sent} >= {"bob", "alice", "dana", "duty"}
    for sent in Recorder.sent:
        assert f"/i/{declared.reference}/" in sent.text
        assert "/admin/" not in sent.text


def test_hostile_text_is_shown_as_text(client, policy, service, phones):
    core.declare(title="<script>alert(1)</script>", service=service, severity="SEV1")
    settle()

    page = client.get(link_in(Recorder.sent[0])).content.decode()

    assert "<script>" not in page
    assert "&lt;script&gt;" in page


def test_the_page_takes_few_queries(client, link, django_assert_max_num_queries):
    with django_assert_max_num_queries(3):
        client.get(link)
