"""The page of an incident that is worked through by a procedure of its runbook."""

import os

import pytest
from playwright.sync_api import expect

from incidents.core import services as core
from incidents.core.models import Incident, Service
from incidents.runbooks import services as runbooks
from tests.browser import looks
from tests.browser.conftest import NARROW, WIDE, Browse
from tests.browser.world import World, build

pytestmark = pytest.mark.usefixtures("transactional_db")


@pytest.fixture
def world() -> World:
    return build()


@pytest.fixture
def down(world: World) -> Incident:
    runbooks.apply(runbooks.load("tps"), actor=None)
    runbooks.choose("tps", actor=None, team=world.team)
    service = Service.objects.select_related("team").get(pk=world.service.pk)
    incident = core.declare(
        title="Orders vanish", service=service, incident_type="service-unavailable", actor=world.bob
    )
    core.acknowledge(incident, actor=world.bob)
    steps = incident.checklist.exclude(procedure="").order_by("position")
    for step in steps[:5]:
        core.tick(step, actor=world.bob)
    return incident


@pytest.mark.parametrize("size", [WIDE, NARROW], ids=["wide", "narrow"])
def test_it_stands_beside_the_timeline_or_below_it(
    world: World, down: Incident, browse: Browse, size: dict[str, int]
) -> None:
    page = browse(world.alice, size)
    page.goto(f"/admin/incidents/incident/{down.pk}/change/")
    expect(page.get_by_role("heading", name="Procedure: Service unavailable")).to_be_visible()

    story, plan = page.locator("#timeline").bounding_box(), page.locator("#plan").bounding_box()
    assert story and plan
    if size == WIDE:
        assert plan["x"] >= story["x"] + story["width"]
    else:
        assert plan["y"] >= story["y"] + story["height"]
    assert looks.too_wide(page) == []
    assert looks.barriers(page) == []
    looks.darken(page)
    assert looks.barriers(page) == []
    looks.lighten(page)
    shoot(page, f"admin-{size['width']}")


def shoot(page, name):
    if folder := os.environ.get("LOOK"):
        page.screenshot(path=f"{folder}/{name}.png", full_page=True)


def test_a_step_is_ticked_on_a_phone_without_javascript(
    world: World, down: Incident, browse: Browse
) -> None:
    page = browse(world.bob, NARROW, java_script_enabled=False)
    page.goto(f"/i/{down.reference}/")
    shoot(page, "pocket-390")
    button = page.get_by_role("button", name="Done: Is the CPU")

    button.click()

    expect(page.get_by_role("button", name="Not done after all: Is the CPU")).to_be_visible()
    assert page.url.endswith("#plan")
    done = down.checklist.get(text__startswith="Is the CPU")
    assert done.ticked_by == world.bob
