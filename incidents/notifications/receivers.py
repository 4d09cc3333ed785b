"""What this room does when accounts change. Only writes rows."""

from typing import Any

from incidents.core.models import User
from incidents.core.signals import invitation_accepted, link_wanted
from incidents.notifications import services


def connect() -> None:
    """Called once, when the house is put together."""
    link_wanted.connect(mail_link, dispatch_uid="notifications")
    invitation_accepted.connect(confirm_address, dispatch_uid="notifications")


def mail_link(user: User, actor: User | None, **_: Any) -> bool:
    """True when a mail with it is on its way."""
    if actor is not None and user.last_login is None:
        return services.invite(user, actor=actor) is not None
    return services.mail_password_link(user, actor=actor) is not None


def confirm_address(user: User, **_: Any) -> None:
    services.confirm_account_address(user)
