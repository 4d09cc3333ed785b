"""Who may open and do what: the roles against every page of the admin and the verbs on people."""

import pytest
from django.contrib import admin
from django.test import Client
from django.urls import reverse

from incidents.core import services
from incidents.core.access import require_manages
from incidents.core.errors import Forbidden
from incidents.core.models import Access, User
from tests.conftest import MONDAY
from tests.factories import MembershipFactory, ServiceFactory, TeamFactory, UserFactory

pytestmark = pytest.mark.django_db

EVERY_MODEL = sorted(admin.site._registry, key=lambda model: model._meta.label)
FOR_ADMINISTRATORS = {"incidents.LoginAttempt"}
# Whom the page of an empty form is for; whatever is not named here cannot be added by a form.
ADDED_BY_ANYBODY_IN_THE_ADMIN = {"incidents.ApiToken", "notifications.ContactMethod"}
ADDED_BY_MANAGERS = ADDED_BY_ANYBODY_IN_THE_ADMIN | {
    "incidents.Incident",
    "incidents.Service",
    "incidents.User",
    "escalation.EscalationPolicy",
    "escalation.PolicyAssignment",
    "comms.Stakeholders",
    "comms.TeamChannel",
    "comms.Component",
    "oncall.Schedule",
    "alerts.Source",
}
ADDED_BY_ADMINISTRATORS = ADDED_BY_MANAGERS | {
    "incidents.Organisation",
    "incidents.Team",
    "notifications.LastResortAddress",
}


@pytest.fixture
def people(team, service):
    """One of each kind; `guest` may look into the admin, `foreign` manages another team."""
    root = UserFactory(username="root", is_superuser=True, is_staff=True)
    guest = UserFactory(username="guest", is_staff=True)
    cast = {"administrator": root, "guest": guest}
    for role in ["viewer", "responder", "manager"]:
        cast[role] = UserFactory(username=role)
        MembershipFactory(team=team, user=cast[role], role=role)
    cast["foreign"] = UserFactory(username="foreign")
    other = TeamFactory(name="Search", slug="search")
    MembershipFactory(team=other, user=cast["foreign"], role="manager")
    return cast


@pytest.fixture
def browsers(people):
    found = {}
    for name, person in people.items():
        found[name] = Client()
        found[name].force_login(person)
    return found


def address(model, page, *args):
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{page}", args=args)


def test_every_list_opens_for_whom_it_is(browsers, subtests):
    for model in EVERY_MODEL:
        url = address(model, "changelist")
        others = 403 if model._meta.label in FOR_ADMINISTRATORS else 200
        with subtests.test(model._meta.label):
            answers = {name: browser.get(url).status_code for name, browser in browsers.items()}
            assert answers == {
                "administrator": 200,
                "manager": others,
                "foreign": others,
                "guest": others,
                "responder": 302,
                "viewer": 302,
            }


def test_adding_is_for_whom_it_is(browsers, subtests):
    for model in EVERY_MODEL:
        label, url = model._meta.label, address(model, "add")
        wanted = set()
        wanted |= {"administrator"} if label in ADDED_BY_ADMINISTRATORS else set()
        wanted |= {"manager", "foreign"} if label in ADDED_BY_MANAGERS else set()
        wanted |= {"guest"} if label in ADDED_BY_ANYBODY_IN_THE_ADMIN else set()
        with subtests.test(label):
            may = {who for who, browser in browsers.items() if browser.get(url).status_code == 200}
            assert may == wanted


def changes(browser, thing):
    """Whether the page of this thing can be saved."""
    answer = browser.get(address(type(thing), "change", thing.pk))
    return answer.status_code == 200 and 'name="_save"' in answer.content.decode()


def test_what_belongs_to_a_team_is_changed_by_its_managers(browsers, team, service):
    for thing in [team, service]:
        may = {name for name, browser in browsers.items() if changes(browser, thing)}

        assert may == {"administrator", "manager"}, thing


def test_people_are_kept_by_administrators(browsers, people):
    may = {name for name, browser in browsers.items() if changes(browser, people["viewer"])}

    assert may == {"administrator"}


def verbs_on(browser, person):
    page = browser.get(address(User, "change", person.pk)).content.decode()
    every = ["invite-again", "password-link", "set-access", "deactivate", "reactivate"]
    return {verb for verb in every if address(User, "verb", person.pk, verb) in page}


