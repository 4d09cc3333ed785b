"""Lists of the admin: filters that people use, saved views, an export that runs nothing."""

import csv
import io

import pytest
from django.urls import reverse
from django.utils.html import format_html

from incidents.core import services
from incidents.core.adminsite import lists
from incidents.core.models import Incident, SavedView
from tests.factories import ServiceFactory, TeamFactory, UserFactory

pytestmark = pytest.mark.django_db

LIST = "admin:incidents_incident_changelist"
EXPORT = "admin:incidents_incident_export"
SAVE = "admin:incidents_incident_save_view"


@pytest.fixture
def page(client, alice):
    client.force_login(alice)
    return client


@pytest.fixture
def search(clock):
    """Another team's service."""
    return ServiceFactory(name="Search", team=TeamFactory(name="Finders", slug="finders"))


def titles(page, query=""):
    answer = page.get(reverse(LIST) + query)
    assert answer.status_code == 200
    return {incident.title for incident in answer.context_data["cl"].result_list}


def rows(page, query="", name=EXPORT):
    answer = page.get(reverse(name) + query)
    assert answer["Content-Type"] == "text/csv; charset=utf-8"
    return list(csv.reader(io.StringIO(answer.getvalue().decode())))


# --- Filters --------------------------------------------------------------------------------------


def test_open_is_one_of_the_states(page, incident, service, alice):
    over = services.declare(title="Over", service=service)
    services.dismiss(over, reason="x", actor=alice)

    assert titles(page, "?status=open") == {incident.title}
    assert titles(page, "?status=resolved") == {"Over"}


def test_mine_is_what_i_have_or_have_a_role_in(page, incident, service, alice, bob):
    mine = services.declare(title="I have it", service=service)
    services.acknowledge(mine, actor=alice)
    role = services.declare(title="I command it", service=service)
    services.assign_role(role, role="commander", user=alice, actor=bob)
    former = services.declare(title="I commanded it", service=service)
    services.assign_role(former, role="commander", user=alice, actor=bob)
    services.assign_role(former, role="commander", user=bob, actor=bob)

    assert titles(page, "?whose=me") == {"I have it", "I command it"}


def test_my_teams_is_what_its_services_have(page, incident, search):
    services.declare(title="Theirs", service=search)

    assert titles(page, "?whose=team") == {incident.title}
    assert titles(page, f"?service__id__exact={search.pk}") == {"Theirs"}


def test_the_severe_ones_together(page, incident, service):
    services.declare(title="Bad", service=service, severity="SEV2")
    services.declare(title="Small", service=service, severity="SEV4")

    assert titles(page, "?severity=high") == {incident.title, "Bad"}
    assert titles(page, "?severity=SEV4") == {"Small"}


def test_a_period_counts_from_the_declaration(page, incident, service, clock):
    clock.forward(days=8)
    services.declare(title="New", service=service)

    assert titles(page, "?declared=7") == {"New"}
    assert titles(page, "?declared=30") == {"New", incident.title}


def test_search_finds_reference_title_service_and_cause(page, incident, search, bob):
    services.declare(title="Other", service=search)
    services.identify(incident, suspected_cause="The pool is empty", actor=bob)

    for words in [incident.reference, "is down", "Checkout", "pool"]:
        assert titles(page, f"?q={words}") == {incident.title}


def test_quick_links_stand_above_the_list(page, incident):
    text = page.get(reverse(LIST) + "?status=open").content.decode()

    assert 'href="?whose=me&amp;status=open"' in text
    assert 'href="?status=open" aria-current="true"' in text


def test_cells_carry_their_columns_name_for_small_screens(page, incident):
    text = page.get(reverse(LIST)).content.decode()

    assert 'data-label="Severity"' in text
    assert 'data-label="Declared at"' in text


# --- Saved views ----------------------------------------------------------------------------------


def test_a_view_is_kept_shown_and_forgotten(page, incident, alice):
    saved = page.post(reverse(SAVE), {"name": "Bad ones", "query": "severity=high&p=3"})
    view = SavedView.objects.get()
    listed = page.get(reverse(LIST)).content.decode()
    page.post(reverse("admin:incidents_incident_forget_view", args=[view.pk]))

    assert saved["Location"] == reverse(LIST) + "?severity=high"
    assert (view.user, view.page, view.query) == (alice, "incidents.incident", "severity=high")
    assert '<a href="?severity=high">Bad ones</a>' in listed
    assert not SavedView.objects.exists()


def test_the_same_name_replaces_what_it_had(page):
    for query in ["severity=high", "status=open"]:
        page.post(reverse(SAVE), {"name": "Mine", "query": query})

    assert SavedView.objects.get().query == "status=open"


