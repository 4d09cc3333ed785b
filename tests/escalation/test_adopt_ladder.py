"""The ladder of a runbook becomes the policy of a team that has none."""

from datetime import timedelta

import pytest

from incidents.core import services as core
from incidents.core.models import Team
from incidents.escalation import services as escalation
from incidents.escalation.models import EscalationPolicy, PolicyAssignment
from incidents.escalation.section import EscalationSection
from tests.escalation.rulebook import person
from tests.escalation.stage import settle

pytestmark = pytest.mark.django_db

LADDER = EscalationSection.model_validate(
    {
        "roles": {
            "manager": {"title": "Engineering Manager"},
            "vp-engineering": {"title": "VP Engineering"},
        },
        "ladder": [
            {"role": "on_call", "within": "15 min"},
            {"role": "manager", "within": "5 min"},
            {"role": "vp-engineering", "within": "1 h"},
        ],
        "repeats": 1,
    }
)


def test_a_team_without_a_policy_gets_one_that_asks_as_it_is_written(
    team, service, schedule, last_resort, phones, clock, bob
):
    person("vera", "vp-engineering")

    policy = escalation.adopt_ladder(team, LADDER, actor=None)

    assert policy is not None
    assert policy.team == team
    levels = policy.levels.order_by("position").values_list("timeout", flat=True)
    assert list(levels) == [timedelta(minutes=15), timedelta(minutes=5), timedelta(hours=1)]
    core.declare(title="It is down", service=service, severity="SEV1")
    settle()
    assert phones.paged() == ["bob"]
    clock.forward(minutes=15)
    settle()
    assert phones.paged() == ["alice"]
    clock.forward(minutes=5)
    settle()
    assert phones.paged() == ["vera"]


def test_a_role_that_nobody_has_yet_is_passed(team, service, schedule, last_resort, phones, clock):
    escalation.adopt_ladder(team, LADDER, actor=None)
    core.declare(title="It is down", service=service, severity="SEV1")
    settle()
    phones.take()

    clock.forward(minutes=15)
    settle()
    assert phones.paged() == ["alice"]
    clock.forward(minutes=5)
    settle()

    assert phones.paged() == ["bob"]  # from the beginning again: nobody is VP Engineering


def test_it_is_made_once(team):
    assert escalation.adopt_ladder(team, LADDER, actor=None) is not None

    assert escalation.adopt_ladder(team, LADDER, actor=None) is None
    assert EscalationPolicy.objects.count() == PolicyAssignment.objects.count() == 1


def test_what_a_team_has_written_itself_stays(policy, team):
    assert escalation.adopt_ladder(team, LADDER, actor=None) is None

    assert list(EscalationPolicy.objects.all()) == [policy]
    assert policy.levels.count() == 3


def test_a_runbook_without_a_ladder_makes_none(team: Team):
    assert escalation.adopt_ladder(team, EscalationSection(), actor=None) is None

    assert not EscalationPolicy.objects.exists()
