"""Who may do what: one set of rules for API, admin and tests. Reads memberships, writes nothing.

Viewers read all but private incidents. Responders of any team act on incidents: help is not
refused at 3 a.m. Managers change the configuration of the teams that they manage, administrators
that of all. Whom a private incident does not concern is not told that it exists.
"""

from enum import StrEnum
from typing import Any

from incidents.core.criteria import following
from incidents.core.errors import Forbidden
from incidents.core.models import ApiToken, Incident, Role
from incidents.core.section import of as section_of


class Rule(StrEnum):
    """What a route asks of whoever calls it."""

    PUBLIC = "public"  # nothing: the address itself is the key
    READ = "read"  # any person
    OWN = "own"  # any person, about his or her own things
    RESPOND = "respond"  # a responder or manager of any team
    MANAGE = "manage"  # a manager of any team; of which one is judged by `require_manages`
    ADMIN = "admin"


_Scope = ApiToken.Scope
_SCOPES_ENOUGH = {
    Rule.PUBLIC: {_Scope.READ, _Scope.RESPOND, _Scope.MANAGE},
    Rule.READ: {_Scope.READ, _Scope.RESPOND, _Scope.MANAGE},
    Rule.RESPOND: {_Scope.RESPOND, _Scope.MANAGE},
    # A token must not be able to give itself more than it has, e.g. by issuing another token.
    Rule.OWN: {_Scope.MANAGE},
    Rule.MANAGE: {_Scope.MANAGE},
    Rule.ADMIN: {_Scope.MANAGE},
}


def role_allows(user: Any, rule: Rule) -> bool:
    """Whether this person's roles satisfy `rule`; nobody in particular satisfies PUBLIC only."""
    if rule == Rule.PUBLIC:
        return True
    if not user.is_authenticated or not user.is_active:
        return False
    if rule == Rule.RESPOND:
        return user.may_respond
    if rule == Rule.MANAGE:
        return user.may_manage
    return rule != Rule.ADMIN or user.is_superuser


def scope_allows(scope: str, rule: Rule) -> bool:
    """Whether a token of this scope may be used where `rule` is asked."""
    return scope in _SCOPES_ENOUGH[rule]


def require_manages(user: Any, team_id: int | None) -> None:
    """Raises Forbidden unless this person changes what belongs to the team (None: to no team)."""
    if user.manages(team_id):
        return
    if team_id is None:
        raise Forbidden("This belongs to no team: only an administrator changes it.")
    raise Forbidden("Only a manager of the team that this belongs to changes it.")


def may_take_shifts(user: Any, team_id: int | None) -> bool:
    """Whether this person swaps shifts in a schedule of the team: its responders, managers."""
    return user.is_superuser or (
        team_id is not None and user.roles.get(team_id) in {Role.RESPONDER, Role.MANAGER}
    )


def moves(incident: Incident) -> list[str]:
    """The verbs that make sense in the incident's present state, as the API spells them."""
    if not incident.is_open:
        return ["reopen", "note", "record-impact", "correct-milestone"]
    steps = {"identified": ["identify"], "mitigating": ["start-mitigating"]}
    step, section = following(incident.status), section_of(incident.revision)
    return [
        "unacknowledge" if incident.is_acknowledged else "acknowledge",
        *(steps.get(step.value, []) if step else []),
        "mark-recovered" if incident.recovered_at is None else "relapse",
        *("resolve", "dismiss", "merge", "snooze", "change-severity", "assign-role", "attest"),
        *(["change-type"] if section.types else []),
        *(["follow-procedure"] if section.procedures else []),
        *("note", "record-impact", "correct-milestone"),
    ]
