"""Keeping who is told: lists of stakeholders, the channels of teams, components of the page."""

import logging
from collections.abc import Iterable
from typing import Any

from django.db import transaction

from incidents.comms.models import (
    Audience,
    Component,
    StakeholderAddress,
    Stakeholders,
    TeamChannel,
)
from incidents.core.errors import DomainError
from incidents.core.models import Service, Severity, Team, User
from incidents.notifications import services as notifications
from incidents.notifications.services import Address, Channel
from incidents.timers import clock

logger = logging.getLogger(__name__)


@transaction.atomic
def create_stakeholders(
    *,
    name: str,
    actor: User | None,
    service: Service | None = None,
    team: Team | None = None,
    audience: str = Audience.INTERNAL,
    minimum_severity: str = Severity.SEV4,
    people: Iterable[User] = (),
    addresses: Iterable[Address] = (),
) -> Stakeholders:
    """A list of a service, a team, or (neither) the organisation. DomainError for both at once."""
    if service is not None and team is not None:
        raise DomainError("Choose a service or a team, not both.", field="team")
    made = Stakeholders.objects.create(
        name=name,
        service=service,
        team=team,
        audience=audience,
        minimum_severity=minimum_severity,
    )
    made.people.set(people)
    _set_addresses(made, addresses)
    logger.info("%s made the stakeholders %s", actor or "Tocsin", made)
    return made


@transaction.atomic
def change_stakeholders(
    stakeholders: Stakeholders,
    *,
    actor: User | None,
    people: Iterable[User] | None = None,
    addresses: Iterable[Address] | None = None,
    **fields: Any,
) -> Stakeholders:
    """Set name, audience, minimum_severity or is_active; None leaves people and addresses."""
    for field, value in fields.items():
        setattr(stakeholders, field, value)
    stakeholders.save(update_fields=list(fields) or None)
    if people is not None:
        stakeholders.people.set(people)
    if addresses is not None:
        _set_addresses(stakeholders, addresses)
    logger.info("%s changed the stakeholders %s", actor or "Tocsin", stakeholders)
    return stakeholders


def _set_addresses(stakeholders: Stakeholders, addresses: Iterable[Address]) -> None:
    """Exactly these; one that was there keeps the secret that it has."""
    wanted = {
        (one.kind, notifications.check_address(one.kind, one.address)): one for one in addresses
    }
    for row in stakeholders.addresses.all():
        if wanted.pop((row.kind, row.address), None) is None:
            row.delete()
    for (kind, address), one in wanted.items():
        StakeholderAddress.objects.create(
            stakeholders=stakeholders,
            kind=kind,
            address=address,
            secret=one.secret or _secret(kind),
        )


def create_channel(
    *, name: str, kind: str, address: str, actor: User | None, team: Team | None = None
) -> TeamChannel:
    """Where posts of a team's incidents go; without a team, of everybody's."""
    if TeamChannel.objects.filter(team=team, name=name).exists():
        raise DomainError(f"There is a channel {name!r} already.", field="name")
    address = notifications.check_address(kind, address)
    made = TeamChannel.objects.create(
        team=team, name=name, kind=kind, address=address, secret=_secret(kind)
    )
    logger.info("%s made the channel %s", actor or "Tocsin", made)
    return made


def change_channel(
    channel: TeamChannel, *, actor: User | None, is_active: bool | None = None
) -> TeamChannel:
    """Switch it on or off; None leaves it as it is."""
    if is_active is None:
        return channel
    channel.is_active = is_active
    channel.save(update_fields=["is_active"])
    logger.info("%s switched %s %s", actor or "Tocsin", channel, "on" if is_active else "off")
    return channel


@transaction.atomic
def set_component(
    *,
    service: Service,
    actor: User | None,
    name: str,
    description: str = "",
    group: str = "",
    position: int = 0,
    is_active: bool = True,
) -> Component:
    """Show the service on the public page under this name, or (not active) take it off."""
    made, _is_new = Component.objects.update_or_create(
        service=service,
        defaults={
            "name": name,
            "description": description,
            "group": group,
            "position": position,
            "is_active": is_active,
        },
        create_defaults={
            "name": name,
            "description": description,
            "group": group,
            "position": position,
            "is_active": is_active,
            "since": clock.now(),
        },
    )
    logger.info("%s set the component %s of %s", actor or "Tocsin", made, service)
    return made


def change_component(component: Component, *, actor: User | None, **facts: Any) -> Component:
    """Change its name, description, group, position, or whether it is shown; the rest stays."""
    for name, value in facts.items():
        setattr(component, name, value)
    component.save(update_fields=list(facts))
    logger.info("%s changed the component %s", actor or "Tocsin", component)
    return component


def _secret(kind: str) -> str:
    return notifications.new_secret() if kind == Channel.WEBHOOK else ""
