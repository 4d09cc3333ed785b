"""Where people can be reached: adding an address, proving that it is read, choosing the order."""

import logging
import secrets
import uuid
from collections.abc import Iterable, Sequence
from datetime import timedelta

from django.db import transaction
from django.db.models import Max
from django.utils.crypto import constant_time_compare, salted_hmac

from incidents.core.errors import DomainError
from incidents.core.models import User
from incidents.notifications import outbox
from incidents.notifications.addresses import Address, Channel, new_secret
from incidents.notifications.models import (
    ContactMethod,
    Delivery,
    LastResortAddress,
    NotificationRule,
    Urgency,
)
from incidents.notifications.outbox import Letter
from incidents.notifications.transports import TRANSPORTS
from incidents.notifications.transports.base import TransportError
from incidents.timers import clock

logger = logging.getLogger(__name__)

CODE_DIGITS = 8
CODE_LIVES = timedelta(minutes=30)
CODE_TRIES = 5
BETWEEN_CODES = timedelta(minutes=1)
BETWEEN_TESTS = timedelta(minutes=1)
LONGEST_DELAY = timedelta(hours=1)


def add_contact_method(
    user: User, *, kind: str, address: str, actor: User | None, position: int | None = None
) -> ContactMethod:
    """A further address of a person; used once it is verified.

    Adding one that was removed brings it back, to be verified anew. `position` None: the last.
    Raises DomainError when nothing could ever be sent there.
    """
    address = check_address(kind, address)
    with transaction.atomic():
        methods = ContactMethod.objects.filter(user=user)
        known = methods.select_for_update(no_key=True).filter(kind=kind, address=address).first()
        if known is not None and known.is_active:
            return known
        last = methods.aggregate(last=Max("position"))["last"]
        method = known or ContactMethod(user=user, kind=kind, address=address)
        method.is_active, method.verified_at, method.verification_digest = True, None, ""
        method.position = (0 if last is None else last + 1) if position is None else position
        if kind == Channel.WEBHOOK:
            method.secret = new_secret()
        method.save()
    logger.info("%s added %s for %s", actor, method, user)
    return method


def check_address(kind: str, address: str) -> str:
    """The address without blanks; DomainError when nothing could ever be sent there."""
    address = address.strip()
    if kind not in Channel.values:
        known = ", ".join(Channel.values)
        raise DomainError(f"{kind!r} is no way out; use one of {known}.", field="kind")
    if not address or len(address) > 500:
        raise DomainError("Enter an address of at most 500 characters.", field="address")
    try:
        TRANSPORTS[kind].check(address)
    except TransportError as error:
        raise DomainError(str(error), code="bad_address", field="address") from error
    return address


def send_verification(method: ContactMethod, *, actor: User | None) -> Delivery:
    """Send a code to this address. It is good for 30 minutes and 5 tries; the older one is void."""
    code = f"{secrets.randbelow(10**CODE_DIGITS):0{CODE_DIGITS}}"
    with transaction.atomic():
        method = _locked(method)
        now = clock.now()
        if not method.is_active:
            raise DomainError("This contact method was removed; add it again.", code="removed")
        sent_at = method.verification_sent_at
        if sent_at is not None and now < sent_at + BETWEEN_CODES:
            raise DomainError("A code was just sent; wait a minute.", code="too_soon")
        method.verification_digest = _digest(method, code)
        method.verification_sent_at, method.verification_tries = now, 0
        method.save(
            update_fields=["verification_digest", "verification_sent_at", "verification_tries"]
        )
        letter = Letter(
            cause=f"verification:{method.pk}:{uuid.uuid4()}",
            subject="Your Tocsin verification code",
            body=f"{code} is the code that verifies this address. It is good for 30 minutes.\n"
            "If you did not ask for it, do nothing.",
            urgency=Urgency.MESSAGE,
            patience=CODE_LIVES,
            is_confidential=True,
        )
        delivery = _to_method(letter, method)
    logger.info("%s had a verification code sent to %s of %s", actor, method, method.user_id)
    return delivery


def verify(method: ContactMethod, *, code: str, actor: User | None) -> ContactMethod:
    """The person has read the code: from now on pages go there. DomainError for a wrong one.

    Call outside of any transaction: a wrong try must count even though it raises.
    """
    with transaction.atomic(durable=True):
        method = _locked(method)
        refusal = _judge_code(method, code.replace(" ", ""))
        if refusal is None:
            method.verified_at, method.verification_digest = clock.now(), ""
            method.save(update_fields=["verified_at", "verification_digest"])
        elif method.verification_digest:
            method.verification_tries += 1
            method.save(update_fields=["verification_tries"])
    if refusal is not None:
        raise refusal
    logger.info("%s verified %s of %s", actor, method, method.user_id)
    return method


@transaction.atomic
def vouch_for(method: ContactMethod, *, actor: User | None) -> ContactMethod:
    """Somebody who may do so says that the person reads this address: no code is needed."""
    method = _locked(method)
    method.verified_at = method.verified_at or clock.now()
    method.verification_digest = ""
    method.save(update_fields=["verified_at", "verification_digest"])
    logger.info("%s vouched for %s of %s", actor, method, method.user_id)
    return method


@transaction.atomic
def remove_contact_method(method: ContactMethod, *, actor: User | None) -> ContactMethod:
    """It is no longer used; what waits for it goes to another address of the same person."""
    method = _locked(method)
    method.is_active, method.verified_at, method.verification_digest = False, None, ""
    method.save(update_fields=["is_active", "verified_at", "verification_digest"])
    method.rules.all().delete()
    logger.info("%s removed %s of %s", actor, method, method.user_id)
    return method


