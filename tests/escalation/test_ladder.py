"""The ladder of a policy as a picture, where it applies, and what it would be without somebody."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from incidents.core.models import Service, Team
from incidents.escalation import services as escalation
from incidents.escalation.models import EscalationPolicy, PolicyAssignment
from tests.escalation.conftest import give_phone, take_phone
from tests.factories import MembershipFactory, UserFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def manager(client, alice):
    client.force_login(alice)
    return alice


@pytest.fixture
def root(client):
    user = UserFactory(username="root", is_superuser=True)
    client.force_login(user)
    return user


def text_of(client, policy, **asked):
    url = reverse("admin:escalation_escalationpolicy_change", args=[policy.pk])
    return " ".join(client.get(url, asked).text.split())


def seen(policy, team, clock):
    policy = EscalationPolicy.objects.with_ladder().get(pk=policy.pk)
    return escalation.see_ladder(policy, team, now=clock.at)


# --- What is seen ---------------------------------------------------------------------------------


def test_every_level_says_who_that_is_now(policy, team, alice, bob, dana, clock):
    view = seen(policy, team, clock)

    assert [step.people for step in view.steps] == [[bob], [alice], [dana]]
    assert [step.after for step in view.steps] == [
        timedelta(),
        timedelta(minutes=5),
        timedelta(minutes=15),
    ]
    assert (view.lap, view.total) == (timedelta(minutes=25), timedelta(minutes=50))


def test_a_level_of_nobody_says_why(policy, clock):
    other = Team.objects.create(name="Empty", slug="empty")

    first, second, third = seen(policy, other, clock).steps

    assert (first.people, first.absence) == ([], "no schedule answers for the owning team")
    assert (second.people, second.absence) == ([], "the team has no active manager")
    assert third.people
    # What is skipped takes no time.
    assert (second.after, third.after) == (timedelta(), timedelta())


def test_who_cannot_be_reached_is_named(policy, team, bob, clock):
    take_phone(bob)

    view = seen(policy, team, clock)
    assert [step.lost for step in view.steps] == [[bob], [], []]
    assert [step.after for step in view.steps] == [
        timedelta(),
        timedelta(),
        timedelta(minutes=10),
    ]
    assert (view.lap, view.total) == (timedelta(minutes=20), timedelta(minutes=40))


def test_nothing_is_written_by_looking(policy, team, clock):
    before = list(EscalationPolicy.objects.values())

    seen(policy, team, clock)

    assert list(EscalationPolicy.objects.values()) == before


# --- The page -------------------------------------------------------------------------------------


def test_the_page_shows_the_ladder_and_where_it_applies(client, manager, policy, last_resort):
    text = text_of(client, policy)

    assert "Level 1: on call of the owning team" in text
    assert "Right now: Bob" in text
    assert "after 5 min" in text
    assert "It starts over with level 1, once" in text
    assert "after 50 min" in text
    assert "Every service of Payments" in text
    assert "duty" in text


def test_nobody_is_said_in_words(client, manager, policy, bob):
    take_phone(bob)
    bob.is_active = False
    bob.save()

    text = text_of(client, policy)

    assert 'Right now: <span class="t-late">nobody</span>, nobody is on call' in text


def test_a_policy_of_several_teams_is_shown_for_each(client, root, policy):
    other = Team.objects.create(name="Search", slug="search")
    MembershipFactory(team=other, user=UserFactory(username="erin"), role="manager")
    escalation.assign_policy(policy, team=other, actor=root)

    assert "Right now: Alice" in text_of(client, policy)
    shown = text_of(client, policy, team="search")
    assert "Right now: Erin" in shown
    assert "no schedule answers for the owning team" in shown


def test_one_that_applies_nowhere_says_so(client, root, policy):
    PolicyAssignment.objects.all().delete()

    assert "it asks nobody" in text_of(client, policy)


def test_one_that_is_switched_off_says_so(client, root, policy):
    escalation.set_active(policy, is_active=False, actor=root)

    assert "go to the last resort at once" in text_of(client, policy)
    assert "Right now: Bob" in text_of(client, policy)


def test_one_without_levels_says_what_to_do(client, root):
    policy = escalation.create_policy(name="Empty", actor=root)

    text = text_of(client, policy)

    assert "the last resort is told at once." in text
    assert "add an address under" in text


def test_the_page_takes_the_same_queries_for_one_level_and_for_many(client, root, policy, team):
    def queries():
        with CaptureQueriesContext(connection) as captured:
            text_of(client, policy)
        # What the form below asks for each of its choices is not the picture's.
        pictured = ["participant", "override", "contactmethod", "notificationrule", "membership"]
        return len([q for q in captured if any(word in q["sql"] for word in pictured)])

    queries()
    few = queries()
    for number in range(6):
        person = UserFactory(username=f"more{number}")
        give_phone(person)
        MembershipFactory(team=team, user=person, role="manager")
    level = {"timeout": timedelta(minutes=5), "targets": [{"kind": "schedule"}]}
    everybody = {"timeout": timedelta(minutes=5), "targets": [{"kind": "team_manager"}]}
    escalation.set_levels(policy, levels=[level, everybody] * 4, actor=root)

    assert queries() == few


# --- Assigning ------------------------------------------------------------------------------------


def test_a_manager_assigns_it_on_its_page(client, manager, policy, service):
    verb = reverse("admin:escalation_escalationpolicy_verb", args=[policy.pk, "assign"])

    answer = client.post(verb, {"service": service.pk, "severity": "SEV1"}, follow=True)

    made = PolicyAssignment.objects.get(service=service)
    assert (made.policy, made.severity) == (policy, "SEV1")
    assert "The service Checkout, only SEV1: Payments says who is asked." in answer.text


def test_everything_is_administrators(client, manager, policy):
    verb = reverse("admin:escalation_escalationpolicy_verb", args=[policy.pk, "assign"])

    answer = client.post(verb, {})

    assert "Choose a service or a team that you manage" in answer.text
    assert PolicyAssignment.objects.count() == 1


def test_nothing_chosen_means_everything(client, root, policy):
    verb = reverse("admin:escalation_escalationpolicy_verb", args=[policy.pk, "assign"])

    assert "Neither a service nor a team: everything" in client.get(verb).text
    client.post(verb, {})

    assert PolicyAssignment.objects.get(service=None, team=None).where == "Everything"


def test_both_a_service_and_a_team_are_refused(client, root, policy, service, team):
    verb = reverse("admin:escalation_escalationpolicy_verb", args=[policy.pk, "assign"])

    answer = client.post(verb, {"service": service.pk, "team": team.pk})

    assert "not to both" in answer.text


def test_its_own_page_says_what_it_means(client, root, policy):
    page = reverse("admin:escalation_policyassignment_change", args=[policy.assignments.get().pk])

    assert "Every service of Payments: the policy" in client.get(page).text
    listed = client.get(reverse("admin:escalation_policyassignment_changelist")).text
    assert "Every service of Payments" in listed


# --- Other pages ----------------------------------------------------------------------------------


def test_the_page_of_a_service_names_the_policy_by_severity(client, root, policy, service):
    page = reverse("admin:incidents_service_change", args=[service.pk])
    assert "Every severity: <a" in " ".join(client.get(page).text.split())

    other = escalation.create_policy(name="For the worst", actor=root)
    escalation.assign_policy(other, severity="SEV1", actor=root)
    escalation.assign_policy(other, service=service, severity="SEV2", actor=root)

    found = {key: str(one.policy) for key, one in escalation.assignments_of(service).items()}
    # A team's policy is more specific than one of everything, a service's more than a team's.
    assert found == {
        "SEV1": "Payments",
        "SEV2": "For the worst",
        "SEV3": "Payments",
        "SEV4": "Payments",
    }
    assert "SEV2: <a" in " ".join(client.get(page).text.split())


def test_a_service_without_a_policy_is_told(client, root, service):
    page = reverse("admin:incidents_service_change", args=[service.pk])

    assert "No escalation policy applies:" in client.get(page).text


def test_the_page_of_a_team_names_policy_and_who_is_on_call(client, root, policy, team):
    text = " ".join(client.get(reverse("admin:incidents_team_change", args=[team.pk])).text.split())

    assert "<strong>Bob</strong>" in text
    assert "Every severity: <a" in text


def test_levels_that_would_ask_nobody_without_a_person(policy, service, bob, dana, clock):
    holes = escalation.check_ladders(now=clock.at, without=dana).holes

    assert [(hole.level, hole.team.name) for hole in holes] == [(3, "Payments")]
    assert escalation.check_ladders(now=clock.at).holes == []


def test_before_somebody_is_deactivated_it_tells_what_would_be_missing(
    client, root, policy, service, bob
):
    page = reverse("admin:incidents_user_verb", args=[bob.pk, "deactivate"])

    text = " ".join(client.get(page).text.split())

    assert "Levels that would ask nobody" in text
    assert "Level 1 of" in text
    assert "Level 3 of" not in text
    assert "Nobody would be on call:" in text


def test_assignments_are_the_ones_that_count(policy, service):
    lonely = Service.objects.create(
        name="Else", slug="else", team=Team.objects.create(name="Else", slug="else")
    )

    assert set(escalation.assignments_of(lonely).values()) == {None}
