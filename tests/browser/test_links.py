"""The link in a page: machines look at it, a person presses the button."""

import pytest

from incidents.core.models import Incident
from incidents.escalation.models import Page as Asked
from incidents.timers.models import Timer
from tests.browser.conftest import NARROW, Browse
from tests.browser.examples import links
from tests.browser.walking import said
from tests.browser.world import World, build

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def world() -> World:
    return build()


def state() -> list[object]:
    return [
        list(Incident.objects.order_by("pk").values()),
        list(Timer.objects.order_by("pk").values("pk", "state", "due_at")),
        list(Asked.objects.order_by("pk").values()),
    ]


def test_a_scanner_changes_nothing_and_then_the_person_acknowledges(
    browse: Browse, world: World
) -> None:
    link = f"/a/{links()[0]}/"
    before = state()

    scanner = browse()
    for _ in range(10):
        scanner.request.head(link)
        scanner.request.get(link)
        scanner.goto(link)
        scanner.wait_for_load_state("networkidle")
    assert state() == before

    phone = browse(size=NARROW)
    phone.goto(link)
    phone.get_by_role("button", name="Acknowledge").click()
    said(phone, "You have it")
    assert Incident.objects.get(pk=world.incidents["new"].pk).acknowledged_by == world.bob


def test_the_page_leads_on_to_the_incident_after_a_login(browse: Browse, world: World) -> None:
    phone = browse(world.bob, NARROW)
    phone.goto(f"/a/{links()[0]}/")

    phone.get_by_role("button", name="Acknowledge").click()
    phone.get_by_role("link", name="Say what you find").click()
    phone.get_by_label("Note").fill("The disk is full")
    phone.get_by_role("button", name="Add the note").click()

    said(phone, "The disk is full")