@transaction.atomic
def put_first(method: ContactMethod, *, actor: User | None) -> ContactMethod:
    """It is used before the person's other addresses; those keep their order."""
    active = ContactMethod.objects.filter(user_id=method.user_id, is_active=True)
    rows = list(active.select_for_update(no_key=True).order_by("position", "pk"))
    if method not in rows:
        raise DomainError("This contact method was removed; add it again.", code="removed")
    rows.sort(key=lambda row: row != method)
    for position, row in enumerate(rows):
        row.position = position
    ContactMethod.objects.bulk_update(rows, ["position"])
    logger.info("%s put %s of %s first", actor, method, method.user_id)
    return rows[0]


@transaction.atomic
def set_rules(
    user: User,
    *,
    urgency: str,
    rules: Sequence[tuple[ContactMethod, timedelta]],
    actor: User | None,
) -> list[NotificationRule]:
    """Which methods are used for one urgency, each after how long; none: the first method."""
    if urgency not in Urgency.values:
        raise DomainError(f"{urgency!r} is neither page nor message.", field="urgency")
    if any(method.user_id != user.pk or not method.is_active for method, _ in rules):
        raise DomainError("Use contact methods of this person only.", field="rules")
    if len({method.pk for method, _ in rules}) < len(rules):
        raise DomainError("Name every contact method once.", field="rules")
    delays = [delay for _, delay in rules]
    if delays and not (min(delays) == timedelta(0) and max(delays) <= LONGEST_DELAY):
        raise DomainError("One method is used at once, none later than an hour.", field="rules")
    NotificationRule.objects.filter(user=user, urgency=urgency).delete()
    logger.info("%s set the %s rules of %s", actor, urgency, user)
    return NotificationRule.objects.bulk_create(
        NotificationRule(user=user, urgency=urgency, contact_method=method, delay=delay)
        for method, delay in rules
    )


def add_last_resort(
    *, name: str, kind: str, address: str, actor: User | None, secret: str = ""
) -> LastResortAddress:
    """Somebody to tell when nobody is left to page."""
    address = check_address(kind, address)
    if kind == Channel.WEBHOOK:
        secret = secret or new_secret()
    added, _ = LastResortAddress.objects.update_or_create(
        kind=kind,
        address=address,
        defaults={"name": name, "secret": secret, "is_active": True},
    )
    logger.info("%s added the last resort %s", actor, added)
    return added


def send_test(target: ContactMethod | LastResortAddress, *, actor: User | None) -> Delivery:
    """Send a harmless message there, verified or not; its fate is seen at the delivery.

    DomainError within a minute of the last one: nobody is to flood somebody's phone from here.
    """
    key = f"method:{target.pk}" if isinstance(target, ContactMethod) else f"last:{target.pk}"
    tests = Delivery.objects.filter(cause__startswith=f"test:{key}:")
    if tests.filter(created_at__gt=clock.now() - BETWEEN_TESTS).exists():
        raise DomainError("A test was just sent; wait a minute.", code="too_soon")
    letter = Letter(
        cause=f"test:{key}:{uuid.uuid4()}",
        subject="Tocsin: this is a test",
        body=f"{actor or 'Tocsin'} is testing whether messages arrive here. Nothing to do.",
        urgency=Urgency.MESSAGE,
        patience=timedelta(minutes=10),
    )
    if isinstance(target, ContactMethod):
        return _to_method(letter, target)
    delivery = outbox.to_address(
        letter, target.as_address, recipient_key="last-resort", now=clock.now()
    )
    outbox.insert([delivery])
    return delivery


def unreachable(people: Iterable[User]) -> list[User]:
    """Those who could not be paged now: inactive, or without any address that works."""
    known = list(people)
    ways = ContactMethod.objects.routes_of(known, Urgency.PAGE)
    return [person for person in known if not ways.get(person.pk)]


def _to_method(letter: Letter, method: ContactMethod) -> Delivery:
    address = Address(method.kind, method.address, method.secret)
    delivery = outbox.to_address(
        letter,
        address,
        recipient_key=f"method:{method.pk}",
        now=clock.now(),
        recipient=method.user,
        method_id=method.pk,
    )
    outbox.insert([delivery])
    return delivery


def _judge_code(method: ContactMethod, code: str) -> DomainError | None:
    sent_at = method.verification_sent_at
    if not method.verification_digest or sent_at is None:
        return DomainError("No code is waiting here; have one sent.", code="no_code")
    if clock.now() >= sent_at + CODE_LIVES:
        return DomainError("The code is too old; have a new one sent.", code="code_expired")
    if method.verification_tries >= CODE_TRIES:
        return DomainError("Too many wrong codes; have a new one sent.", code="too_many_tries")
    if not constant_time_compare(method.verification_digest, _digest(method, code)):
        return DomainError("This is not the code.", code="wrong_code", field="code")
    return None


def _digest(method: ContactMethod, code: str) -> str:
    # Keyed: eight digits behind a plain hash could be tried out by whoever reads the table.
    key = "incidents.notifications.verification"
    return salted_hmac(key, f"{method.pk}:{code}", algorithm="sha256").hexdigest()


def _locked(method: ContactMethod) -> ContactMethod:
    return ContactMethod.objects.select_for_update(no_key=True).get(pk=method.pk)
