"""The organisation's page refuses what would silently not work, and explains what it asks."""

import re

import pytest
from django.urls import reverse

from incidents.core import services
from incidents.core.models import Organisation
from tests.factories import MembershipFactory, TeamFactory, UserFactory

pytestmark = pytest.mark.django_db

PAGE = "admin:incidents_organisation_change"
FACTS = {
    "name": "Example Ltd",
    "timezone": "Europe/Berlin",
    "country": "DE",
    "subdivision": "",
    "storm_threshold": "10",
}


@pytest.fixture
def root(client):
    Organisation.objects.create(pk=1)
    person = UserFactory(username="root", is_staff=True, is_superuser=True)
    client.force_login(person)
    return person


def save(client, **facts):
    return client.post(reverse(PAGE, args=[1]), FACTS | facts, follow=True)


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        ({"country": "zz"}, "zz is not one of the available choices"),
        ({"country": "DE", "subdivision": "XX"}, "It has BB, BE, BW, BY"),
        ({"country": "", "subdivision": "BY"}, "Choose the country, too."),
        ({"country": "AF", "subdivision": "BY"}, "the same holidays everywhere"),
    ],
)
def test_a_place_whose_holidays_nobody_knows_is_refused(client, root, facts, said):
    assert said in save(client, **facts).text
    assert Organisation.current().name == "Our organisation"


def test_a_part_of_the_country_is_kept_as_its_holidays_are_known(client, root):
    save(client, subdivision="by")

    home = Organisation.current()
    assert (home.country, home.subdivision) == ("DE", "BY")


def test_countries_are_chosen_by_name(client, root):
    assert '<option value="DE">Germany (DE)</option>' in client.get(reverse(PAGE, args=[1])).text


def test_whoever_names_the_zone_reads_times_in_it(client, root):
    said = save(client).text

    root.refresh_from_db()
    assert root.timezone == "Europe/Berlin"
    assert "You read times in Europe/Berlin now, too." in said


def test_whoever_chose_another_zone_keeps_it(client, root):
    root.timezone = "Asia/Tokyo"
    root.save()

    save(client)

    root.refresh_from_db()
    assert root.timezone == "Asia/Tokyo"


@pytest.mark.parametrize("kind", ["organisation", "team"])
def test_a_runbook_is_asked_for_where_there_is_a_choice(client, root, kind):
    row = Organisation.current() if kind == "organisation" else TeamFactory()
    url = reverse(f"admin:incidents_{kind}_change", args=[row.pk])
    services.ensure_default_runbook()
    assert 'name="runbook"' not in client.get(url).text

    services.publish_revision(slug="bank", title="Bank", policies=[])

    shown = client.get(url).text
    assert '<option value="bank">bank</option>' in shown
    assert "“default” is built in." in shown


def test_cells_are_named_by_their_own_columns(client, root):
    """On a phone, where no column has a head: the team of a role is no target of a policy."""
    membership = MembershipFactory(user=root)

    shown = client.get(reverse("admin:incidents_user_change", args=[membership.user_id])).text

    names = re.findall(r'<span class="t-cell-name" aria-hidden="true">(.*?)</span>', shown)
    assert names[:3] == ["Team", "Role", "Function"]
