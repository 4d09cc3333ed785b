"""Two people at once: each sees what the other did, and nobody overwrites anything."""

import pytest
from playwright.sync_api import expect

from incidents.core import services as core
from incidents.core.models import Incident, Kind
from tests.browser.conftest import NARROW, Browse
from tests.browser.walking import page_of, press, said
from tests.browser.world import World, build

pytestmark = pytest.mark.django_db(transaction=True)
LIVE_MS = 15_000


@pytest.fixture
def world() -> World:
    return build()


@pytest.fixture
def incident(world: World) -> Incident:
    return core.declare(title="It is slow", service=world.service, severity="SEV2")


def test_the_second_one_joins_instead_of_taking_it_away(
    browse: Browse, world: World, incident: Incident
) -> None:
    alice, root = browse(world.alice), browse(world.root)
    for page in [alice, root]:
        page.goto(page_of(incident))

    press(alice, "Acknowledge")
    said(alice, "You have it.")
    root.get_by_role("button", name="Acknowledge", exact=True).or_(
        root.get_by_role("button", name="Join", exact=True)
    ).click()

    said(root, "You joined")
    incident.refresh_from_db()
    assert incident.acknowledged_by == world.alice


def test_what_somebody_else_said_meanwhile_is_shown_before_it_is_overwritten(
    browse: Browse, world: World, incident: Incident
) -> None:
    alice, root = browse(world.alice), browse(world.root)
    for page in [alice, root]:
        page.goto(page_of(incident))
        press(page, "Identified")
        page.locator("[name=suspected_cause]").fill(f"As {page.context} sees it")
    alice.locator("[name=suspected_cause]").fill("A full disk")
    root.locator("[name=suspected_cause]").fill("The network")

    alice.get_by_role("button", name="Identified", exact=True).click()
    said(alice, "It is marked identified.")
    root.get_by_role("button", name="Identified", exact=True).click()

    said(root, "A full disk")
    incident.refresh_from_db()
    assert incident.suspected_cause == "A full disk"
    assert incident.timeline.filter(kind=Kind.IDENTIFIED).count() == 1


def test_a_severity_changed_meanwhile_is_not_changed_back_by_an_old_page(
    browse: Browse, world: World, incident: Incident
) -> None:
    alice, root = browse(world.alice), browse(world.root)
    for page in [alice, root]:
        page.goto(page_of(incident))
        page.get_by_text("Severity: SEV2", exact=True).click()
        page.locator("[name=reason]:visible").fill("I know better")

    alice.locator("[name=severity]:visible").select_option("SEV1")
    alice.get_by_role("button", name="Change severity").click()
    said(alice, "Severity is SEV1 now.")
    root.locator("[name=severity]:visible").select_option("SEV3")
    root.get_by_role("button", name="Change severity").click()

    said(root, "Meanwhile")
    incident.refresh_from_db()
    assert incident.severity == "SEV1"
    root.get_by_role("button", name="Change severity all the same").click()
    said(root, "Severity is SEV3 now.")


def test_every_open_page_shows_what_happened_without_being_loaded_again(
    browse: Browse, world: World, incident: Incident
) -> None:
    cockpit, desk = browse(world.root), browse(world.alice)
    phone = browse(world.bob, NARROW)
    cockpit.goto("/admin/")
    desk.goto(page_of(incident))
    phone.goto(f"/i/{incident.reference}/")
    for page in [cockpit, desk, phone]:
        page.evaluate("window.untouched = true")

    core.acknowledge(incident, actor=world.vera)
    core.note(incident, text="The disk is full", actor=world.vera)
    core.declare(title="Another one", service=world.service, severity="SEV3")

    expect(desk.get_by_text("Vera has it").first).to_be_visible(timeout=LIVE_MS)
    expect(desk.get_by_text("The disk is full").first).to_be_visible(timeout=LIVE_MS)
    expect(phone.get_by_text("Vera has it").first).to_be_visible(timeout=LIVE_MS)
    expect(cockpit.get_by_text("Another one").first).to_be_visible(timeout=LIVE_MS)
    for page in [cockpit, desk, phone]:
        assert page.evaluate("window.untouched")
