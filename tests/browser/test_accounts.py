"""Getting in and being shut out, as people see it."""

import re

import pytest
from playwright.sync_api import Page, expect

from incidents.core import services as core
from incidents.core.models import User
from incidents.timers import clock
from tests.browser.conftest import NARROW, Browse
from tests.browser.walking import PASSWORD, give_password, log_in, press, said
from tests.browser.watch import Watch
from tests.browser.world import World, build, settle
from tests.notifications.smtp_sink import Sink, smtp_sink

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def world() -> World:
    return build()


@pytest.fixture
def mails(settings) -> Sink:
    with smtp_sink() as sink:
        settings.SMTP_HOST, settings.SMTP_PORT = "127.0.0.1", sink.port
        settings.SMTP_STARTTLS = settings.SMTP_SSL = False
        yield sink


def link_in_the_last(mails: Sink) -> str:
    settle()
    body = mails.mails[-1].get_body(("plain",)).get_content()
    found = re.search(r"/welcome/\S+/\S+/", body)
    assert found, body
    return found[0]


def sets_password(page: Page) -> None:
    for label in ["New password", "The same again"]:
        page.get_by_label(label).fill(PASSWORD)
    page.locator("main form").get_by_role("button").last.click()


def test_an_open_cockpit_leads_to_the_login_when_its_reader_is_deactivated(
    browse: Browse, watch: Watch, world: World
) -> None:
    page = browse(world.alice)
    page.goto("/admin/")
    expect(page.get_by_text("Open incidents").first).to_be_visible()

    core.deactivate_person(world.alice, actor=world.root)

    page.wait_for_url("**/login/**", timeout=20_000)
    give_password(User.objects.get(pk=world.alice.pk))
    log_in(page, "alice")
    expect(page.get_by_role("button", name="Log in")).to_be_visible()


def test_a_manager_deactivates_somebody_and_sees_before_what_follows(
    browse: Browse, world: World
) -> None:
    page = browse(world.root)
    page.goto(f"/admin/incidents/user/{world.bob.pk}/change/")

    press(page, "Deactivate")
    said(page, "Payments")
    page.get_by_role("button", name="Deactivate").click()

    page.wait_for_url("**/change/")
    assert not User.objects.get(pk=world.bob.pk).is_active


def test_after_too_many_guesses_the_door_is_shut_and_says_for_how_long(
    browse: Browse, world: World
) -> None:
    give_password(world.bob)
    page = browse(size=NARROW)
    page.goto("/login/")

    for _ in range(30):
        log_in(page, "bob", "not the password")
        page.wait_for_load_state()
        if not page.get_by_role("button", name="Log in").is_visible():
            break

    said(page, re.compile(r"\d+ (s|min|h)|second|minute"))


def test_a_forgotten_password_is_set_anew_by_a_link(
    browse: Browse, world: World, mails: Sink
) -> None:
    User.objects.filter(pk=world.bob.pk).update(last_login=clock.now())
    page = browse(size=NARROW)
    page.goto("/login/")
    page.get_by_role("link", name="forgotten").click()
    page.get_by_label("Username").fill("bob")
    page.locator("main form").get_by_role("button").click()
    said(page, re.compile("link", re.I))

    page.goto(link_in_the_last(mails))
    sets_password(page)

    page.wait_for_url("**/i/")
    other = browse()
    other.goto("/login/")
    log_in(other, "bob")
    other.wait_for_url("**/i/")


def test_somebody_is_invited_by_mail_and_says_how_to_be_reached(
    browse: Browse, world: World, mails: Sink
) -> None:
    desk = browse(world.root)
    desk.goto("/admin/incidents/user/add/")
    desk.get_by_label("Username").fill("nina")
    desk.get_by_label("E-mail").or_(desk.get_by_label("Email")).fill("nina@example.org")
    desk.get_by_label("First name").fill("Nina")
    desk.locator("[name=team]").select_option(label="Payments")
    desk.get_by_role("button", name=re.compile("^(Save|Invite)")).first.click()
    said(desk, "Nina")

    phone = browse(size=NARROW)
    phone.goto(link_in_the_last(mails))
    sets_password(phone)

    phone.wait_for_url("**/me/**")
    said(phone, "Welcome to Tocsin")
