"""The escalation policy that a team begins with, by its verb and on the team's page."""

import pytest
from django.urls import reverse

from incidents.core.errors import DomainError
from incidents.core.models import Role, Team
from incidents.escalation import services as escalation
from incidents.escalation.models import EscalationPolicy, PolicyAssignment
from tests.factories import MembershipFactory, UserFactory

pytestmark = pytest.mark.django_db


def test_it_asks_whoever_is_on_call_then_everybody_then_the_managers(team, alice, bob):
    escalation.default_policy_for(team, actor=alice)

    policy = EscalationPolicy.objects.with_ladder().get()
    assert policy.ladder_text == (
        "1. on call of the owning team, 5 min → 2. members of the owning team, 10 min → "
        "3. managers of the owning team, 10 min"
    )
    assert (policy.repeats, policy.team) == (3, team)
    assignment = PolicyAssignment.objects.get()
    assert (assignment.policy, assignment.team, assignment.severity) == (policy, team, "")


def test_while_nobody_manages_the_team_no_level_asks_for_a_manager(team, bob):
    policy = escalation.default_policy_for(team, actor=None)

    assert policy.levels.count() == 2
    assert "managers" not in EscalationPolicy.objects.with_ladder().get().ladder_text


def test_a_team_without_people_is_told_what_to_do(team):
    MembershipFactory(team=team, user=UserFactory(), role=Role.VIEWER)
    MembershipFactory(team=team, user=UserFactory(is_active=False))

    with pytest.raises(DomainError, match="add people to the team first"):
        escalation.default_policy_for(team, actor=None)

    assert not EscalationPolicy.objects.exists()


def test_a_team_gets_no_second_one(team, bob):
    first = escalation.default_policy_for(team, actor=None)
    with pytest.raises(DomainError, match="applies to Payments already"):
        escalation.default_policy_for(team, actor=None)

    escalation.unassign_policy(PolicyAssignment.objects.get(), actor=None)
    with pytest.raises(DomainError, match="open that one and assign it to the team"):
        escalation.default_policy_for(team, actor=None)

    assert EscalationPolicy.objects.get() == first


def test_a_taken_name_is_no_obstacle(team, bob):
    escalation.create_policy(name="Payments", actor=None)

    policy = escalation.default_policy_for(team, actor=None)

    assert policy.name == f"Payments ({team.pk})"
    assert policy.slug == f"payments-{team.pk}"


def test_a_manager_makes_it_on_the_page_of_the_team(client, team, alice):
    client.force_login(alice)
    verb = reverse("admin:incidents_team_verb", args=[team.pk, "default-policy"])

    assert "it starts over three times" in client.get(verb).text
    assert client.post(verb, {}).status_code == 302

    assert PolicyAssignment.objects.get().team == team
    page = client.get(reverse("admin:incidents_team_change", args=[team.pk])).text
    assert "Make its escalation policy" not in page


def test_a_manager_of_another_team_does_not(client, team, bob):
    other = UserFactory(username="other")
    MembershipFactory(
        team=Team.objects.create(name="Else", slug="else"), user=other, role="manager"
    )
    client.force_login(other)

    client.post(reverse("admin:incidents_team_verb", args=[team.pk, "default-policy"]), {})

    assert not EscalationPolicy.objects.exists()
