"""Posts to the channels of a team: that an incident was declared, and that it is over."""

from datetime import datetime

from incidents.comms import letters, section
from incidents.comms.facts import Words, values_of
from incidents.comms.models import Audience, TeamChannel
from incidents.comms.recipients import channels_of
from incidents.comms.section import Post
from incidents.comms.services.asking import incident_address
from incidents.core.models import Incident
from incidents.notifications import services as notifications
from incidents.notifications.services import Link, MessageOrder


def post(incident: Incident, occasion: str, *, now: datetime) -> None:
    """To the channels that the runbook names, or to all where it says nothing about posts.

    Nothing about a private incident is posted. A drill is: its label stands before the words.
    """
    if incident.is_private:
        return
    channels = channels_of(incident)
    said = section.of(incident.revision)
    wanted = [
        (channel, one.template)
        for one in _posts(said.posts, occasion)
        if not one.severities or incident.severity in one.severities
        for channel in channels
        if one.channel in {None, channel.name}
    ]
    if not wanted:
        return
    values = values_of(incident, said, audience=Audience.INTERNAL, words=Words(), now=now, number=1)
    moment = f"{occasion}:{now.isoformat()}"
    orders = [
        _order(incident, channel, letters.write_post(template, occasion, values), moment)
        for channel, template in wanted
    ]
    notifications.message_many(orders, now)


def _posts(posts: list[Post] | None, occasion: str) -> list[Post]:
    if posts is None:
        return [Post(on=occasion)]  # type: ignore[arg-type]
    return [one for one in posts if one.on == occasion]


def _order(incident: Incident, channel: TeamChannel, text: str, moment: str) -> MessageOrder:
    subject, _, rest = text.partition("\n")
    return MessageOrder(
        to=channel.as_address,
        cause=f"post:{moment}:{channel.pk}",
        subject=subject,
        body=rest.strip() or subject,
        incident=incident,
        links=[Link("Open the incident", incident_address(incident))],
    )
