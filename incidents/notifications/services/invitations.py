"""Links to set a password, mailed to the address of the account and kept nowhere."""

import logging
import uuid
from datetime import timedelta

from django.conf import settings

from incidents.core import services as core
from incidents.core.models import Organisation, User
from incidents.notifications import outbox
from incidents.notifications.addresses import Address, Channel
from incidents.notifications.models import ContactMethod, Delivery, Urgency
from incidents.notifications.outbox import Letter
from incidents.notifications.services.contacts import add_contact_method, vouch_for
from incidents.notifications.transports.base import Link
from incidents.timers import clock

logger = logging.getLogger(__name__)

PATIENCE = timedelta(days=1)


def invite(user: User, *, actor: User) -> Delivery | None:
    """Mail an invitation; None where no mail server is set up."""
    organisation = Organisation.current()
    return _mail(
        user,
        subject=f"{actor} invites you to Tocsin",
        body=f"Hello {user},\n\n{actor} invites you to Tocsin, where {organisation} works on "
        f"incidents. Your username is {user.username}.\n\n"
        "Follow the link below to choose a password and to say how you can be reached. "
        f"It is good for {_lives()} and can be used once. If it is too old by then, ask "
        f"{actor} to invite you again.",
    )


def mail_password_link(user: User, *, actor: User | None) -> Delivery | None:
    """Mail a link to set a new password; None where no mail server is set up."""
    asked = (
        f"{actor} sends you a link to set a new password."
        if actor
        else "You, or somebody who gave your name, asked for a new password."
    )
    unasked = "" if actor else " If it was not you, do nothing: your password stays as it is."
    return _mail(
        user,
        subject="Set a new password for Tocsin",
        body=f"Hello {user},\n\n{asked} Your username is {user.username}.\n\n"
        f"The link below is good for {_lives()} and can be used once.{unasked}",
    )


def confirm_account_address(user: User) -> ContactMethod | None:
    """The invitation was mailed there and its link followed: pages may go there as well.

    Only for those who have no address yet, and where mail can be sent: else the link came by hand.
    """
    if not settings.SMTP_HOST or ContactMethod.objects.filter(user=user).exists():
        return None
    method = add_contact_method(user, kind=Channel.EMAIL, address=user.email, actor=user)
    return vouch_for(method, actor=user)


def _mail(user: User, *, subject: str, body: str) -> Delivery | None:
    if not settings.SMTP_HOST:
        return None
    letter = Letter(
        cause=f"password:{user.pk}:{uuid.uuid4()}",
        subject=subject,
        body=body,
        urgency=Urgency.MESSAGE,
        patience=PATIENCE,
        is_confidential=True,
        links=[Link("Choose a password", core.password_link(user))],
    )
    # The account's own address and no other: whoever reads it gets the account.
    delivery = outbox.to_address(
        letter,
        Address(Channel.EMAIL, user.email),
        recipient_key=f"account:{user.pk}",
        now=clock.now(),
        recipient=user,
    )
    outbox.insert([delivery])
    logger.info("A link to set a password is on its way to %s", user.username)
    return delivery


def _lives() -> str:
    hours = int(core.LINK_LIVES.total_seconds() // 3600)
    return f"{hours // 24} days" if hours >= 48 else f"{hours} hours"
