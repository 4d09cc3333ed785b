"""The cockpit is alive, and says the same to a browser that runs no scripts."""

import re
from datetime import timedelta

import pytest
from playwright.sync_api import Page, expect

from incidents.timers import clock
from tests.browser.conftest import Browse
from tests.browser.watch import Watch
from tests.browser.world import World, build

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def world() -> World:
    return build()


def facts(page: Page) -> list[str]:
    """The words of the cockpit, without what changes with every second."""
    words = page.locator("#content, main").last.inner_text()
    words = re.sub(r"(in |for )?\d+ (s|min|h|d)( \d+ (s|min|h|d))*( overdue)?", "…", words)
    return [line.strip() for line in words.splitlines() if line.strip()]


def test_without_scripts_it_shows_the_same(browse: Browse, world: World) -> None:
    with_scripts, without = browse(world.root), browse(world.root, java_script_enabled=False)
    for page in [with_scripts, without]:
        page.goto("/admin/")

    expect(without.get_by_text("5xx on checkout").first).to_be_visible()
    assert facts(without) == facts(with_scripts)


def test_an_incident_is_acknowledged_without_scripts(browse: Browse, world: World) -> None:
    page = browse(world.root, java_script_enabled=False)
    page.goto("/admin/")

    page.get_by_role("link", name="5xx on checkout").click()
    page.get_by_role("button", name="Acknowledge", exact=True).click()

    expect(page.get_by_text("Root has it").first).to_be_visible()


def test_the_countdown_runs(browse: Browse, world: World) -> None:
    page = browse(world.root)
    page.goto("/admin/")
    countdown = page.locator("time[data-due]").first
    before = countdown.inner_text()

    expect(countdown).not_to_have_text(before, timeout=5_000)
    due = countdown.get_attribute("data-due")
    assert due is not None and due > (clock.now() - timedelta(hours=1)).isoformat()[:10]


def test_it_says_so_when_it_is_not_live_any_more(
    browse: Browse, watch: Watch, world: World
) -> None:
    page = browse(world.root)
    page.goto("/admin/")
    watch.allow(r"ERR_INTERNET_DISCONNECTED")

    page.context.set_offline(True)

    expect(page.get_by_text("not live since").first).to_be_visible(timeout=15_000)