@pytest.mark.parametrize(
    "facts",
    [
        {"name": "", "query": "status=open"},
        {"name": "x" * 61, "query": "status=open"},
        {"name": "x", "query": ""},
        {"name": "x", "query": "q=" + "x" * 1000},
    ],
)
def test_what_makes_no_view_is_refused_with_a_sentence(page, facts):
    answer = page.post(reverse(SAVE), facts)

    assert answer.status_code == 302
    assert [message.level_tag for message in answer.wsgi_request._messages] == ["error"]
    assert not SavedView.objects.exists()


def test_nobody_forgets_somebody_elses_view(page, bob):
    view = services.save_view(page="incidents.incident", name="x", query="q=1", actor=bob)

    answer = page.post(reverse("admin:incidents_incident_forget_view", args=[view.pk]))

    assert answer.status_code == 404
    assert SavedView.objects.filter(pk=view.pk).exists()
    assert ">x</a>" not in page.get(reverse(LIST)).content.decode()


def test_a_get_saves_nothing(page):
    assert page.get(reverse(SAVE), {"name": "x", "query": "q=1"}).status_code == 405


# --- Export ---------------------------------------------------------------------------------------


def test_the_export_has_the_columns_and_follows_the_filters(page, incident, service, bob):
    services.acknowledge(incident, actor=bob)
    services.declare(title="Small", service=service, severity="SEV4")

    head, *body = rows(page, "?severity=high")

    assert head == [
        *("Id", "Reference", "Title", "Type", "Severity", "State", "Service"),
        *("Acknowledged by", "Declared at"),
    ]
    assert body == [
        [
            *(str(incident.pk), incident.reference, incident.title, "", "SEV1", "Investigating"),
            *("Checkout", "Bob", "2026-03-02T10:00:00+00:00"),
        ]
    ]


@pytest.mark.parametrize("first", ["=", "+", "-", "@"])
def test_a_formula_is_made_text(page, service, clock, first):
    services.declare(title=f'{first}HYPERLINK("http://evil.example","x")', service=service)

    (_, row) = rows(page)

    assert row[2].startswith(f"'{first}HYPERLINK")


@pytest.mark.parametrize("value", ["\t=1+1", "\r=1+1", "\n=1+1", "＝1+1"])
def test_blanks_hide_no_formula(value):
    assert lists.safe(value) == f"'{value}"


def test_what_was_made_for_a_page_is_exported_as_it_reads():
    assert lists.safe(format_html("<b>{}</b><br>{}", "R&D >", "=1")) == "R&D >; =1"
    assert lists.safe(format_html("<b>{}</b>", "=1")) == "'=1"


def test_numbers_stay_numbers():
    assert lists.safe(-5) == -5


def test_private_incidents_are_not_exported_to_others(page, service, bob, clock):
    services.declare(title="Leak", service=service, is_private=True, audience=[bob])

    assert rows(page)[1:] == []


def test_a_long_export_is_cut_and_says_so(page, service, clock, monkeypatch):
    monkeypatch.setattr(lists, "MOST_ROWS", 5)
    monkeypatch.setattr(lists, "CHUNK", 2)
    for number in range(6):
        services.declare(title=f"Number {number}", service=service)

    _, *body = rows(page)

    assert [row[2] for row in body[:5]] == [f"Number {n}" for n in [5, 4, 3, 2, 1]]
    assert body[5] == ["Cut after 5 rows: narrow the list and export the rest by itself."]


def test_an_unknown_filter_leads_back_to_the_list(page, incident):
    assert page.get(reverse(EXPORT) + "?nonsense__x=1").status_code == 302


def test_nobody_exports_who_does_not_open_the_admin(client, bob):
    client.force_login(bob)

    assert client.get(reverse(EXPORT)).status_code == 302


def test_pages_are_exported_with_their_fate(client, incident):
    client.force_login(UserFactory(username="root", is_superuser=True))

    head, *_ = rows(client, name="admin:escalation_page_export")

    assert "What became of it" in head


# --- Queries --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [LIST, "admin:incidents_timelineentry_changelist", EXPORT])
def test_as_many_queries_for_one_row_as_for_fifty(
    page, team, clock, bob, name, django_assert_max_num_queries
):
    def queries():
        with django_assert_max_num_queries(40) as captured:
            answer = page.get(reverse(name))
            assert answer.getvalue() if answer.streaming else answer.content
        return len(captured)

    def declare(number):
        service = ServiceFactory(name=f"Service {number}", team=team)
        incident = services.declare(title=f"Outage {number}", service=service)
        services.acknowledge(incident, actor=bob)

    declare(0)
    one = queries()
    for number in range(1, 50):
        declare(number)

    assert Incident.objects.count() == 50
    assert queries() == one