@pytest.mark.parametrize(
    ("has_logged_in", "administrator", "manager"),
    [
        (False, {"invite-again", "set-access", "deactivate"}, {"invite-again"}),
        (True, {"password-link", "set-access", "deactivate"}, set()),
    ],
)
def test_verbs_on_people_by_role(browsers, team, has_logged_in, administrator, manager):
    person = UserFactory(username="newt", last_login=MONDAY if has_logged_in else None)
    MembershipFactory(team=team, user=person)

    offered = {
        name: verbs_on(browsers[name], person)
        for name in ["administrator", "manager", "foreign", "guest"]
    }

    assert offered == {
        "administrator": administrator,
        "manager": manager,
        "foreign": set(),
        "guest": set(),
    }


def test_the_address_of_a_verb_is_no_way_around(browsers, people):
    viewer = people["viewer"]
    for name in ["manager", "foreign", "guest", "responder", "viewer"]:
        for verb in ["password-link", "set-access", "deactivate"]:
            browsers[name].post(address(User, "verb", viewer.pk, verb), {"access": "administrator"})

    viewer.refresh_from_db()
    assert viewer.is_active
    assert viewer.access == Access.MEMBER


def test_no_form_makes_an_administrator_or_shuts_out(browsers, people, team):
    viewer = people["viewer"]
    facts = {"username": "viewer", "email": viewer.email, "timezone": "UTC", "first_name": "V"}
    inline = {"memberships-TOTAL_FORMS": "0", "memberships-INITIAL_FORMS": "0"}

    browsers["administrator"].post(
        address(User, "change", viewer.pk),
        {**facts, **inline, "is_superuser": "on", "is_staff": "on", "is_active": ""},
    )

    viewer.refresh_from_db()
    assert viewer.first_name == "V"
    assert (viewer.is_active, viewer.access) == (True, Access.MEMBER)


@pytest.mark.parametrize("access", list(Access))
def test_an_administrator_gives_access_by_a_verb(browsers, people, access):
    viewer = people["viewer"]
    browsers["administrator"].post(
        address(User, "verb", viewer.pk, "set-access"), {"access": access.value}
    )

    viewer.refresh_from_db()
    assert viewer.access == access


def test_a_manager_gives_roles_in_the_own_team_only(browsers, people, team):
    membership = people["viewer"].memberships.get()
    rows = {
        "name": team.name,
        "slug": team.slug,
        "timezone": "UTC",
        "runbook": "",
        "memberships-TOTAL_FORMS": "1",
        "memberships-INITIAL_FORMS": "1",
        "memberships-0-id": membership.pk,
        "memberships-0-team": team.pk,
        "memberships-0-user": membership.user_id,
        "memberships-0-role": "responder",
        "memberships-0-function": "",
    }
    browsers["foreign"].post(address(type(team), "change", team.pk), rows)
    membership.refresh_from_db()
    assert membership.role == "viewer"

    browsers["manager"].post(address(type(team), "change", team.pk), rows)
    membership.refresh_from_db()
    assert membership.role == "responder"


def test_the_roles_are_explained_where_they_are_given(browsers, team):
    page = browsers["manager"].get(address(type(team), "change", team.pk)).content.decode()

    assert "Responder: takes shifts, acts on incidents of any team" in page


def test_a_person_page_tells_teams_and_reach_but_no_secret(browsers, people):
    viewer = people["viewer"]
    viewer.set_password("correct horse battery")
    viewer.save()
    services.issue_token(viewer, name="nightly-job", scope="read")

    pages = {
        name: browsers[name].get(address(User, "change", viewer.pk)).content.decode()
        for name in ["administrator", "manager"]
    }

    for page in pages.values():
        assert "Payments" in page
        assert "Unreachable" in page
        assert viewer.password not in page
    assert "nightly-job" in pages["administrator"]
    assert "nightly-job" not in pages["manager"]


def test_the_list_of_people_costs_the_same_for_more_of_them(
    browsers, people, django_assert_max_num_queries
):
    counts = []
    for _ in range(2):
        for _ in range(5):
            MembershipFactory(team__name="Many", team__slug="many")
        with django_assert_max_num_queries(30) as captured:
            browsers["administrator"].get(address(User, "changelist"))
        counts.append(len(captured))

    assert counts[0] == counts[1]


def test_only_managers_of_the_team_change_what_belongs_to_it(people, team):
    for name in ["manager", "administrator"]:
        require_manages(people[name], team.pk)
    for name in ["viewer", "responder", "foreign", "guest"]:
        with pytest.raises(Forbidden):
            require_manages(people[name], team.pk)
    with pytest.raises(Forbidden):
        require_manages(people["manager"], None)
    assert ServiceFactory._meta.model.objects.filter(team=team).exists()
