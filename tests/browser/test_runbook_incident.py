"""An incident of a real runbook, from the form on, by tapping on a phone and nothing else."""

import os

import pytest
from playwright.sync_api import Page, expect

from incidents.comms.models import StatusUpdate
from incidents.core.models import ChecklistItem, Incident
from incidents.runbooks import services as runbooks
from tests.browser.conftest import NARROW, Browse
from tests.browser.world import World, build

pytestmark = pytest.mark.usefixtures("transactional_db")


@pytest.fixture
def world() -> World:
    world = build()
    runbooks.apply(runbooks.load("schedgen"), actor=None)
    runbooks.choose("schedgen", actor=None, team=world.team)
    return world


def look(page: Page, name: str) -> None:
    if folder := os.environ.get("LOOK"):
        page.screenshot(path=f"{folder}/{name}.png", full_page=True)


def more(page: Page, verb: str) -> None:
    page.locator("summary", has_text="More").click()
    page.get_by_role("link", name=verb).first.click()


def test_a_high_error_rate_is_worked_off_as_schedgen_says(world: World, browse: Browse) -> None:
    page = browse(world.bob, NARROW)
    page.goto("/i/declare/")
    page.get_by_label("Service").select_option(label=world.service.name)
    page.get_by_label("Type").select_option(label="High error rate (SEV-2)")
    page.get_by_label("Title").fill("Every tenth request fails")
    look(page, "1-declare")
    page.get_by_role("button", name="Declare").click()
    page.wait_for_url("**/i/INC-**")
    incident = Incident.objects.latest("pk")
    expect(page.get_by_text("High error rate").first).to_be_visible()

    page.get_by_role("button", name="Acknowledge", exact=True).click()
    expect(page.get_by_text("You have it", exact=True)).to_be_visible()
    plan = page.locator("#plan")
    expect(plan.get_by_role("heading", name="High error rate")).to_be_visible()
    look(page, "2-plan")
    first = (
        ChecklistItem.objects.filter(incident=incident).exclude(procedure="").earliest("position")
    )
    plan.get_by_role("button", name=f"Done: {first.text}").click()
    first.refresh_from_db()
    assert first.ticked_by == world.bob

    more(page, "Write an update")
    page.get_by_label("For whom?").select_option(label="Colleagues")
    page.get_by_label("What is known?").fill("Every tenth request fails since ten.")
    page.get_by_role("button", name="Preview").click()
    expect(page.get_by_role("heading", name="This is how it will read")).to_be_visible()
    look(page, "3-preview")
    assert not StatusUpdate.objects.filter(incident=incident, author=world.bob).exists()
    page.get_by_role("button", name="Write an update").click()
    page.wait_for_url(f"**/i/{incident.reference}/")
    assert StatusUpdate.objects.filter(incident=incident, author=world.bob).exists()
    look(page, "4-incident")
