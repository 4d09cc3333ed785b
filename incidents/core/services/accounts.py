"""People and their accounts: invited, let in, given access, deactivated and taken back."""

import logging
from datetime import timedelta
from typing import NamedTuple

from django.conf import settings
from django.contrib.auth import password_validation
from django.contrib.auth.tokens import default_token_generator
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Q
from django.urls import reverse
from django.utils.encoding import force_bytes
from django.utils.http import urlsafe_base64_decode, urlsafe_base64_encode

from incidents.core.errors import DomainError, Forbidden
from incidents.core.models import (
    Access,
    ApiToken,
    Incident,
    Membership,
    Role,
    RoleAssignment,
    Team,
    User,
)
from incidents.core.services.recording import lock, require_text
from incidents.core.services.response import assign_role, unacknowledge
from incidents.core.signals import invitation_accepted, link_wanted, person_deactivated
from incidents.timers import clock

logger = logging.getLogger(__name__)

LINK_LIVES = timedelta(seconds=settings.PASSWORD_RESET_TIMEOUT)


class Invited(NamedTuple):
    """`link`: to be handed over, where no mail server takes it; else None."""

    user: User
    link: str | None


def person_called(typed: str) -> User | None:
    """Whose username or e-mail address this is."""
    typed = typed.strip()
    found = list(User.objects.filter(Q(username=typed) | Q(email__iexact=typed))[:10])
    exact = [user for user in found if typed in {user.username, user.email}]
    exact.sort(key=lambda user: user.username != typed)
    chosen = exact or (found if len(found) == 1 else [])
    return chosen[0] if chosen else None


# --- Invitations and links ------------------------------------------------------------------------


@transaction.atomic
def invite_person(
    *,
    username: str,
    email: str,
    actor: User,
    first_name: str = "",
    last_name: str = "",
    timezone: str = "UTC",
    team: Team | None = None,
    role: str = Role.RESPONDER,
    access: str = Access.MEMBER,
) -> Invited:
    """Make an account without a password and have its owner set one by a link.

    A manager invites into the teams that he or she manages; only administrators invite others of
    their kind, or people without a team.
    """
    _require_may_invite(actor, team, role, access)
    if User.objects.filter(email__iexact=email).exists():
        raise DomainError("Somebody has this e-mail address already.", field="email")
    if User.objects.filter(email__iexact=username.strip()).exists():
        # Either opens the door: whose address it is could not log in by it any more.
        raise DomainError("This is somebody's e-mail address.", field="username")
    user = User(
        username=require_text(username, "The username", field="username", longest=150),
        email=email,
        first_name=first_name,
        last_name=last_name,
        timezone=timezone,
    )
    _give_access(user, access)
    user.set_unusable_password()
    try:
        user.full_clean(exclude=["password"])
    except ValidationError as error:
        field, told = next(iter(error.message_dict.items()))
        raise DomainError(told[0], field=field) from None
    user.save()
    if team is not None:
        Membership.objects.create(team=team, user=user, role=role)
    logger.info("%s invited %s", actor.username, user.username)
    return Invited(user, send_link(user, actor=actor))


def _require_may_invite(actor: User, team: Team | None, role: str, access: str) -> None:
    if role not in Role.values:
        raise DomainError(
            f"{role!r} is no role; use one of {', '.join(Role.values)}.", field="role"
        )
    if actor.is_superuser:
        return
    if team is None or not actor.manages(team.pk):
        raise Forbidden("You invite people into the teams that you manage only.", field="team")
    if access != Access.MEMBER:
        raise Forbidden("Only an administrator gives more than a role in a team.", field="access")


def may_invite_again(actor: User, user: User) -> bool:
    """An administrator anybody; a manager whom no more than the own teams have been given to.

    Whoever gets the link gets the account: a manager must not come by a higher one.
    """
    if actor.is_superuser:
        return True
    teams = set(user.roles)
    no_more = user.access == Access.MEMBER and teams <= set(actor.managed_teams)
    return bool(teams) and no_more


def send_link(user: User, *, actor: User | None) -> str | None:
    """Have a link to set a password mailed; gives it back where no mail server takes it.

    `actor` None: the person asked for it. The older links work until one has been used.
    """
    if not user.is_active:
        raise DomainError(f"{user} is deactivated; reactivate the account first.")
    answers = link_wanted.send(sender=User, user=user, actor=actor)
    return None if any(taken for _, taken in answers) else password_link(user)


def password_link(user: User) -> str:
    """Where this person sets a password: once, within LINK_LIVES."""
    uid = urlsafe_base64_encode(force_bytes(user.pk))
    token = default_token_generator.make_token(user)
    return settings.PUBLIC_URL + reverse("welcome", args=[uid, token])


def holder_of_link(uidb64: str, token: str) -> User | None:
    """Whose link this is; None when it is void. Changes nothing."""
    try:
        user = User.objects.filter(pk=int(urlsafe_base64_decode(uidb64)), is_active=True).first()
    except (ValueError, OverflowError):
        return None
    return user if user and default_token_generator.check_token(user, token) else None


@transaction.atomic
def accept_link(user: User, *, token: str, password: str, timezone: str | None = None) -> User:
    """Set the password that the holder of the link chose; the link is void from now on."""
    user = User.objects.select_for_update(no_key=True).get(pk=user.pk)
    if not user.is_active or not default_token_generator.check_token(user, token):
        raise DomainError("This link has been used already, or is too old.", code="void")
    was_invited = user.last_login is None and not user.has_usable_password()
    _set_password(user, password)
    user.timezone = timezone or user.timezone
    user.save(update_fields=["password", "timezone"])
    if was_invited:
        invitation_accepted.send(sender=User, user=user)
    logger.info("%s set a password by a link", user.username)
    return user


