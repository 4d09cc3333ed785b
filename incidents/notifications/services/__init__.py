"""The verbs of this room. The only place that other rooms call."""

from incidents.notifications.addresses import Address, Channel, new_secret
from incidents.notifications.services.canary import CanaryPages, canary_pages, page_canary
from incidents.notifications.services.contacts import (
    add_contact_method,
    add_last_resort,
    check_address,
    put_first,
    remove_contact_method,
    send_test,
    send_verification,
    set_rules,
    unreachable,
    verify,
    vouch_for,
)
from incidents.notifications.services.invitations import (
    confirm_account_address,
    invite,
    mail_password_link,
)
from incidents.notifications.services.pinging import ping
from incidents.notifications.services.telling import (
    MessageOrder,
    PageOrder,
    cancel_pages,
    last_resorts,
    message,
    message_many,
    page_people,
    prune,
    tell_last_resort,
    tell_organisation_instead,
)
from incidents.notifications.transports.base import Link

__all__ = [
    "Address",
    "CanaryPages",
    "Channel",
    "Link",
    "MessageOrder",
    "PageOrder",
    "add_contact_method",
    "add_last_resort",
    "canary_pages",
    "cancel_pages",
    "check_address",
    "confirm_account_address",
    "invite",
    "last_resorts",
    "mail_password_link",
    "message",
    "message_many",
    "new_secret",
    "page_canary",
    "page_people",
    "ping",
    "prune",
    "put_first",
    "remove_contact_method",
    "send_test",
    "send_verification",
    "set_rules",
    "tell_last_resort",
    "tell_organisation_instead",
    "unreachable",
    "verify",
    "vouch_for",
]
