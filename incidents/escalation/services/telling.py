"""Messages to those who were paged, and to the commander. They can wait behind pages."""

from collections.abc import Iterable

from incidents.core.models import Incident, IncidentRole, TimelineEntry, User
from incidents.escalation import targets, wording
from incidents.escalation.models import Page
from incidents.notifications import services as notifications
from incidents.notifications.models import Delivery


def tell_who_has_it(incident: Incident, entry: TimelineEntry) -> None:
    """The others who were paged in the epoch that this entry ended may go back to bed."""
    people = _really_paged(incident, epoch=incident.paging_epoch - 1)
    _tell(
        incident,
        entry,
        people,
        before=f"{entry.actor} has it: ",
        body=f"{entry.summary} You need not do anything.\n{incident.title}",
    )


def tell_it_is_over(incident: Incident, entry: TimelineEntry) -> None:
    """Everybody who was paged about it is told that it is over, and how it ended."""
    _tell(
        incident,
        entry,
        _really_paged(incident),
        before="Over: ",
        body=f"{entry.summary}\n{incident.title}\nThere is nothing left to do.",
    )


def tell_commander(incident: Incident, entry: TimelineEntry) -> None:
    """Something happened that the commander is to know, or whom the entry names instead."""
    if "tell" in entry.data:
        people = list(User.objects.filter(pk__in=entry.data["tell"]).order_by("pk"))
    else:
        roles = incident.roles.filter(role=IncidentRole.COMMANDER, until=None)
        people = [role.user for role in roles.select_related("user")]
    _tell(incident, entry, people, before="", body=f"{entry.summary}\n{incident.title}")


def _really_paged(incident: Incident, *, epoch: int | None = None) -> list[User]:
    """Those to whom a page left the house; one that was cancelled before woke nobody."""
    left = Delivery.objects.pages().filter(
        incident=incident, state__in=[Delivery.State.SENT, Delivery.State.SENDING]
    )
    pages = Page.objects.of(incident)
    if epoch is not None:
        left, pages = left.filter(paging_epoch=epoch), pages.filter(epoch=epoch)
    paged = User.objects.filter(pk__in=pages.values("user")).filter(pk__in=left.values("recipient"))
    return list(paged.order_by("pk"))


def _tell(
    incident: Incident, entry: TimelineEntry, people: Iterable[User], *, before: str, body: str
) -> None:
    """Whoever did it knows it already."""
    others = [user for user in people if user.is_active and user.pk != entry.actor_id]
    if not others:
        return
    severity = targets.severity_policies([incident])[incident.pk].label
    orders = [
        notifications.MessageOrder(
            to=user,
            cause=f"entry:{entry.pk}",
            subject=wording.subject_of(incident, severity, before=before),
            body=body,
            incident=incident,
            links=[wording.incident_link(incident)],
        )
        for user in others
    ]
    notifications.message_many(orders, entry.at)
