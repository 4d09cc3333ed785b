"""Runbooks in a few lines, for the tests of what they make escalation do."""

from typing import Any

from incidents.core import services as core
from incidents.core.models import RunbookRevision, User
from incidents.core.services.policies import DEFAULT_POLICIES
from tests.escalation.conftest import give_phone
from tests.factories import MembershipFactory, TeamFactory, UserFactory

TITLES = {"director": "Director", "engineering-lead": "Engineering Lead", "owner": "Product Owner"}


def runbook(
    *,
    types: dict[str, Any] | None = None,
    severities: dict[str, Any] | None = None,
    required_roles: list[str] | None = None,
    **escalation: Any,
) -> RunbookRevision:
    """Publish the organisation's runbook; `escalation`: what stands under that key."""
    roles = {name: {"title": title} for name, title in TITLES.items()}
    escalation["roles"] = roles | escalation.get("roles", {})
    document = {"escalation": escalation, "types": types or {}, "severities": severities or {}}
    # No cadence: who is reminded of updates, and paged for missed ones, is another room's story.
    others = {"required_roles": required_roles or [], "update_cadence": None}
    policies = [facts | others for facts in DEFAULT_POLICIES]
    return core.publish_revision(
        slug="default", title="House rules", policies=policies, document=document
    )


def person(name: str, function: str, *, team: str = "office", phone: bool = True) -> User:
    """Somebody who has this function in a team."""
    user = UserFactory(username=name)
    MembershipFactory(team=TeamFactory(slug=team, name=team), user=user, function=function)
    if phone:
        give_phone(user)
    return user
