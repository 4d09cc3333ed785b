"""A runbook's page and the choice of one, opened and unfolded at a desk and on a phone."""

import pytest

from incidents.core.models import Organisation
from incidents.runbooks import services as runbooks
from tests.browser import looks
from tests.browser.conftest import SIZES
from tests.factories import UserFactory

pytestmark = pytest.mark.django_db(transaction=True)

UNFOLD = "document.querySelectorAll('details').forEach(one => { one.open = true })"


@pytest.mark.parametrize("size", SIZES)
def test_a_runbook_can_be_read(browse, size):
    root = UserFactory(is_staff=True, is_superuser=True)
    revision = runbooks.apply(runbooks.load("schedgen"), actor=None)
    page = browse(root, size)

    page.goto(f"/admin/incidents/runbookrevision/{revision.pk}/change/")
    page.evaluate(UNFOLD)

    assert page.get_by_text("docker exec redis redis-cli FLUSHDB").is_visible()
    assert page.get_by_text("5 min + deploy").first.is_visible()
    assert page.get_by_text("The last resort").is_visible()
    assert looks.barriers(page) == []
    assert looks.too_wide(page) == []
    looks.darken(page)
    assert looks.barriers(page) == []


@pytest.mark.parametrize("size", SIZES)
def test_one_is_chosen(browse, size):
    Organisation(pk=1).save()
    root = UserFactory(is_staff=True, is_superuser=True)
    page = browse(root, size)
    page.goto("/admin/incidents/organisation/1/do/runbook/")
    assert looks.barriers(page) == []
    assert looks.too_wide(page) == []

    page.get_by_label("TARS.").check()
    page.get_by_role("button", name="Choose a runbook").click()

    page.get_by_text("New incidents begin under “TARS”.").wait_for()
    assert Organisation.current().runbook == "tars"
