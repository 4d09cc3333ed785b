"""What escalates by itself, on the incident's pages and in the form of escalating."""

import os

import pytest
from playwright.sync_api import Page, expect

from incidents.core import services as core
from incidents.core.models import Incident, Membership, Service
from incidents.runbooks import services as runbooks
from tests.browser import looks
from tests.browser.conftest import SIZES, Browse
from tests.browser.world import World, build

pytestmark = pytest.mark.usefixtures("transactional_db")

UNFOLD = "document.querySelectorAll('details').forEach(one => { one.open = true })"


@pytest.fixture
def world() -> World:
    return build()


@pytest.fixture
def down(world: World) -> Incident:
    runbooks.apply(runbooks.load("schedgen"), actor=None)
    runbooks.choose("schedgen", actor=None, team=world.team)
    Membership.objects.filter(user=world.alice).update(function="engineering-lead")
    service = Service.objects.select_related("team").get(pk=world.service.pk)
    incident = core.declare(title="Uploads fail", service=service, severity="SEV2")
    core.acknowledge(incident, actor=world.bob)
    return incident


@pytest.mark.parametrize("size", SIZES)
def test_the_admin_shows_when_whom_and_until(
    world: World, down: Incident, browse: Browse, size: dict[str, int]
) -> None:
    page = browse(world.alice, size)
    page.goto(f"/admin/incidents/incident/{down.pk}/change/")
    page.evaluate(UNFOLD)

    expect(page.get_by_role("heading", name="Escalation rules")).to_be_visible()
    expect(page.get_by_text("SEV-2 not resolved within 30 minutes").first).to_be_visible()
    expect(page.get_by_text("nobody has the function product-owner").first).to_be_visible()
    assert looks.too_wide(page) == []
    assert looks.barriers(page) == []
    shoot(page, f"rules-admin-{size['width']}")


@pytest.mark.parametrize("size", SIZES)
def test_the_phone_shows_it_too(
    world: World, down: Incident, browse: Browse, size: dict[str, int]
) -> None:
    page = browse(world.bob, size)
    page.goto(f"/i/{down.reference}/")
    page.evaluate(UNFOLD)

    expect(page.get_by_text("SEV-2 not resolved within 30 minutes")).to_be_visible()
    assert looks.too_wide(page) == []
    assert looks.barriers(page) == []
    shoot(page, f"rules-phone-{size['width']}")


@pytest.mark.parametrize("size", SIZES)
def test_a_fact_is_reported_by_the_form(
    world: World, down: Incident, browse: Browse, size: dict[str, int]
) -> None:
    page = browse(world.alice, size)
    page.goto(f"/admin/incidents/incident/{down.pk}/do/escalate/")
    assert looks.too_wide(page) == []
    assert looks.barriers(page) == []
    page.get_by_label("To whom?").select_option("fact:multiple_services")
    page.get_by_label("Why?").fill("Search is down as well")
    shoot(page, f"rules-form-{size['width']}")

    page.get_by_role("button", name="Escalate").click()

    page.get_by_role("heading", name="Timeline").wait_for()
    expect(page.get_by_text("Escalated to the Engineering lead").first).to_be_visible()


def shoot(page: Page, name: str) -> None:
    if folder := os.environ.get("LOOK"):
        page.screenshot(path=f"{folder}/{name}.png", full_page=True)
