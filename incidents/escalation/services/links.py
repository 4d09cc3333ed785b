"""Acknowledge links: what the holder of one may see and do."""

from dataclasses import dataclass
from enum import StrEnum

from incidents.core import services as core
from incidents.core.errors import DomainError
from incidents.core.models import Incident, digest_of
from incidents.escalation.models import Escalation, Page
from incidents.escalation.services.answering import mark_answered
from incidents.timers import clock


class Standing(StrEnum):
    """How things stand between the person who was paged and the incident."""

    UNANSWERED = "unanswered"  # nobody has it: may acknowledge
    TAKEN = "taken"  # somebody else has it: may join
    YOURS = "yours"
    JOINED = "joined"
    RESOLVED = "resolved"
    OUTDATED = "outdated"  # reopened since the page: this link acknowledges nothing any more
    REFUSED = "refused"  # deactivated, or may not see the incident any more


@dataclass(frozen=True)
class Invitation:
    """What a link leads to."""

    page: Page
    incident: Incident
    standing: Standing

    @property
    def may_answer(self) -> bool:
        return self.standing in {Standing.UNANSWERED, Standing.TAKEN}


def read_link(token: str) -> Invitation | None:
    """What this link leads to; None when there is no such link. Changes nothing."""
    pages = Page.objects.select_related(
        "user",
        *("incident__service__team", "incident__acknowledged_by"),
        *("incident__revision", "incident__escalation"),
    )
    page = pages.filter(link_digest=digest_of(token)).first()
    if page is None:
        return None
    return Invitation(page, page.incident, _standing(page, page.incident))


def answer_by_link(token: str) -> Invitation | None:
    """Acknowledge or join as the person whom the page was for, if the link still allows it.

    Gives how things stand afterwards.
    """
    invitation = read_link(token)
    if invitation is None or not invitation.may_answer:
        return invitation
    user = invitation.page.user
    try:
        incident = core.acknowledge(invitation.incident, actor=user, via="link")
    except DomainError:  # resolved or shut out a moment ago, which the page will say
        return read_link(token)
    mark_answered(incident, by=user, now=clock.now())
    return read_link(token)


def _standing(page: Page, incident: Incident) -> Standing:
    user = page.user
    may_see = Incident.objects.visible_to(user).filter(pk=incident.pk)
    if not user.is_active or (incident.is_private and not may_see.exists()):
        return Standing.REFUSED
    if not incident.is_open:
        return Standing.RESOLVED
    escalation: Escalation | None = getattr(incident, "escalation", None)
    if escalation is not None and page.epoch < escalation.links_from_epoch:
        return Standing.OUTDATED
    if not incident.is_acknowledged:
        return Standing.UNANSWERED
    if incident.acknowledged_by_id == user.pk:
        return Standing.YOURS
    return Standing.JOINED if page.acknowledged_at else Standing.TAKEN