@transaction.atomic
def change_password(user: User, *, password: str) -> User:
    """Whoever has shown that he or she knows the old one; other sessions end by it."""
    user = User.objects.select_for_update(no_key=True).get(pk=user.pk)
    _set_password(user, password)
    user.save(update_fields=["password"])
    logger.info("%s changed the password", user.username)
    return user


def _set_password(user: User, password: str) -> None:
    try:
        password_validation.validate_password(password, user)
    except ValidationError as error:
        raise DomainError(" ".join(error.messages), field="new_password2") from None
    user.set_password(password)


# --- Access and deactivation ----------------------------------------------------------------------


@transaction.atomic
def set_access(user: User, *, access: str, actor: User | None) -> User:
    """What a person may do beyond the roles in teams."""
    user = _locked_among_administrators(user, actor)
    if access != Access.ADMINISTRATOR:
        _keep_an_administrator(user)
    _give_access(user, access)
    user.save(update_fields=["is_superuser", "is_staff"])
    logger.info("%s made %s %s", actor, user.username, access)
    return user


@transaction.atomic
def deactivate_person(user: User, *, actor: User | None) -> User:
    """Shut somebody out at once; nothing of theirs is lost, and nothing waits for them.

    1. The password is void, and with it every session and link, for good; tokens are revoked.
    2. Open incidents that they hold are given back: paging goes on. Their roles become vacant.
    3. It is announced. Pages on their way to them are passed on when their moment comes.

    All open incidents are locked first: whoever takes one at this moment is waited for, and whoever
    comes later finds the account shut.
    """
    _lock_open_incidents()
    user = _locked_among_administrators(user, actor)
    if actor is not None and actor.pk == user.pk:
        raise DomainError("You cannot deactivate yourself; ask another administrator.")
    if not user.is_active:
        return user
    _keep_an_administrator(user)
    user.is_active = False
    user.set_unusable_password()
    user.save(update_fields=["is_active", "password"])
    ApiToken.objects.filter(user=user, revoked_at=None).update(revoked_at=clock.now())
    _let_go(user, actor)
    person_deactivated.send(sender=User, user=user, actor=actor)
    logger.info("%s deactivated %s", actor, user.username)
    return user


@transaction.atomic
def reactivate_person(user: User, *, actor: User | None) -> Invited:
    """Let somebody in again, by a link to set a new password. Roles in teams are as they were."""
    user = _locked_among_administrators(user, actor)
    if user.is_active:
        raise DomainError(f"{user} is active already.")
    user.is_active = True
    user.save(update_fields=["is_active"])
    logger.info("%s reactivated %s", actor, user.username)
    return Invited(user, send_link(user, actor=actor))


def _let_go(user: User, actor: User | None) -> None:
    """Whatever somebody else has done meanwhile is left as it is."""
    held, roles = incidents_held_by(user), roles_held_by(user)
    for pk in sorted({incident.pk for incident in held} | {role.incident_id for role in roles}):
        incident = lock(Incident(pk=pk))
        if not incident.is_open:
            continue
        if incident.acknowledged_by_id == user.pk:
            unacknowledge(incident, actor=actor, reason=f"{user} was deactivated.")
        for role in incident.roles.filter(user=user, until=None):
            assign_role(incident, role=role.role, user=None, actor=actor)


def _lock_open_incidents() -> None:
    open_ones = Incident.objects.open().select_for_update(no_key=True).order_by("pk")
    list(open_ones.values_list("pk"))


def incidents_held_by(user: User) -> list[Incident]:
    """The open ones that wait for this person and nobody else."""
    return list(Incident.objects.open().filter(acknowledged_by=user).order_by("pk"))


def roles_held_by(user: User) -> list[RoleAssignment]:
    """In open incidents."""
    held = RoleAssignment.objects.filter(user=user, until=None)
    rows = held.filter(incident__in=Incident.objects.open()).select_related("incident")
    return list(rows.order_by("incident", "pk"))


def _give_access(user: User, access: str) -> None:
    if access not in Access.values:
        allowed = ", ".join(Access.values)
        raise DomainError(f"{access!r} is no access; use one of {allowed}.", field="access")
    user.is_superuser = access == Access.ADMINISTRATOR
    user.is_staff = access in {Access.ADMINISTRATOR, Access.STAFF}


def _locked_among_administrators(user: User, actor: User | None) -> User:
    """The person, locked, as an administrator who is still one sees it.

    All administrators are locked with it: two who deactivate each other at the same moment must
    not both succeed.
    """
    wanted = Q(is_superuser=True, is_active=True) | Q(pk=user.pk)
    rows = User.objects.select_for_update(no_key=True).filter(wanted).order_by("pk")
    people = {person.pk: person for person in rows}
    if actor is not None:
        known = people.get(actor.pk)
        if known is None or not (known.is_active and known.is_superuser):
            raise Forbidden("Only an administrator does this.")
    return people[user.pk]


def _keep_an_administrator(user: User) -> None:
    others = User.objects.filter(is_superuser=True, is_active=True).exclude(pk=user.pk)
    if user.is_superuser and not others.exists():
        raise DomainError(f"{user} is the last administrator: make somebody else one first.")
