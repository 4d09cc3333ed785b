"""The escalation policy that a runbook's ladder describes, for a team that has none yet."""

from typing import Any

from django.db import transaction

from incidents.core.models import Team, User
from incidents.escalation.models import EscalationPolicy, LevelTarget, PolicyAssignment
from incidents.escalation.section import MANAGER, ON_CALL, TEAM, EscalationSection
from incidents.escalation.services.policies import assign_policy, create_policy

Kind = LevelTarget.Kind
BUILT_IN = {
    ON_CALL: Kind.SCHEDULE,
    TEAM: Kind.TEAM_MEMBERS,
    MANAGER: Kind.TEAM_MANAGER,
}


@transaction.atomic
def adopt_ladder(
    team: Team, section: EscalationSection, *, actor: User | None
) -> EscalationPolicy | None:
    """Make a policy of the ladder, for all services of the team.

    None, and nothing is changed, where the runbook has no ladder or the team has a policy: what
    people have written themselves stays. Its levels mean roles, so that they are resolved to
    people when they are asked.
    """
    team = Team.objects.select_for_update(no_key=True).get(pk=team.pk)
    has_one = PolicyAssignment.objects.filter(team=team).exists()
    if not section.ladder or has_one or EscalationPolicy.objects.filter(team=team).exists():
        return None
    policy = create_policy(
        name=_free("name", team.name, f"{team.name[:100]} ({team.pk})"),
        slug=_free("slug", team.slug, f"{team.slug[:50]}-{team.pk}"),
        team=team,
        repeats=section.repeats,
        levels=[
            {"timeout": rung.within, "targets": [_target(rung.role)]} for rung in section.ladder
        ],
        actor=actor,
    )
    assign_policy(policy, team=team, actor=actor)
    return policy


def _target(role: str) -> dict[str, Any]:
    if role in BUILT_IN:
        return {"kind": BUILT_IN[role]}
    return {"kind": Kind.FUNCTION, "function": role}


def _free(column: str, wanted: str, otherwise: str) -> str:
    taken = EscalationPolicy.objects.filter(**{column: wanted}).exists()
    return otherwise if taken else wanted
