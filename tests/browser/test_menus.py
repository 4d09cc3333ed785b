"""The menus on an incident's page: they cover nothing, and they close as people expect."""

import pytest

from incidents.core.models import Incident
from tests.browser.conftest import SIZES, Browse
from tests.browser.world import build

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize("size", SIZES)
def test_escape_and_a_click_elsewhere_close_them(browse: Browse, size: dict[str, int]) -> None:
    world = build()
    incident = Incident.objects.open().exclude(is_private=True).first()
    assert incident is not None
    page = browse(world.alice, size)
    page.goto(f"/admin/incidents/incident/{incident.pk}/change/")
    assert incident.reference in page.locator("header h1").inner_text()

    for name in ["Severity:", "Roles", "More…"]:
        summary = page.locator("summary", has_text=name).first
        menu = page.locator("details.t-menu", has=page.locator("summary", has_text=name)).first
        summary.click()
        page.get_by_label("Note", exact=True).click(trial=True)
        page.get_by_role("button", name="Add note").click(trial=True)
        page.keyboard.press("Escape")
        assert menu.get_attribute("open") is None
        assert summary.evaluate("element => element === document.activeElement")

        summary.click()
        page.locator("h2", has_text="Timeline").click()
        assert menu.get_attribute("open") is None
