"""The escalation policy that a team begins with: good enough to be paged by, easy to change."""

from datetime import timedelta

from django.db import transaction

from incidents.core.errors import DomainError
from incidents.core.models import Membership, Role, Team, User
from incidents.escalation.models import EscalationPolicy, LevelTarget, PolicyAssignment
from incidents.escalation.services.policies import assign_policy, create_policy

REPEATS = 3
LEVELS = [
    (LevelTarget.Kind.SCHEDULE, timedelta(minutes=5)),
    (LevelTarget.Kind.TEAM_MEMBERS, timedelta(minutes=10)),
    (LevelTarget.Kind.TEAM_MANAGER, timedelta(minutes=10)),
]


@transaction.atomic
def default_policy_for(team: Team, *, actor: User | None) -> EscalationPolicy:
    """On call 5 min, everybody 10 min, managers 10 min, three times again; for the team's services.

    Its levels mean the owning team, so that another team can use it too; while the team has no
    manager, none asks for one. Raises DomainError where the team has a policy or nobody.
    """
    team = Team.objects.select_for_update(no_key=True).get(pk=team.pk)
    _refuse_a_second_one(team)
    people = Membership.objects.filter(team=team, user__is_active=True).exclude(role=Role.VIEWER)
    if not people.exists():
        raise DomainError(
            f"{team} has no active responder or manager: add people to the team first."
        )
    has_manager = people.filter(role=Role.MANAGER).exists()
    policy = create_policy(
        name=_free("name", team.name, f"{team.name[:100]} ({team.pk})"),
        slug=_free("slug", team.slug, f"{team.slug[:50]}-{team.pk}"),
        team=team,
        repeats=REPEATS,
        levels=[
            {"timeout": timeout, "targets": [{"kind": kind}]}
            for kind, timeout in LEVELS
            if has_manager or kind != LevelTarget.Kind.TEAM_MANAGER
        ],
        actor=actor,
    )
    assign_policy(policy, team=team, actor=actor)
    return policy


def _refuse_a_second_one(team: Team) -> None:
    assigned = PolicyAssignment.objects.filter(team=team).select_related("policy").first()
    if assigned is not None:
        raise DomainError(
            f"{assigned.policy} applies to {team} already: change its levels instead."
        )
    idle = EscalationPolicy.objects.filter(team=team).order_by("pk").first()
    if idle is not None:
        raise DomainError(
            f"{team} has the escalation policy {idle}: open that one and assign it to the team."
        )


def _free(column: str, wanted: str, otherwise: str) -> str:
    taken = EscalationPolicy.objects.filter(**{column: wanted}).exists()
    return otherwise if taken else wanted
